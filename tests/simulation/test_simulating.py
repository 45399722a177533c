"""Simulations of random graphs: promises are kept, the same seed does the same, bugs are found."""

from __future__ import annotations

import asyncio
import itertools
import json
import operator
import random
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

from actors import START, CachePolicy, Command, CompiledGraph, StateGraph, interrupt
from actors.errors import ConfigError
from actors.testing import (
    BrokenPromiseError,
    Faults,
    OutageError,
    SimulationError,
    StuckError,
    simulate,
)
from checkpoint import MemoryCache
from tests.simulation.random_graphs import INPUTS, answer, random_graph, simulated

ROOT = Path(__file__).resolve().parents[2]
SEEDS = range(8)


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


def one_node(node: Any) -> CompiledGraph:
    return StateGraph(State).add_node("node", node).add_edge(START, "node").compile()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_graph_keeps_every_promise(seed: int) -> None:
    found = simulated(seed)
    assert found.values
    assert all(values for values in found.values)
    assert found.runs >= len(found.values)
    assert str(found).startswith(f"seed {seed}: ")


DIGESTS = """
import json, sys
from tests.simulation.random_graphs import simulated
found = [simulated(n) for n in range(4)]
print(json.dumps([(each.digest, each.log[-1]) for each in found]))
"""


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_the_same_seed_gives_the_same_log_and_bytes_in_any_process(hash_seed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DIGESTS],
        env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    here = [simulated(seed) for seed in range(4)]
    assert json.loads(done.stdout) == [[each.digest, each.log[-1]] for each in here]


def test_graphs_that_are_called_at_once_end_in_the_same_order_wherever_they_lie_in_memory() -> None:
    async def wait(state: State) -> State:
        await asyncio.sleep(1)
        return {"log": ["waited"]}

    inner = one_node(wait)

    async def call(state: State) -> State:
        await asyncio.gather(*(inner.ainvoke(state) for _ in range(4)))
        return {"log": ["called"]}

    graph, faults = one_node(call), Faults(crashes=0, power_cuts=0, cancels=5, readers=0, rivals=0)
    kept: list[object] = []
    digests: set[str] = set()
    for number in range(8):
        kept += [[number] * size for size in range(100)]
        digests.add(simulate(graph, 1, inputs=[{"log": []}], faults=faults).digest)
    assert len(digests) == 1


def test_a_run_that_is_being_cancelled_hands_out_no_task_that_waited_for_a_slot() -> None:
    """It was handed out to a supervisor that had been stopped: a failure that nobody handles."""
    simulated(382)


def test_seeds_differ() -> None:
    graph = random_graph(0)
    digests = {simulate(graph, seed, inputs=INPUTS, answer=answer).digest for seed in range(4)}
    assert len(digests) == 4


def test_a_node_that_gives_something_else_when_it_runs_again_is_found_with_the_seed() -> None:
    calls: list[int] = []

    async def count(state: State) -> State:
        await asyncio.sleep(1)
        calls.append(1)
        return {"log": [f"call {len(calls)}"]}

    with pytest.raises(BrokenPromiseError, match=r"ended input 0 with(.|\n)*seed 0, and the short"):
        simulate(one_node(count), seed=0, inputs=[{"log": []}])


def test_the_shortest_log_that_shows_a_failure_is_told() -> None:
    seen: list[int] = []

    async def grow(state: State) -> State:
        seen.append(1)
        return {"log": ["grown"] * len(seen)}

    with pytest.raises(BrokenPromiseError) as raised:
        simulate(one_node(grow), seed=3, inputs=[{"log": []}], threads=3)
    told = str(raised.value)
    assert "thread 0" in told
    assert "thread 1" not in told
    assert "crash" not in told


async def test_a_simulation_may_be_asked_for_inside_a_running_loop() -> None:
    async def node(state: State) -> State:
        return {"log": ["node"]}

    found = simulate(one_node(node), inputs=[{"log": []}], threads=1)
    assert found.values == (({"log": ["node"]},),)


def test_a_graph_that_waits_for_itself_is_found() -> None:
    async def wait(state: State) -> State:
        await asyncio.Event().wait()
        return {}

    with pytest.raises(StuckError, match="wait for each other"):
        simulate(one_node(wait), inputs=[{"log": []}])


def test_a_graph_that_never_ends_is_found() -> None:
    async def wait(state: State) -> State:
        for _ in itertools.count():
            await asyncio.sleep(0)
        return {}

    with pytest.raises(BrokenPromiseError, match="did not end within"):
        simulate(one_node(wait), inputs=[{"log": []}])


