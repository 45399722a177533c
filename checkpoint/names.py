"""Threads, namespaces and runs whose rows are lost, and what is left of them: their names stand in
indexes too, and a second index confirms each by a hash."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from .places import mark, scope_mark, seal_run, seal_thread
from .salvage import Salvage

Entries: TypeAlias = Iterable[tuple[Any, ...]]

_LOST_THREADS = "SELECT DISTINCT thread FROM scope WHERE thread NOT IN (SELECT id FROM thread)"
_LOST_SCOPES = (
    "SELECT scope FROM checkpoint WHERE scope NOT IN (SELECT id FROM scope)"
    " UNION SELECT scope FROM blob WHERE scope NOT IN (SELECT id FROM scope)"
)
_LOST_RUNS = "SELECT DISTINCT id >> 32 FROM event WHERE id >> 32 NOT IN (SELECT id FROM run)"
_ADD_THREAD = "INSERT OR IGNORE INTO thread (id, name, epoch, mark, crc) VALUES (?, ?, 1, ?, 0)"
_ADD_SCOPE = (
    "INSERT OR IGNORE INTO scope (id, thread, ns, mark, seq, head, depth, count, writes, crc)"
    " VALUES (?, ?, ?, ?, 0, x'', 0, 0, 0, 0)"
)
_ADD_RUN = "INSERT OR IGNORE INTO run (id, name, last, mark, crc) VALUES (?, ?, 0, ?, 0)"


def restore_names(target: sqlite3.Connection, salvage: Salvage) -> None:
    """Add the rows that checkpoints and events need, as far as their names are known.

    A thread without a name gets one; of namespaces and runs without one, what there is goes.
    """
    _restore_scopes(target, salvage)
    names = _confirmed(salvage, "thread")
    for (number,) in target.execute(_LOST_THREADS).fetchall():
        name = names.get(number, f"recovered thread {number}")
        target.execute(_ADD_THREAD, (number, name, mark(name)))
        seal_thread(target, number, name, 1)
    names = _confirmed(salvage, "run")
    for (number,) in target.execute(_LOST_RUNS).fetchall():
        if (name := names.get(number)) is not None:
            target.execute(_ADD_RUN, (number, name, mark(name)))
            seal_run(target, number, name, 0)


def _restore_scopes(target: sqlite3.Connection, salvage: Salvage) -> None:
    marks = _marks(salvage, "scope")
    wanted = {number for (number,) in target.execute(_LOST_SCOPES).fetchall()}
    for entry in salvage.entries("sqlite_autoindex_scope_1"):
        match entry:
            case (int() as thread, str() as ns, int() as number):
                place = scope_mark(thread, ns)
                if number in wanted and marks.get(number) == place:
                    target.execute(_ADD_SCOPE, (number, thread, ns, place))
            case _:
                continue


def _confirmed(salvage: Salvage, table: str) -> Mapping[int, str]:
    """Names by number, of which both indexes say the same."""
    marks, found = _marks(salvage, table), dict[int, str]()
    for entry in salvage.entries(f"sqlite_autoindex_{table}_1"):
        match entry:
            case (str() as name, int() as number) if marks.get(number) == mark(name):
                found[number] = name
            case _:
                continue
    return found


def _marks(salvage: Salvage, table: str) -> Mapping[int, int]:
    return {
        number: hashed
        for hashed, number in salvage.entries(f"{table}_mark")
        if isinstance(hashed, int) and isinstance(number, int)
    }
