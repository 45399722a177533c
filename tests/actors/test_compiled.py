"""Every way to run a compiled graph: modes, keys, durability, stateless runs, bound configs."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from typing import Any

import pytest

from actors import CompiledGraph, ConfigError, GraphRecursionError
from actors.errors import CheckpointerTypeError, EmptyInputError, OptionError
from checkpoint import MemorySaver
from tests.actors.engine import DEADLINE, Gated, chain, fan, on, saying, says
from tests.waiting import until


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE):
        yield


async def bad(state: Any) -> None:
    raise LookupError("no")


async def steps_of(graph: CompiledGraph, thread: str = "t") -> list[tuple[Any, ...]]:
    """(source, step, values, next) of a thread's checkpoints, newest first."""
    return [
        (s.metadata["source"], s.metadata["step"], s.values["log"], s.next)
        async for s in graph.aget_state_history(on(thread))
        if s.metadata is not None
    ]


# --- what a call gives -------------------------------------------------------------------------


async def test_ainvoke_gives_the_last_state_or_the_chunks_of_another_mode() -> None:
    graph = chain(a=saying("a"), b=says("b")).compile()
    assert await graph.ainvoke({"log": [], "n": 1}) == {"log": ["a", "b"], "n": 1}
    assert await graph.ainvoke({"log": []}, stream_mode="updates") == [
        {"a": {"log": ["a"]}},
        {"b": {"log": ["b"]}},
    ]
    pairs = await graph.ainvoke({"log": []}, stream_mode=["updates", "custom"])
    assert pairs == [("updates", {"a": {"log": ["a"]}}), ("updates", {"b": {"log": ["b"]}})]


async def test_a_mode_as_a_string_gives_bare_chunks_and_a_list_of_one_gives_pairs() -> None:
    graph = chain(a=saying("a")).compile()
    bare = [c async for c in graph.astream({"log": []}, stream_mode="updates")]
    pairs = [c async for c in graph.astream({"log": []}, stream_mode=["updates"])]
    with_ns = [c async for c in graph.astream({"log": []}, stream_mode=["updates"], subgraphs=True)]
    assert bare == [{"a": {"log": ["a"]}}]
    assert pairs == [("updates", bare[0])]
    assert with_ns == [((), "updates", bare[0])]


async def test_output_keys_narrow_the_result_and_the_stream() -> None:
    graph = chain(a=says("a", n=1), b=says("b")).compile()
    assert await graph.ainvoke({"log": []}, output_keys="n") == 1
    assert await graph.ainvoke({"log": []}, output_keys=["n", "text"]) == {"n": 1}
    values = [c async for c in graph.astream({"log": []}, stream_mode="values", output_keys=["n"])]
    assert values[-1] == {"n": 1}


@pytest.mark.parametrize("keys", ["nope", ["n", "nope"]])
async def test_unknown_output_keys_are_refused_with_those_there_are(keys: Any) -> None:
    graph = chain(a=saying("a")).compile()
    with pytest.raises(ConfigError, match=r"'nope'.*'log'"):
        await graph.ainvoke({"log": []}, output_keys=keys)
    with pytest.raises(ConfigError, match="'nope'"):
        graph.astream({"log": []}, output_keys=keys)


async def test_an_unknown_keyword_is_refused() -> None:
    graph = chain(a=saying("a")).compile()
    wrong: dict[str, Any] = {"streem_mode": "values"}
    with pytest.raises(OptionError, match="streem_mode"):
        await graph.ainvoke({"log": []}, **wrong)
    with pytest.raises(OptionError, match="streem_mode"):
        graph.astream({"log": []}, **wrong)


async def test_the_input_of_the_caller_is_left_as_it_was() -> None:
    given: dict[str, Any] = {"log": ["in"], "n": 1}
    graph = chain(a=saying("a", n=2), b=saying("b")).compile(checkpointer=MemorySaver())
    await graph.ainvoke(given, on("t"))
    assert given == {"log": ["in"], "n": 1}


