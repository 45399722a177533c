"""Graphs for a server under test: a small one for each thing that graphs do.

agent    two nodes, one after the other
sub      its second node is a graph
custom   writes an object, a string and a number to the stream
hitl     asks a person, and goes on with the answer
fail     its second node raises
slow     five steps, each of which says so and takes `delay` seconds, or waits at a gate
fan      two nodes at once, then a third
burst    writes `count` numbers to the stream
"""

import asyncio
import operator
from typing import Annotated, Any, TypedDict

from actors import END, START, StateGraph, interrupt
from streaming import StreamWriter
from tests.agent_server.harness.gate import pass_gate


class Story(TypedDict, total=False):
    topic: str
    joke: str


class Inner(TypedDict):
    foo: str  # the outer graph has this key too
    bar: str


class Outer(TypedDict):
    foo: str


class Question(TypedDict, total=False):
    query: str
    answer: str


class Draft(TypedDict, total=False):
    text: str
    approved: str


class Steps(TypedDict, total=False):
    n: int
    delay: float
    gate: str
    log: Annotated[list[str], operator.add]


class Fan(TypedDict, total=False):
    seed: str
    out: Annotated[list[str], operator.add]


class Burst(TypedDict, total=False):
    count: int


def refine_topic(state: Story) -> dict[str, Any]:
    return {"topic": state["topic"] + " and cats"}


def generate_joke(state: Story) -> dict[str, Any]:
    return {"joke": f"This is a joke about {state['topic']}"}


agent = (
    StateGraph(Story)
    .add_node(refine_topic)
    .add_node(generate_joke)
    .add_edge(START, "refine_topic")
    .add_edge("refine_topic", "generate_joke")
    .add_edge("generate_joke", END)
    .compile()
)


def subgraph_node_1(state: Inner) -> dict[str, Any]:
    return {"bar": "bar"}


def subgraph_node_2(state: Inner) -> dict[str, Any]:
    return {"foo": state["foo"] + state["bar"]}


inner = (
    StateGraph(Inner)
    .add_node(subgraph_node_1)
    .add_node(subgraph_node_2)
    .add_edge(START, "subgraph_node_1")
    .add_edge("subgraph_node_1", "subgraph_node_2")
    .compile()
)


def node_1(state: Outer) -> dict[str, Any]:
    return {"foo": "hi! " + state["foo"]}


sub = (
    StateGraph(Outer)
    .add_node("node_1", node_1)
    .add_node("node_2", inner)
    .add_edge(START, "node_1")
    .add_edge("node_1", "node_2")
    .compile()
)


def node(state: Question, writer: StreamWriter) -> dict[str, Any]:
    writer({"custom_key": "Generating custom data inside node"})
    writer("plain string")
    writer(42)
    return {"answer": "some data"}


custom = StateGraph(Question).add_node(node).add_edge(START, "node").compile()


def draft(state: Draft) -> dict[str, Any]:
    return {"text": state["text"] + "!"}


def ask(state: Draft) -> dict[str, Any]:
    return {"approved": interrupt({"question": "ok?", "text": state["text"]})}


def done(state: Draft) -> dict[str, Any]:
    return {"text": state["text"] + " done"}


hitl = (
    StateGraph(Draft)
    .add_node(draft)
    .add_node(ask)
    .add_node(done)
    .add_edge(START, "draft")
    .add_edge("draft", "ask")
    .add_edge("ask", "done")
    .compile()
)


def okn(state: Story) -> dict[str, Any]:
    return {"joke": "pre"}


def boom(state: Story) -> dict[str, Any]:
    raise ValueError(f"boom: {state['topic']}")


fail = (
    StateGraph(Story)
    .add_node(okn)
    .add_node(boom)
    .add_edge(START, "okn")
    .add_edge("okn", "boom")
    .compile()
)


def step_graph(count: int) -> Any:
    builder = StateGraph(Steps)
    for number in range(1, count + 1):
        builder.add_node(f"step{number}", _step(number))
        builder.add_edge(START if number == 1 else f"step{number - 1}", f"step{number}")
    return builder.compile()


def _step(number: int) -> Any:
    async def step(state: Steps, writer: StreamWriter) -> dict[str, Any]:
        writer({"step": number})
        if "gate" in state:
            await pass_gate(state["gate"], f"step{number}")
        await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=_delay(state))
        return {"n": number, "log": [f"step{number}"]}

    return step


def _delay(state: Steps) -> float:
    return 0 if "gate" in state else state.get("delay", 0.05)


slow = step_graph(5)


def _leaf(name: str) -> Any:
    def leaf(state: Fan) -> dict[str, Any]:
        return {"out": [f"{name}:{state['seed']}"]}

    return leaf


def join(state: Fan) -> dict[str, Any]:
    return {"out": [f"joined:{len(state['out'])}"]}


fan = (
    StateGraph(Fan)
    .add_node("a", _leaf("a"))
    .add_node("b", _leaf("b"))
    .add_node(join)
    .add_edge(START, "a")
    .add_edge(START, "b")
    .add_edge(["a", "b"], "join")
    .compile()
)


async def write_all(state: Burst, writer: StreamWriter) -> dict[str, Any]:
    for number in range(state["count"]):
        writer({"n": number})
        if number % 100 == 99:
            await writer.drain()
    return {}


burst = StateGraph(Burst).add_node(write_all).add_edge(START, "write_all").compile()
