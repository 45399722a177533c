"""The rows of runs: units of SQL that run inside a transaction.

A row that says `rollback` is of a run that is being undone: nobody sees it any more, and a start
after a crash goes on with undoing it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from operator import itemgetter
from typing import Any, Literal, TypeAlias

from .jsontext import from_text, to_json
from .left_rows import drop_answers
from .records import CancelAction, Json, Order, Run, RunStatus, ThreadStatus
from .sealed import asked_for, find_row, has_row, sound_rows
from .tables import RUN, THREAD

RowStatus: TypeAlias = RunStatus | Literal["rollback"]

_ALL = f"SELECT {RUN.select} FROM server_run"  # noqa: S608 - all ours
_HERE = itemgetter(*map(RUN.columns.index, ("thread", "status", "crashes")))
_THREAD = RUN.columns.index("thread")
_OF_THREAD = (
    f"{_ALL} WHERE thread = ?1 AND status <> 'rollback' AND (?2 IS NULL OR status = ?2) "
    "ORDER BY created DESC, rowid DESC LIMIT ?3 OFFSET ?4"
)
_OPEN = f"{_ALL} WHERE status IN ('pending', 'running') ORDER BY max(created, due), rowid"
_UNDONE = f"{_ALL} WHERE status = 'rollback' ORDER BY rowid"
_HAS_OPEN = "SELECT 1 FROM server_run WHERE thread = ? AND status IN ('pending', 'running')"
_RESTING = (
    f"{_ALL} WHERE rowid IN (SELECT max(rowid) FROM server_run WHERE thread IN "  # noqa: S608
    "(SELECT id FROM server_thread WHERE status = 'busy') GROUP BY thread) AND thread NOT IN "
    "(SELECT thread FROM server_run WHERE status IN ('pending', 'running'))"
)
_IS_OPEN = "id = ?1 AND status IN ('pending', 'running')"
_CRASHED = RUN.update("id = ?1", status="'pending'", crashes="crashes + 1", updated="?2")
_BEGIN = RUN.update(_IS_OPEN, status="'running'", attempt="attempt + 1", updated="?2")
_SUSPEND = RUN.update(_IS_OPEN, status="'pending'", updated="?2")
_STOP = RUN.update(_IS_OPEN, status="?2")
_END = RUN.update(
    "id = ?1",
    error="?2",
    updated="?3",
    events_until="?4",
    status="iif(status IN ('pending', 'running'), ?5, status)",
)
_KEEPS = "SELECT 1 FROM server_run WHERE id = ? AND events_until IS NOT NULL"
_KEEP = RUN.update("id = ?1", events_until="?2")
_FAIL = THREAD.update("id = ?1", status="?2", error="?3", updated="?4")
_ORDER_FIELDS = frozenset(each.name for each in fields(Order))


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that an earlier process left."""

    run: Run
    status: RowStatus
    crashes: int
    """Processes that died while it ran, before this one."""


def add_run(db: sqlite3.Connection, run: Run) -> None:
    """Store a new run."""
    db.execute(RUN.insert, row_of(run))


def find_run(db: sqlite3.Connection, thread_id: str | None, run_id: str) -> Run | None:
    """The run, if there is one with this id (on this thread).  Raises CorruptDataError."""
    row = find_row(db, RUN, run_id)
    if row is None:
        return None
    thread, status, _ = _HERE(row)
    return run_of(row) if thread_id in (None, thread) and status != "rollback" else None


def run_exists(db: sqlite3.Connection, run_id: str) -> bool:
    """True if there is a run with this id, also one that is being undone."""
    return has_row(db, RUN, run_id)


def list_runs(
    db: sqlite3.Connection, thread_id: str, *, status: str | None, limit: int, offset: int
) -> list[Run]:
    """A thread's runs, the newest first.  Raises CorruptDataError."""
    found = db.execute(_OF_THREAD, (thread_id, status, limit, offset))
    return [run_of(asked_for(RUN.checked(row), thread_id, at=_THREAD)) for row in found]


def open_rows(db: sqlite3.Connection) -> list[OpenRun]:
    """Runs that are being undone, then those that have not ended, in the order of their turns."""
    rows = sound_rows(RUN, [*db.execute(_UNDONE), *db.execute(_OPEN)])
    return [OpenRun(run_of(row), *_HERE(row)[1:]) for row in rows]


