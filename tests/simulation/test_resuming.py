"""Proofs: graphs that are safe to resume, and graphs that are not, with the node at fault."""

from __future__ import annotations

import asyncio
import contextlib
import operator
import time
from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypedDict

import pytest

from actors import (
    START,
    Command,
    CompiledGraph,
    RetryPolicy,
    Runtime,
    Send,
    StateGraph,
    add_messages,
    entrypoint,
    interrupt,
)
from actors.errors import ConfigError
from actors.testing import (
    Effects,
    ProcessKilled,
    SimulationError,
    UnsafeResumeError,
    prove_resume,
)
from actors.testing.driving import Errand, see_through
from actors.testing.world import Process, World
from checkpoint import MemorySaver


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


INPUT = {"log": ["input"]}


def chain(*nodes: Callable[..., Any], **compiled: Any) -> CompiledGraph:
    builder = StateGraph(State)
    before = START
    for node in nodes:
        builder.add_node(node.__name__, node)
        builder.add_edge(before, node.__name__)
        before = node.__name__
    return builder.compile(**compiled)


def pure(state: State) -> State:
    return {"log": ["pure"]}


async def last(state: State) -> State:
    return {"log": ["last"]}


def test_a_graph_without_effects_is_safe() -> None:
    proof = prove_resume(chain(pure, last), INPUT)
    assert proof.safe
    assert proof.values == {"log": ["input", "pure", "last"]}
    assert proof.points.count("checkpoint applied") > 2
    assert str(proof) == f"safe to resume: {len(proof.points)} crashes, seed 0"
    proof.check()


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_effect_that_is_not_journaled_is_done_again_and_its_node_named(kind: str) -> None:
    effects = Effects()

    async def charge(state: State) -> State:
        effects.record("charged", 7)
        await asyncio.sleep(1)
        return {"log": ["charged"]}

    def charge_sync(state: State) -> State:
        effects.record("charged", 7)
        return {"log": ["charged"]}

    node = charge if kind == "async" else charge_sync
    proof = prove_resume(chain(pure, node, last), INPUT, effects=effects)
    assert proof.unsafe_nodes == (node.__name__,)
    (finding,) = proof.repeated
    assert finding.what == "('charged', 7) 1 time more"
    assert all(proof.points[point - 1].endswith("applied") for point in finding.points)
    with pytest.raises(UnsafeResumeError, match=rf"{node.__name__}: \('charged', 7\)(.|\n)*once"):
        proof.check()


async def test_a_proof_may_be_asked_for_inside_a_running_loop() -> None:
    assert prove_resume(chain(pure), INPUT).safe


def journaled(effects: Effects, on_unknown: Any) -> Any:
    async def charge(state: State, runtime: Runtime) -> State:
        await runtime.once("charge", effects.record, "charged", on_unknown=on_unknown)
        return {"log": ["charged"]}

    return charge


def test_an_effect_in_once_is_safe_and_the_moment_of_doubt_is_told() -> None:
    effects = Effects()
    proof = prove_resume(chain(journaled(effects, "retry"), last), INPUT, effects=effects)
    assert proof.safe
    (finding,) = proof.in_doubt
    assert (finding.nodes, finding.what) == (("charge",), "('charged',) 1 time more")
    assert "no fault" in str(proof)


def test_an_effect_that_is_refused_in_doubt_is_safe() -> None:
    effects = Effects()
    proof = prove_resume(chain(journaled(effects, "raise"), last), INPUT, effects=effects)
    assert proof.safe
    (finding,) = proof.in_doubt
    assert (finding.nodes, finding.what) == (("charge",), "refused with OutcomeUnknown")


def test_sync_nodes_have_their_journal_too() -> None:
    effects = Effects()

    def charge(state: State, runtime: Runtime) -> State:
        runtime.once_sync("charge", effects.record, "charged")
        return {"log": ["charged"]}

    proof = prove_resume(chain(charge, last), INPUT, effects=effects)
    assert proof.safe
    assert [finding.nodes for finding in proof.in_doubt] == [("charge",)]


def test_an_effect_beside_one_in_once_is_found() -> None:
    effects = Effects()

    async def charge(state: State, runtime: Runtime) -> State:
        effects.record("mailed")
        await runtime.once("charge", effects.record, "charged")
        return {"log": ["charged"]}

    proof = prove_resume(chain(charge, last), INPUT, effects=effects)
    assert [finding.what for finding in proof.repeated] == ["('mailed',) 1 time more"]


def test_effects_may_be_any_function_that_gives_them_all() -> None:
    sent: list[str] = []

    async def mail(state: State) -> State:
        sent.append("a letter")
        return {"log": ["mailed"]}

    proof = prove_resume(chain(mail), INPUT, effects=lambda: sent)
    assert [finding.nodes for finding in proof.repeated] == [("mail",)]


