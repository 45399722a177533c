"""The judge of shapes: which growth passes, and which does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from benchmarks.contenders import OURS, THEIRS, Engine, load
from benchmarks.curves import CURVES
from benchmarks.growth import Curve, Probe, exponent, measure


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_the_exponent_of_points_on_a_power_is_that_power(power: float) -> None:
    points = {size: 7.0 * size**power for size in (10, 100, 1000)}
    assert exponent(points) == pytest.approx(power)


@pytest.mark.parametrize("name", sorted(name for name in CURVES if CURVES[name].most <= 0.2))
def test_a_flat_curve_that_turned_linear_misses_its_bound_and_twice_the_cost_does_not(
    name: str,
) -> None:
    curve = CURVES[name]
    small, large = curve.gate
    share = 0.1  # of the cost at the small size that grows with the size
    linear = {size: 1 - share + share * size / small for size in (small, large)}
    assert exponent(linear) > curve.most
    assert exponent({small: 1.0, large: 2.0}) < curve.most


@pytest.mark.parametrize("curve", CURVES.values(), ids=list(CURVES))
def test_the_bounds_of_a_run_leave_sizes_to_measure_for_every_contender(curve: Curve) -> None:
    for contender in curve.contenders:
        quick = curve.sizes_of(contender, quick=True)
        full = curve.sizes_of(contender, quick=False)
        assert 1 < len(quick) <= len(full)
        assert set(quick) <= set(full) <= set(curve.sizes)
    assert curve.sizes_of(OURS, quick=False) == list(curve.sizes)


def test_who_is_asked_for_less_is_measured_at_fewer_sizes() -> None:
    curve = CURVES["nodes"]
    assert curve.sizes_of(THEIRS, quick=False)[-1] == curve.theirs < curve.sizes[-1]


async def test_sizes_take_turns_and_each_has_a_folder_of_its_own(tmp_path: Path) -> None:
    turns, folders = list[int](), list[Path]()

    @asynccontextmanager
    async def prepare(engine: Engine, folder: Path, size: int) -> AsyncIterator[Probe]:
        folders.append(folder)

        async def work() -> None:
            turns.append(size)

        yield Probe(work, size)

    curve = Curve("c", "", "", prepare, (1, 2), (1, 2), 0.2)
    points = await measure(curve, load(OURS), tmp_path, curve.sizes, 3)
    assert turns == [1, 2] * 4  # once to warm up
    assert list(points) == [1, 2]
    assert folders == [tmp_path / "1", tmp_path / "2"]
