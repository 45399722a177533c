"""Rows out of the pages of a damaged file, into a new one.

A row that has a checksum is taken only if that fits, and wherever it stands: also from a page that
no tree leads to any more, or that is in the tree of another table.  Rows of sealed tables (those of
a server) are taken from their own tables alone: elsewhere stand those that they once were, too.
Rows without a checksum (an application's own) are taken from their tables as they are read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .definitions import definitions, seal_definitions
from .errors import CorruptDataError
from .pages import Cell, PageFile
from .part_versions import VERSIONS, believed, stamp
from .row_checks import CHECKED, is_row_of, table_of
from .row_seals import is_sealed_row, sealed_tables
from .schema import create_tables
from .upgrades import Part

_AT_ONCE = 500
_TABLES = (
    "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
)


@dataclass(frozen=True, slots=True)
class Listed:
    """What the file's own list says of a table or an index."""

    kind: str
    name: str
    table: str
    root: int
    sql: str | None


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the columns of a table stand in its rows."""

    columns: tuple[str, ...]
    order: tuple[int, ...]
    """Which column stands where."""
    number: int | None
    """The column that is the row's number."""
    keyed: bool
    """True: the table is an index by its primary key, and its rows have no numbers."""

    def row(self, cell: Cell) -> tuple[Any, ...] | None:
        """The columns of a row, as declared, as many as it has; None for one of another table."""
        count = len(cell.values)
        if count > len(self.columns) or self.keyed == (cell.rowid is not None):
            return None
        columns: list[Any] = [None] * count
        for value, column in zip(cell.values, self.order[:count], strict=True):
            if column >= count:
                return None
            columns[column] = value
        if self.number is not None and self.number < count:
            columns[self.number] = cell.rowid
        return tuple(columns)


