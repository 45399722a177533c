"""Sync doors: plain threads, running loops, many threads, nesting, Ctrl-C, forks."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, TypedDict
from uuid import uuid4

import pytest

from actors import (
    CachePolicy,
    Command,
    RetryPolicy,
    Runtime,
    Send,
    StateGraph,
    interrupt,
)
from actors.doors import in_loop, iterate, undivided
from actors.values import START
from checkpoint import MemoryCache, MemorySaver, MemoryStore, SqliteSaver, ThreadBusyError
from streaming import SKIP
from tests.actors.engine import DEADLINE, Gated, State, chain, fan, on, saying, says
from tests.waiting import let_all_run

ROOT = Path(__file__).parents[2]
who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


def in_thread(job: Callable[[], Any]) -> Any:
    """What the job gives in a thread of its own; a job that hangs fails the test."""
    results: list[Any] = []

    def work() -> None:
        try:
            results.append((job(), None))
        except BaseException as error:
            results.append((None, error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(DEADLINE)
    assert results, "the call hangs"
    value, error = results[0]
    if error is not None:
        raise error
    return value


def script(text: str) -> str:
    """What a Python script prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", PREFACE + text],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


PREFACE = "from tests.actors.engine import *\nfrom checkpoint import MemorySaver, SqliteSaver\n"


# --- plain threads -----------------------------------------------------------------------------


def test_async_and_sync_nodes_run_under_invoke() -> None:
    graph = chain(a=saying("a"), b=says("b"), c=saying("c")).compile()
    assert graph.invoke({"log": ["in"]}) == {"log": ["in", "a", "b", "c"]}


def test_a_stream_gives_its_chunks_one_by_one() -> None:
    graph = chain(a=saying("a"), b=says("b")).compile()
    assert list(graph.stream({"log": []})) == [{"a": {"log": ["a"]}}, {"b": {"log": ["b"]}}]
    both = list(graph.stream({"log": []}, stream_mode=["values", "updates"]))
    assert [mode for mode, _ in both] == ["values", "updates", "values", "updates", "values"]


def test_nothing_runs_ahead_of_the_reader_of_a_sync_stream() -> None:
    ran: list[str] = []
    stream = chain(a=lambda s: ran.append("a"), b=lambda s: ran.append("b")).compile().stream({})
    assert ran == []
    next(stream)
    assert ran == ["a"]
    next(stream)
    assert ran == ["a", "b"]


def test_leaving_a_sync_stream_ends_the_run_and_keeps_what_was_done() -> None:
    ran: list[str] = []

    def b(state: Any) -> dict[str, Any]:
        ran.append("b")
        return {"log": ["b"]}

    graph = chain(a=says("a"), b=b).compile(checkpointer=MemorySaver())
    for _ in graph.stream({"log": []}, on("t")):
        break
    gc.collect()
    assert ran == []
    assert graph.get_state(on("t")).next == ("b",)
    assert graph.invoke(None, on("t"), on_busy="reject") == {"log": ["a", "b"]}


def test_a_nodes_error_reaches_the_caller_with_the_users_frames() -> None:
    def bad(state: Any) -> None:
        raise LookupError("no")

    with pytest.raises(LookupError) as caught:
        chain(a=bad).compile().invoke({"log": []})
    assert "bad" in [entry.name for entry in caught.traceback]
    with pytest.raises(LookupError):
        list(chain(a=bad).compile().stream({"log": []}))


_LONE_NODES = """
import threading
from typing import TypedDict
from actors import START, StateGraph, task

class State(TypedDict, total=False):
    n: int

threads = []

def node(state):
    threads.append(threading.current_thread() is threading.main_thread())

builder = StateGraph(State).add_sequence([("a", node), ("b", node)]).add_edge(START, "a")
graph = builder.compile()
graph.invoke({"n": 1})
task(lambda: None)
graph.invoke({"n": 1})
print(threads)
"""