def note_crash(db: sqlite3.Connection, run_id: str, now: float) -> None:
    """The process died while it ran; it waits for another attempt."""
    db.execute(_CRASHED, (run_id, now))


def begin_run(db: sqlite3.Connection, run_id: str, now: float) -> None:
    """Another attempt begins."""
    db.execute(_BEGIN, (run_id, now))


def suspend_runs(db: sqlite3.Connection, run_ids: Iterable[str], now: float) -> None:
    """They stop with this process, which is no crash, and go on with the next one."""
    db.executemany(_SUSPEND, [(run_id, now) for run_id in run_ids])


def stop_runs(db: sqlite3.Connection, run_ids: Iterable[str], action: CancelAction) -> None:
    """They were cancelled: from here on they count as ended, or are not shown any more."""
    status: RowStatus = "interrupted" if action == "interrupt" else "rollback"
    db.executemany(_STOP, [(run_id, status) for run_id in run_ids])


def end_run(
    db: sqlite3.Connection,
    run_id: str,
    *,
    status: RowStatus,
    error: Json | None,
    now: float,
    events_until: float | None = None,
) -> None:
    """How it ended; one that has been cancelled stays so."""
    told = None if error is None else _text(error)
    db.execute(_END, (run_id, told, now, events_until, status))


def has_open_runs(db: sqlite3.Connection, thread_id: str) -> bool:
    """True if a run of the thread waits or runs."""
    return db.execute(_HAS_OPEN, (thread_id,)).fetchone() is not None


def resting_threads(db: sqlite3.Connection) -> list[Run]:
    """The last run of each thread that is shown as busy though no run of it is open."""
    return [run_of(row) for row in sound_rows(RUN, db.execute(_RESTING))]


def fail_thread(
    db: sqlite3.Connection, thread_id: str, *, status: ThreadStatus, error: Json | None, now: float
) -> None:
    """What a thread is after a run whose state nobody could read; its values stay."""
    db.execute(_FAIL, (thread_id, status, None if error is None else _text(error), now))


def keeps_events(db: sqlite3.Connection, run_id: str) -> bool:
    """True if a run has ended and what it told is still to be had."""
    return db.execute(_KEEPS, (run_id,)).fetchone() is not None


def keep_events(db: sqlite3.Connection, run_id: str, until: float) -> None:
    """Until when its events can be read."""
    db.execute(_KEEP, (run_id, until))


def delete_runs(db: sqlite3.Connection, run_ids: Iterable[str]) -> None:
    """Forget runs; their events and checkpoints are the saver's."""
    gone = list(run_ids)
    drop_answers(db, gone)
    db.executemany("DELETE FROM server_run WHERE id = ?", [(run_id,) for run_id in gone])


def row_of(run: Run) -> tuple[Any, ...]:
    """The columns of a new run."""
    order = {each.name: getattr(run.order, each.name) for each in fields(Order)}
    return (
        run.run_id,
        run.thread_id,
        run.assistant_id,
        run.graph_id,
        run.created_at,
        run.updated_at,
        run.status,
        run.multitask_strategy,
        run.stateless,
        run.due_at,
        run.attempt,
        0,
        _text(run.order.metadata),
        _text(order),
        None if run.error is None else _text(run.error),
        None,
        None,
    )


def run_of(row: Sequence[Any]) -> Run:
    """The run of a row."""
    id_, thread, assistant, graph, created, updated, status, strategy, *rest = row
    stateless, due, attempt, _, _, kwargs, error, *_ = rest
    return Run(
        run_id=id_,
        thread_id=thread,
        assistant_id=assistant,
        graph_id=graph,
        order=_order_of(kwargs),
        status=status,
        created_at=created,
        updated_at=updated,
        multitask_strategy=strategy,
        stateless=bool(stateless),
        due_at=due,
        attempt=attempt,
        error=None if error is None else from_text(error),
    )


def _order_of(text: str) -> Order:
    """Keys that a newer server wrote are passed over."""
    stored: dict[str, Any] = from_text(text)
    return Order(**{name: value for name, value in stored.items() if name in _ORDER_FIELDS})


def _text(value: Any) -> str:
    return to_json(value).decode()
