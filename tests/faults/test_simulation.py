"""Random graphs with everything that goes wrong at once, one per seed; see `tests/simulation`."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import pytest

from tests.faults.scale import FIRST, SEEDS, seed_batches
from tests.simulation.random_graphs import simulated


@pytest.mark.parametrize("seeds", seed_batches(), ids=lambda seeds: f"from-{seeds.start}")
def test_no_seed_breaks_a_promise(seeds: range, record_property: Callable[..., None]) -> None:
    gc.freeze()  # what was there before is not looked at with each simulation's garbage
    began = time.process_time()
    found = [simulated(seed) for seed in seeds]
    record_property("simulation: seeds", len(found))
    record_property("simulation: runs", sum(each.runs for each in found))
    record_property("simulation: crashes and power cuts", sum(each.crashes for each in found))
    record_property("simulation: turns of the loop", sum(each.turns for each in found))
    record_property("simulation: seconds", time.process_time() - began)
    gc.unfreeze()


def test_every_seed_is_simulated_once() -> None:
    seeds = [seed for batch in seed_batches() for seed in batch]
    assert seeds == list(range(FIRST, FIRST + SEEDS))
