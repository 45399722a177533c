"""Files damaged at random and repaired: sound again, nothing lost of what was not damaged, and of
what was, the beginning is as it was.  Who dies in the middle leaves the one file or the other."""

from __future__ import annotations

import asyncio
import operator
import random
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

from actors import START, Command, StateGraph, interrupt
from checkpoint import (
    CheckpointError,
    EncryptedSerializer,
    NewerSchemaError,
    NotADatabaseError,
    SqliteSaver,
    SqliteStore,
    repair_database,
)
from checkpoint.repair_reports import Repair
from checkpoint.schema import PAGE_SIZE
from checkpoint.tales import told
from tests.faults.answers import Answers, ask, fill, is_error
from tests.faults.flips import a_bit, flipped
from tests.faults.forks import KILLED, ForkServer
from tests.faults.scale import WHOLE

BATCHES = range(12) if WHOLE else (3,)
DAMAGES = 25
"""In each batch."""
ITEMS = 30


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Answers]:
    """A database as bytes, and what it answers."""
    path = tmp_path_factory.mktemp("repairs") / "sound.db"
    asyncio.run(fill_all(path))
    return path.read_bytes(), asyncio.run(ask_all(path))


async def fill_all(path: Path) -> None:
    await fill(path)
    async with SqliteStore(path) as store:
        for number in range(ITEMS):
            await store.aput(("ns", f"{number % 3}"), f"{number}", {"text": f"{number}" * 40})


async def ask_all(path: Path) -> Answers:
    answers = await ask(path)
    async with SqliteStore(path) as store:
        for number in range(ITEMS):
            item = await store.aget(("ns", f"{number % 3}"), f"{number}")
            answers["item", f"{number}"] = item and item.value
    return answers


