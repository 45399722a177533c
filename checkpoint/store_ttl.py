"""Times to live of a store's items, and the thread that deletes what has expired."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, cast

from .errors import CheckpointError, InvalidArgumentError
from .store_checks import checked_keys, checked_minutes
from .store_config import TTLConfig
from .value import Value, slotted

_log = logging.getLogger(__name__)

SWEEP_MINUTES = 5.0


@slotted
class TTL(Value):
    """A configuration that was checked."""

    default: float | None = None
    refresh_on_read: bool = True
    sweep_interval: float | None = None


def parse_ttl(config: TTLConfig | None) -> TTL:
    """The settings.  Raises InvalidArgumentError."""
    if config is None:
        return TTL()
    given = cast(Mapping[str, Any], config)
    checked_keys("ttl", given, TTLConfig.__annotations__)
    if given.get("omit_expired", True) is not True:
        raise InvalidArgumentError(
            f"omit_expired={given['omit_expired']!r} cannot be had: an expired item is never "
            "shown; leave it out"
        )
    return TTL(
        checked_minutes("default_ttl", given.get("default_ttl")),
        bool(given.get("refresh_on_read", True)),
        checked_minutes("sweep_interval_minutes", given.get("sweep_interval_minutes")),
    )


def sweep_interval(minutes: float | None, ttl: TTL) -> float:
    """Minutes between two sweeps.  Raises InvalidArgumentError."""
    given = checked_minutes("sweep_interval_minutes", minutes)
    return given or ttl.sweep_interval or SWEEP_MINUTES


class Sweeper:
    """A thread that sweeps now and then; owned by the store that started it.

    `wait` waits so many seconds, and gives True as soon as it is to stop.
    """

    def __init__(
        self,
        sweep: Callable[[], int],
        minutes: float,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self._sweep = sweep
        self._seconds = minutes * 60
        self._stopping = threading.Event()
        self._wait = wait or self._stopping.wait
        self._thread = threading.Thread(target=self._serve, name="store-sweeper", daemon=True)
        self._thread.start()

    def stop(self, timeout: float | None = None) -> bool:
        """Stop, after the sweep that is running; False if that takes longer than the timeout."""
        self._stopping.set()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _serve(self) -> None:
        while not self._wait(self._seconds):
            try:
                self._sweep()
            except CheckpointError as error:  # a full disk, say: the next sweep may succeed
                _log.warning("expired items could not be deleted: %s", error)
