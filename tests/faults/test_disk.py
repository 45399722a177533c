"""A disk that fails at its n-th read, write, sync or truncate, for every n; and one that is full.

The calls are those of the SQLite that Python's own module uses, and ours: a library that is built
here and preloaded makes them fail.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from checkpoint import SqliteSaver, SqliteStore
from checkpoint.story import values_of
from tests.faults.forks import ForkServer
from tests.faults.scale import WHOLE

SOURCE = Path(__file__).with_name("shim") / "failing_disk.c"
STEPS = 4
SCENARIOS = ("steps", "events", "store")
OPERATIONS = {"r": "read", "w": "write", "s": "sync", "t": "truncate"}
EACH = 1 if WHOLE else 9
"""Every so-manieth n."""

Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    """Children on a disk that may fail."""
    library = tmp_path_factory.mktemp("shim") / "failing_disk.so"
    compiler = shutil.which(os.environ.get("CC", "cc"))
    assert compiler, "a C compiler is needed to build the disk that fails"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"]
    subprocess.run(command, check=True)
    with ForkServer(LD_PRELOAD=str(library)) as server:
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


def check(path: Path, scenario: str, lines: list[Any]) -> tuple[int, int]:
    """Nothing that was acknowledged is lost; how many calls there were, and how many refusals."""
    done = max((line[1] for line in lines if line[0] == "done"), default=0)
    refused = [line for line in lines if line[0] == "refused"]
    assert asyncio.run(look(path, scenario)) - done in {0, 1}
    return lines[-1][1], len(refused)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("ops", OPERATIONS, ids=OPERATIONS.values())
def test_whichever_call_fails_what_was_acknowledged_is_there(
    scenario: str, ops: str, failing: ForkServer, tmp_path: Path, record_property: Record
) -> None:
    path = tmp_path / "0-disk.db"
    calls, refused = check(path, scenario, run(failing, path, scenario, ops, 0))
    assert refused == 0
    numbers = range(1, calls + 1, EACH)
    for nth in numbers:
        path = tmp_path / f"{nth}-disk.db"
        refused += check(path, scenario, run(failing, path, scenario, ops, nth))[1]
    print(f"{len(numbers)} of {calls} calls failed, {refused} refusals")
    assert refused or ops == "t", "nothing was made to fail"
    record_property(f"failing {OPERATIONS[ops]}s", len(numbers))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_full_disk_refuses_and_goes_on_when_there_is_room(
    scenario: str, failing: ForkServer, tmp_path: Path, record_property: Record
) -> None:
    path = tmp_path / "0-disk.db"
    calls, _ = check(path, scenario, run(failing, path, scenario, "w", 0))
    numbers = range(1, calls + 1, EACH * 2)
    for nth in numbers:
        path, room = tmp_path / f"{nth}-disk.db", tmp_path / f"{nth}.room"
        lines = run(failing, path, scenario, "w", nth, DISK_FULL="1", DISK_ROOM=str(room))
        check(path, scenario, lines)
        assert ["done", STEPS] in lines, "with room, it goes on"
    record_property("full disks", len(numbers))
