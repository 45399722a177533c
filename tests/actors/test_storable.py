"""What a durable log keeps of events, and what it and the checkpoints never hold."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict, cast

import pytest

from actors import (
    START,
    ActorSystem,
    CompiledGraph,
    StateGraph,
    StreamWriter,
    UntrackedValue,
    interrupt,
    push_message,
    stream_message,
)
from actors.spec import ROOT
from actors.storable import place_of, storable, without
from checkpoint import Decoder, MemorySaver, SerializationError
from streaming import (
    CheckpointSaved,
    Custom,
    Event,
    StepCommitted,
    StreamMode,
    TaskFinished,
    TaskInterrupted,
    TaskStarted,
    Token,
)
from tests.actors.engine import DEADLINE, chain, on, saying

MODES: list[StreamMode] = ["values", "updates", "tasks", "checkpoints", "events"]
SECRET = frozenset({"client"})


class Client:
    """Something that cannot be stored."""


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]
    client: Annotated[Any, UntrackedValue]


@dataclass
class Typed:
    log: Annotated[list[Any], operator.add]
    client: Annotated[Any, UntrackedValue] = None


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE):
        yield


# --- runs ----------------------------------------------------------------------------------------


def graph_of(schema: Any, saver: MemorySaver, seen: list[Any]) -> CompiledGraph:
    async def uses(state: Any) -> dict[str, Any]:
        client = state.client if isinstance(state, Typed) else state.get("client")
        seen.append(client)
        return {"log": ["a"], "client": client}

    return chain(schema, a=uses, b=uses).compile(checkpointer=saver)


async def streamed(
    saver: MemorySaver, graph: CompiledGraph, value: Any, config: Any
) -> tuple[str, list[Any]]:
    async with ActorSystem(event_log=saver.events) as system:
        run = await system.start(graph, value, config, stream_mode=MODES)
        chunks = [chunk async for chunk in run.stream(MODES, subgraphs=True)]
        await run.result()
        return run.run_id, chunks


async def read_back(saver: MemorySaver, graph: CompiledGraph, run_id: str) -> list[Any]:
    async with ActorSystem(event_log=saver.events) as system:
        log = await system.find_log(graph, run_id, on("t"))
        return [chunk async for chunk in log.subscribe(MODES, subgraphs=True)]


@pytest.mark.parametrize("schema", [State, Typed])
@pytest.mark.parametrize("nested", [False, True])
async def test_values_that_are_never_stored_are_streamed_live_and_left_out_of_the_log(
    schema: Any, nested: bool
) -> None:
    saver, seen, client = MemorySaver(), list[Any](), Client()
    graph = graph_of(schema, saver, seen)
    if nested:
        called = graph_of(schema, saver, seen)
        graph = chain(schema, sub=called).compile(checkpointer=saver)
    run_id, live = await streamed(saver, graph, {"log": [], "client": client}, on("t"))
    assert seen == [client, client]
    assert any(repr(client) in repr(chunk.data) for chunk in live if chunk.mode == "tasks")
    back = await read_back(saver, graph, run_id)
    assert [(chunk.id, chunk.mode) for chunk in back] == [(c.id, c.mode) for c in live]
    assert "client" not in repr([chunk.data for chunk in back])


async def test_a_graph_that_a_node_hides_stores_nothing_it_must_not() -> None:
    saver, seen, client = MemorySaver(), list[Any](), Client()
    graphs = {"inner": graph_of(State, saver, seen)}

    async def calls(state: Any) -> Any:
        return await graphs["in" + "ner"].ainvoke({"log": [], "client": client})

    graph = chain(State, a=calls).compile(checkpointer=saver)
    run_id, _ = await streamed(saver, graph, {"log": []}, on("t"))
    assert seen == [client, client]
    assert "client" not in repr([c.data for c in await read_back(saver, graph, run_id)])


async def test_the_input_is_stored_without_what_is_never_stored() -> None:
    saver, seen, client = MemorySaver(), list[Any](), Client()
    graph = graph_of(State, saver, seen)
    await graph.ainvoke({"log": ["in"], "client": client}, on("t"))
    assert seen == [client, client]
    first = (await saver.history("t"))[-1]
    assert first.record.metadata.step == -1
    values = Decoder(saver.serializer).values(first, lambda name: name != "__schema__")
    assert values == {"__start__": {"log": ["in"]}}


async def test_a_resumed_input_lacks_what_was_not_stored() -> None:
    saver, seen = MemorySaver(), list[Any]()
    graph = graph_of(State, saver, seen)
    await graph.ainvoke({"log": ["in"], "client": Client()}, on("t"))
    states = [state async for state in graph.aget_state_history(on("t"))]
    seen.clear()
    assert (await graph.ainvoke(None, states[-1].config))["log"] == ["in", "a", "a"]
    assert seen == [None, None]


async def test_config_values_that_are_not_plain_are_shown_live_and_left_out_of_the_log() -> None:
    saver, client = MemorySaver(), Client()
    graph = chain(a=saying("a")).compile(checkpointer=saver)
    config = {"configurable": {"thread_id": "t", "user": "u", "client": client, "__x": 1}}
    run_id, live = await streamed(saver, graph, {"log": []}, config)
    shown = [c.data["config"]["configurable"] for c in live if c.mode == "checkpoints"]
    assert all(found["client"] is client for found in shown)
    back = await read_back(saver, graph, run_id)
    stored = [c.data["config"]["configurable"] for c in back if c.mode == "checkpoints"]
    assert stored == [
        {k: v for k, v in found.items() if k not in ("client", "__x")} for found in shown
    ]
    assert {"thread_id", "checkpoint_ns", "checkpoint_id", "user"} == set(stored[0])


def talking(metadata: dict[str, Any], saver: MemorySaver) -> CompiledGraph:
    """A node with this metadata, in which a model speaks."""

    async def talk(state: State) -> dict[str, Any]:
        async with stream_message() as message:
            await message.token("hi")
        push_message({"role": "assistant", "content": "by hand", "id": "m"}, state_key=None)
        return {"log": [interrupt("sure?")]}

    builder = StateGraph(State).add_node("talk", talk, metadata=metadata)
    return builder.add_edge(START, "talk").compile(checkpointer=saver)


def metadata_in(chunks: list[Any]) -> list[Any]:
    """What chunks of any mode say as metadata."""
    data = [chunk.data for chunk in chunks]
    found = [each[1] if isinstance(each, tuple) else each.get("metadata") for each in data]
    return [metadata for metadata in found if metadata is not None]


@pytest.mark.parametrize("mode", ["messages", "tasks", "events", "checkpoints"])
@pytest.mark.parametrize("of", ["config", "node"])
async def test_metadata_that_cannot_be_stored_are_shown_live_and_left_out_of_the_log(
    mode: StreamMode, of: str
) -> None:
    saver, client = MemorySaver(), Client()
    metadata = {"client": client, "owners": ["me"]}
    graph = talking(metadata if of == "node" else {}, saver)
    config = on("t", metadata=metadata if of == "config" else {})
    async with ActorSystem(event_log=saver.events) as system:
        run = await system.start(graph, {"log": []}, config, stream_mode=mode)
        live = metadata_in([chunk async for chunk in run.stream()])
        assert "__interrupt__" in await run.result()
    async with ActorSystem(event_log=saver.events) as system:
        log = await system.find_log(graph, run.run_id, on("t"))
        back = metadata_in([chunk async for chunk in log.subscribe([mode])])
    assert live
    assert back == [{k: v for k, v in shown.items() if k != "client"} for shown in live]
    seen = [shown for shown in live if shown.get("client") is client]
    assert bool(seen) == (mode != "checkpoints")


async def test_metadata_that_cannot_be_stored_are_left_out_of_checkpoints() -> None:
    saver, client = MemorySaver(), Client()
    graph = chain(a=saying("a")).compile(checkpointer=saver)
    config = on("t", metadata={"client": client, "owners": ["me"]})
    await graph.ainvoke({"log": []}, config)
    await graph.aupdate_state(config, {"log": ["b"]})
    found = [state.metadata or {} async for state in graph.aget_state_history(on("t"))]
    assert len(found) == 4
    assert all(m["owners"] == ["me"] and "client" not in m for m in found)


async def test_an_event_that_cannot_be_stored_is_named_with_its_node() -> None:
    saver = MemorySaver()

    async def writes(state: State, writer: StreamWriter) -> None:
        writer(Client())

    graph = chain(n=writes).compile(checkpointer=saver)
    async with ActorSystem(event_log=saver.events) as system:
        run = await system.start(graph, {"log": []}, on("t"))
        with pytest.raises(SerializationError, match=r"^event Custom of node 'n': ") as caught:
            await run.result()
    assert isinstance(caught.value, TypeError)


# --- events --------------------------------------------------------------------------------------


def saved(**changes: Any) -> CheckpointSaved:
    known: dict[str, Any] = {
        "config": {"configurable": {"thread_id": "t"}},
        "parent_config": None,
        "metadata": {},
        "next": [],
        "tasks": [{"id": "1", "name": "a", "result": {"client": 1, "log": []}}, {"id": "2"}],
        "values": {"client": 1, "n": 2},
    }
    return CheckpointSaved(**(known | changes))


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ({"client": 1, "n": 2}, {"n": 2}),
        ({"client": 1}, {}),
        ({}, {}),
        (None, None),
        ([{"client": 1}], [{"client": 1}]),
        (Typed(log=[1], client=2), {"log": [1]}),
    ],
)
def test_state_is_kept_without_some_keys(value: Any, kept: Any) -> None:
    assert without(value, SECRET) == kept


def test_an_instance_without_such_keys_stays_what_it_is() -> None:
    value = Typed(log=[])
    assert without(value, frozenset({"other"})) is value


def test_a_state_of_one_value_that_is_never_stored_is_none() -> None:
    assert without([1, 2], frozenset({ROOT})) is None


@pytest.mark.parametrize(
    ("update", "kept"),
    [
        ({"client": 1, "n": 2}, {"n": 2}),
        ({"client": 1}, None),
        (None, None),
        ([{"n": 1}, {"client": 1}, {"n": 2}], [{"n": 1}, {"n": 2}]),
        ([{"client": 1}, {"client": 2}], None),
    ],
)
def test_an_update_is_kept_without_some_keys(update: Any, kept: Any) -> None:
    event = TaskFinished(
        task_id="1", name="a", update=update, result={"client": 1, "n": 2}, unstored=SECRET
    )
    found = storable(event)
    assert isinstance(found, TaskFinished)
    assert (found.update, found.result) == (kept, {"n": 2})
    assert event.update is update


def test_a_checkpoint_is_kept_without_some_keys() -> None:
    event = StepCommitted(values={"client": 1}, wrote=True, checkpoint=saved(), unstored=SECRET)
    found = cast("StepCommitted", storable(event))
    assert found.values == {}
    assert found.checkpoint is not None
    assert found.checkpoint.values == {"n": 2}
    assert [task.get("result") for task in found.checkpoint.tasks] == [{"log": []}, None]


@pytest.mark.parametrize(
    "event",
    [
        Custom(data=1, node="a"),
        Token(chunk="x"),
        TaskStarted(task_id="1", name="a", input={"client": 1}, triggers=()),
        StepCommitted(values={"client": 1}, wrote=True),
    ],
    ids=lambda event: type(event).__name__,
)
def test_an_event_that_holds_nothing_of_that_kind_is_kept_as_it_is(event: Event) -> None:
    assert storable(event) is event


def test_an_event_is_called_by_its_kind_and_its_node_or_step() -> None:
    assert place_of(Custom(data=1, node="a")) == "event Custom of node 'a'"
    assert place_of(Token(chunk=1, step=3)) == "event Token of step 3"


def test_a_pause_is_stored_without_the_keys_that_are_never_stored() -> None:
    state = {"log": [1], "client": Client()}
    event = TaskInterrupted(task_id="1", name="a", interrupts=("?",), values=state, unstored=SECRET)
    kept = storable(event)
    assert isinstance(kept, TaskInterrupted)
    assert (kept.values, kept.interrupts) == ({"log": [1]}, ("?",))
    assert event.values is state
    assert place_of(event) == "event TaskInterrupted of node 'a'"