async def test_a_result_that_the_caller_changes_does_not_change_the_thread() -> None:
    graph = chain(a=saying("a")).compile(checkpointer=MemorySaver())
    result = await graph.ainvoke({"log": []}, on("t"))
    result["log"].append("mine")
    assert (await graph.aget_state(on("t"))).values == {"log": ["a"]}
    assert await graph.ainvoke({"log": []}, on("t")) == {"log": ["a", "a"]}


async def test_a_list_that_a_node_changes_in_place_is_stored_as_its_step_left_it() -> None:
    async def grows(state: Any) -> dict[str, Any]:
        state["log"].append("in place")
        return {"n": len(state["log"])}

    graph = chain(a=saying("a"), b=grows, c=saying("c")).compile(checkpointer=MemorySaver())
    await graph.ainvoke({"log": []}, on("t"))
    history = [s.values.get("log") async for s in graph.aget_state_history(on("t"))]
    assert history[-1] == []
    assert history[2] == ["a"]


# --- the steps ---------------------------------------------------------------------------------


async def test_the_recursion_limit_counts_steps() -> None:
    builder = chain(a=saying("a")).add_edge("a", "a")
    with pytest.raises(GraphRecursionError, match="5"):
        await builder.compile().ainvoke({"log": []}, {"recursion_limit": 5})
    graph = chain(a=saying("a"), b=saying("b")).compile()
    assert await graph.ainvoke({"log": []}, {"recursion_limit": 3}) == {"log": ["a", "b"]}


async def test_after_the_steps_ran_out_the_thread_goes_on() -> None:
    graph = chain(a=saying("a"), b=saying("b"), c=saying("c")).compile(checkpointer=MemorySaver())
    with pytest.raises(GraphRecursionError):
        await graph.ainvoke({"log": []}, on("t", recursion_limit=1))
    assert await graph.ainvoke(None, on("t")) == {"log": ["a", "b", "c"]}


async def test_a_fresh_thread_has_nothing_to_go_on_with() -> None:
    graph = chain(a=saying("a")).compile(checkpointer=MemorySaver())
    with pytest.raises(EmptyInputError):
        await graph.ainvoke(None, on("t"))
    with pytest.raises(EmptyInputError):
        await graph.ainvoke(None, stateless=True)
    assert await steps_of(graph) == []


async def test_a_finished_thread_gives_its_state() -> None:
    graph = chain(a=saying("a")).compile(checkpointer=MemorySaver())
    await graph.ainvoke({"log": []}, on("t"))
    before = await steps_of(graph)
    assert await graph.ainvoke(None, on("t")) == {"log": ["a"]}
    assert await steps_of(graph) == before


async def test_a_failed_thread_runs_only_what_failed() -> None:
    calls: list[str] = []

    async def a(state: Any) -> dict[str, Any]:
        calls.append("a")
        return {"log": ["a"]}

    async def b(state: Any) -> dict[str, Any]:
        calls.append("b")
        if calls.count("b") == 1:
            await asyncio.sleep(0)  # a has finished by then
            raise LookupError
        return {"log": ["b"]}

    graph = fan(a=a, b=b).compile(checkpointer=MemorySaver())
    with pytest.raises(LookupError):
        await graph.ainvoke({"log": []}, on("t"))
    assert await graph.ainvoke(None, on("t")) == {"log": ["a", "b"]}
    assert sorted(calls) == ["a", "b", "b"]


# --- stateless runs ----------------------------------------------------------------------------


async def test_a_graph_without_a_saver_needs_no_thread() -> None:
    graph = chain(a=saying("a")).compile()
    assert await graph.ainvoke({"log": []}) == {"log": ["a"]}
    assert await graph.ainvoke({"log": []}, on("t")) == {"log": ["a"]}