def test_a_lone_sync_node_runs_on_the_callers_thread_until_a_task_is_defined() -> None:
    """In a process of its own: tasks of other tests count too, for a node might wait for one."""
    printed = subprocess.run(
        [sys.executable, "-c", _LONE_NODES], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    assert printed.strip() == "[True, True, False, False]"


async def later(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


def waited(value: Any) -> Any:
    """What sync code gives that runs a loop of its own."""
    return asyncio.run(later(value))


def in_waiting_node() -> StateGraph:
    return chain(a=lambda state: waited({"log": ["a"]}))


def in_waiting_subgraph() -> StateGraph:
    return chain(child=in_waiting_node().compile())


def in_waiting_path() -> StateGraph:
    builder = StateGraph(State).add_node("a", says("a")).add_edge(START, "a")
    return builder.add_conditional_edges("a", lambda state: waited("__end__"))


def in_waiting_reducer() -> StateGraph:
    class Reduced(TypedDict):
        log: Annotated[list[str], lambda old, new: waited(old + new)]

    # Its path reads the state as the node leaves it, which is reduced for that alone.
    builder = StateGraph(Reduced).add_node("a", says("a")).add_edge(START, "a")
    return builder.add_conditional_edges("a", lambda state: "__end__")


def in_waiting_retry() -> StateGraph:
    left = [ConnectionError()]

    def node(state: Any) -> dict[str, Any]:
        if left:
            raise left.pop()
        return {"log": ["a"]}

    retry = RetryPolicy(initial_interval=0, jitter=False, retry_on=lambda error: waited(True))
    return StateGraph(State).add_node("a", node, retry_policy=retry).add_edge(START, "a")


def in_waiting_key() -> StateGraph:
    policy = CachePolicy(key_func=lambda state: waited("key"))
    return StateGraph(State).add_node("a", says("a"), cache_policy=policy).add_edge(START, "a")


WAITING = [
    in_waiting_node,
    in_waiting_subgraph,
    in_waiting_path,
    in_waiting_reducer,
    in_waiting_retry,
    in_waiting_key,
]


@pytest.mark.usefixtures("taskless")
@pytest.mark.parametrize("saver", [None, MemorySaver()], ids=["unstored", "stored"])
@pytest.mark.parametrize("build", WAITING)
def test_sync_code_of_a_sync_call_may_run_a_loop_of_its_own(build: Any, saver: Any) -> None:
    def graph() -> Any:
        return build().compile(checkpointer=saver, cache=MemoryCache())

    def config() -> dict[str, Any]:
        return on(str(uuid4()))

    assert graph().invoke({"log": []}, config()) == {"log": ["a"]}
    assert list(graph().stream({"log": []}, config(), stream_mode="values"))[-1] == {"log": ["a"]}
    # Nodes whose chunks are read meanwhile run in threads; reducers do not.
    assert [*graph().stream({"log": []}, config(), stream_mode=["values", "custom"])]


def test_a_reducer_of_a_sync_update_may_run_a_loop_of_its_own() -> None:
    def asks(state: Any) -> None:
        interrupt("?")

    builder = in_waiting_reducer().add_node("asks", asks).add_edge(START, "asks")
    graph = builder.compile(checkpointer=MemorySaver())
    graph.update_state(on("t"), {"log": ["in"]}, as_node="a")
    assert graph.get_state(on("t")).values == {"log": ["in"]}
    graph.invoke({"log": ["more"]}, on("t"))
    graph.update_state(on("t"), None, as_node="__end__")  # what "a" wrote counts
    assert graph.get_state(on("t")).values == {"log": ["in", "more", "a"]}


def _loop_seen() -> Any:
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
    return threading.get_ident()


@pytest.mark.usefixtures("taskless")
def test_a_lone_sync_node_sees_no_loop_and_those_after_it_see_theirs() -> None:
    seen: list[Any] = []

    def first(state: Any) -> None:
        seen.append(_loop_seen())
        if len(seen) == 1:
            raise ConnectionError

    async def last(state: Any) -> None:
        own = asyncio.current_task()
        seen.append(own is not None and own.get_loop() is asyncio.get_running_loop())

    retry = RetryPolicy(initial_interval=0, jitter=False)
    builder = StateGraph(State).add_node("first", first, retry_policy=retry)
    builder.add_node("last", last).add_edge(START, "first").add_edge("first", "last")
    builder.compile().invoke({})
    assert seen == [threading.get_ident(), threading.get_ident(), True]


@pytest.mark.usefixtures("taskless")
@pytest.mark.parametrize("mode", ["values", "updates"])
def test_a_lone_sync_node_may_call_what_waits_for_a_loop(tmp_path: Path, mode: Any) -> None:
    """Its own run's loop stands still meanwhile: nothing of this may wait for that."""
    inner = chain(a=saying("inner"), b=says("sync")).compile()
    threads: list[int] = []

    def node(state: Any, runtime: Runtime[Any]) -> dict[str, Any]:
        threads.append(_loop_seen())
        assert graph.get_state(on("t")).next == ("node",)
        with pytest.raises(ThreadBusyError):
            graph.update_state(on("t"), {"log": ["never"]})
        other = graph_of_others.invoke({"log": []}, on("other"))
        assert other["log"][-1] == "other"
        assert waited(inner.invoke({"log": []})) == {"log": ["inner", "sync"]}
        list(inner.stream({"log": []}))
        assert saver.threads()
        runtime.store.put(("facts",), "k", {"v": 1})
        assert runtime.store.search(("facts",))[0].value == {"v": 1}
        once = runtime.once_sync("sync", later, "once")
        asked = asyncio.run(runtime.once("async", later, interrupt("?")))
        return {"log": [once, asked]}

    with SqliteSaver(tmp_path / "threads.db") as saver:
        graph_of_others = chain(
            a=lambda state: threads.append(_loop_seen()), b=says("other")
        ).compile(checkpointer=saver)
        graph = chain(node=node).compile(checkpointer=saver, store=MemoryStore())
        in_thread(lambda: list(graph.stream({"log": []}, on("t"), stream_mode=mode)))
        resumed = in_thread(lambda: graph.invoke(Command(resume="answer"), on("t")))
    assert resumed == {"log": ["once", "answer"]}
    assert len(threads) == 4
    assert threads[0] == threads[1]  # a graph that is called inside runs there too
    assert threads[2] == threads[3]


def test_sync_nodes_side_by_side_run_at_once() -> None:
    meeting = threading.Barrier(3, timeout=DEADLINE)

    def node(state: Any) -> None:
        meeting.wait()

    fan(a=node, b=node, c=node).compile().invoke({"log": []})
    assert not meeting.broken


def test_the_callers_context_variables_reach_every_node_and_stay_as_they_were() -> None:
    seen: list[str] = []

    def sync_node(state: Any) -> None:
        seen.append(who.get())
        who.set("changed")

    async def async_node(state: Any) -> None:
        seen.append(who.get())
        who.set("changed")

    def call() -> str:
        who.set("ada")
        fan(a=sync_node, b=async_node).compile().invoke({"log": []})
        chain(a=sync_node, b=async_node).compile().invoke({"log": []})
        list(chain(a=sync_node, b=async_node).compile().stream({"log": []}))
        return who.get()

    assert contextvars.copy_context().run(call) == "ada"
    assert seen == ["ada"] * 6


def test_every_door_has_the_same_answer_as_its_async_twin() -> None:
    graph = chain(a=says("a"), b=saying("b")).compile(checkpointer=MemorySaver())
    graph.invoke({"log": []}, on("t"))
    assert graph.get_state(on("t")) == asyncio.run(graph.aget_state(on("t")))
    config = graph.update_state(on("t"), {"log": ["x"]}, as_node="b")
    assert graph.get_state(config).values == {"log": ["a", "b", "x"]}
    assert [s.values["log"] for s in graph.get_state_history(on("t"), limit=2)] == [
        ["a", "b", "x"],
        ["a", "b"],
    ]
    assert graph.batch([{"log": [n]} for n in range(3)], stateless=True) == [
        {"log": [n, "a", "b"]} for n in range(3)
    ]


# --- other threads and loops -------------------------------------------------------------------


async def test_invoke_and_stream_work_inside_a_running_loop() -> None:
    graph = chain(a=saying("a"), b=says("b")).compile(checkpointer=MemorySaver())
    assert graph.invoke({"log": []}, on("t")) == {"log": ["a", "b"]}
    assert len(list(graph.stream({"log": []}, on("t")))) == 2
    assert graph.get_state(on("t")).values["log"] == ["a", "b", "a", "b"]


def test_invoke_works_in_many_threads_at_once() -> None:
    graph = fan(a=says("a"), b=saying("b")).compile(checkpointer=MemorySaver())
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda n: graph.invoke({"log": [n]}, on(str(n))), range(100)))
    assert [result["log"] for result in results] == [[n, "a", "b"] for n in range(100)]


