"""SIGKILL round the effects of nodes: none is had twice but where nobody can know of the first."""

from __future__ import annotations

import contextlib
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from actors import OutcomeUnknown
from checkpoint import SqliteSaver
from tests.faults.forks import KILLED, ForkServer
from tests.faults.paying import ALL, KEYS, MOMENTS, Shop, build_shop, go_on, had
from tests.faults.scale import batches, kills
from tests.faults.work import Effects

FINAL = {f"paid {key}" for key in ALL}
ALONE = [key for key in KEYS if not key.startswith("sent")]
"""Those that have no sibling in flight."""
CRASHES = list(itertools.product(KEYS, MOMENTS))
CRASHES_ALONE = list(itertools.product(ALONE, MOMENTS))


def crash(server: ForkServer, folder: Path, on_unknown: str, die_at: str) -> None:
    """Run until the process kills itself."""
    child = server.start(
        "pay",
        path=folder / "db",
        effects=folder / "effects",
        thread="thread",
        attempt=1,
        on_unknown=on_unknown,
        die_at=die_at,
        durability="async",
    )
    assert child.end() == KILLED


def calls_of(folder: Path) -> dict[str, int]:
    """How often each effect was had; under one name only for other systems."""
    counts = had(folder / "effects")
    assert len({key for key, _ in counts}) == len(counts), "an effect had two names"
    return {key: times for (key, _), times in counts.items()}


@pytest.mark.parametrize(("key", "moment"), CRASHES)
@pytest.mark.parametrize("number", [1, 2])
def test_a_crash_repeats_only_an_effect_that_it_cut_from_its_result(
    server: ForkServer, tmp_path: Path, key: str, number: int, moment: str
) -> None:
    effect = f"{key} {number}"
    crash(server, tmp_path, "retry", f"{effect} {moment}")
    effects = Effects(tmp_path / "effects", 2)
    with SqliteSaver(tmp_path / "db") as saver:
        state = go_on(build_shop(Shop(effects, "retry"), saver))
    effects.close()
    assert set(state["log"]) == FINAL
    calls = calls_of(tmp_path)
    twice = {name for name, times in calls.items() if times > 1}
    assert sorted(calls) == sorted(ALL)
    beside = {name for name in ALL if name.startswith("sent") and not name.startswith(key)}
    unknown = beside if key.startswith("sent") else set[str]()  # its sibling was in flight too
    assert twice - unknown == ({effect} if moment == "done" else set())


@pytest.mark.parametrize(("key", "moment"), CRASHES_ALONE)
def test_who_asks_for_it_is_told_of_an_outcome_that_nobody_knows(
    server: ForkServer, tmp_path: Path, key: str, moment: str
) -> None:
    effect = f"{key} 1"
    crash(server, tmp_path, "raise", f"{effect} {moment}")
    effects = Effects(tmp_path / "effects", 2)
    with SqliteSaver(tmp_path / "db") as saver:
        graph = build_shop(Shop(effects, "raise"), saver)
        if moment in ("begun", "done"):
            for _ in range(2):
                with pytest.raises(OutcomeUnknown, match=repr(effect)):
                    go_on(graph)
        else:
            assert set(go_on(graph)["log"]) == FINAL
    effects.close()
    calls = calls_of(tmp_path)
    assert set(calls.values()) <= {1}
    assert (effect in calls) == (moment != "begun")


@pytest.mark.parametrize("batch", batches(0.1))
@pytest.mark.parametrize("on_unknown", ["retry", "raise"])
def test_kills_at_random_moments_never_cost_more_than_the_effects_in_flight(
    server: ForkServer,
    tmp_path: Path,
    on_unknown: Literal["retry", "raise"],
    batch: int,
    record_property: Callable[[str, object], None],
) -> None:
    dice = random.Random(f"{on_unknown} {batch}")
    again = Counter[str]()
    seconds, killed = 0.0, 0
    for number in range(kills() + 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        job: dict[str, Any] = {
            "path": folder / "db",
            "effects": folder / "effects",
            "thread": "thread",
            "attempt": 1,
            "on_unknown": on_unknown,
            "durability": dice.choice(["async", "sync"]),
        }
        began = time.monotonic()
        child = server.start("pay", **job)
        if number == 0:
            assert child.end() == 0
            seconds = time.monotonic() - began
        elif child.listen(seconds=dice.uniform(0, seconds)):
            killed += child.kill() == KILLED
        else:
            child.end()
        effects = Effects(folder / "effects", 2)
        with SqliteSaver(folder / "db") as saver:
            graph = build_shop(Shop(effects, on_unknown), saver)
            known = on_unknown == "retry"
            with contextlib.suppress(*() if known else (OutcomeUnknown,)):
                assert set(go_on(graph)["log"]) == FINAL
        effects.close()
        twice = {key for key, times in calls_of(folder).items() if times > 1}
        assert len(twice) <= 2, "two tasks of the fan-out may have one in flight each"
        assert not twice or on_unknown == "retry"
        assert all(times <= 2 for times in calls_of(folder).values())
        again.update(twice)
    record_property("kills", killed)
    assert sum(again.values()) <= kills()
