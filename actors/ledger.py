"""What went wrong under a supervisor: counted on the way up to the root, then given to the hooks.

Hooks are called in place and must not block. What a hook raises is logged, and stops nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

_log = logging.getLogger(__name__)

Reason = Literal["stopped", "dropped", "cancelled"]


class DeadLetter(NamedTuple):
    """A told message that was let in and will not be handled."""

    actor: str
    message: Any
    reason: Reason
    """Its actor stopped; it was dropped to make room; its handling was cancelled."""


DeadLetterHook = Callable[[DeadLetter], object]
FailureHook = Callable[[str, BaseException], object]
"""Gets the name of what failed, and its error."""


@dataclass(slots=True)
class Tally:
    """Counters since the start."""

    failures: int = 0
    restarts: int = 0
    escalations: int = 0
    dead_letters: int = 0
    leftovers: int = 0


class SupervisorStats(NamedTuple):
    """A supervisor and everything under it; the counters count from its start."""

    name: str
    tasks: int
    """Alive now."""
    actors: int
    """Actors and dispatchers that take messages now."""
    children: int
    failures: int
    """Failures of actors, and of tasks and hooks that no one else handles."""
    restarts: int
    """Restarts of single actors."""
    escalations: int
    """Restarts of whole child supervisors."""
    dead_letters: int
    leftovers: int
    """Tasks that did not end within the grace of a stop."""


_NOBODY: frozenset[asyncio.Task[Any]] = frozenset()


class Ledger:
    """The counters of one supervisor and all under it, and its hooks; inherits hooks not given."""

    __slots__ = ("_left", "name", "on_dead_letter", "on_failure", "parent", "tally")

    def __init__(
        self,
        name: str,
        parent: Ledger | None = None,
        on_dead_letter: DeadLetterHook | None = None,
        on_failure: FailureHook | None = None,
    ) -> None:
        if parent is not None:
            on_dead_letter = on_dead_letter or parent.on_dead_letter
            on_failure = on_failure or parent.on_failure
        self.name = name
        self.parent = parent
        self.on_dead_letter = on_dead_letter
        self.on_failure = on_failure
        self.tally = Tally()
        self._left = _NOBODY

    def dead_letter(self, letter: DeadLetter) -> None:
        """Count a message that will not be handled, and give it to the hook."""
        for tally in self._tallies():
            tally.dead_letters += 1
        if self.on_dead_letter is None:
            _log.info("%s", letter)
            return
        try:
            self.on_dead_letter(letter)
        except Exception:  # noqa: BLE001  # see above
            _log.exception("the dead-letter hook failed on %s", letter)

    def report(self, name: str, error: BaseException) -> None:
        """Count a failure that no one else handles, and give it to the hook."""
        for tally in self._tallies():
            tally.failures += 1
        if self.on_failure is None:
            _log.error("%r failed under supervisor %r", name, self.name, exc_info=error)
            return
        try:
            self.on_failure(name, error)
        except Exception:  # noqa: BLE001  # see above
            _log.exception("the failure hook failed on %r", name)

    def restarted(self, name: str, delay: float, error: BaseException) -> None:
        """Count a failure that a restart mends."""
        for tally in self._tallies():
            tally.failures += 1
            tally.restarts += 1
        _log.warning("actor %r restarts in %.3f s", name, delay, exc_info=error)

    def escalated(self, name: str, delay: float, error: BaseException) -> None:
        """Count the restart of the whole supervisor `name`."""
        for tally in self._tallies():
            tally.escalations += 1
        _log.warning("supervisor %r restarts in %.3f s", name, delay, exc_info=error)

    def leftovers(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        """Count the tasks that outlived the grace of a stop, each one once."""
        alive = frozenset(task for task in tasks if not task.done())
        if not alive:
            return
        new = alive - self._left
        self._left = frozenset(task for task in self._left if not task.done()) | alive
        for tally in self._tallies():
            tally.leftovers += len(new)
        if new:
            names = ", ".join(sorted(task.get_name() for task in new))
            _log.warning("still running after their cancel and its grace: %s", names)

    def _tallies(self) -> Iterator[Tally]:
        each: Ledger | None = self
        while each is not None:
            yield each.tally
            each = each.parent