def test_threads_take_turns_on_one_graph_thread() -> None:
    graph = chain(a=saying("a"), b=says("b")).compile(checkpointer=MemorySaver())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: graph.invoke({"log": []}, on("t")), range(8)))
    assert graph.get_state(on("t")).values["log"] == ["a", "b"] * 8


def test_a_stream_may_be_read_from_another_thread_at_every_step() -> None:
    graph = chain(a=saying("a"), b=says("b"), c=saying("c")).compile(checkpointer=MemorySaver())
    stream = graph.stream({"log": []}, on("t"))
    seen = [in_thread(lambda: next(stream, None)) for _ in range(4)]
    assert [chunk and next(iter(chunk)) for chunk in seen] == ["a", "b", "c", None]
    assert graph.invoke(None, on("t"), on_busy="reject")["log"] == ["a", "b", "c"]


def test_a_stream_begun_in_plain_code_may_be_read_in_a_loop() -> None:
    def job() -> list[str]:
        stream = chain(a=saying("a"), b=says("b")).compile().stream({"log": []})
        seen = [next(iter(next(stream)))]

        async def rest() -> list[str]:
            return [next(iter(chunk)) for chunk in stream]

        return seen + asyncio.run(rest())

    assert in_thread(job) == ["a", "b"]


def test_a_stream_left_by_its_thread_is_closed_by_whoever_drops_it() -> None:
    graph = chain(a=saying("a"), b=says("b")).compile(checkpointer=MemorySaver())
    streams = [graph.stream({"log": []}, on("t"))]
    in_thread(lambda: next(streams[0]))

    async def drop() -> None:
        streams.clear()
        gc.collect()

    in_thread(lambda: asyncio.run(drop()))
    assert graph.invoke(None, on("t"), on_busy="reject") == {"log": ["a", "b"]}


