"""Graphs drawn from a seed: stages of nodes side by side, sends, loops, branches, commands, graphs
in graphs, interrupts, retries, timeouts, effects, streams.

What a node writes follows from its name and the state it saw, so the final state tells of every
step that led to it: it is the same however the run was disturbed.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Annotated, Any, TypedDict

from actors import (
    START,
    Command,
    CompiledGraph,
    RetryPolicy,
    Runtime,
    Send,
    StateGraph,
    interrupt,
)
from actors.errors import NodeTimeoutError


def merged(old: list[str], new: list[str]) -> list[str]:
    """What is new, after what was there; graphs that are nodes give back all they were given."""
    return [*old, *(item for item in new if item not in old)]


class State(TypedDict, total=False):
    log: Annotated[list[str], merged]
    last: Annotated[str, max]


INPUTS = ({"log": ["first"]}, {"log": ["second"]})


def seen_by(name: str, state: Any) -> State:
    """What a node writes: its name, and a digest of what it saw."""
    log = list(state["log"])
    item = f"{name} {hashlib.sha256(repr(log).encode()).hexdigest()[:6]}"
    return {"log": [item], "last": item}


@dataclass
class Draft:
    """A graph in the making."""

    dice: Random
    depth: int
    prefix: str = ""
    builder: StateGraph[Any] = field(default_factory=lambda: StateGraph(State))
    ends: list[str] = field(default_factory=lambda: [START])
    """Nodes that the next stage follows."""
    count: int = 0

    def graph(self, **compiled: Any) -> CompiledGraph:
        for _ in range(self.dice.randint(1, 3)):
            self.dice.choice(STAGES)(self)
        return self.builder.compile(**compiled)

    def name(self, kind: str) -> str:
        self.count += 1
        return f"{self.prefix}{kind}{self.count}"

    def node(self, kind: str = "") -> str:
        """Add a node of some kind after nothing yet."""
        makers = MAKERS if self.depth else [maker for maker in MAKERS if maker not in DEEP]
        maker = self.dice.choice(makers)
        name = self.name(kind or maker.__name__)
        maker(self, name)
        return name

    def follow(self, *names: str) -> None:
        """Let these follow what came last."""
        for name in names:
            if self.ends == [START] or self.dice.random() < 0.5:
                for end in self.ends:
                    self.builder.add_edge(end, name)
            else:
                self.builder.add_edge(self.ends, name)

    def pause(self) -> float:
        return self.dice.choice((0, 0.001, 0.05, 1))


# --- nodes --------------------------------------------------------------------------------------


def plain(draft: Draft, name: str) -> None:
    draft.builder.add_node(name, lambda state: seen_by(name, state))


def waiting(draft: Draft, name: str) -> None:
    pause = draft.pause()

    async def wait(state: State) -> State:
        await asyncio.sleep(pause)
        return seen_by(name, state)

    draft.builder.add_node(name, wait)


def asking(draft: Draft, name: str) -> None:
    questions = draft.dice.randint(1, 2)

    async def ask(state: State) -> State:
        answers = [interrupt(f"{name} {number}?") for number in range(questions)]
        return {"log": [f"{name} {answers}"]}

    draft.builder.add_node(name, ask)


def flaky(draft: Draft, name: str) -> None:
    async def fail_first(state: State, runtime: Runtime) -> State:
        assert runtime.execution_info is not None
        if runtime.execution_info.node_attempt == 1:
            raise ConnectionError("the first attempt fails")
        return seen_by(name, state)

    draft.builder.add_node(name, fail_first, retry_policy=RetryPolicy(initial_interval=0.2))


def late(draft: Draft, name: str) -> None:
    async def hang_first(state: State, runtime: Runtime) -> State:
        assert runtime.execution_info is not None
        if runtime.execution_info.node_attempt == 1:
            await asyncio.sleep(1_000)
        return seen_by(name, state)

    retry = RetryPolicy(initial_interval=0.1, retry_on=NodeTimeoutError)
    draft.builder.add_node(name, hang_first, retry_policy=retry, timeout=0.5)


def effect(draft: Draft, name: str) -> None:
    async def act(state: State, runtime: Runtime) -> State:
        key = await runtime.once("key", runtime.idempotency_key, "key")
        assert key == runtime.idempotency_key("key")
        return seen_by(name, state)

    draft.builder.add_node(name, act)


def talking(draft: Draft, name: str) -> None:
    def talk(state: State, runtime: Runtime) -> State:
        for number in range(3):
            runtime.stream_writer({name: number})
        return seen_by(name, state)

    draft.builder.add_node(name, talk)


def nested(draft: Draft, name: str) -> None:
    inner = Draft(draft.dice, draft.depth - 1, f"{name}.").graph()
    draft.builder.add_node(name, inner)


def calling(draft: Draft, name: str) -> None:
    inner = Draft(draft.dice, draft.depth - 1, f"{name}.").graph()

    async def call(state: State) -> State:
        given = await inner.ainvoke({"log": seen_by(name, state)["log"]})
        return {"log": given["log"]}

    draft.builder.add_node(name, call)


def keeping(draft: Draft, name: str) -> None:
    inner = Draft(draft.dice, 0, f"{name}.").graph(checkpointer=True)

    async def call(state: State) -> State:
        given = await inner.ainvoke({"log": seen_by(name, state)["log"]})
        return {"log": given["log"]}

    draft.builder.add_node(name, call)


DEEP = (nested, calling, keeping)
MAKERS: list[Callable[[Draft, str], None]] = [
    plain,
    plain,
    waiting,
    waiting,
    asking,
    flaky,
    late,
    effect,
    talking,
    *DEEP,
]

# --- stages -------------------------------------------------------------------------------------


def side_by_side(draft: Draft) -> None:
    names = [draft.node() for _ in range(draft.dice.randint(1, 3))]
    draft.follow(*names)
    draft.ends = names


def sends(draft: Draft) -> None:
    source, worker = draft.node(), draft.name("worker")
    count, pause = draft.dice.randint(0, 4), draft.pause()

    async def work(item: str) -> State:
        await asyncio.sleep(pause)
        return {"log": [f"{worker} {item}"]}

    def fan_out(state: State) -> list[Send]:
        last = state.get("last", "")[-6:]
        return [Send(worker, f"{last} {number}") for number in range(count)]

    draft.builder.add_node(worker, work)
    draft.follow(source)
    draft.builder.add_conditional_edges(source, fan_out, [worker])
    after = draft.node()
    draft.builder.add_edge(source, after)
    draft.ends = [after]


def loop(draft: Draft) -> None:
    name, times, pause = draft.name("loop"), draft.dice.randint(1, 4), draft.pause()

    async def turn(state: State) -> State:
        await asyncio.sleep(pause)
        return seen_by(name, state)

    def again(state: State) -> str:
        done = sum(item.startswith(name) for item in state["log"])
        return "again" if done % times else "on"

    after = draft.node()
    draft.builder.add_node(name, turn)
    draft.follow(name)
    draft.builder.add_conditional_edges(name, again, {"again": name, "on": after})
    draft.ends = [after]


def branch(draft: Draft) -> None:
    source, left, right = draft.node(), draft.node(), draft.node()

    async def choose(state: State) -> str:
        await asyncio.sleep(0)
        return left if len(state["log"]) % 2 else right

    draft.follow(source)
    draft.builder.add_conditional_edges(source, choose, [left, right])
    after = draft.node()
    draft.builder.add_edge(left, after)
    draft.builder.add_edge(right, after)
    draft.ends = [after]


def command(draft: Draft) -> None:
    name, left, right = draft.name("command"), draft.node(), draft.node()

    async def go(state: State) -> Command[Any]:
        chosen = draft_choice(name, state, (left, right))
        return Command(update=seen_by(name, state), goto=chosen)

    draft.builder.add_node(name, go, destinations=(left, right))
    draft.follow(name)
    after = draft.node()
    draft.builder.add_edge(left, after)
    draft.builder.add_edge(right, after)
    draft.ends = [after]


def draft_choice(name: str, state: State, choices: tuple[str, ...]) -> list[str]:
    """One of the choices, or all, as the state says."""
    last = int(seen_by(name, state)["log"][0][-1], 16)
    return list(choices) if last % 3 == 0 else [choices[last % 2]]


STAGES = [side_by_side, side_by_side, sends, loop, branch, command]


def random_graph(seed: int) -> CompiledGraph:
    """The graph of a seed."""
    return Draft(Random(f"{seed} graph"), depth=2).graph()
