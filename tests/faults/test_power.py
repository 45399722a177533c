"""The power fails: the disk holds what was synced, and of the rest any part, in any order.

A process runs on a disk that is recorded, with what it knows at each moment.  Each place in that
record is a cut; the images that the cut may leave are opened by the real saver.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.forks import ForkServer
from tests.faults.power import NAME, Recording
from tests.faults.recorded import PARTS
from tests.faults.scale import WHOLE, some
from tests.faults.witness import Reference

SHARDS = 12
"""Tests that share the cuts; a sample takes one of them."""
GO_ON = 40
"""Of how many images one is run on to its end."""


pytestmark = pytest.mark.timeout(240)  # the first test waits for all states to be looked at


@pytest.fixture(scope="module")
def recording(shims: Path, quick_folder: Path, reference: Reference) -> Recording:
    """A run, and what the database held after each of its transactions."""
    live, images = quick_folder / "live", quick_folder / "images"
    live.mkdir()
    images.mkdir()
    record = quick_folder / "record"
    settings = {"DISK_PATH": str(live), "DISK_RECORD": str(record)}
    with ForkServer(LD_PRELOAD=str(shims / "recording_disk.so")) as server:
        effects = quick_folder / "effects"
        child = server.start("recorded", path=live / NAME, effects=effects, disk=settings)
        assert child.end() == 0
    return Recording(record.read_bytes(), live, images, reference)


@pytest.mark.parametrize("shard", range(SHARDS if WHOLE else 1))
def test_wherever_the_power_fails_what_was_synced_is_there_and_a_prefix_of_the_rest(
    shard: int, recording: Recording, record_property: Callable[[str, object], None]
) -> None:
    """The database is as it was after one of its transactions, none before the last one that
    anybody was told to be synced; threads run on from there as if nothing had been."""
    cuts = some(recording.cuts()[shard::SHARDS], 8)
    images = 0
    for image, allowed in recording.images(set(cuts), seed=shard):
        recording.check(image, allowed, go_on=images % GO_ON == 0)
        images += 1
    record_property("power cuts", len(cuts))
    record_property("power cuts: disks that they may leave", images)


def test_the_recorded_run_has_what_power_cuts_could_hurt(recording: Recording) -> None:
    """Logs that were begun, begun anew after they were moved, and removed; many transactions."""
    assert recording.logs_begun == len(PARTS) + 1
    assert recording.states.count > 100
