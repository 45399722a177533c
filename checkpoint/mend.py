"""A database whose rows were salvaged made whole again: what is not all there goes, and nothing is
left that leads nowhere."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .changes import remove
from .contents import info_of, removal_of
from .contents_reads import ReadContents
from .errors import CheckpointError
from .fall_back import staying
from .ids import id_from_bytes
from .mend_scope import Mended, MendScope
from .names import restore_names
from .packing import is_sound, unpack_checkpoint
from .places import SCOPES, checked_scope, mark, scope_mark, seal_run
from .repair_reports import RowLoss, RunLoss, ThreadLoss
from .row_checks import BESIDE, CHECKED
from .rows import EVENT_BITS
from .run_threads import forget_runs
from .salvage import Salvage
from .serde import Serializer
from .soundness_reads import VerifyThread

_THREADS = "SELECT id, name FROM thread ORDER BY name"
_OF_LOST_SCOPES = (
    "SELECT scope, id, depth, crc, data FROM checkpoint"
    " WHERE parent IS NULL AND scope NOT IN (SELECT id FROM scope)"
)
_THREAD_OF = (
    "SELECT scope.thread FROM checkpoint AS c JOIN scope ON scope.id=c.scope"
    " WHERE c.id=? AND scope.ns=''"
)
_LEADING_NOWHERE = (
    "DELETE FROM checkpoint WHERE scope NOT IN (SELECT id FROM scope)",
    "DELETE FROM blob WHERE scope NOT IN (SELECT id FROM scope)",
    "DELETE FROM pending WHERE checkpoint NOT IN (SELECT seq FROM checkpoint)",
    f"DELETE FROM event WHERE id >> {EVENT_BITS} NOT IN (SELECT id FROM run)",  # noqa: S608
)
_LINKS_NOWHERE = (
    "DELETE FROM run_thread WHERE run NOT IN (SELECT id FROM run)"
    " OR thread NOT IN (SELECT id FROM thread)"
)
_HAS = "SELECT 1 FROM sqlite_master WHERE type='table' AND name=?"
_RUNS = "SELECT id, name, last FROM run ORDER BY name"
_EVENTS = "SELECT id FROM event WHERE id>? AND id<? ORDER BY id"
_DROP_EVENTS = "DELETE FROM event WHERE id>? AND id<?"


@dataclass(frozen=True, slots=True)
class Mending:
    """What a repair costs."""

    threads: tuple[ThreadLoss, ...]
    runs: tuple[RunLoss, ...]
    rows: tuple[RowLoss, ...]


class Mender:
    """Mends what a salvage has filled."""

    def __init__(
        self, target: sqlite3.Connection, serializer: Serializer, salvage: Salvage
    ) -> None:
        self._target = target
        self._serializer = serializer
        self._salvage = salvage
        self._indexed = _indexed(salvage)

    def mend(self) -> Mending:
        """Raises CheckpointError for what cannot be read though no checksum is wrong."""
        restore_names(self._target, self._salvage)
        barred = self._owners_of_lost_scopes()
        for statement in _LEADING_NOWHERE:
            self._target.execute(statement)
        self._mark_names()
        threads = tuple(self._threads(barred))
        runs = tuple(self._runs())
        if self._target.execute(_HAS, ("run_thread",)).fetchone():
            self._target.execute(_LINKS_NOWHERE)
        for statement in _LEADING_NOWHERE:
            self._target.execute(statement)
        return Mending(threads, runs, tuple(self._rows()))

    def _owners_of_lost_scopes(self) -> Mapping[int, set[str]]:
        """Checkpoints of root graphs, by their threads, to which namespaces belonged that nothing
        knows the names of."""
        barred: dict[int, set[str]] = {}
        for scope, key, depth, crc, data in self._target.execute(_OF_LOST_SCOPES).fetchall():
            origin = None
            if is_sound(data, crc, scope, key, None, depth):
                origin = unpack_checkpoint(data).origin
            owner = origin.parents.get("") if origin else None
            place = (bytes.fromhex(owner.replace("-", "")),) if owner else (None,)
            for (thread,) in self._target.execute(_THREAD_OF, place).fetchall():
                barred.setdefault(thread, set()).add(owner or "")
        return barred

    def _mark_names(self) -> None:
        """No checksum covers what the second indexes find names by."""
        for table in ("thread", "run"):
            rows = self._target.execute(f"SELECT id, name FROM {table}").fetchall()  # noqa: S608
            marks = [(mark(name) if isinstance(name, str) else 0, number) for number, name in rows]
            self._target.executemany(f"UPDATE {table} SET mark=? WHERE id=?", marks)  # noqa: S608
        rows = self._target.execute("SELECT id, thread, ns FROM scope").fetchall()
        marks = [(scope_mark(thread, ns), number) for number, thread, ns in rows]
        self._target.executemany("UPDATE scope SET mark=? WHERE id=?", marks)

    def _threads(self, barred: Mapping[int, set[str]]) -> Iterable[ThreadLoss]:
        for number, name in self._target.execute(_THREADS).fetchall():
            if not isinstance(name, str):  # of a thread that was erased
                continue
            found = VerifyThread(self._serializer, name).read(self._target)
            if found.ok and number not in barred:
                continue
            loss = self._thread(number, name, barred.get(number, set()))
            if loss.checkpoints or loss.writes:
                yield loss

    def _thread(self, number: int, name: str, barred: set[str]) -> ThreadLoss:
        mended = {
            row[2]: self._scope(number, name, row)
            for row in self._target.execute(SCOPES, (number,)).fetchall()
        }
        contents = ReadContents(self._serializer, name).read(self._target)
        losses = {ns: each.losses for ns, each in mended.items()}
        removal = removal_of(contents, staying(contents, losses, barred))
        remove(self._target, number, removal)
        left = ReadContents(self._serializer, name).read(self._target)
        there = sum(len(scope.checkpoints) for scope in left.values())
        return ThreadLoss(
            name,
            info_of(name, left).newest_id if left else None,
            sum(each.checkpoints for each in mended.values()) - there,
            sum(each.writes for each in mended.values()),
        )

    def _scope(
        self, thread: int, name: str, row: tuple[int, int, str, int, bytes, int, int, int, int]
    ) -> Mended:
        try:
            sealed = checked_scope(row)
        except CheckpointError:
            sealed = None
        indexed = self._indexed.get(row[0], {})
        mend = MendScope(
            self._target, self._serializer, name, thread, row[0], row[2], sealed, indexed
        )
        return mend.mend()

    def _runs(self) -> Iterable[RunLoss]:
        """Logs end before the first event that is lost."""
        for number, name, last in self._target.execute(_RUNS).fetchall():
            first = number << EVENT_BITS
            span = (first, first + (1 << EVENT_BITS))
            whole = 0
            for (event,) in self._target.execute(_EVENTS, span):
                if event != first + whole + 1:
                    break
                whole += 1
            if whole == last:
                continue
            (there,) = self._target.execute(
                "SELECT count(*) FROM event WHERE id>? AND id<?", span
            ).fetchone()
            if whole:
                self._target.execute(_DROP_EVENTS, (first + whole, span[1]))
                seal_run(self._target, number, name, whole)
            else:
                forget_runs(self._target, [number])
            if (lost := max(last, there) - whole) > 0:
                yield RunLoss(name, whole, lost)

    def _rows(self) -> Iterable[RowLoss]:
        missing = self._salvage.missing()
        for table in sorted({*missing, *self._salvage.refused}):
            if table in CHECKED and table not in BESIDE:
                continue
            lost = max(missing.get(table, 0), self._salvage.refused.get(table, 0))
            yield RowLoss(table, lost)


def _indexed(salvage: Salvage) -> Mapping[int, dict[int, bytes]]:
    """The ids of checkpoints by scope and place, as their index knows them."""
    found: dict[int, dict[int, bytes]] = {}
    for entry in salvage.entries("sqlite_autoindex_checkpoint_1"):
        match entry:
            case (int() as scope, bytes() as key, int() as seq) if _is_id(key):
                found.setdefault(scope, {})[seq] = key
            case _:
                continue
    return found


def _is_id(key: bytes) -> bool:
    try:
        return bool(id_from_bytes(key))
    except CheckpointError:
        return False