# --- nesting -----------------------------------------------------------------------------------


def test_sync_nodes_may_invoke_graphs_five_deep_and_fifty_wide() -> None:
    graph = chain(leaf=says("leaf")).compile()
    for _ in range(5):
        graph = chain(node=_invoking(graph)).compile()
    builder = StateGraph(State).add_node("spread", lambda s: None).add_edge(START, "spread")
    builder.add_node("work", _invoking(graph))
    builder.add_conditional_edges("spread", lambda s: [Send("work", {}) for _ in range(50)])
    result = in_thread(lambda: builder.compile().invoke({"log": []}))
    assert result == {"log": ["leaf"] * 50}


def _invoking(graph: Any) -> Any:
    return lambda state: graph.invoke({"log": []})


def test_nested_invokes_that_all_wait_at_once_do_not_starve_each_other() -> None:
    meeting = threading.Barrier(50, timeout=DEADLINE)
    inner = chain(leaf=lambda s: {"log": [meeting.wait() * 0]}).compile()
    builder = StateGraph(State).add_node("spread", lambda s: None).add_edge(START, "spread")
    builder.add_node("work", _invoking(inner))
    builder.add_conditional_edges("spread", lambda s: [Send("work", {}) for _ in range(50)])
    in_thread(lambda: builder.compile().invoke({"log": []}))
    assert not meeting.broken


# --- ending ------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("shape", [chain, fan])
def test_a_node_that_ends_the_program_leaves_no_run_behind(shape: Any, error: Any) -> None:
    calls: list[int] = []

    def node(state: Any) -> dict[str, Any]:
        calls.append(1)
        if len(calls) == 1:
            raise error
        return {"log": ["a"]}

    graph = shape(a=node, b=says("b")).compile(checkpointer=MemorySaver())
    with pytest.raises(error):
        graph.invoke({"log": []}, on("t"))
    assert graph.invoke(None, on("t"), on_busy="reject") == {"log": ["a", "b"]}


def test_an_interrupt_while_a_stream_waits_ends_its_run() -> None:
    calls: list[int] = []

    def node(state: Any) -> dict[str, Any]:
        calls.append(1)
        if len(calls) == 1:
            signal.raise_signal(signal.SIGINT)
        return {"log": ["a"]}

    graph = chain(a=node).compile(checkpointer=MemorySaver())
    with pytest.raises(KeyboardInterrupt):
        list(graph.stream({"log": []}, on("t")))
    assert graph.invoke({"log": []}, on("t"), on_busy="reject")["log"][-1] == "a"


