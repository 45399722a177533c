"""What a proof found: frozen, and printed as a user reads it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from actors.testing.errors import UnsafeResumeError


@dataclass(frozen=True, slots=True)
class Finding:
    """One way in which a graph that was resumed after a crash did not do as an undisturbed one."""

    nodes: tuple[str, ...]
    """Whose code did it, as far as can be told; of nested graphs "outer|inner"."""
    what: str
    """In words."""
    points: tuple[int, ...]
    """At which crash points, counted from 1."""

    def __str__(self) -> str:
        who = " or ".join(self.nodes) or "the graph"
        count = len(self.points)
        where = f"crash point {self.points[0]}"
        if count > 1:
            where = f"{count} crash points, the first is {self.points[0]}"
        return f"{who}: {self.what} ({where})"


@dataclass(frozen=True, slots=True)
class ResumeProof:
    """What came of crashing a graph at every point where something becomes durable."""

    seed: int
    points: tuple[str, ...]
    """What the crash points are, in order, by the names that docs/faults.md has for them."""
    values: Any
    """The final state of the undisturbed run."""
    repeated: tuple[Finding, ...]
    """Effects that were had more often than in the undisturbed run."""
    lost: tuple[Finding, ...]
    """Effects that were had less often."""
    different: tuple[Finding, ...]
    """Other final states."""
    failed: tuple[Finding, ...]
    """Errors that the resumed run ended with."""
    in_doubt: tuple[Finding, ...]
    """Effects of `runtime.once` whose process died between the effect and the note of its result:
    called again with the same idempotency key, or refused with OutcomeUnknown.  No fault."""

    @property
    def safe(self) -> bool:
        """True if a crash changes nothing that counts."""
        return not (self.repeated or self.lost or self.different or self.failed)

    @property
    def unsafe_nodes(self) -> tuple[str, ...]:
        """Nodes that are not safe to run again, sorted."""
        found = (*self.repeated, *self.lost, *self.different, *self.failed)
        return tuple(sorted({node for finding in found for node in finding.nodes}))

    def check(self) -> None:
        """Raise UnsafeResumeError, with what was found, if the graph is not safe."""
        if not self.safe:
            raise UnsafeResumeError(f"{self}\n{_MEND}")

    def __str__(self) -> str:
        crashes = f"{len(self.points)} crashes, seed {self.seed}"
        if self.safe:
            head = f"safe to resume: {crashes}"
        else:
            head = f"not safe to resume: {', '.join(self.unsafe_nodes)} ({crashes})"
        groups = (
            ("done again", self.repeated),
            ("not done", self.lost),
            ("another end", self.different),
            ("failed", self.failed),
            ("in doubt, which is no fault", self.in_doubt),
        )
        return "\n".join([head, *_lines(groups)])


_MEND = (
    "Put what a node does to the world into `await runtime.once(key, fn, …)`, so that it is not "
    "repeated, and let what it returns follow from its input alone."
)


def _lines(groups: Iterable[tuple[str, tuple[Finding, ...]]]) -> Iterable[str]:
    for title, findings in groups:
        if findings:
            yield f"  {title}"
            yield from (f"    {finding}" for finding in findings)