@pytest.mark.parametrize("config", [None, {}, {"configurable": {}}, {"configurable": {"x": 1}}])
async def test_a_saver_without_a_thread_is_refused_by_the_name_of_the_key(config: Any) -> None:
    calls = Gated()
    graph = chain(a=calls).compile(checkpointer=MemorySaver())
    with pytest.raises(ValueError, match="thread_id"):
        await graph.ainvoke({"log": []}, config)
    with pytest.raises(ConfigError, match="thread_id"):
        graph.astream({"log": []}, config)
    assert calls.calls == 0


async def test_a_stateless_run_stores_nothing_even_with_a_saver_and_a_thread() -> None:
    saver = MemorySaver()
    graph = chain(a=saying("a")).compile(checkpointer=saver)
    assert await graph.ainvoke({"log": []}, stateless=True) == {"log": ["a"]}
    assert await graph.ainvoke({"log": []}, on("t"), stateless=True) == {"log": ["a"]}
    chunks = [c async for c in graph.astream({"log": []}, stateless=True, stream_mode="debug")]
    assert {chunk["type"] for chunk in chunks} == {"task", "task_result"}
    assert saver._scopes == {}


async def test_a_stateless_run_does_not_wait_for_a_busy_thread() -> None:
    gated = Gated()
    graph = chain(a=gated).compile(checkpointer=MemorySaver())
    first = asyncio.create_task(graph.ainvoke({"log": []}, on("t")))
    await gated.started.wait()
    gated.gate.set()
    assert await graph.ainvoke({"log": []}, on("t"), stateless=True, on_busy="reject")
    await first


# --- durability --------------------------------------------------------------------------------


@pytest.mark.parametrize("durability", ["sync", "async"])
async def test_every_step_is_stored(durability: Any) -> None:
    graph = chain(a=saying("a"), b=saying("b")).compile(checkpointer=MemorySaver())
    await graph.ainvoke({"log": ["in"]}, on("t"), durability=durability)
    assert await steps_of(graph) == [
        ("loop", 2, ["in", "a", "b"], ()),
        ("loop", 1, ["in", "a"], ("b",)),
        ("loop", 0, ["in"], ("a",)),
        ("input", -1, [], ("__start__",)),
    ]


async def test_exit_stores_one_checkpoint_at_the_end() -> None:
    graph = chain(a=saying("a"), b=saying("b")).compile(checkpointer=MemorySaver())
    await graph.ainvoke({"log": ["in"]}, on("t"), durability="exit")
    assert await steps_of(graph) == [("loop", 2, ["in", "a", "b"], ())]
    await graph.ainvoke({"log": []}, on("t"), durability="exit")
    newest, oldest = [s async for s in graph.aget_state_history(on("t"))]
    assert newest.parent_config == oldest.config
    assert newest.values["log"] == ["in", "a", "b", "a", "b"]


async def test_exit_stores_what_a_failed_run_had_come_to() -> None:
    graph = chain(a=saying("a"), b=bad).compile(checkpointer=MemorySaver())
    with pytest.raises(LookupError):
        await graph.ainvoke({"log": []}, on("t"), durability="exit")
    assert await steps_of(graph) == [("loop", 1, ["a"], ("b",))]
    state = await graph.aget_state(on("t"))
    assert "LookupError" in (state.tasks[0].error or "")


async def test_exit_keeps_what_siblings_of_a_failed_task_had_written() -> None:
    gated = Gated("a")

    async def b(state: Any) -> None:
        gated.gate.set()
        await asyncio.sleep(0)
        await until(lambda: gated.cleaned)
        raise LookupError

    graph = fan(a=gated, b=b).compile(checkpointer=MemorySaver())
    with pytest.raises(LookupError):
        await graph.ainvoke({"log": []}, on("t"), durability="exit")
    state = await graph.aget_state(on("t"))
    assert (state.values, state.next) == ({"log": ["a"]}, ("b",))


