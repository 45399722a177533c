"""One bit of a database turned over, in every page: an answer is the same, or a typed error; those
of a server, too."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from checkpoint import CheckpointError, SqliteSaver
from checkpoint.schema import PAGE_SIZE
from tests.faults.answers import Answers, ask, fill, is_error
from tests.faults.scale import BITS, WHOLE
from tests.faults.served import ask_served, fill_served, listed

FLIPS = 100
"""In each batch."""
BATCHES = range(BITS // FLIPS) if WHOLE else (44, 57, 65, 70, 84)
"""The sample is those in which something was wrong once."""
SERVED = range(BITS // FLIPS // 4) if WHOLE else (4, 5)
LISTS = ("runs", "threads", "crons", "assistants", "versions")
"""What a damaged page has lost is not in them: only that the rest is as it was is promised."""
HEADER = 12
"""Bytes of a page that say what is in it, and those in front that say where."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Answers]:
    """A database as bytes, and what it answers."""
    return filled(tmp_path_factory, fill, ask)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Answers]:
    """The same of a server."""
    return filled(tmp_path_factory, fill_served, ask_served)


def filled(
    folders: pytest.TempPathFactory,
    fill: Callable[[Path], Coroutine[Any, Any, None]],
    ask: Callable[[Path], Coroutine[Any, Any, Answers]],
) -> tuple[bytes, Answers]:
    path = folders.mktemp("flips") / "sound.db"
    asyncio.run(fill(path))
    data = path.read_bytes()
    answers = asyncio.run(ask(path))
    assert not any(is_error(answer) for answer in answers.values())
    return data, answers


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def a_bit(dice: random.Random, data: bytes, number: int) -> int:
    """Pages take turns; one time in four it is one of those that say what the page holds."""
    pages = len(data) // PAGE_SIZE
    page, byte = number % pages, dice.randrange(PAGE_SIZE)
    if dice.random() < 0.25:
        byte = dice.randrange(HEADER) + (100 if page == 0 else 0)
    return (page * PAGE_SIZE + byte) * 8 + dice.randrange(8)


def flips(dice: random.Random, data: bytes, batch: int, folder: Path) -> Iterator[tuple[Path, str]]:
    """The files of a batch, one after the other, alone in the folder, and which bit it is."""
    for number in range(FLIPS):
        bit = a_bit(dice, data, batch * FLIPS + number)
        for left in folder.iterdir():
            left.unlink()
        path = folder / "flipped.db"
        path.write_bytes(flipped(data, bit))
        yield path, f"bit {bit % 8} of byte {bit // 8} of page {bit // 8 // PAGE_SIZE + 1}"


@pytest.mark.parametrize("batch", BATCHES)
def test_no_answer_is_ever_silently_wrong(
    batch: int,
    sound: tuple[bytes, Answers],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    data, answers = sound
    dice, noticed = random.Random(f"flips {batch}"), 0
    for path, where in flips(dice, data, batch, tmp_path):
        found = asyncio.run(ask(path))
        errors = {question for question, answer in found.items() if is_error(answer)}
        rest = {question: found[question] for question in found.keys() - errors}
        verdict = rest.pop(("sound",), False)
        wrong = {q for q, answer in rest.items() if answer != answers[q]}
        assert not wrong, where
        noticed += bool(errors)
        assert not (errors and verdict), f"verify does not see what {errors} stumbled over"
    record_property("bits flipped, no answer silently wrong", FLIPS)
    record_property("bits flipped that were noticed", noticed)


@pytest.mark.parametrize("batch", SERVED)
def test_no_answer_of_a_server_is_ever_silently_wrong(
    batch: int,
    served: tuple[bytes, Answers],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    data, answers = served
    dice, noticed = random.Random(f"served flips {batch}"), 0
    for path, where in flips(dice, data, batch, tmp_path):
        found = asyncio.run(ask_served(path))
        errors = {question for question, answer in found.items() if is_error(answer)}
        others = {q for q in found.keys() - errors if found[q] != answers[q]}
        for question in others:
            assert question[0] in LISTS, where
            assert all(each in listed(answers[question]) for each in listed(found[question])), where
        noticed += bool(errors)
        if errors or others:
            assert not asyncio.run(verified(path)), f"verify does not see {where}"
    record_property("bits of a server's file flipped, no answer silently wrong", FLIPS)
    record_property("bits of a server's file flipped that were noticed", noticed)


async def verified(path: Path) -> bool:
    """True for a file that nothing is said against."""
    try:
        async with SqliteSaver(path) as saver:
            return (await saver.averify()).ok
    except CheckpointError:
        return False
