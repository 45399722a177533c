"""What stands in the pages of an SQLite file, read without SQLite: a damaged one costs what is in
it, and nothing else.

SQLite gives up a whole statement at the first page that it can make nothing of.  Here a table is
walked from its root: what cannot be read is counted and passed over.  Pages that must be in use
though no tree leads to them (the page above them is damaged) can be looked at by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from .errors import CorruptDataError
from .page_records import read_record, unreadable, varint

HEADER = 100
"""Bytes of the file's header, before what is in the first page."""
_INDEX_ABOVE, _TABLE_ABOVE, _INDEX_LEAF, _TABLE_LEAF = 2, 5, 10, 13
_ABOVE = (_INDEX_ABOVE, _TABLE_ABOVE)
_MOST = 1 << 30
"""Bytes in a row, at most."""

Buffer: TypeAlias = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of a table, or of an index, which has no number."""

    rowid: int | None
    values: tuple[Any, ...]


class PageFile:
    """The bytes of a database file, its log moved into it; `size` is that of a page.

    `lost` counts the pages and rows that could not be read so far.
    """

    def __init__(self, data: Buffer, size: int) -> None:
        self._data = data
        self._size = size
        self.count = len(data) // size
        self.lost = 0
        self._used: set[int] = set()

    def walk(self, root: int) -> Iterator[Cell]:
        """The rows of the tree with this root, in order; no page is read twice, whoever asks."""
        above = [root]
        while above:
            number = above.pop()
            try:
                page = self._page(number)
                self._use(number)
                kind, cells = self._cells(number, page)
            except CorruptDataError:
                self.lost += 1
                continue
            if kind != _TABLE_ABOVE:
                yield from self._rows(page, kind, cells)
            if kind in _ABOVE:
                at = HEADER if number == 1 else 0
                children = [_int(page, cell) for cell in cells if cell + 4 <= self._size]
                above += reversed([*children, _int(page, at + 8)])

    def orphans(self) -> Iterator[Cell]:
        """The rows of pages that no tree has led to so far, though they are in use.

        None if the list of unused pages is damaged: what was deleted would come back with them.
        """
        free = self._free()
        if free is None:
            return
        for number in range(2, self.count + 1):
            if number in free or number in self._used:
                continue
            page = self._page(number)
            try:
                kind, cells = self._cells(number, page)
            except CorruptDataError:
                continue  # a page of a long row, or one that is past reading
            if kind != _TABLE_ABOVE:
                yield from self._rows(page, kind, cells)

    def _page(self, number: int) -> Buffer:
        if not 1 <= number <= self.count:
            raise unreadable()
        return self._data[(number - 1) * self._size : number * self._size]

    def _use(self, number: int) -> None:
        if number in self._used:
            raise unreadable()
        self._used.add(number)

    def _cells(self, number: int, page: Buffer) -> tuple[int, list[int]]:
        """What kind of page it is, and where its cells begin."""
        at = HEADER if number == 1 else 0
        kind = page[at]
        if kind not in (_INDEX_ABOVE, _TABLE_ABOVE, _INDEX_LEAF, _TABLE_LEAF):
            raise unreadable()
        first = at + (12 if kind in _ABOVE else 8)
        count = page[at + 3] << 8 | page[at + 4]
        if first + 2 * count > self._size:
            raise unreadable()
        spots = range(first, first + 2 * count, 2)
        return kind, [page[spot] << 8 | page[spot + 1] for spot in spots]

    def _rows(self, page: Buffer, kind: int, cells: list[int]) -> Iterator[Cell]:
        for cell in cells:
            try:
                yield self._cell(page, kind, cell)
            except (CorruptDataError, IndexError, UnicodeDecodeError):
                self.lost += 1

    def _cell(self, page: Buffer, kind: int, at: int) -> Cell:
        if kind == _INDEX_ABOVE:
            at += 4
        length, at = varint(page, at)
        rowid = None
        if kind == _TABLE_LEAF:
            rowid, at = varint(page, at)
        return Cell(rowid, read_record(self._payload(page, at, length, table=kind == _TABLE_LEAF)))

    def _payload(self, page: Buffer, at: int, length: int, *, table: bool) -> bytes:
        """The bytes of a row, of which the end may stand in other pages."""
        if length > min(_MOST, len(self._data)):
            raise unreadable()
        room = self._size
        most = room - 35 if table else (room - 12) * 64 // 255 - 23
        if length <= most:
            return _cut(page, at, length)
        least = (room - 12) * 32 // 255 - 23
        here = least + (length - least) % (room - 4)
        here = here if here <= most else least
        parts, left = [_cut(page, at, here)], length - here
        following = _int(page, at + here)
        while left > 0:
            further = self._page(following)
            self._use(following)
            parts.append(_cut(further, 4, min(left, room - 4)))
            left -= len(parts[-1])
            following = _int(further, 0)
        return b"".join(parts)

    def _free(self) -> set[int] | None:
        """The pages that nothing uses; None if their list is damaged."""
        free = set[int]()
        trunk, expected = _int(self._data, 32), _int(self._data, 36)
        while trunk:
            if trunk in free or not 1 <= trunk <= self.count:
                return None
            free.add(trunk)
            page = self._page(trunk)
            count = _int(page, 4)
            if count > self._size // 4 - 2:
                return None
            free.update(_int(page, 8 + 4 * number) for number in range(count))
            trunk = _int(page, 0)
        return free if len(free) == expected and free.isdisjoint(self._used) else None


def _int(page: Buffer, at: int) -> int:
    return int.from_bytes(page[at : at + 4], "big")


def _cut(page: Buffer, at: int, length: int) -> bytes:
    data = bytes(page[at : at + length])
    if len(data) != length:
        raise unreadable()
    return data
