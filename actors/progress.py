"""A writer whose chunks count as signs of progress."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streaming import RunLog, StreamWriter


class ProgressWriter(StreamWriter):
    """Writes custom chunks, and says so to whoever waits for progress, also while none is shown."""

    __slots__ = ("_progress",)

    def __init__(
        self,
        progress: Callable[[], None],
        log: RunLog,
        *,
        ns: tuple[str, ...],
        step: int,
        node: str,
        inside: tuple[str, ...],
    ) -> None:
        super().__init__(log, ns=ns, step=step, node=node, inside=inside)
        self._progress = progress

    def __call__(self, data: Any) -> None:
        """Write one chunk."""
        self._progress()
        super().__call__(data)