def a_damage(dice: random.Random, data: bytes, number: int) -> bytes:
    """A bit; one time in five all of a page, but the first."""
    if number % 5 or number % (len(data) // PAGE_SIZE) == 0:
        return flipped(data, a_bit(dice, data, number))
    page = number % (len(data) // PAGE_SIZE) * PAGE_SIZE
    return data[:page] + dice.randbytes(PAGE_SIZE) + data[page + PAGE_SIZE :]


@pytest.mark.parametrize("batch", BATCHES)
def test_what_was_not_damaged_is_as_it_was_and_the_rest_is_a_beginning_of_it(
    batch: int,
    sound: tuple[bytes, Answers],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    data, answers = sound
    dice, lossless = random.Random(f"repairs {batch}"), 0
    for number in range(batch * DAMAGES, (batch + 1) * DAMAGES):
        for left in tmp_path.iterdir():
            left.unlink()
        path, damaged = tmp_path / "damaged.db", a_damage(dice, data, number)
        path.write_bytes(damaged)
        try:
            done = repair_database(path, fall_back=True)
        except (NewerSchemaError, NotADatabaseError):  # what says whose file it is is damaged
            assert damaged[:PAGE_SIZE] != data[:PAGE_SIZE]
            assert path.read_bytes() == damaged
            continue
        if done.ok:
            assert path.read_bytes() == damaged
        else:
            assert done.backup is not None
            assert Path(done.backup).read_bytes() == damaged
        compare(done, answers, asyncio.run(ask_all(path)))
        asyncio.run(go_on(path))
        lossless += not (done.threads or done.runs or done.rows)
    record_property("damaged files repaired, none silently wrong", DAMAGES)
    record_property("damaged files repaired that nothing got lost of", lossless)


def compare(done: Repair, before: Answers, after: Answers) -> None:
    """What differs was told of, and is a part of what there was."""
    threads = {each.thread_id for each in done.threads}
    runs = {each.run_id: each.last for each in done.runs}
    lost_rows = sum(each.rows for each in done.rows)
    assert after["sound",] is True
    gone = 0
    for question, answer in before.items():
        found = after[question]
        assert not is_error(found), question
        match question:
            case ("newest" | "history", thread, _) if thread in threads:
                parts = found if question[0] == "history" else [found] if found else []
                whole = before["history", *question[1:]]
                assert {bare(part) for part in parts} <= {bare(each) for each in whole}
            case ("events" | "last event", run) if run in runs:
                assert found == (answer[: runs[run]] if question[0] == "events" else runs[run])
            case ("item", _) if found is None:
                gone += 1
            case ("threads",) if threads:
                assert {each.thread_id for each in found} <= {each.thread_id for each in answer}
            case _:
                assert found == answer, question
    assert gone <= lost_rows or (gone and done.rows)


def bare(checkpoint: str) -> str:
    """A checkpoint without its parent and the pending writes after it, which may be lost alone."""
    return re.sub(r"parent_id=(None|'[^']*')|pending_writes=.*", "", checkpoint)


async def go_on(path: Path) -> None:
    async with SqliteSaver(path) as saver:
        for thread in ("one", "two", "three"):
            await told(saver, 1, thread)
        assert (await saver.averify()).ok


def test_an_encrypted_file_is_repaired_too(tmp_path: Path) -> None:
    key = EncryptedSerializer(bytes(16))
    dice, path = random.Random("encrypted"), tmp_path / "sound.db"

    async def told_all() -> None:
        async with SqliteSaver(path, serializer=key) as saver:
            for thread in ("one", "two"):
                await told(saver, 20, thread)

    asyncio.run(told_all())
    data, repaired = path.read_bytes(), 0
    for number in range(20 if WHOLE else 6):
        copy = tmp_path / f"{number}.db"
        copy.write_bytes(a_damage(dice, data, number * 5 + 5))
        repaired += repair_database(copy, fall_back=True, serializer=key).backup is not None
        with SqliteSaver(copy, serializer=key) as saver:
            assert saver.verify().ok
    assert repaired


# --- killed in the middle ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def torn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A damaged file, and a log with steps that are not in it."""
    folder = tmp_path_factory.mktemp("torn")
    path, live = folder / "torn.db", folder / "live.db"

    async def fill_and_copy() -> None:
        await fill(live)
        async with SqliteSaver(live) as saver:
            await told(saver, 5, "late")
            for suffix in ("", "-wal"):
                shutil.copy(f"{live}{suffix}", f"{path}{suffix}")

    asyncio.run(fill_and_copy())
    data = bytearray(path.read_bytes())
    middle = len(data) // PAGE_SIZE // 2 * PAGE_SIZE
    data[middle : middle + PAGE_SIZE] = bytes(PAGE_SIZE)
    path.write_bytes(data)
    return path


def answers_of(path: Path) -> Answers:
    """What a copy of a file and its log answers: asking changes neither."""
    copy = path.with_name("asked.db")
    for left in path.parent.glob("asked.db*"):
        left.unlink()
    for suffix in ("", "-wal"):
        if Path(f"{path}{suffix}").exists():
            shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
    return asyncio.run(ask(copy))


def test_killed_before_any_call_it_is_the_damaged_file_or_the_mended_one(
    torn: Path,
    server: ForkServer,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    def begun(name: str, **job: Any) -> tuple[int, list[Any], Path]:
        path = tmp_path / name / "torn.db"
        path.parent.mkdir()
        for suffix in ("", "-wal"):
            shutil.copy(f"{torn}{suffix}", f"{path}{suffix}")
        child = server.start("repairing", path=path, **job)
        return child.end(), child.lines, path

    status, lines, path = begun("whole")
    assert status == 0
    before, after, calls = answers_of(torn), answers_of(path), lines[-1]
    assert before != after
    seen, left = list[bool](), torn
    every = max(1, calls // (20 if WHOLE else 4))
    numbers = sorted(
        {*range(1, calls + 1, every), *range(max(1, calls - 12), calls + 1, 1 + 3 * (not WHOLE))}
    )
    for number in numbers:  # the files change places at the end
        status, _, path = begun(f"{number}", die_at_call=number)
        assert status == KILLED
        found = answers_of(path)
        assert found in (before, after), number
        seen.append(found == after)
        left = path if found == before else left
    repair_database(left, fall_back=True)
    assert answers_of(left) == after
    assert seen == sorted(seen), "once it has happened, it has happened"
    assert set(seen) == {False, True}
    record_property("kills in the middle of a repair, nothing half done", len(seen))


# --- graphs go on ------------------------------------------------------------------------------


class State(TypedDict):
    log: Annotated[list[str], operator.add]


def graph_of(saver: SqliteSaver) -> Any:
    """A graph whose subgraph asks, and one that keeps its state."""
    asking = StateGraph(State)
    asking.add_node("before", lambda _: {"log": ["before"]})
    asking.add_node("ask", lambda _: {"log": [interrupt("what?")]})
    asking.add_edge(START, "before").add_edge("before", "ask")
    keeping = StateGraph(State)
    keeping.add_node("count", lambda state: {"log": [f"kept {len(state['log'])}"]})
    keeping.add_edge(START, "count")
    builder = StateGraph(State)
    builder.add_node("first", lambda _: {"log": ["first"]})
    builder.add_node("keeping", keeping.compile(checkpointer=True))
    builder.add_node("asking", asking.compile())
    builder.add_node("last", lambda _: {"log": ["last"]})
    builder.add_edge(START, "first").add_edge("first", "keeping")
    builder.add_edge("keeping", "asking").add_edge("asking", "last")
    return builder.compile(checkpointer=saver)


CONFIG: Any = {"configurable": {"thread_id": "thread"}}


def run(path: Path) -> Any:
    """Go on with the thread, whatever it waits for, to its end."""
    with SqliteSaver(path) as saver:
        graph = graph_of(saver)
        state = graph.get_state(CONFIG)
        asked = any(task.interrupts for task in state.tasks)
        given: Any = Command(resume="answer") if asked else None if state.next else {"log": ["in"]}
        result = graph.invoke(given, CONFIG)
        if "__interrupt__" in result:
            result = graph.invoke(Command(resume="answer"), CONFIG)
        return result["log"]


@pytest.mark.parametrize("table", ["checkpoint", "pending", "blob"])
def test_a_graph_with_subgraphs_goes_on_whichever_row_is_lost(table: str, tmp_path: Path) -> None:
    origin = tmp_path / "origin.db"
    with SqliteSaver(origin) as saver:
        graph_of(saver).invoke({"log": ["in"]}, CONFIG)
    path = tmp_path / "whole.db"
    shutil.copy(origin, path)
    whole = run(path)
    with closing(sqlite3.connect(origin)) as connection:
        rows = connection.execute(f"SELECT * FROM {table}").fetchall()
    for number in range(len(rows)):
        path = tmp_path / f"{number}.db"
        shutil.copy(origin, path)
        with closing(sqlite3.connect(path)) as connection, connection:
            key = "rowid" if table != "pending" else "checkpoint || task"
            find = f"SELECT {key} FROM {table} LIMIT 1 OFFSET {number}"
            connection.execute(f"DELETE FROM {table} WHERE {key}=({find})")
        done = repair_database(path, fall_back=True)
        assert done.backup or done.ok
        assert run(path) == whole, done


def test_a_repair_tells_the_same_before_and_after(
    sound: tuple[bytes, Answers], tmp_path: Path
) -> None:
    dice = random.Random("told")
    for number in (7, 12, 31, 45):
        path = tmp_path / f"{number}.db"
        path.write_bytes(a_damage(dice, sound[0], number))
        try:
            said = repair_database(path)
        except CheckpointError as error:
            with pytest.raises(type(error)):
                repair_database(path, fall_back=True)
            continue
        assert replace(repair_database(path, fall_back=True), backup=None) == said
        assert repair_database(path).ok
