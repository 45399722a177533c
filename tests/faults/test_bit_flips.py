"""One bit of a database turned over, in every page: an answer is the same, or a typed error, and
`verify` tells of it; of a saver's threads, of a store and a cache, and of a server's tables."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.faults.answers import STORED, Subject
from tests.faults.flips import Found, Sound, bits, is_part, made_sound, where
from tests.faults.kept import KEPT, without_scores
from tests.faults.scale import BITS, WHOLE, numbers
from tests.faults.served import SERVED, listed

Record: TypeAlias = Callable[[str, object], None]

FLIPS = 100
"""In each batch."""
BATCHES = numbers(BITS, FLIPS) if WHOLE else (44, 57, 65, 70, 84, 6366)
"""The sample is those in which something was wrong once."""
KEPT_BATCHES = numbers(BITS // 10, FLIPS, share=10) if WHOLE else (16, 19, 20, 188)
SERVED_BATCHES = numbers(BITS // 10, FLIPS, share=10) if WHOLE else (4, 5, 159, 706)
LISTS = ("runs", "threads", "crons", "assistants", "versions")
"""What a damaged page has lost is not in them: only that the rest is as it was is promised."""


def sound_of(subject: Subject[Any], folder: Path) -> Sound[Any]:
    place = folder / str(id(subject))
    place.mkdir()
    return asyncio.run(made_sound(subject, place))


@pytest.fixture(scope="module")
def stored(quick_folder: Path) -> Sound[Any]:
    return sound_of(STORED, quick_folder)


@pytest.fixture(scope="module")
def kept(quick_folder: Path) -> Sound[Any]:
    return sound_of(KEPT, quick_folder)


@pytest.fixture(scope="module")
def served(quick_folder: Path) -> Sound[Any]:
    return sound_of(SERVED, quick_folder)


def each_of_a_batch(
    name: str, sound: Sound[Any], batch: int, folder: Path, check: Callable[[int, Found], None]
) -> int:
    """Have each bit of a batch checked, on one event loop; gives how many were noticed.

    Of the first one everything is asked, and not only what reads its page.
    """

    async def asked() -> int:
        noticed = 0
        for number, bit in enumerate(bits(name, sound.data, batch, FLIPS)):
            found = await sound.asked(folder / "flipped.db", bit, everything=number == 0)
            assert found.told or not (found.errors or found.others), (
                f"verify does not see {where(bit)}, of which {found} tells"
            )
            check(bit, found)
            noticed += bool(found.errors)
        return noticed

    folder.mkdir(exist_ok=True)
    return asyncio.run(asked())


@pytest.mark.parametrize("batch", BATCHES)
def test_no_answer_is_ever_silently_wrong(
    batch: int, stored: Sound[Any], quick_folder: Path, record_property: Record
) -> None:
    def check(bit: int, found: Found) -> None:
        assert not found.others, where(bit)

    noticed = each_of_a_batch("flips", stored, batch, quick_folder / "flips", check)
    record_property("bits flipped, no answer silently wrong", FLIPS)
    record_property("bits flipped that were noticed", noticed)


@pytest.mark.parametrize("batch", KEPT_BATCHES)
def test_no_answer_of_a_store_or_a_cache_is_ever_silently_wrong(
    batch: int, kept: Sound[Any], quick_folder: Path, record_property: Record
) -> None:
    """What an index has lost is not found, or has no score, and comes last: the rest is as it was.
    No bit of a row itself makes it be left out."""

    def check(bit: int, found: Found) -> None:
        for question, answer in found.others.items():
            assert kept.leads_to_rows(bit), f"{where(bit)}: {question}"
            whole = without_scores(kept.answers[question])
            assert is_part(without_scores(answer), whole), f"{where(bit)}: {question}"

    noticed = each_of_a_batch("kept flips", kept, batch, quick_folder / "kept", check)
    record_property("bits of a store and a cache flipped, no answer silently wrong", FLIPS)
    record_property("bits of a store and a cache flipped that were noticed", noticed)


@pytest.mark.parametrize("batch", SERVED_BATCHES)
def test_no_answer_of_a_server_is_ever_silently_wrong(
    batch: int, served: Sound[Any], quick_folder: Path, record_property: Record
) -> None:
    def check(bit: int, found: Found) -> None:
        for question, answer in found.others.items():
            assert question[0] in LISTS, where(bit)
            assert is_part(listed(answer), listed(served.answers[question])), where(bit)

    noticed = each_of_a_batch("served flips", served, batch, quick_folder / "served", check)
    record_property("bits of a server's file flipped, no answer silently wrong", FLIPS)
    record_property("bits of a server's file flipped that were noticed", noticed)