async def test_exit_stores_what_a_cancelled_run_had_come_to() -> None:
    gated = Gated("b")
    graph = chain(a=saying("a"), b=gated).compile(checkpointer=MemorySaver())
    call = asyncio.create_task(graph.ainvoke({"log": []}, on("t"), durability="exit"))
    await gated.started.wait()
    call.cancel()
    await asyncio.wait({call})
    assert await steps_of(graph) == [("loop", 1, ["a"], ("b",))]
    gated.gate.set()
    assert await graph.ainvoke(None, on("t")) == {"log": ["a", "b"]}


async def test_an_unknown_durability_is_refused_before_anything_runs() -> None:
    gated = Gated()
    graph = chain(a=gated).compile(checkpointer=MemorySaver())
    with pytest.raises(ConfigError, match="durability='never'"):
        await graph.ainvoke({"log": []}, on("t"), durability="never")  # pyright: ignore[reportArgumentType]
    assert (gated.calls, await steps_of(graph)) == (0, [])


# --- making ------------------------------------------------------------------------------------


async def test_a_bound_config_stands_under_the_calls() -> None:
    seen: list[Any] = []

    def node(state: Any, config: Any) -> None:
        seen.append((config["tags"], config["configurable"]["user"], config["metadata"]["m"]))

    graph = chain(a=node).compile().with_config({"tags": ["b"], "configurable": {"user": "bob"}})
    graph = graph.with_config(metadata={"m": 1})
    await graph.ainvoke({"log": []})
    await graph.ainvoke({"log": []}, {"tags": ["c"], "configurable": {"user": "ada"}})
    assert seen == [(["b"], "bob", 1), (["b", "c"], "ada", 1)]


async def test_binding_leaves_the_graph_as_it_was() -> None:
    graph = chain(a=saying("a")).compile(checkpointer=MemorySaver())
    bound = graph.with_config(on("t"))
    await bound.ainvoke({"log": []})
    with pytest.raises(ConfigError):
        await graph.ainvoke({"log": []})
    assert (await bound.aget_state({})).values == {"log": ["a"]}


async def test_a_config_that_cannot_be_is_refused_when_it_is_bound() -> None:
    with pytest.raises(ConfigError, match="recursion_limit"):
        chain(a=saying("a")).compile().with_config(recursion_limit=0)


@pytest.mark.parametrize("wrong", ["memory", 5, object(), MemorySaver])
async def test_a_checkpointer_that_is_no_saver_is_refused(wrong: Any) -> None:
    with pytest.raises(CheckpointerTypeError) as caught:
        chain(a=saying("a")).compile(checkpointer=wrong)
    assert isinstance(caught.value, TypeError)


async def test_metadata_of_the_call_is_found_on_its_checkpoints() -> None:
    graph = chain(a=saying("a")).compile(checkpointer=MemorySaver())
    config = {"configurable": {"thread_id": "t", "user": "ada"}, "metadata": {"m": 1}}
    await graph.ainvoke({"log": []}, config)
    state = await graph.aget_state(on("t"))
    assert state.metadata is not None
    assert (state.metadata["m"], state.metadata["user"]) == (1, "ada")


@pytest.mark.parametrize(
    ("sync", "twin"),
    [
        ("invoke", "ainvoke"),
        ("stream", "astream"),
        ("batch", "abatch"),
        ("get_state", "aget_state"),
        ("get_state_history", "aget_state_history"),
        ("update_state", "aupdate_state"),
    ],
)
async def test_sync_methods_take_what_their_async_twins_take(sync: str, twin: str) -> None:
    first, second = (
        inspect.signature(getattr(CompiledGraph, name)).parameters for name in (sync, twin)
    )
    assert first == second


async def test_one_graph_serves_many_runs_at_once() -> None:
    graph = fan(a=saying("a"), b=says("b")).compile(checkpointer=MemorySaver())
    calls = [graph.ainvoke({"log": [n]}, on(str(n))) for n in range(100)]
    results = await asyncio.gather(*calls)
    assert [result["log"] for result in results] == [[n, "a", "b"] for n in range(100)]
