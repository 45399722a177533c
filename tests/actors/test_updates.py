"""Changing a thread from outside: whose write it is, what runs next, and what is refused."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actors import (
    END,
    START,
    ActorSystem,
    Command,
    ConfigError,
    InvalidUpdateError,
    Overwrite,
    Send,
    StateGraph,
    StateUpdate,
    interrupt,
)
from actors.errors import ThreadStateError
from checkpoint import Batch, MemorySaver, SerializationError, SqliteSaver, ThreadBusyError
from checkpoint.ids import IdSource, ids_from
from tests.actors.engine import DEADLINE, Gated, State, chain, fan, on, saying
from tests.waiting import let_all_run, until


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE):
        yield


def abc() -> Any:
    nodes = {name: saying(name) for name in "abc"}
    return chain(**nodes).compile(checkpointer=MemorySaver())


async def test_an_update_is_a_new_checkpoint_on_top_of_the_newest() -> None:
    graph = abc()
    await graph.ainvoke({"log": []}, on("t"))
    before = await graph.aget_state(on("t"))
    config = await graph.aupdate_state(on("t"), {"n": 1})
    after = await graph.aget_state(on("t"))
    assert (after.values, after.config) == ({"log": ["a", "b", "c"], "n": 1}, config)
    assert after.parent_config == before.config
    assert (after.metadata["source"], after.metadata["step"]) == ("update", 4)


async def test_an_update_goes_through_the_reducer_unless_it_overwrites() -> None:
    graph = abc()
    await graph.ainvoke({"log": []}, on("t"))
    await graph.aupdate_state(on("t"), {"log": ["x"]})
    assert (await graph.aget_state(on("t"))).values["log"] == ["a", "b", "c", "x"]
    await graph.aupdate_state(on("t"), {"log": Overwrite(["new"])})
    assert (await graph.aget_state(on("t"))).values["log"] == ["new"]


async def test_an_update_as_a_node_runs_what_comes_after_it() -> None:
    graph = abc()
    await graph.ainvoke({"log": []}, on("t"))
    await graph.aupdate_state(on("t"), {"log": ["x"]}, as_node="a")
    assert (await graph.aget_state(on("t"))).next == ("b",)
    assert (await graph.ainvoke(None, on("t")))["log"] == ["a", "b", "c", "x", "b", "c"]


async def test_an_update_without_a_name_is_by_the_node_that_wrote_last() -> None:
    graph = abc()
    async with graph.astream({"log": []}, on("t")) as stream:
        await anext(stream)
    await graph.aupdate_state(on("t"), {"log": ["x"]})
    assert (await graph.aget_state(on("t"))).next == ("b",)


async def test_an_update_of_a_fresh_thread_is_its_first_checkpoint() -> None:
    graph = abc()
    await graph.aupdate_state(on("t"), {"log": ["x"]})
    state = await graph.aget_state(on("t"))
    assert (state.values, state.next) == ({"log": ["x"]}, ("a",))
    assert (state.metadata["step"], state.parent_config) == (0, None)
    assert (await graph.ainvoke(None, on("t")))["log"] == ["x", "a", "b", "c"]


async def test_an_update_of_a_fresh_thread_as_a_node() -> None:
    graph = abc()
    await graph.aupdate_state(on("t"), {"log": ["x"]}, as_node="b")
    assert (await graph.aget_state(on("t"))).next == ("c",)


async def test_an_update_asks_the_branches_of_its_node() -> None:
    def path(state: Any) -> str:
        return "left" if state["n"] == 1 else END

    builder = StateGraph(State).add_node("a", saying("a")).add_node("left", saying("left"))
    builder.add_edge(START, "a").add_conditional_edges("a", path)
    graph = builder.compile(checkpointer=MemorySaver())
    for n, following in ((1, ("left",)), (2, ())):
        await graph.aupdate_state(on(str(n)), {"n": n}, as_node="a")
        assert (await graph.aget_state(on(str(n)))).next == following


async def test_two_last_writers_make_an_update_ambiguous() -> None:
    graph = fan(a=saying("a"), b=saying("b")).compile(checkpointer=MemorySaver())
    await graph.ainvoke({"log": []}, on("t"))
    with pytest.raises(InvalidUpdateError, match="Ambiguous update, specify as_node"):
        await graph.aupdate_state(on("t"), {"n": 1})
    await graph.aupdate_state(on("t"), {"n": 1}, as_node="a")
    assert (await graph.aget_state(on("t"))).values["n"] == 1


@pytest.mark.parametrize(
    ("values", "as_node", "message"),
    [
        ({"n": 1}, "nobody", "nobody"),
        (5, "a", "Expected dict"),
        ({"no such key": 1}, "a", "no such key"),
    ],
)
async def test_what_is_no_update_is_refused_and_nothing_is_stored(
    values: Any, as_node: str, message: str
) -> None:
    graph = abc()
    await graph.ainvoke({"log": []}, on("t"))
    before = await graph.aget_state(on("t"))
    with pytest.raises(InvalidUpdateError, match=message):
        await graph.aupdate_state(on("t"), values, as_node=as_node)
    assert await graph.aget_state(on("t")) == before
    await graph.ainvoke({"log": []}, on("t"), on_busy="reject")


async def test_a_branch_that_fails_stores_nothing_and_frees_the_thread() -> None:
    def path(state: Any) -> str:
        raise LookupError("no way")

    builder = StateGraph(State).add_node("a", saying("a")).add_edge(START, "a")
    graph = builder.add_conditional_edges("a", path).compile(checkpointer=MemorySaver())
    with pytest.raises(LookupError):
        await graph.aupdate_state(on("t"), {"n": 1}, as_node="a")
    assert [s async for s in graph.aget_state_history(on("t"))] == []
    await graph.aupdate_state(on("t"), {"n": 1}, as_node=START)


async def test_an_update_of_an_old_checkpoint_makes_a_branch() -> None:
    graph = abc()
    await graph.ainvoke({"log": []}, on("t"))
    before = [s async for s in graph.aget_state_history(on("t"))]
    old = next(s for s in before if s.next == ("b",))
    config = await graph.aupdate_state(old.config, {"log": ["x"]})
    assert (await graph.aget_state(config)).values["log"] == ["a", "x"]
    assert (await graph.ainvoke(None, on("t")))["log"] == ["a", "x", "b", "c"]
    after = [s async for s in graph.aget_state_history(on("t"))]
    assert after[-len(before) :] == before


async def with_newest_of_a_clock_ahead(graph: Any, saver: MemorySaver) -> tuple[Any, str]:
    """Run a thread, then store a checkpoint with an id of a clock ten years ahead; gives an
    older snapshot to fork from, and that id."""
    await graph.ainvoke({"log": []}, on("t"))
    old = [s async for s in graph.aget_state_history(on("t"))][1]
    loaded = await saver.load("t")
    assert loaded is not None
    ahead = IdSource(lambda: time.time_ns() + 10 * 365 * 86_400 * 10**9, os.urandom).new()
    record = replace(loaded.record, id=ahead, parent_id=loaded.record.id)
    claim = await saver.claim("t", "a clock ahead", timeout=1)
    await saver.commit(Batch("t", claim.epoch, (record,)))
    saver.release(claim)
    return old, ahead


@pytest.mark.parametrize("value", [None, {"log": ["new"]}])
@pytest.mark.parametrize("durability", ["async", "exit"])
async def test_a_fork_from_an_old_checkpoint_goes_beyond_ids_of_a_clock_ahead(
    value: Any, durability: Any
) -> None:
    saver = MemorySaver()
    graph = chain(**{name: saying(name) for name in "abc"}).compile(checkpointer=saver)
    with ids_from(IdSource(time.time_ns, os.urandom)):  # those of other tests stay in their time
        old, ahead = await with_newest_of_a_clock_ahead(graph, saver)
        values = await graph.ainvoke(value, old.config, durability=durability)
    newest = await graph.aget_state(on("t"))
    assert newest.values == values
    assert newest.config["configurable"]["checkpoint_id"] > ahead


async def test_an_update_of_an_old_checkpoint_goes_beyond_ids_of_a_clock_ahead() -> None:
    saver = MemorySaver()
    graph = chain(**{name: saying(name) for name in "abc"}).compile(checkpointer=saver)
    with ids_from(IdSource(time.time_ns, os.urandom)):
        old, ahead = await with_newest_of_a_clock_ahead(graph, saver)
        config = await graph.aupdate_state(old.config, {"n": 1})
    assert (await graph.aget_state(on("t"))).config == config
    assert config["configurable"]["checkpoint_id"] > ahead


async def test_an_update_of_an_unknown_checkpoint_is_refused() -> None:
    graph = abc()
    await graph.ainvoke({"log": []}, on("t"))
    config = {"configurable": {"thread_id": "t", "checkpoint_id": "nobody"}}
    with pytest.raises(ThreadStateError, match="nobody"):
        await graph.aupdate_state(config, {"n": 1})


async def test_an_update_of_a_failed_thread_takes_in_what_siblings_had_written() -> None:
    gated = Gated("a")

    async def fails(state: Any) -> None:
        gated.gate.set()
        await until(lambda: gated.cleaned)
        await asyncio.sleep(0)
        raise LookupError

    graph = fan(a=gated, b=fails).compile(checkpointer=MemorySaver())
    with pytest.raises(LookupError):
        await graph.ainvoke({"log": []}, on("t"))
    await graph.aupdate_state(on("t"), {"log": ["mended"]}, as_node="b")
    assert (await graph.ainvoke(None, on("t")))["log"] == ["a", "mended"]
    assert gated.calls == 1


async def test_an_update_waits_for_a_run_and_then_stands_on_what_it_left() -> None:
    gated = Gated("a")
    graph = chain(a=gated).compile(checkpointer=MemorySaver())
    run = asyncio.create_task(graph.ainvoke({"log": []}, on("t")))
    await gated.started.wait()
    update = asyncio.create_task(graph.aupdate_state(on("t"), {"log": ["x"]}))
    await let_all_run()
    assert not update.done()
    gated.gate.set()
    await run
    await update
    assert (await graph.aget_state(on("t"))).values == {"log": ["a", "x"]}


async def test_a_cancelled_update_frees_the_thread() -> None:
    gated = Gated("a")
    graph = chain(a=gated).compile(checkpointer=MemorySaver())
    run = asyncio.create_task(graph.ainvoke({"log": []}, on("t")))
    await gated.started.wait()
    update = asyncio.create_task(graph.aupdate_state(on("t"), {"log": ["x"]}))
    await asyncio.sleep(0)
    update.cancel()
    await asyncio.wait({update})
    gated.gate.set()
    await run
    assert (await graph.ainvoke({"log": []}, on("t"), on_busy="reject"))["log"] == ["a", "a"]


async def test_a_node_that_updates_its_own_thread_is_told_at_once() -> None:
    graphs: list[Any] = []

    async def node(state: Any) -> None:
        await graphs[0].aupdate_state(on("t"), {"n": 1})

    graphs.append(chain(a=node).compile(checkpointer=MemorySaver()))
    async with asyncio.timeout(2):
        with pytest.raises(ThreadBusyError):
            await graphs[0].ainvoke({"log": []}, on("t"))


async def test_an_update_needs_a_saver_and_a_thread() -> None:
    with pytest.raises(ConfigError, match="checkpointer"):
        await chain(a=saying("a")).compile().aupdate_state(on("t"), {"n": 1})
    with pytest.raises(ConfigError, match="thread_id"):
        await abc().aupdate_state({}, {"n": 1})


async def test_an_update_of_a_subgraph_changes_its_state() -> None:
    mended: list[bool] = []

    async def y(state: Any) -> dict[str, Any]:
        if not mended:
            raise LookupError
        return {"log": [f"y{state['n']}"]}

    graph = chain(sub=chain(x=saying("x"), y=y).compile()).compile(checkpointer=MemorySaver())
    with pytest.raises(LookupError):
        await graph.ainvoke({"log": []}, on("t"))
    [task] = (await graph.aget_state(on("t"))).tasks
    await graph.aupdate_state(task.state, {"n": 7})
    assert (await graph.aget_state(task.state)).values == {"log": ["x"], "n": 7}
    mended.append(True)
    assert (await graph.ainvoke(None, on("t")))["log"] == ["x", "y7"]


# --- many at once, and what is no node --------------------------------------------------------


async def history(graph: Any) -> list[Any]:
    return [s async for s in graph.aget_state_history(on("t"))]


async def test_super_steps_in_bulk_are_one_checkpoint_each() -> None:
    graph = abc()
    config = await graph.abulk_update_state(
        on("t"),
        [
            [StateUpdate({"log": ["in"]}, START)],
            [StateUpdate({"log": ["a"]}, "a")],
            [StateUpdate({"log": ["b"]}, "b"), StateUpdate({"n": 1}, "b")],
        ],
    )
    found = await history(graph)
    assert [s.values.get("log") for s in found] == [["in", "a", "b"], ["in", "a"], ["in"]]
    assert (found[0].next, found[0].config) == (("c",), config)
    assert [s.metadata["step"] for s in found] == [2, 1, 0]


async def test_a_bulk_that_fails_in_the_middle_stores_nothing() -> None:
    graph = abc()
    await graph.ainvoke({"log": []}, on("t"))
    before = await history(graph)
    updates = [[StateUpdate({"n": 1}, "a")], [StateUpdate({"n": 2}, "nobody")]]
    with pytest.raises(InvalidUpdateError, match="nobody"):
        await graph.abulk_update_state(on("t"), updates)
    assert await history(graph) == before


async def test_a_bulk_that_cannot_be_stored_leaves_the_thread_alone() -> None:
    graph = abc()
    await graph.ainvoke({"log": []}, on("t"))
    before = await history(graph)
    updates = [[StateUpdate({"n": 1}, "a")], [StateUpdate({"log": [object()]}, "b")]]
    with pytest.raises(SerializationError):
        await graph.abulk_update_state(on("t"), updates)
    assert await history(graph) == before
    assert (await graph.ainvoke(None, on("t"), on_busy="reject"))["log"] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("supersteps", "error", "message"),
    [
        ([], ConfigError, "No supersteps provided"),
        ([[]], ConfigError, "No updates provided"),
        ([[StateUpdate({"n": 1}), StateUpdate({"n": 2}, "a")]], InvalidUpdateError, "is required"),
        ([[StateUpdate(None, END), StateUpdate({}, "a")]], InvalidUpdateError, "clearing state"),
        ([[StateUpdate({}, "__input__")] * 2], InvalidUpdateError, "updating as input"),
        ([[StateUpdate(None, "__copy__")] * 2], InvalidUpdateError, "Cannot copy checkpoint"),
        ([[StateUpdate([7], "__copy__")]], InvalidUpdateError, "Invalid update item: 7"),
        ([[StateUpdate(None, "__input__")]], InvalidUpdateError, "Received no input writes"),
    ],
)
async def test_a_bulk_that_cannot_be_is_refused(
    supersteps: Any, error: type[Exception], message: str
) -> None:
    graph = abc()
    await graph.ainvoke({"log": []}, on("t"))
    before = await history(graph)
    with pytest.raises(error, match=message):
        await graph.abulk_update_state(on("t"), supersteps)
    assert await history(graph) == before


async def test_nothing_cannot_be_copied() -> None:
    with pytest.raises(InvalidUpdateError, match="Cannot copy a non-existent checkpoint"):
        await abc().aupdate_state(on("t"), None, "__copy__")


async def copied(graph: Any) -> None:
    long = [f"word {number} of a text that is stored in rows of its own" for number in range(50)]
    await graph.ainvoke({"log": long}, on("t"))
    old = next(s for s in await history(graph) if s.next == ("b",))
    config = await graph.aupdate_state(old.config, None, "__copy__")
    copy = await graph.aget_state(config)
    assert (copy.values, copy.next, copy.parent_config) == (old.values, old.next, old.parent_config)
    assert (copy.metadata["source"], copy.metadata["step"]) == ("fork", 2)
    assert (await graph.ainvoke(None, on("t")))["log"] == [*long, "a", "b", "c"]
    assert (await graph.aget_state(old.config)).values == old.values


async def test_a_copy_holds_what_its_original_holds_and_can_be_run() -> None:
    await copied(abc())


async def test_a_copy_in_a_file_shares_the_rows_of_its_original(tmp_path: Path) -> None:
    async with SqliteSaver.from_conn_string(tmp_path / "copy.db") as saver:
        await copied(chain(**{n: saying(n) for n in "abc"}).compile(checkpointer=saver))


async def copied_in_bulk(graph: Any) -> list[Any]:
    await graph.ainvoke({"log": ["in"]}, on("t"))
    copy = [StateUpdate(None, "__copy__")]
    updates = [
        copy,
        [StateUpdate({"n": 50}, "a")],
        copy,
        copy,
        [StateUpdate({"log": Overwrite(["B"]), "text": "long"}, "b")],
        copy,
        [StateUpdate({"log": ["again"]}, "__input__")],
        copy,
        [StateUpdate(None, END)],
        copy,
        [StateUpdate([({"n": 7}, "a")], "__copy__")],
        copy,
    ]
    await graph.abulk_update_state(on("t"), updates)
    return [(s.values, s.next, s.metadata["source"]) for s in await history(graph)]


async def test_copies_in_bulk_hold_what_the_updates_before_them_made() -> None:
    found = await copied_in_bulk(abc())
    assert found[0] == ({"log": ["B"], "n": 7, "text": "long"}, ("b",), "fork")
    pairs = list(itertools.pairwise(found))
    assert all(copy == made for (copy, _, source), (made, _, _) in pairs if source == "fork")


async def test_copies_in_bulk_are_the_same_in_a_file(tmp_path: Path) -> None:
    async with SqliteSaver.from_conn_string(tmp_path / "bulk.db") as saver:
        graph = chain(**{n: saying(n) for n in "abc"}).compile(checkpointer=saver)
        assert await copied_in_bulk(graph) == await copied_in_bulk(abc())
        assert (await saver.averify()).damage == ()


async def test_an_update_in_place_of_a_task_closes_its_step() -> None:
    gated = Gated("a")

    async def fails(state: Any) -> None:
        gated.gate.set()
        await until(lambda: gated.cleaned)
        await asyncio.sleep(0)
        raise LookupError

    builder = fan(a=gated, b=fails)
    for name in ("a2", "b2"):
        builder.add_node(name, saying(name)).add_edge(name[0], name)
    graph = builder.compile(checkpointer=MemorySaver())
    with pytest.raises(LookupError):
        await graph.ainvoke({"log": []}, on("t"))
    await graph.aupdate_state(on("t"), {"log": ["B"]}, as_node="b")
    assert (await graph.aget_state(on("t"))).next == ("a2", "b2")
    assert (await graph.ainvoke(None, on("t")))["log"] == ["a", "B", "a2", "b2"]
    assert gated.calls == 1


async def test_an_update_keeps_what_a_command_had_brought() -> None:
    async def ask(state: Any) -> dict[str, Any]:
        return {"log": [interrupt("one"), interrupt("two")]}

    graph = chain(a=ask, b=saying("b")).compile(checkpointer=MemorySaver())
    await graph.ainvoke({"log": []}, on("t"))
    await graph.ainvoke(Command(resume="x", update={"n": 7}), on("t"))
    await graph.aupdate_state(on("t"), {"log": ["mine"]}, as_node="a")
    assert (await graph.aget_state(on("t"))).values == {"log": ["mine"], "n": 7}
    assert (await graph.ainvoke(None, on("t")))["log"] == ["mine", "b"]


async def test_the_task_an_update_stands_for_shows_it_as_its_result() -> None:
    async def leaf(state: Any) -> None:
        raise LookupError

    builder = StateGraph(State).add_node("leaf", leaf)
    builder.add_conditional_edges(START, lambda s: [Send("leaf", n) for n in range(2)], ["leaf"])
    graph = builder.compile(checkpointer=MemorySaver())
    with pytest.raises(LookupError):
        await graph.ainvoke({"log": []}, on("t"))
    [_, second] = (await graph.aget_state(on("t"))).tasks
    await graph.aupdate_state(on("t"), {"log": ["mine"]}, as_node="leaf", task_id=second.id)
    [_, before, *_] = await history(graph)
    assert [task.result for task in before.tasks] == [None, {"log": ["mine"]}]


async def test_an_update_of_a_running_thread_names_who_holds_it() -> None:
    gated = Gated("a")
    graph = chain(a=gated).compile(checkpointer=MemorySaver())
    async with ActorSystem() as system:
        run = await system.start(graph, {"log": []}, on("t"))
        await gated.started.wait()
        claim = graph.checkpointer.claim("t", "an update", timeout=0)
        with pytest.raises(ThreadBusyError, match=run.run_id):
            await claim
        gated.gate.set()
        await run.result()
    await graph.aupdate_state(on("t"), {"n": 1})