def test_what_the_undisturbed_graph_raises_is_raised() -> None:
    async def broken(state: State) -> State:
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        simulate(one_node(broken), inputs=[{"log": []}])


def test_a_run_that_fails_for_now_is_run_again() -> None:
    async def unsure(state: State) -> State:
        if random.random() < 0.5:
            raise OutageError("not now")
        return {"log": ["node"]}

    found = simulate(one_node(unsure), inputs=[{"log": []}], threads=1)
    assert found.values == (({"log": ["node"]},),)
    assert any("OutageError" in line for line in found.log)


def test_a_run_that_fails_for_ever_is_an_error() -> None:
    async def never(state: State) -> State:
        raise OutageError("not now")

    with pytest.raises(OutageError, match="not now"):
        simulate(one_node(never), inputs=[{"log": []}])


def test_an_interrupt_that_nobody_answers_is_an_error() -> None:
    async def ask(state: State) -> State:
        return {"log": [interrupt("name?")]}

    with pytest.raises(SimulationError, match="answer="):
        simulate(one_node(ask), inputs=[{"log": []}])


def test_without_faults_nothing_goes_wrong() -> None:
    calm = Faults(crashes=0, power_cuts=0, cancels=0, readers=0, rivals=0)
    found = simulate(random_graph(1), 1, inputs=INPUTS, answer=answer, faults=calm)
    assert found.crashes == 0
    assert not any("cancel" in line or "reader" in line for line in found.log)


@pytest.mark.parametrize("wrong", [{"inputs": []}, {"threads": 0}])
def test_there_must_be_something_to_do(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="nothing to do"):
        simulate(random_graph(0), **wrong)


def test_faults_are_counted() -> None:
    with pytest.raises(ConfigError, match="crashes=-1"):
        Faults(crashes=-1)
    fewer = list(Faults(crashes=2, power_cuts=0, cancels=1, readers=0, rivals=0).fewer())
    assert fewer[0] == Faults(0, 0, 0, 0, 0)
    assert fewer[1:] == [Faults(0, 0, 1, 0, 0), Faults(1, 0, 1, 0, 0), Faults(2, 0, 0, 0, 0)]


@pytest.mark.parametrize("seed", range(5))
def test_an_input_may_be_a_change_by_hand_which_is_made_once(seed: int) -> None:
    async def note(state: State) -> State:
        return {"log": [f"saw {len(state['log'])}"]}

    async def update(graph: CompiledGraph, config: Any) -> None:
        await graph.aupdate_state(config, {"log": ["by hand"]}, as_node=START)

    found = simulate(one_node(note), seed, inputs=[{"log": ["input"]}, update])
    ended = ["input", "saw 1"]
    assert found.values == (({"log": ended}, {"log": [*ended, "by hand", "saw 3"]}),) * 2


def test_a_graph_s_cache_is_left_alone_and_the_same_seed_finds_the_same_again() -> None:
    calls: list[int] = []

    async def count(state: State) -> State:
        calls.append(1)
        return {"log": ["counted"]}

    cache = MemoryCache()
    builder = StateGraph(State).add_node("count", count, cache_policy=CachePolicy())
    graph = builder.add_edge(START, "count").compile(cache=cache)
    first, second = (simulate(graph, 3, inputs=[{"log": []}]) for _ in range(2))
    assert first == second
    assert calls
    graph.invoke({"log": []})
    before = len(calls)
    graph.invoke({"log": []})
    assert len(calls) == before


def test_a_thread_that_ends_too_early_is_found() -> None:
    calls: list[int] = []

    async def end_at_first(state: State) -> Command[Any]:
        calls.append(1)
        return Command(goto=[] if len(calls) > 1 else "more")

    async def more(state: State) -> State:
        return {"log": ["more"]}

    builder = StateGraph(State).add_node("first", end_at_first, destinations=("more",))
    graph = builder.add_node(more).add_edge(START, "first").compile()
    with pytest.raises(BrokenPromiseError, match="ended input 0 with"):
        simulate(graph, inputs=[{"log": []}])


def test_a_run_that_comes_while_another_is_on_the_thread_changes_nothing() -> None:
    async def wait(state: State) -> State:
        await asyncio.sleep(1)
        return {"log": [f"waited {interrupt('how long?')}"]}

    faults = Faults(crashes=0, power_cuts=0, cancels=0, readers=0, rivals=3)
    found = [
        simulate(one_node(wait), seed, inputs=[{"log": []}], answer=answer, faults=faults)
        for seed in range(10)
    ]
    assert max(each.runs for each in found) > 4
    ended = ({"log": ["waited to how long?"]},)
    assert all(each.values == (ended, ended) for each in found)
