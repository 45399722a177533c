"""A disk as a power cut may leave it, from a record of what a process did to it; pure.

What was synced is there.  Of the rest each sector holds what it held at some instant since the last
sync, each by itself: that is every order in which a system may write its cache to the disk, with
writes that are lost, torn, or there before older ones.  A file has one of the lengths it had since
then, with zeros where nothing was written yet.  A name that was made or removed may be so or not,
until its folder is synced.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

SECTOR = 512
CACHED = 4096
"""Bytes that a system writes at once, where nothing is torn."""
_HEAD = struct.Struct("4q")
_NAMELESS = " (deleted)"

Image = dict[str, bytes]
"""The files of a folder, by path."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened, see `shim/recording_disk.c`."""

    op: str
    path: str
    at: int
    data: bytes


def entries(record: bytes) -> Iterator[Entry]:
    """What a record holds, in the order it happened, but for files without a name."""
    place = 0
    while place < len(record):
        op, length, at, size = _HEAD.unpack_from(record, place)
        start = place + _HEAD.size
        place = start + length + size
        path = record[start : start + length].decode()
        if not path.endswith(_NAMELESS):
            yield Entry(chr(op), path, at, record[place - size : place])


@dataclass(frozen=True, slots=True)
class Cut:
    """How much a power cut leaves of what is not synced."""

    block: int
    """Bytes that are there or not as a whole."""
    seen: Callable[[list[int], int], int]
    """Of the changes that touched a block, and of how many in all, how many of those in all it has
    seen."""
    dice: Random | None
    """Draws lengths and names; None: those there are now."""

    def one_of(self, choices: int) -> int:
        """Which of the states that something had, the last one being what it is now."""
        return choices - 1 if self.dice is None else self.dice.randrange(choices)


def kept() -> Cut:
    """All is there, as if the process alone had died."""
    return Cut(SECTOR, lambda _, count: count, None)


def lost(dice: Random) -> Cut:
    """Nothing but what was synced."""
    return Cut(SECTOR, lambda _, count: 0, dice)


def torn(dice: Random) -> Cut:
    """Each sector at an instant of its own."""
    return Cut(SECTOR, lambda changes, _: dice.choice((-1, *changes)) + 1, dice)


def reordered(dice: Random) -> Cut:
    """What the system writes at once is there or not."""
    return Cut(CACHED, lambda changes, count: dice.choice((0, count)), dice)


def newest(dice: Random) -> Cut:
    """What was written last is there, and nothing that was written before."""
    share = dice.random()
    return Cut(SECTOR, lambda changes, count: count * (changes[-1] >= share * count), dice)


CUTS = (lost, torn, reordered, newest)


@dataclass
class _File:
    """One file, whatever its names: what is synced of it, and what was done to it since."""

    synced: bytearray = field(default_factory=bytearray)
    changes: list[tuple[int, bytes | None]] = field(default_factory=list[tuple[int, bytes | None]])
    """Places and data that were written; None: lengths that it was cut to."""
    before: int = 0
    """Changes before those."""

    def change(self, at: int, data: bytes | None) -> None:
        """It was written to, or cut."""
        self.changes.append((at, data))

    def sync(self, upto: int) -> None:
        """The first so many of all changes are on the disk."""
        for at, data in self.changes[: max(0, upto - self.before)]:
            if data is None:
                del self.synced[at:]
            end = at + len(data or b"")
            self.synced.extend(bytes(max(0, end - len(self.synced))))
            self.synced[at:end] = data or b""
        del self.changes[: max(0, upto - self.before)]
        self.before = max(upto, self.before)

    @property
    def now(self) -> int:
        """How many changes there were."""
        return self.before + len(self.changes)

    def left(self, cut: Cut) -> bytes:
        """What is there after a power cut."""
        lengths = self._lengths()
        content = self.synced + bytes(max(lengths) - len(self.synced))
        changes = [
            (at, bytes(len(content) - at) if data is None else data) for at, data in self.changes
        ]
        touched: dict[int, list[int]] = {}
        for number, (at, data) in enumerate(changes):
            for block in range(at // cut.block, -(-(at + len(data)) // cut.block)):
                touched.setdefault(block, []).append(number)
        for block, numbers in touched.items():
            seen = cut.seen(numbers, len(changes))
            for at, data in (changes[number] for number in numbers if number < seen):
                first = max(block * cut.block, at)
                last = min((block + 1) * cut.block, at + len(data))
                content[first:last] = data[first - at : last - at]
        return bytes(content[: lengths[cut.one_of(len(lengths))]])

    def _lengths(self) -> list[int]:
        """Those it had since it was synced."""
        lengths = [len(self.synced)]
        for at, data in self.changes:
            lengths.append(at if data is None else max(lengths[-1], at + len(data)))
        return lengths


class Disk:
    """A folder and its files, as a process changes them."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._synced: dict[str, _File] = {}
        """The names that are on the disk."""
        self._names: dict[str, _File] = {}
        self._moves: list[tuple[str, _File | None]] = []
        """What names came to stand for since the folder was synced."""
        self._before = 0
        self._syncs: dict[int, int] = {}
        """How many changes, or moves, there were when a sync began."""

    def happens(self, entry: Entry) -> None:
        """Something happens to it."""
        path, file = entry.path, self._names.get(entry.path)
        match entry.op:
            case "o":
                self._name(path, _File())
            case "u":
                self._name(path, None)
            case "w" | "t" if file is not None:
                file.change(entry.at, entry.data if entry.op == "w" else None)
            case "s" if path == self._folder:
                self._syncs[entry.at] = self._before + len(self._moves)
            case "d" if path == self._folder:
                self._sync_names(self._syncs.pop(entry.at) - self._before)
            case "s" if file is not None:
                self._syncs[entry.at] = file.now
            case "d" if file is not None:
                file.sync(self._syncs.pop(entry.at))
            case _:
                raise ValueError(f"{entry.op!r} of {path!r} is not known here")

    def left(self, cut: Cut) -> Image:
        """What is there after a power cut at this moment."""
        states: dict[str, list[_File | None]] = {}
        for path, file in self._moves:
            states.setdefault(path, [self._synced.get(path)]).append(file)
        names: dict[str, _File | None] = {**self._synced}
        for path, files in states.items():
            names[path] = files[cut.one_of(len(files))]
        return {path: file.left(cut) for path, file in names.items() if file is not None}

    def _name(self, path: str, file: _File | None) -> None:
        self._moves.append((path, file))
        self._names = {k: v for k, v in self._names.items() if k != path}
        if file is not None:
            self._names[path] = file

    def _sync_names(self, count: int) -> None:
        for path, file in self._moves[: max(0, count)]:
            self._synced.pop(path, None)
            if file is not None:
                self._synced[path] = file
        del self._moves[: max(0, count)]
        self._before += max(0, count)
