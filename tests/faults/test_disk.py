"""A disk that fails at its n-th read, write, sync or truncate, for every n; and one that is full.

The calls are those of the SQLite that Python's own module uses, and ours: a library that is built
here and preloaded makes them fail.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from checkpoint import SqliteSaver, SqliteStore
from checkpoint.story import values_of
from tests.faults.forks import ForkServer
from tests.faults.scale import WHOLE

STEPS = 4
SCENARIOS = ("steps", "events", "store")
OPERATIONS = {"r": "read", "w": "write", "s": "sync", "t": "truncate"}
EACH = 1 if WHOLE else 9
"""Every so-manieth n."""

Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def failing(shims: Path) -> Iterator[ForkServer]:
    """Children on a disk that may fail."""
    with ForkServer(LD_PRELOAD=str(shims / "failing_disk.so")) as server:
        yield server


def run(
    server: ForkServer, path: Path, scenario: str, ops: str, nth: int, **more: Any
) -> list[Any]:
    """What a child tells: it never hangs, and no error is untyped."""
    settings = {"DISK_PATH": path.name, "DISK_OPS": ops, "DISK_NTH": str(nth), **more}
    room = more.get("DISK_ROOM")
    child = server.start(
        "disk", path=path, scenario=scenario, steps=STEPS, openings=3, disk=settings, room=room
    )
    assert child.end() == 0
    return child.lines


async def look(path: Path, scenario: str) -> int:
    """How many steps the database holds; it is sound."""
    async with SqliteSaver(path) as saver:
        assert (await saver.averify()).ok
        if scenario == "events":
            return await saver.events.last("run")
        if scenario == "store":
            async with SqliteStore(path) as store:
                return len(await store.asearch(("items",)))
        values = await values_of(saver)
    return values["n"] if values else 0


def check(path: Path, scenario: str, lines: list[Any]) -> int:
    """Nothing that was acknowledged is lost; how many refusals there were."""
    done = max((line[1] for line in lines if line[0] == "done"), default=0)
    assert asyncio.run(look(path, scenario)) - done in {0, 1}
    return sum(line[0] == "refused" for line in lines)


def sweep(
    server: ForkServer, folder: Path, scenario: str, ops: str, **more: str
) -> Iterator[tuple[Path, list[Any]]]:
    """A database and what its child told, for each call that failed: on beyond the last one, until
    a child ends without having come to the call that was to fail."""
    for nth in itertools.count(1, EACH):
        path = folder / f"{nth}-{ops}-{scenario}{len(more)}-disk.db"
        room = {key: str(path.with_suffix(value)) for key, value in more.items() if value != "1"}
        lines = run(server, path, scenario, ops, nth, **{**more, **room})
        if lines[-1][1] < nth:
            return
        yield path, lines


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("ops", OPERATIONS, ids=OPERATIONS.values())
def test_whichever_call_fails_what_was_acknowledged_is_there(
    scenario: str, ops: str, failing: ForkServer, quick_folder: Path, record_property: Record
) -> None:
    runs = refused = 0
    for path, lines in sweep(failing, quick_folder, scenario, ops):
        refused += check(path, scenario, lines)
        runs += 1
    print(f"each {EACH}. of {runs * EACH} calls failed, {refused} refusals")
    assert refused or ops == "t", "nothing was made to fail"
    record_property(f"failing {OPERATIONS[ops]}s ({scenario})", runs)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_full_disk_refuses_and_goes_on_when_there_is_room(
    scenario: str, failing: ForkServer, quick_folder: Path, record_property: Record
) -> None:
    runs = 0
    full = {"DISK_FULL": "1", "DISK_ROOM": ".room"}
    for path, lines in sweep(failing, quick_folder, scenario, "w", **full):
        check(path, scenario, lines)
        assert ["done", STEPS] in lines, "with room, it goes on"
        runs += 1
    record_property(f"full disks ({scenario})", runs)
