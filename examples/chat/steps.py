"""A thread's checkpoints as a table: which step, where from, what ran, what runs next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from actors import StateSnapshot


@dataclass(frozen=True, slots=True)
class Step:
    """One checkpoint."""

    step: int
    source: str
    process: str
    """Who saved it, if the run's metadata say so."""
    ran: str
    """The tasks whose writes it joined."""
    next: str


def steps_of(history: Iterable[StateSnapshot]) -> list[Step]:
    """The steps of a history (newest first), oldest first."""
    snapshots = list(history)[::-1]
    before = [None, *snapshots]  # one more: the newest comes before nothing
    return [_step(*pair) for pair in zip(snapshots, before, strict=False)]


def table(steps: Iterable[Step]) -> str:
    """The steps, line by line."""
    head = ("step", "source", "process", "ran", "next")
    rows = [head, *((str(s.step), s.source, s.process, s.ran, s.next) for s in steps)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _step(state: StateSnapshot, before: StateSnapshot | None) -> Step:
    facts = state.metadata or {}
    # A new input follows the checkpoint before it, but is no outcome of its tasks.
    joined = () if before is None or facts["source"] == "input" else before.tasks
    return Step(
        step=facts["step"],
        source=facts["source"],
        process=str(facts.get("process", "")),
        ran=_count(task.name for task in joined),
        next=_count(state.next),
    )


def _count(names: Iterable[str]) -> str:
    return ", ".join(
        name if times == 1 else f"{name} \N{MULTIPLICATION SIGN}{times}"
        for name, times in Counter(names).items()
    )
