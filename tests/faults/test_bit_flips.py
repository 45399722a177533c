"""One bit of a database turned over, in every page: an answer is the same, or a typed error."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from checkpoint.schema import PAGE_SIZE
from tests.faults.answers import Answers, ask, fill, is_error
from tests.faults.scale import BITS, WHOLE

FLIPS = 100
"""In each batch."""
BATCHES = range(BITS // FLIPS) if WHOLE else (44, 57, 65, 70, 84)
"""The sample is those in which something was wrong once."""
HEADER = 12
"""Bytes of a page that say what is in it, and those in front that say where."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Answers]:
    """A database as bytes, and what it answers."""
    path = tmp_path_factory.mktemp("flips") / "sound.db"
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


@pytest.mark.parametrize("batch", BATCHES)
def test_no_answer_is_ever_silently_wrong(
    batch: int,
    sound: tuple[bytes, Answers],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    data, answers = sound
    dice, noticed = random.Random(f"flips {batch}"), 0
    for number in range(FLIPS):
        bit = a_bit(dice, data, batch * FLIPS + number)
        for left in tmp_path.iterdir():
            left.unlink()
        path = tmp_path / "flipped.db"
        path.write_bytes(flipped(data, bit))
        found = asyncio.run(ask(path))
        errors = {question for question, answer in found.items() if is_error(answer)}
        rest = {question: found[question] for question in found.keys() - errors}
        verdict = rest.pop(("sound",), False)
        wrong = {q for q, answer in rest.items() if answer != answers[q]}
        assert not wrong, f"bit {bit % 8} of byte {bit // 8} of page {bit // 8 // PAGE_SIZE + 1}"
        noticed += bool(errors)
        assert not (errors and verdict), f"verify does not see what {errors} stumbled over"
    record_property("bits flipped, no answer silently wrong", FLIPS)
    record_property("bits flipped that were noticed", noticed)
