"""The graphs that the seed documents show, built from the same shapes."""

from dataclasses import dataclass
from typing import Any, TypedDict

from actors import END, START, StateGraph
from streaming import StreamWriter, get_stream_writer


class Story(TypedDict):
    topic: str
    joke: str


class Question(TypedDict):
    query: str
    answer: str


class Inner(TypedDict):
    foo: str  # the parent has this key too
    bar: str


class Outer(TypedDict):
    foo: str


@dataclass
class Card:
    topic: str
    joke: str = ""


def refine_topic(state: Story) -> dict[str, Any]:
    return {"topic": state["topic"] + " and cats"}


def generate_joke(state: Story) -> dict[str, Any]:
    return {"joke": f"This is a joke about {state['topic']}"}


def joke_graph() -> Any:
    """Refine, then joke; nodes named by hand."""
    return (
        StateGraph(Story)
        .add_node("refine_topic", refine_topic)
        .add_node("generate_joke", generate_joke)
        .add_edge(START, "refine_topic")
        .add_edge("refine_topic", "generate_joke")
        .add_edge("generate_joke", END)
        .compile()
    )


def joke_graph_with_inferred_names() -> Any:
    """The same; nodes named by their functions, as in graph.py of the server documents."""
    return (
        StateGraph(Story)
        .add_node(refine_topic)
        .add_node(generate_joke)
        .add_edge(START, "refine_topic")
        .add_edge("refine_topic", "generate_joke")
        .add_edge("generate_joke", END)
        .compile()
    )


def talking_joke_graph() -> Any:
    """Its second node reports progress through a writer parameter."""

    def generate(state: Story, writer: StreamWriter) -> dict[str, Any]:
        writer({"custom_key": "Writing custom data while generating a joke"})
        writer({"progress": "50%"})
        writer({"progress": "100%"})
        return {"joke": f"This is a joke about {state['topic']}"}

    return (
        StateGraph(Story)
        .add_node("refine_topic", refine_topic)
        .add_node("generate_joke", generate)
        .add_edge(START, "refine_topic")
        .add_edge("refine_topic", "generate_joke")
        .compile()
    )


def async_talking_graph() -> Any:
    """One async node with a writer parameter."""

    async def generate(state: Story, writer: StreamWriter) -> dict[str, Any]:
        writer({"custom_key": "Streaming custom data while generating a joke"})
        return {"joke": f"This is a joke about {state['topic']}"}

    return (
        StateGraph(Story)
        .add_node("generate_joke", generate)
        .add_edge(START, "generate_joke")
        .compile()
    )


def progress_graph() -> Any:
    """One node that reports progress through `get_stream_writer`."""

    def process_node(state: Question) -> dict[str, Any]:
        writer = get_stream_writer()
        writer({"status": "Starting processing"})
        writer({"progress": 50, "message": "Halfway done"})
        writer({"status": "Processing complete"})
        return {"answer": "Completed"}

    return (
        StateGraph(Question)
        .add_node("process_node", process_node)
        .add_edge(START, "process_node")
        .compile()
    )


def any_model_graph(tokens: list[str]) -> Any:
    """One async node that streams a model of its own, token by token."""

    async def model() -> Any:
        for token in tokens:
            yield {"role": "assistant", "content": token}

    async def get_items(state: Question) -> dict[str, Any]:
        writer, response = get_stream_writer(), ""
        async for piece in model():
            response += piece["content"]
            writer(piece)
        return {"answer": response}

    return (
        StateGraph(Question).add_node("get_items", get_items).add_edge(START, "get_items").compile()
    )


def nested_graph() -> Any:
    """A parent with a subgraph as its second node."""

    def subgraph_node_1(state: Inner) -> dict[str, Any]:
        return {"bar": "bar"}

    def subgraph_node_2(state: Inner) -> dict[str, Any]:
        return {"foo": state["foo"] + state["bar"]}

    def node_1(state: Outer) -> dict[str, Any]:
        return {"foo": "hi! " + state["foo"]}

    inner = StateGraph(Inner)
    inner.add_node(subgraph_node_1)
    inner.add_node(subgraph_node_2)
    inner.add_edge(START, "subgraph_node_1")
    inner.add_edge("subgraph_node_1", "subgraph_node_2")

    outer = StateGraph(Outer)
    outer.add_node("node_1", node_1)
    outer.add_node("node_2", inner.compile())
    outer.add_edge(START, "node_1")
    outer.add_edge("node_1", "node_2")
    return outer.compile()


def card_graph() -> Any:
    """A dataclass as state, as in the token examples, with a stand-in for the model."""

    def call_model(state: Card) -> dict[str, Any]:
        return {"joke": f"A joke about {state.topic}"}

    return StateGraph(Card).add_node(call_model).add_edge(START, "call_model").compile()