def test_ctrl_c_cancels_the_run_and_waits_for_its_clean_up() -> None:
    printed = script(
        """
import signal
async def node(state):
    asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        print("clean")

graph = chain(a=says("a"), b=node).compile(checkpointer=MemorySaver())
for door in (graph.invoke, lambda *args: list(graph.stream(*args))):
    try:
        door({"log": []}, on("t"))
    except KeyboardInterrupt:
        print("interrupted", graph.get_state(on("t")).next)
print(chain(a=saying("a")).compile().invoke({"log": []}))
"""
    )
    once = "clean\ninterrupted ('b',)\n"
    assert printed == once * 2 + "{'log': ['a']}\n"


def test_ctrl_c_at_the_very_end_of_a_call_is_no_trouble_for_the_next_one() -> None:
    printed = script(
        """
import signal
async def node(state):
    def strike():
        if asyncio.all_tasks(loop):
            loop.call_soon(strike)
        else:
            signal.raise_signal(signal.SIGINT)
    loop = asyncio.get_running_loop()
    loop.call_soon(strike)
    return {"log": ["node"]}

graph = chain(a=node).compile()
for door in (graph.invoke, lambda *args: list(graph.stream(*args))):
    try:
        door({"log": []})
    except KeyboardInterrupt:
        print("interrupted")
    print(chain(a=saying("a")).compile().invoke({"log": []}))
"""
    )
    assert printed == "interrupted\n{'log': ['a']}\n" * 2


def test_an_error_that_cannot_be_shown_is_no_trouble_for_the_next_call() -> None:
    printed = script(
        """
import signal
class ShyError(Exception):
    def __repr__(self):
        raise LookupError("shy")

def node(state):
    raise ShyError

graph = chain(a=node).compile()
for door in (graph.invoke, lambda *args: list(graph.stream(*args))):
    try:
        door({"log": []})
    except ShyError:
        print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
    print(chain(a=saying("a")).compile().invoke({"log": []}))
"""
    )
    assert printed == "True\n{'log': ['a']}\n" * 2


def test_a_stream_that_was_read_in_part_does_not_keep_a_process_from_ending(tmp_path: Path) -> None:
    printed = script(
        f"""
saver = SqliteSaver({str(tmp_path / "f.db")!r}).open()
graph = chain(a=says("a"), b=saying("b")).compile(checkpointer=saver)
stream = graph.stream({{"log": []}}, on("t"))
print(next(stream))
"""
    )
    assert printed == "{'a': {'log': ['a']}}\n"
    with SqliteSaver(tmp_path / "f.db") as saver:
        graph = chain(a=says("a"), b=saying("b")).compile(checkpointer=saver)
        assert graph.invoke(None, on("t")) == {"log": ["a", "b"]}


def test_a_forked_child_has_loops_of_its_own_and_leaves_its_parents_alone() -> None:
    printed = script(
        """
import gc, os
graph = fan(a=says("a"), b=saying("b"), c=says("c")).compile()
held = graph.stream({"log": []})
next(held)
graph.invoke({"log": []})
child = os.fork()
if child == 0:
    print("child", graph.invoke({"log": []}), flush=True)
    gc.collect()
    os._exit(0)
print("exit", os.waitpid(child, 0)[1])
print("rest", len(list(held)))
for _ in range(20):
    assert len(graph.invoke({"log": []})["log"]) == 3
print("parent", graph.invoke({"log": []}))
"""
    )
    both = "{'log': ['a', 'b', 'c']}"
    assert printed == f"child {both}\nexit 0\nrest 2\nparent {both}\n"


def test_a_program_that_leaves_a_stream_half_read_ends_quietly() -> None:
    printed = script(
        """
graph = chain(a=says("a"), b=saying("b")).compile(checkpointer=MemorySaver())
stream = graph.stream({"log": []}, on("t"))
print(next(stream))
"""
    )
    assert printed == "{'a': {'log': ['a']}}\n"


async def test_a_door_inside_a_loop_can_be_used_while_async_runs_go_on() -> None:
    gated = Gated()
    slow = asyncio.create_task(chain(a=gated).compile().ainvoke({"log": []}))
    await gated.started.wait()
    assert chain(a=says("a")).compile().invoke({"log": []}) == {"log": ["a"]}
    gated.gate.set()
    assert await slow == {"log": ["gated"]}


def test_an_async_node_may_invoke_a_graph_while_its_run_is_read_in_lockstep() -> None:
    printed = script(
        """
sub = chain(x=says("x"), y=saying("y")).compile()
async def node(state):
    return sub.invoke({"log": []})

async def read():
    stream = chain(n=node).compile().astream({"log": []}, subgraphs=True)
    return [next(iter(chunk)) async for _, chunk in stream]

print(asyncio.run(read()))
"""
    )
    assert printed == "['x', 'y', 'n']\n"


