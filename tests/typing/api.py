"""How users call the public names; pyright checks this file and nobody runs it.

A signature that gets narrower, or a type that gets vaguer, breaks here first.
"""

from __future__ import annotations

import operator
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict, assert_type

from actors import (
    END,
    START,
    Actor,
    ActorRef,
    ActorsError,
    ActorSystem,
    CompiledGraph,
    GraphRecursionError,
    Interrupt,
    RetryPolicy,
    Run,
    Runtime,
    Send,
    StateGraph,
    StateSnapshot,
    StreamWriter,
    Supervisor,
    entrypoint,
    get_runtime,
    get_stream_writer,
    task,
)
from checkpoint import (
    Administration,
    CheckpointError,
    EncryptedSerializer,
    MemoryCache,
    MemorySaver,
    MsgpackSerializer,
    Removed,
    Saver,
    Serializer,
    SqliteSaver,
    ThreadBusyError,
    ThreadInfo,
    Vacuumed,
    Verification,
)
from streaming import Chunk, Gap, Hub, StreamMode


class State(TypedDict):
    total: Annotated[int, operator.add]
    messages: Annotated[list[Any], operator.add]


@dataclass
class Settings:
    limit: int = 3


class Partial(TypedDict, total=False):
    total: int


def sync_node(state: State) -> Partial:
    return {"total": state["total"]}


async def async_node(state: State) -> dict[str, Any]:
    return {"total": state["total"]}


async def node_with_writer(state: State, writer: StreamWriter) -> None:
    writer({"seen": state["total"]})
    get_stream_writer()("custom")


def route(state: State) -> str | Sequence[Send]:
    return END if state["total"] else [Send("sync", {"total": 1})]


def build(saver: Saver | None) -> CompiledGraph:
    builder = StateGraph(State, context_schema=Settings)
    builder = builder.add_node("sync", sync_node).add_node(async_node)
    builder.add_node("writer", node_with_writer, defer=True, metadata={"owner": "me"})
    builder.add_edge(START, "sync").add_edge(["sync", "async_node"], "writer")
    builder.add_conditional_edges("writer", route, {"sync": "sync", END: END})
    builder.add_sequence([("one", sync_node), async_node])
    builder.set_entry_point("sync").set_finish_point("one")
    return builder.compile(checkpointer=saver, name="typed")


def every_saver_fits() -> None:
    build(MemorySaver())
    build(None)
    with SqliteSaver.from_conn_string("file.sqlite") as saver:
        build(saver)


async def every_saver_fits_async() -> None:
    async with SqliteSaver.from_conn_string("file.sqlite") as saver:
        build(saver)


def sync_doors(graph: CompiledGraph) -> None:
    config = {"configurable": {"thread_id": "1"}, "recursion_limit": 10}
    graph.invoke({"total": 1}, config, durability="sync")
    graph.invoke(None, config, stream_mode="updates", output_keys=["total"])
    graph.with_config({"tags": ["nightly"]}).invoke({"total": 1}, stateless=True)
    for _ in graph.stream({"total": 1}, config, stream_mode=["values", "messages"], subgraphs=True):
        pass
    assert_type(graph.get_state(config), StateSnapshot)
    for snapshot in graph.get_state_history(config, limit=2, filter={"source": "loop"}):
        assert_type(snapshot, StateSnapshot)
    moved = graph.update_state(config, {"total": 1}, as_node="sync")
    graph.invoke(None, moved)
    graph.batch([{"total": 1}, {"total": 2}])


async def async_doors(graph: CompiledGraph) -> None:
    config = {"configurable": {"thread_id": "1"}}
    await graph.ainvoke({"total": 1}, config, durability="exit")
    stream = graph.astream({"total": 1}, config, stream_mode="values")
    chunks: AsyncIterator[Any] = stream
    async for _ in chunks:
        break
    assert_type(await graph.aget_state(config), StateSnapshot)
    async for snapshot in graph.aget_state_history(config):
        assert_type(snapshot, StateSnapshot)
    moved = await graph.aupdate_state(config, {"total": 1})
    await graph.ainvoke(None, moved)
    await graph.abatch([{"total": 1}], return_exceptions=True)


