"""What a resume brought, and which interrupt takes it; pure.

An answer is for the interrupt with its id.  A bare one is for the only interrupt that is pending,
or, when none is (the thread was forked or updated meanwhile), for the first that a task of the
run's first super-step asks for.  Each answer is taken once.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from .channels import MISSING
from .digests import text_digest
from .errors import ResumeError
from .values import Command

_ID = re.compile(r"[0-9a-f]{32}\Z")


def interrupt_id(ns: Sequence[str], place: int) -> str:
    """The id of a task's interrupt number `place`: 32 hex digits, the same in any process.

    `ns`: the task's own namespace, whose last part names the task.
    """
    return text_digest("|".join((*ns, str(place))))


class Answers:
    """The answers of one run, shared with the runs that its nodes start."""

    __slots__ = ("_bare", "_by_id", "taken")

    def __init__(self, resume: Any) -> None:
        self._by_id: dict[str, Any] = {}
        self._bare: list[Any] = []
        self.taken: set[str] = set()
        """Ids of interrupts that were answered."""
        if _is_map(resume):
            self._by_id.update(resume)
        else:
            self._bare.append(resume)

    def address(self, pending: Collection[str]) -> None:
        """Say which interrupts are pending.  Raises ResumeError if a bare answer may mean several.

        An id that is none of them stays: a graph called by a task may know it.
        """
        if not self._bare:
            return
        if len(pending) > 1:
            raise ResumeError(_SEVERAL.format(", ".join(sorted(pending))))
        for only in pending:
            self._by_id[only] = self._bare.pop()

    def free(self, name: str) -> None:
        """What waited for this answer is no more: it is for whatever asks in its place."""
        if name in self._by_id:
            self._bare.append(self._by_id.pop(name))

    def has(self, name: str) -> bool:
        """True if there is an answer that the interrupt with this id would take."""
        return name in self._by_id or bool(self._bare)

    def take(self, name: str) -> Any:
        """The answer to the interrupt with this id, or MISSING.  Safe from any thread."""
        answer = self._by_id.pop(name, MISSING)
        if answer is MISSING:
            try:
                answer = self._bare.pop()
            except IndexError:
                return MISSING
        self.taken.add(name)
        return answer

    def open(self, name: str) -> None:
        """The answer was refused: the interrupt waits again."""
        self.taken.discard(name)

    def end_step(self) -> None:
        """The first super-step is over: a bare answer that nobody took answers nothing."""
        self._bare.clear()


def answers_of(value: Any) -> Answers | None:
    """What an input brings as answers; None if it brings none."""
    if isinstance(value, Command) and value.resume is not None:
        return Answers(value.resume)
    return None


def _is_map(resume: Any) -> bool:
    if not isinstance(resume, Mapping):
        return False
    return all(isinstance(key, str) and _ID.match(key) for key in cast("Mapping[Any, Any]", resume))


_SEVERAL = (
    "When there are multiple pending interrupts, you must specify the interrupt id when resuming: "
    "give Command(resume={{id: answer}}) with any of {}"
)