class Batches:
    """Items that come in batches: the first of each has to be waited for."""

    def __init__(self, *batches: list[int]) -> None:
        self._batches = list(batches)
        self._ready: list[int] = []
        self.waited = 0

    def __aiter__(self) -> Batches:
        return self

    async def __anext__(self) -> int:
        if not self._batches:
            raise StopAsyncIteration
        self.waited += 1
        first, *self._ready = self._batches.pop(0)
        return first

    def take_nowait(self) -> Any:
        assert not in_loop()
        return self._ready.pop(0) if self._ready else SKIP


def test_what_lies_ready_is_taken_without_the_loop_and_in_order() -> None:
    batches = Batches([1, 2, 3], [4], [5, 6])
    assert list(iterate(lambda: batches)) == [1, 2, 3, 4, 5, 6]
    assert batches.waited == 3


class Plenty:
    """Items that all lie ready."""

    def __init__(self, count: int) -> None:
        self._items = iter(range(count))
        self.waited = 0

    def __aiter__(self) -> Plenty:
        return self

    async def __anext__(self) -> int:
        self.waited += 1
        for item in self._items:
            return item
        raise StopAsyncIteration

    def take_nowait(self) -> Any:
        return next(self._items, SKIP)


def test_the_loop_gets_turns_however_much_lies_ready() -> None:
    plenty = Plenty(10_000)
    assert list(iterate(lambda: plenty)) == list(range(10_000))
    assert 5 < plenty.waited < 50


def test_a_loop_is_not_left_in_the_midst_of_what_others_wait_for() -> None:
    told: list[str] = []

    async def part(name: str) -> None:
        async with undivided():
            told.append(f"{name} begun")
            await let_all_run()
            told.append(f"{name} done")

    async def items() -> AsyncIterator[int]:
        first = asyncio.create_task(part("first"))
        await asyncio.sleep(0)
        second = asyncio.create_task(part("second"))  # comes when the loop is about to be left
        yield 1
        await second
        yield 2
        await first

    reading = iterate(items)
    assert (next(reading), told) == (1, ["first begun", "first done"])
    assert (next(reading), told[2:]) == (2, ["second begun", "second done"])
    assert list(reading) == []


def test_who_closes_a_stream_lets_begin_what_waits_for_that() -> None:
    told: list[str] = []

    async def part() -> None:
        async with undivided():
            told.append("begun")

    async def items() -> AsyncIterator[int]:
        waiting = asyncio.create_task(part())
        try:
            yield 1
        finally:
            await waiting

    reading = iterate(items)
    assert (next(reading), told) == (1, [])
    reading.close()
    assert told == ["begun"]


async def test_on_a_loop_that_always_runs_nothing_waits_for_its_turn() -> None:
    async with undivided():
        await asyncio.sleep(0)


INTERRUPTED = """
import asyncio
import inspect
import signal
import sys
from typing import TypedDict

from actors import START, StateGraph

class State(TypedDict):
    n: int

async def count(state: State) -> State:
    return {"n": state["n"] + 1}

graph = StateGraph(State).add_node(count).add_edge(START, "count").compile()
run = asyncio.Runner.run
lines, first = inspect.getsourcelines(run)
moment = first + next(number for number, line in enumerate(lines) if sys.argv[1] in line)

def trace(frame, kind, what):
    if frame.f_code is run.__code__ and kind == "line" and frame.f_lineno == moment:
        sys.settrace(None)
        signal.raise_signal(signal.SIGINT)
    return trace

graph.invoke({"n": 0})  # so that the loop is there
sys.settrace(trace)
try:
    print(list(graph.stream({"n": 0})))
except KeyboardInterrupt:
    (runner,) = sys.modules["actors.doors"]._pool._idle
    print("interrupted", len(asyncio.all_tasks(runner.get_loop())))
print(graph.invoke({"n": 1}))
"""


@pytest.mark.parametrize(
    "line", ["if (threading.current_thread()", "self._interrupt_count = 0", "return self._loop.run"]
)
def test_ctrl_c_at_the_very_beginning_is_a_ctrl_c(line: str) -> None:
    command = [sys.executable, "-W", "error", "-c", INTERRUPTED, line]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert (done.stdout, done.stderr) == ("interrupted 0\n{'n': 2}\n", "")
