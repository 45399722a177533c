"""Bits of a database turned over, one at a time, and what it answers then."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from checkpoint import CheckpointError
from checkpoint.schema import PAGE_SIZE
from tests.faults.answers import Answers, Name, Subject, is_error, verified

T = TypeVar("T")

HEADER = 12
"""Bytes of a page that say what is in it, and those in front that say where."""
_STAMP = 100
"""Bytes of the file's header, before what is in the first page."""
_INDEX = (2, 10)
"""What pages of an index begin with; those of tables begin with 5 and 13, others with 0."""


def flipped(data: bytes, bit: int) -> bytes:
    """The bytes with one bit turned over."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def a_bit(dice: random.Random, data: bytes, number: int) -> int:
    """Pages take turns; one time in four it is one of those that say what the page holds."""
    pages = len(data) // PAGE_SIZE
    page, byte = number % pages, dice.randrange(PAGE_SIZE)
    if dice.random() < 0.25:
        byte = dice.randrange(HEADER) + (_STAMP if page == 0 else 0)
    return (page * PAGE_SIZE + byte) * 8 + dice.randrange(8)


def where(bit: int) -> str:
    """Which bit it is, for people."""
    return f"bit {bit % 8} of byte {bit // 8} of page {bit // 8 // PAGE_SIZE + 1}"


@dataclass(frozen=True, slots=True)
class Found:
    """What came of one bit."""

    errors: frozenset[Name]
    """What was answered by a typed error."""
    others: Answers
    """Answers that are neither that nor what they were."""
    told: bool
    """False if `verify` says nothing against the file, or was not asked, as all is as it was."""


@dataclass(frozen=True, slots=True)
class Sound(Generic[T]):
    """A database as bytes, and all that it answers."""

    subject: Subject[T]
    data: bytes
    answers: Answers
    readers: tuple[frozenset[Name], ...]
    """Which questions read each page."""

    def leads_to_rows(self, bit: int) -> bool:
        """True for a bit that says where rows are, in an index, at the beginning of a page, or in a
        page that every opening reads, where a table begins; and not what is in them."""
        page, byte = divmod(bit // 8, PAGE_SIZE)
        begin = page * PAGE_SIZE + (_STAMP if page == 0 else 0)
        cells = int.from_bytes(self.data[begin + 3 : begin + 5])
        at_opening = self.readers[page] == self.answers.keys()
        return at_opening or self.data[begin] in _INDEX or byte < HEADER + 2 * cells

    async def asked(self, path: Path, bit: int, *, everything: bool) -> Found:
        """Put the bytes there with one bit turned over, and ask what reads its page: nothing else
        can be answered otherwise.  Or ask everything, which shows that."""
        _write(path, flipped(self.data, bit))
        readers = self.readers[bit // 8 // PAGE_SIZE]
        try:
            async with self.subject.opened(path) as one:
                found = await self.subject.answers(one, self.answers if everything else readers)
                changed = {name for name, answer in found.items() if answer != self.answers[name]}
                assert changed <= readers, f"{where(bit)}: {changed - readers} do not read its page"
                return await self._judged(path, found)
        except CheckpointError as error:
            return await self._judged(path, {("open",): type(error)})

    async def _judged(self, path: Path, found: Answers) -> Found:
        errors = frozenset(name for name, answer in found.items() if is_error(answer))
        rest = found.keys() - errors
        others = {name: found[name] for name in rest if found[name] != self.answers[name]}
        told = not await verified(path) if errors or others else False
        return Found(errors, others, told)


async def made_sound(subject: Subject[T], folder: Path) -> Sound[T]:
    """A database of this kind, made in an empty folder.

    Which questions read a page is seen by wiping it: SQLite makes nothing of a page of zeros.
    """
    path = folder / "sound.db"
    await subject.fill(path)
    data = path.read_bytes()
    answers = await subject.ask(path)
    assert not any(map(is_error, answers.values()))
    readers: list[frozenset[Name]] = []
    for at in range(0, len(data), PAGE_SIZE):
        _write(path, data[:at] + bytes(PAGE_SIZE) + data[at + PAGE_SIZE :])
        found = await subject.ask(path)
        changed = {n for n in answers if n not in found or found[n] != answers[n]}
        readers.append(frozenset(changed))
    return Sound(subject, data, answers, tuple(readers))


def bits(name: str, data: bytes, batch: int, count: int) -> Iterator[int]:
    """The bits of a batch, which are the same each time."""
    dice = random.Random(f"{name} {batch}")
    for number in range(count):
        yield a_bit(dice, data, batch * count + number)


def _write(path: Path, data: bytes) -> None:
    """Make the file anew; nothing is left beside it."""
    for left in path.parent.iterdir():
        left.unlink()
    path.write_bytes(data)


def is_part(found: Any, whole: Any) -> bool:
    """True for nothing where there was something, and for a list that lacks some of it."""
    return found is None or (isinstance(found, list) and all(each in whole for each in found))
