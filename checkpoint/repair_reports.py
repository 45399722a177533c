"""What a repair tells."""

from __future__ import annotations

from collections.abc import Iterator

from .reports import Damage
from .value import Value, slotted


@slotted
class ThreadLoss(Value):
    """What a thread loses by a repair."""

    thread_id: str
    newest_id: str | None
    """The checkpoint it goes on from; None: nothing is left of it."""
    checkpoints: int
    """How many go, in all namespaces."""
    writes: int
    """Tasks whose pending writes are lost, after checkpoints that stay: of the newest one, they
    run again."""


@slotted
class RunLoss(Value):
    """What a run's log of events loses by a repair: its end."""

    run_id: str
    last: int
    """The last event that stays; 0: none."""
    events: int
    """How many go."""


@slotted
class RowLoss(Value):
    """Rows of the store, of the cache or of other tables that a repair cannot save."""

    table: str
    rows: int
    """How many there were, as far as can be told: an index counts them too."""


@slotted
class Repair(Value):
    """What is damaged in a file, what mending it costs, and whether that was done."""

    damage: tuple[Damage, ...] = ()
    """What `verify` has to say of it."""
    threads: tuple[ThreadLoss, ...] = ()
    runs: tuple[RunLoss, ...] = ()
    rows: tuple[RowLoss, ...] = ()
    backup: str | None = None
    """Where the damaged file is now; None: nothing was changed."""

    @property
    def ok(self) -> bool:
        """True if nothing was damaged."""
        return not self.damage

    def losses(self) -> Iterator[str]:
        """What mending costs, a line for each thread, run and table."""
        verb = "loses" if self.backup is None else "lost"
        for thread in self.threads:
            where = f"goes on from {thread.newest_id}" if thread.newest_id else "nothing is left"
            yield (
                f"thread {thread.thread_id}: {verb} {thread.checkpoints} checkpoints and the "
                f"pending writes of {thread.writes} tasks; {where}"
            )
        for run in self.runs:
            yield f"run {run.run_id}: {verb} {run.events} events; {run.last} stay"
        for rows in self.rows:
            yield f"table {rows.table}: {verb} {rows.rows} rows"