class Salvage:
    """Takes what can be read of a file's tables; `parts` are those whose tables are known."""

    def __init__(self, pages: PageFile, target: sqlite3.Connection, parts: Sequence[Part]) -> None:
        self._pages = pages
        self._target = target
        self._parts = parts
        self.listed = list(_listed(pages))
        self._roots = {each.name: each.root for each in self.listed if each.kind == "table"}
        self.refused: dict[str, int] = {"sqlite_master": pages.lost} if pages.lost else {}
        """Rows that were there and were not taken, by the table they were found in."""
        stamps = self._roots.get("part")
        self._stamps = [cell.values for cell in pages.walk(stamps)] if stamps else []
        self._versions = believed(self._stamps, {part.name: part.version for part in parts})
        """Of parts."""

    def take(self) -> None:
        """Make the tables, and fill them."""
        self._make()
        self._sealed = frozenset(sealed_tables(self._target))
        layouts = {name: self._layout(name) for (name,) in self._target.execute(_TABLES).fetchall()}
        for name, layout in layouts.items():
            if name not in ("part", "definition") and (root := self._roots.get(name)):
                self._fill(name, layout, self._pages.walk(root))
        self._counted = self._count_indexes()
        self._adopt(self._pages.orphans())
        self._stamp()

    def missing(self) -> Mapping[str, int]:
        """How many rows less there are than entries in an index, by table."""
        found: dict[str, int] = {}
        for table, count in self._counted.items():
            (there,) = self._target.execute(f'SELECT count(*) FROM "{table}"').fetchone()  # noqa: S608
            if count > there:
                found[table] = count - there
        return found

    def entries(self, index: str) -> Iterator[tuple[Any, ...]]:
        """What an index says, for who knows what it is to say."""
        return iter(self._entries.get(index, ()))

    def _make(self) -> None:
        create_tables(self._target)
        names = {each.name for each in self.listed}
        before = definitions(self._target)
        for part in self._parts:
            # Either the list of tables is damaged itself, or they are there; those of another
            # version are made as they are listed, and upgraded, or refused, at the next opening.
            if self._is_of_today(part) and (self.refused or part.sign in names):
                for table in part.tables:
                    self._target.execute(table)
        if "part" in names or self.refused:
            self._target.execute(VERSIONS)
        seal_definitions(self._target, before)
        known = set(definitions(self._target))
        for kind in ("table", "index", "view", "trigger"):
            for each in self.listed:
                if each.kind == kind and each.sql and not each.name.startswith("sqlite_"):
                    self._make_as_listed(each, each.sql)
        self._seal(known)

    def _is_of_today(self, part: Part) -> bool:
        return self._versions.get(part.name, part.version) == part.version

    def _seal(self, known: Collection[str]) -> None:
        """Seal what was made as the file lists it, if it is what was sealed there."""
        today = definitions(self._target)
        root = next((each.root for each in self.listed if each.name == "definition"), 0)
        for cell in self._pages.walk(root) if root else ():
            match cell.values:
                case (str() as name, int() as crc) if name in today and name not in known:
                    if today[name] != crc:
                        raise CorruptDataError(
                            f"what table or index {name!r} is is damaged, and nothing else knows "
                            "it; nothing was changed; give the Part that it belongs to as parts="
                        )
                    seal = "INSERT OR REPLACE INTO definition (name, crc) VALUES (?, ?)"
                    self._target.execute(seal, (name, crc))
                case _:
                    continue

    def _make_as_listed(self, each: Listed, sql: str) -> None:
        there = "SELECT 1 FROM sqlite_master WHERE name=?"
        if self._target.execute(there, (each.name,)).fetchone():
            return
        try:
            self._target.execute(sql)
        except sqlite3.Error:
            self.refused[each.table] = self.refused.get(each.table, 0) + 1

    def _layout(self, table: str) -> _Layout:
        facts = self._target.execute(f'PRAGMA table_info("{table}")').fetchall()
        keys = sorted((fact for fact in facts if fact[5]), key=lambda fact: fact[5])
        find = "SELECT wr FROM pragma_table_list WHERE name=?"
        keyed = bool(self._target.execute(find, (table,)).fetchone()[0])
        number = None
        if not keyed and len(keys) == 1 and keys[0][2].upper() == "INTEGER":
            number = keys[0][0]
        first = [fact[0] for fact in keys] if keyed else []
        order = [*first, *(fact[0] for fact in facts if fact[0] not in first)]
        return _Layout(tuple(fact[1] for fact in facts), tuple(order), number, keyed)

    def _fill(self, table: str, layout: _Layout, cells: Iterable[Cell]) -> None:
        rows: list[tuple[Any, ...]] = []
        for cell in cells:
            row = layout.row(cell)
            if row is None or not self._belongs(row, table):
                self._adopt([cell], table)
                continue
            rows.append(row)
            if len(rows) == _AT_ONCE:
                self._put(table, layout.columns, rows)
                rows = []
        self._put(table, layout.columns, rows)

    def _belongs(self, row: tuple[Any, ...], table: str) -> bool:
        """As far as a checksum tells."""
        if table in self._sealed:
            return is_sealed_row(table, row)
        return table not in CHECKED or is_row_of(table, row)

    def _put(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        for row in rows:
            names = ", ".join(f'"{name}"' for name in columns[: len(row)])
            marks = ", ".join("?" * len(row))
            sql = f'INSERT OR IGNORE INTO "{table}" ({names}) VALUES ({marks})'  # noqa: S608
            try:
                taken = self._target.execute(sql, row).rowcount
            except sqlite3.Error:
                taken = 0
            if not taken:
                self.refused[table] = self.refused.get(table, 0) + 1

    def _adopt(self, cells: Iterator[Cell] | Sequence[Cell], found_in: str = "") -> None:
        """Take rows that stand where they do not belong, if their checksums say where they do."""
        for cell in cells:
            row = cell.values
            if cell.rowid is not None and row and row[0] is None:
                row = (cell.rowid, *row[1:])
            table = table_of(row)
            if table is None:
                if found_in:
                    self.refused[found_in] = self.refused.get(found_in, 0) + 1
                continue
            known = self._target.execute(f'PRAGMA table_info("{table}")').fetchall()
            if known:
                self._put(table, [fact[1] for fact in known], [row])

    def _count_indexes(self) -> dict[str, int]:
        """The entries of each table's longest index; those of indexes by name are kept."""
        counted: dict[str, int] = {}
        self._entries: dict[str, list[tuple[Any, ...]]] = {}
        for each in self.listed:
            if each.kind != "index" or (each.sql or "").upper().find(" WHERE ") >= 0:
                continue
            entries = [cell.values for cell in self._pages.walk(each.root)]
            counted[each.table] = max(len(entries), counted.get(each.table, 0))
            if each.table in NAMED:
                self._entries[each.name] = entries
        return counted

    def _stamp(self) -> None:
        """Parts that are there have versions."""
        if not self._target.execute("SELECT 1 FROM sqlite_master WHERE name='part'").fetchone():
            return
        names = {each.name for each in self.listed}
        if lost := len(self._stamps) - len(self._versions):
            self.refused["part"] = lost
        today = {part.name: part.version for part in self._parts if part.sign in names}
        for name, version in (today | self._versions).items():
            stamp(self._target, name, version)


NAMED = ("thread", "scope", "run", "checkpoint")
"""Tables whose indexes can tell what a lost row was."""


def _listed(pages: PageFile) -> Iterator[Listed]:
    for cell in pages.walk(1):
        match cell.values:
            case (str() as kind, str() as name, str() as table, int() as root, sql) if root:
                yield Listed(kind, name, table, root, sql if isinstance(sql, str) else None)
            case _:
                continue