def test_of_a_fan_out_only_the_node_at_fault_is_named() -> None:
    effects = Effects()

    async def good(state: State) -> State:
        return {"log": ["good"]}

    async def bad(state: State) -> State:
        await asyncio.sleep(0.5)
        effects.record("bad")
        return {"log": ["bad"]}

    builder = StateGraph(State).add_node(good).add_node(bad).add_node(last)
    builder.add_edge(START, "good").add_edge(START, "bad").add_edge(["good", "bad"], "last")
    assert prove_resume(builder.compile(), INPUT, effects=effects).unsafe_nodes == ("bad",)


def test_tasks_of_sends_are_told_apart() -> None:
    effects = Effects()

    async def work(item: int) -> State:
        effects.record("worked", item)
        return {"log": [str(item)]}

    builder = StateGraph(State).add_node(pure).add_node(work).add_edge(START, "pure")
    builder.add_conditional_edges("pure", lambda _: [Send("work", item) for item in range(3)])
    proof = prove_resume(builder.compile(), INPUT, effects=effects)
    assert proof.unsafe_nodes == ("work",)
    assert {finding.what for finding in proof.repeated} == {
        f"('worked', {item}) 1 time more" for item in range(3)
    }


def test_a_node_inside_of_a_graph_is_named_with_the_graph() -> None:
    effects = Effects()

    async def charge(state: State) -> State:
        effects.record("charged")
        return {"log": ["charged"]}

    inner = chain(pure, charge)
    builder = StateGraph(State).add_node("pay", inner).add_edge(START, "pay")
    assert prove_resume(builder.compile(), INPUT, effects=effects).unsafe_nodes == ("pay|charge",)


def test_interrupts_are_answered_and_what_stands_before_them_is_part_of_the_graph() -> None:
    async def ask(state: State) -> State:
        return {"log": [interrupt("name?")]}

    proof = prove_resume(chain(pure, ask, last), INPUT, answer=lambda asked: f"to {asked.value}")
    assert proof.safe
    assert proof.values["log"] == ["input", "pure", "to name?", "last"]


def test_pauses_that_the_graph_was_compiled_with_are_gone_on_from() -> None:
    proof = prove_resume(chain(pure, last, interrupt_before=["last"]), INPUT)
    assert proof.safe
    assert proof.values["log"] == ["input", "pure", "last"]


def test_an_interrupt_that_nobody_answers_is_an_error() -> None:
    async def ask(state: State) -> State:
        return {"log": [interrupt("name?")]}

    with pytest.raises(SimulationError, match=r"'name\?'.*answer="):
        prove_resume(chain(ask), INPUT)


def test_a_node_that_gives_something_else_when_it_runs_again_is_found() -> None:
    calls: list[int] = []

    async def count(state: State) -> State:
        calls.append(1)
        return {"log": ["first" if len(calls) == 1 else "again"]}

    def values(state: State) -> State:
        calls.clear()
        return {"log": []}

    proof = prove_resume(chain(values, count, last), INPUT)
    assert [finding.nodes for finding in proof.different] == [("count",)]
    assert "ends with log=" in proof.different[0].what


def test_compare_picks_what_counts() -> None:
    async def stamp(state: State) -> State:
        return {"log": [f"{time.monotonic()}"]}

    def length(values: Any) -> int:
        return len(values["log"])

    assert not prove_resume(chain(stamp), INPUT).safe
    assert prove_resume(chain(stamp), INPUT, compare=length).safe


def test_ids_of_messages_may_differ() -> None:
    class Chat(TypedDict):
        messages: Annotated[list[Any], add_messages]

    async def answer(state: Chat) -> Any:
        return {"messages": [{"role": "assistant", "content": "hello"}]}

    builder = StateGraph(Chat).add_node(answer).add_edge(START, "answer")
    assert prove_resume(builder.compile(), {"messages": [("user", "hi")]}).safe


def test_an_effect_that_makes_the_next_attempt_fail_is_found() -> None:
    created: list[str] = []

    def existing() -> Iterable[str]:
        return created

    async def clear(state: State) -> State:
        created.clear()
        return {"log": []}

    async def create(state: State) -> State:
        if created:
            raise FileExistsError("it is there")
        created.append("it")
        return {"log": ["created"]}

    proof = prove_resume(chain(clear, create, last), INPUT, effects=existing)
    assert [finding.nodes for finding in proof.failed] == [("create",)]
    assert "FileExistsError" in proof.failed[0].what