def what_a_snapshot_holds(snapshot: StateSnapshot) -> None:
    assert_type(snapshot.next, tuple[str, ...])
    for pending in snapshot.interrupts:
        assert_type(pending, Interrupt)
        assert_type(pending.id, str)
    for planned in snapshot.tasks:
        assert_type(planned.name, str)


def what_can_be_caught(graph: CompiledGraph) -> None:
    try:
        graph.invoke({"total": 1})
    except GraphRecursionError as error:
        root: ActorsError = error
        builtin: RecursionError = error
        print(root, builtin)
    except ThreadBusyError as error:
        assert_type(error.owner, str)
        storage: CheckpointError = error
        print(storage)


async def runs_that_go_on_by_themselves(graph: CompiledGraph) -> None:
    async with ActorSystem() as system:
        run = await system.start(graph, {"total": 1}, on_busy="reject")
        assert_type(run, Run)
        async for item in run.stream(["values", "custom"]):
            assert_type(item, Chunk | Gap)
        assert_type(await run.result(), Any)
        await run.cancel()


@task
def length(text: str, *, factor: int = 1) -> int:
    return factor * len(text)


@task(name="lengths", retry_policy=RetryPolicy())
async def lengths(texts: Sequence[str]) -> list[int]:
    return [await length(text) for text in texts]


@entrypoint(checkpointer=MemorySaver())
async def longest(texts: list[str], *, previous: int | None) -> entrypoint.final[str, int]:
    assert_type(length("a", factor=2).result(), int)
    assert_type(await lengths(texts), list[int])
    return entrypoint.final(value=max(texts), save=len(texts))


def what_functions_become(saver: SqliteSaver) -> None:
    assert_type(longest, CompiledGraph)
    length.clear_cache(MemoryCache())
    length(5)  # pyright: ignore[reportArgumentType] - a task takes what its function takes
    entrypoint(checkpointer=saver, retry_policy=[RetryPolicy()], timeout=5.0)


class Counter(Actor[int, str]):
    async def receive(self, message: int) -> str:
        return str(message)


async def the_kernel_alone(supervisor: Supervisor) -> None:
    ref = supervisor.start(Counter(), name="counter", capacity=8)
    assert_type(ref, ActorRef[int, str])
    await ref.tell(1)
    assert_type(await ref.ask(2, timeout=1.0), str)


def lower_floors_alone(mode: StreamMode, chunk: Chunk) -> None:
    print(Hub(), mode, chunk.id, chunk.ns, chunk.mode, chunk.data, MsgpackSerializer())


async def administration(saver: SqliteSaver, other: MemorySaver, key: bytes) -> None:
    for each in (saver, other):
        protocol: Administration = each
        assert_type(await protocol.aprune(["1"], keep_last=3, older_than=60), Removed)
    saver.copy_thread("1", "2", timeout=None)
    assert_type(saver.delete_thread("2"), Removed)
    assert_type(other.prune(["1"], strategy="delete"), Removed)
    assert_type(await saver.adelete_for_runs(["run"]), Removed)
    assert_type(saver.verify(), Verification)
    assert_type(saver.threads(limit=3), Sequence[ThreadInfo])
    assert_type(saver.vacuum(), Vacuumed)
    encrypted: Serializer = EncryptedSerializer(key, MsgpackSerializer())
    SqliteSaver("file.sqlite", serializer=encrypted)


async def fetch(number: int) -> str:
    return str(number)


def fetch_sync(number: int) -> str:
    return str(number)


async def effects(runtime: Runtime[int]) -> None:
    assert_type(runtime.context, int)
    assert_type(await runtime.once("a", fetch, 1), str)
    assert_type(await runtime.once("b", fetch_sync, number=1, on_unknown="raise"), str)
    assert_type(runtime.once_sync("c", fetch_sync, 1), str)
    assert_type(runtime.once_sync("d", fetch, 1), str)
    assert_type(get_runtime(int).context, int)
    assert_type(runtime.idempotency_key("a"), str)