def test_retries_and_timeouts_run_on_the_virtual_clock() -> None:
    failures: list[int] = []

    async def flaky(state: State) -> State:
        failures.append(1)
        if len(failures) % 2:
            raise ConnectionError("later")
        await asyncio.sleep(3_600)
        return {"log": ["done"]}

    builder = StateGraph(State)
    builder.add_node(flaky, retry_policy=RetryPolicy(initial_interval=60), timeout=7_200)
    builder.add_edge(START, "flaky")
    before = time.monotonic()
    assert prove_resume(builder.compile(), INPUT, compare=lambda values: values["log"][:1]).safe
    assert time.monotonic() - before < 30


def test_an_undisturbed_run_that_fails_raises_what_it_raised() -> None:
    async def broken(state: State) -> State:
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        prove_resume(chain(broken), INPUT)


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_a_pure_graph_is_safe_in_every_durability_and_without_power(durability: Any) -> None:
    graph = chain(pure, last)
    assert prove_resume(graph, INPUT, durability=durability).safe
    assert prove_resume(graph, INPUT, durability=durability, crash="power").safe


def test_with_exit_everything_is_done_again() -> None:
    effects = Effects()

    async def charge(state: State) -> State:
        effects.record("charged")
        return {"log": ["charged"]}

    proof = prove_resume(chain(charge, last), INPUT, effects=effects, durability="exit")
    assert proof.unsafe_nodes == ("charge",)


def test_the_graph_s_own_saver_is_left_alone() -> None:
    saver = MemorySaver()
    prove_resume(chain(pure, checkpointer=saver), INPUT)
    assert list(saver.threads()) == []


def test_the_same_seed_finds_the_same() -> None:
    effects = Effects()

    async def charge(state: State) -> State:
        effects.record("charged")
        return {"log": ["charged"]}

    first, second = (prove_resume(chain(charge), INPUT, effects=effects, seed=5) for _ in range(2))
    assert first == second


def test_a_crash_is_one_of_two() -> None:
    with pytest.raises(ConfigError, match="crash='fire'"):
        prove_resume(chain(pure), INPUT, crash="fire")  # type: ignore[arg-type]


def test_effects_are_a_list_that_only_grows() -> None:
    effects = Effects()
    effects.record("a", 1)
    effects.record("b")
    assert list(effects) == list(effects()) == [("a", 1), ("b",)]
    assert len(effects) == 2


async def first(state: State) -> State:
    return {"log": [f"first {interrupt('first?')}"]}


async def second(state: State) -> State:
    return {"log": [f"second {interrupt('second?')}"]}


def two_questions(kind: str) -> CompiledGraph:
    """A graph that asks twice: inside of a node that calls it, as a node, or with a function, as a
    graph of its own, that asks first."""
    inner = chain(asked_by_function, second) if kind == "function" else chain(first, second)

    async def call(state: State) -> State:
        return {"log": (await inner.ainvoke({"log": []}))["log"]}

    builder = StateGraph(State).add_node("in", call if kind == "called" else inner)
    return builder.add_edge(START, "in").compile()


async def asked_by_function(state: State) -> State:
    @entrypoint()
    async def ask(word: str) -> str:
        return f"first {interrupt(word)}"

    return {"log": [await ask.ainvoke("first?")]}


@pytest.mark.parametrize("kind", ["called", "node", "function"])
def test_an_answer_that_was_taken_before_a_crash_answers_no_later_question(kind: str) -> None:
    proof = prove_resume(two_questions(kind), {"log": []}, answer=lambda asked: f"to {asked.value}")
    proof.check()
    assert proof.values == {"log": ["first to first?", "second to second?"]}


@pytest.mark.parametrize("kind", ["called", "function"])
@pytest.mark.parametrize("kill_at", range(1, 20))
def test_a_bare_answer_that_was_taken_before_a_crash_answers_no_later_question(
    kill_at: int, kind: str
) -> None:
    config: Any = {"configurable": {"thread_id": "1"}}

    async def ask(process: Process) -> None:
        await process.graph.ainvoke({"log": []}, config)

    async def answer(process: Process) -> None:
        state = await process.graph.aget_state(config)
        if [asked.value for asked in state.interrupts] == ["first?"]:
            await process.graph.ainvoke(Command(resume="to first?"), config)

    async def finish(process: Process) -> Any:
        errand = Errand({"log": []}, config, lambda asked: f"to {asked.value}")
        return await see_through(process, errand)

    with World(two_questions(kind), seed=0) as world:
        world.live(ask)
        with contextlib.suppress(ProcessKilled):
            world.live(answer, kill_at=kill_at)
        world.live(answer)
        assert world.live(finish) == {"log": ["first to first?", "second to second?"]}
