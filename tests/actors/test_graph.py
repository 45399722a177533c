"""Building graphs: what can be added, what is refused and with which words."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypedDict

import pytest
from pydantic import BaseModel, Field, ValidationError

from actors.channels import EphemeralValue
from actors.errors import CheckpointerTypeError, GraphBuildError, InvalidUpdateError
from actors.graph import StateGraph
from actors.values import END, START, Send


class State(TypedDict, total=False):
    n: int
    log: Annotated[list[str], operator.add]


class Secret(TypedDict, total=False):
    secret: int


class Question(TypedDict):
    n: int


class Answer(TypedDict):
    log: list[str]


@dataclass
class Card:
    title: str
    count: int = 0
    tags: Annotated[list[str], operator.add] = field(default_factory=list)


class Order(BaseModel):
    item: str
    amount: int = 1
    log: Annotated[list[str], operator.add] = Field(default_factory=list)


def says(name: str) -> Callable[..., Any]:
    return lambda state: {"log": [name]}


def with_nodes(*names: str) -> StateGraph:
    builder = StateGraph(State)
    for name in names:
        builder.add_node(name, says(name))
    return builder


def add(state: State) -> State:
    return {"n": state.get("n", 0) + 1}


def to_b(state: State) -> Literal["b"]:
    return "b"


def to_nowhere(state: State) -> Literal["zz"]:
    return "zz"


# --- what is refused at once ---------------------------------------------------------------


class Nameless:
    """A callable without a name of any kind."""

    def __call__(self, state: Any) -> Any: ...


class EphemeralLog(TypedDict):
    log: Annotated[list[str], EphemeralValue]


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "a name twice": (
        lambda: with_nodes("a", "a"),
        "Node `a` already present.",
    ),
    "the name of START": (lambda: with_nodes(START), "Node `__start__` is reserved"),
    "the name of END": (lambda: with_nodes(END), "Node `__end__` is reserved"),
    "a name the stream needs": (
        lambda: with_nodes("__interrupt__"),
        "Node `__interrupt__` is reserved",
    ),
    "a name of the engine's": (
        lambda: with_nodes("__pregel_tasks"),
        "Node `__pregel_tasks` is reserved",
    ),
    "a name with a bar": (
        lambda: with_nodes("a|b"),
        "'|' is a reserved character and is not allowed in the node names",
    ),
    "a name with a colon": (
        lambda: with_nodes("a:b"),
        "':' is a reserved character and is not allowed in the node names",
    ),
    "an empty name": (lambda: with_nodes(""), "A node cannot be named ''"),
    "a name without code": (
        lambda: StateGraph(State).add_node("a"),
        "add_node('a', None) names no code",
    ),
    "code twice": (lambda: StateGraph(State).add_node(add, add), "add_node(<function add"),
    "a number as a node": (
        lambda: StateGraph(State).add_node("a", 5),  # pyright: ignore[reportArgumentType]
        "Node 'a' is 5, which cannot be called",
    ),
    "a lambda without a name": (
        lambda: StateGraph(State).add_node(lambda state: {}),
        "has no name to go by: use add_node('name', function)",
    ),
    "a partial without a name": (
        lambda: StateGraph(State).add_node(functools.partial(add)),
        "has no name to go by: use add_node('name', function)",
    ),
    "a parameter nothing fills": (
        lambda: StateGraph(State).add_node("a", lambda state, model: {}),
        "needs a parameter 'model' that nothing fills",
    ),
    "metadata that is no dict": (
        lambda: StateGraph(State).add_node("a", add, metadata=5),  # pyright: ignore[reportArgumentType]
        "Node 'a' has 5 as metadata: give a dict",
    ),
    "an input schema that is none": (
        lambda: StateGraph(State).add_node("a", add, input_schema=5),
        "5 cannot be a input_schema of 'a': it names no keys",
    ),
    "an edge from END": (
        lambda: with_nodes("a").add_edge(END, "a"),
        "END cannot be a start node",
    ),
    "an edge to START": (
        lambda: with_nodes("a").add_edge("a", START),
        "START cannot be an end node",
    ),
    "an edge from a number": (
        lambda: with_nodes("a").add_edge(5, "a"),  # pyright: ignore[reportArgumentType]
        "An edge cannot start or end at 5",
    ),
    "an edge to a function": (
        lambda: with_nodes("a").add_edge("a", add),  # pyright: ignore[reportArgumentType]
        "An edge cannot start or end at <function add",
    ),
    "an edge from no nodes": (
        lambda: with_nodes("a").add_edge([], "a"),
        "An edge to 'a' from an empty list starts nowhere",
    ),
    "an edge from a list with an unknown node": (
        lambda: with_nodes("a").add_edge(["a", "zz"], "a"),
        "Need to add_node `zz` first",
    ),
    "an edge from a list to an unknown node": (
        lambda: with_nodes("a").add_edge(["a"], "zz"),
        "Need to add_node `zz` first",
    ),
    "an edge from a list with START": (
        lambda: with_nodes("a").add_edge(["a", START], "a"),
        "Need to add_node `__start__` first",
    ),
    "an edge from a list with END": (
        lambda: with_nodes("a").add_edge(["a", END], "a"),
        "END cannot be a start node",
    ),
    "a branch from END": (
        lambda: with_nodes("a").add_conditional_edges(END, to_b),
        "END cannot be a start node",
    ),
    "a branch name twice": (
        lambda: with_nodes("a").add_conditional_edges("a", to_b).add_conditional_edges("a", to_b),
        "Branch with name `to_b` already exists for node `a`",
    ),
    "a name as a path": (
        lambda: with_nodes("a").add_conditional_edges("a", "b"),  # pyright: ignore[reportArgumentType]
        "The path from 'a' is 'b', which cannot be called",
    ),
    "a name as a path map": (
        lambda: with_nodes("a").add_conditional_edges("a", to_b, "b"),
        "'b' cannot be a path_map",
    ),
    "an empty sequence": (
        lambda: StateGraph(State).add_sequence([]),
        "Sequence requires at least one node.",
    ),
    "a sequence with a node twice": (
        lambda: StateGraph(State).add_sequence([add, add]),
        "Node names must be unique: node with the name 'add' already exists",
    ),
    "a sequence with a lambda": (
        lambda: StateGraph(State).add_sequence([lambda state: {}]),
        "has no name to go by: give it as ('name', function)",
    ),
    "a sequence with a triple": (
        lambda: StateGraph(State).add_sequence([("a", add, 1)]),  # pyright: ignore[reportArgumentType]
        "is no (name, function) pair",
    ),
    "a number as a schema": (lambda: StateGraph(5), "5 cannot be a state_schema"),
    "a dict as a schema": (
        lambda: StateGraph({"n": int}),
        "{'n': <class 'int'>} cannot be a state_schema",
    ),
    "a class without annotations as a schema": (
        lambda: StateGraph(Nameless),
        "cannot be a state_schema: it names no keys",
    ),
    "a number as an input schema": (
        lambda: StateGraph(State, input_schema=5),
        "5 cannot be a input_schema",
    ),
    "a number as an output schema": (
        lambda: StateGraph(State, output_schema=5),
        "5 cannot be a output_schema",
    ),
    "two channels for one key": (
        lambda: StateGraph(State, input_schema=EphemeralLog),
        "Channel 'log' already exists with a different type: BinaryOperatorAggregate",
    ),
    "keys beside a state of one value": (
        lambda: StateGraph(list, input_schema=State),
        "one of them names keys and the other is a state of one value",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_built_is_refused_at_once(case: str) -> None:
    build, says_so = REFUSED[case]

    with pytest.raises(GraphBuildError) as caught:
        build()

    assert says_so in str(caught.value)
    assert isinstance(caught.value, ValueError)


# --- what is found out as a whole ----------------------------------------------------------

INCOMPLETE: dict[str, tuple[Callable[[], StateGraph], str]] = {
    "no entry point": (
        lambda: with_nodes("a"),
        "Graph must have an entrypoint: add at least one edge from START to another node",
    ),
    "nothing at all": (lambda: StateGraph(State), "Graph must have an entrypoint"),
    "an edge from an unknown node": (
        lambda: with_nodes("a").add_edge(START, "a").add_edge("zz", "a"),
        "Found edge starting at unknown node 'zz': the nodes are ['a']",
    ),
    "an edge to an unknown node": (
        lambda: with_nodes("a").add_edge(START, "zz"),
        "Found edge ending at unknown node `zz`: the nodes are ['a']",
    ),
    "a branch from an unknown node": (
        lambda: with_nodes("a").add_edge(START, "a").add_conditional_edges("zz", to_b),
        "Found edge starting at unknown node 'zz'",
    ),
    "a path map to an unknown node": (
        lambda: with_nodes("a").add_edge(START, "a").add_conditional_edges("a", to_b, ["zz"]),
        "At 'a' node, 'to_b' branch found unknown target 'zz'",
    ),
    "a return type with an unknown node": (
        lambda: with_nodes("a").add_edge(START, "a").add_conditional_edges("a", to_nowhere),
        "At 'a' node, 'to_nowhere' branch found unknown target 'zz'",
    ),
    "a destination that is unknown": (
        lambda: StateGraph(State).add_node("a", add, destinations=("zz",)).add_edge(START, "a"),
        "Found edge ending at unknown node `zz`",
    ),
}


@pytest.mark.parametrize("case", INCOMPLETE)
def test_what_does_not_fit_together_is_found_when_it_is_compiled(case: str) -> None:
    build, says_so = INCOMPLETE[case]
    builder = build()

    for check in (builder.validate, builder.compile):
        with pytest.raises(GraphBuildError) as caught:
            check()
        assert str(caught.value).startswith(says_so)


def test_two_joins_whose_names_run_together_are_told_apart() -> None:
    builder = with_nodes("a", "b", "a+b", "c").add_edge(START, "a")
    builder.add_edge(["a", "b"], "c").add_edge(["a+b"], "c")

    with pytest.raises(GraphBuildError, match=r"without a '\+'"):
        builder.compile()


def test_validate_checks_where_to_interrupt_too() -> None:
    builder = with_nodes("a").add_edge(START, "a")

    assert builder.validate(["a"]) is builder
    with pytest.raises(GraphBuildError, match=r"^Interrupt node `zz` not found"):
        builder.validate(["zz"])


@pytest.mark.parametrize("checkpointer", [5, "memory", object()])
def test_what_is_no_saver_is_a_type_error(checkpointer: Any) -> None:
    with pytest.raises(CheckpointerTypeError) as caught:
        with_nodes("a").add_edge(START, "a").compile(checkpointer)

    assert isinstance(caught.value, TypeError)


def test_a_refused_node_leaves_the_builder_as_it_was() -> None:
    builder = with_nodes("a")

    with pytest.raises(GraphBuildError):
        builder.add_node("a|b", says("x"), input_schema=Secret)
    with pytest.raises(GraphBuildError):
        builder.add_node("b", says("x"), input_schema=EphemeralLog)

    assert list(builder.nodes) == ["a"]
    assert list(builder.parts.channels) == ["n", "log"]


# --- what is built -------------------------------------------------------------------------


def test_every_call_gives_the_builder() -> None:
    builder = StateGraph(State)

    assert builder.add_node("a", add) is builder
    assert builder.add_node(add) is builder
    assert builder.add_edge("a", "add") is builder
    assert builder.add_edge(["a", "add"], END) is builder
    assert builder.add_conditional_edges("a", to_b, {"b": "add"}) is builder
    assert builder.add_sequence([("b", add)]) is builder
    assert builder.set_entry_point("a") is builder
    assert builder.set_conditional_entry_point(to_b) is builder
    assert builder.set_finish_point("add") is builder
    assert builder.validate() is builder


def test_nodes_and_edges_can_be_looked_at() -> None:
    builder = StateGraph(State).add_sequence([add, ("b", add)]).set_entry_point("add")

    assert list(builder.nodes) == ["add", "b"]
    assert list(builder.edges) == [("add", "b"), (START, "add")]


async def async_add(state: State) -> State:
    return {"n": state.get("n", 0) + 1}


class Adder:
    def __call__(self, state: State) -> State:
        return add(state)

    async def later(self, state: State) -> State:
        return add(state)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (add, "add"),
        (async_add, "async_add"),
        (Adder(), "Adder"),
        (Adder().later, "later"),
    ],
)
def test_a_node_is_named_after_its_code(code: Any, name: str) -> None:
    graph = StateGraph(State).add_node(code).add_edge(START, name).compile()

    assert graph.invoke({"n": 1}) == {"n": 2, "log": []}


def test_a_graph_is_a_node_named_after_itself() -> None:
    child = StateGraph(State).add_node(add).add_edge(START, "add").compile(name="child")

    parent = StateGraph(State).add_node(child).add_edge(START, "child").compile()

    assert parent.invoke({"n": 1})["n"] == 2


def test_a_node_may_have_the_name_of_a_state_key() -> None:
    graph = StateGraph(State).add_node("n", add).add_edge(START, "n").compile()

    assert graph.invoke({"n": 1})["n"] == 2


def test_a_compiled_graph_does_not_see_what_is_added_later() -> None:
    builder = with_nodes("a").add_edge(START, "a")
    graph = builder.compile()

    builder.add_node("b", says("b")).add_edge("a", "b")

    assert list(graph.spec.nodes) == ["a"]
    assert graph.invoke({"n": 1})["log"] == ["a"]
    assert builder.compile().invoke({"n": 1})["log"] == ["a", "b"]


def test_a_node_reads_the_schema_its_parameter_is_annotated_with() -> None:
    def hide(state: State) -> Any:
        return {"secret": 5}

    def use(state: Secret) -> Any:
        return {"log": [str(state)]}

    graph = StateGraph(State).add_sequence([hide, use]).set_entry_point("hide").compile()

    assert graph.spec.state_keys == ("n", "log", "secret")
    assert graph.spec.nodes["use"].reads == ("secret",)
    assert graph.invoke({"n": 1}) == {"n": 1, "log": ["{'secret': 5}"]}


def test_an_input_schema_says_what_a_node_reads() -> None:
    builder = StateGraph(State).add_node("a", lambda s: {"log": [str(s)]}, input_schema=Question)

    graph = builder.add_edge(START, "a").compile()

    assert graph.invoke({"n": 1, "log": ["x"]})["log"] == ["x", "{'n': 1}"]


def test_a_path_reads_the_schema_its_parameter_is_annotated_with() -> None:
    def path(state: Question) -> str:
        return "b" if state == {"n": 1} else END

    builder = with_nodes("a", "b").add_edge(START, "a").add_conditional_edges("a", path)

    assert builder.compile().invoke({"n": 1})["log"] == ["a", "b"]


def test_an_annotation_that_is_no_schema_changes_nothing() -> None:
    def node(state: dict[str, Any]) -> Any:
        return {"log": [str(sorted(state))]}

    graph = StateGraph(State).add_node(node).add_edge(START, "node").compile()

    assert graph.invoke({"n": 1})["log"] == ["['log', 'n']"]


def test_input_and_output_schemas_choose_keys() -> None:
    builder = StateGraph(State, input_schema=Question, output_schema=Answer)
    graph = builder.add_node("a", says("a")).add_edge(START, "a").compile()

    assert graph.spec.input_keys == ("n",)
    assert graph.spec.output_keys == ("log",)
    assert graph.invoke({"n": 1, "log": ["not taken"]}) == {"log": ["a"]}


def test_a_dataclass_state_reaches_nodes_and_paths_as_an_instance() -> None:
    def node(state: Card) -> Card:
        assert isinstance(state, Card)
        return Card(state.title + "!", state.count + 1, ["t"])

    def path(state: Card) -> str:
        return "node" if state.count < 2 else END

    builder = StateGraph(Card).add_node(node).add_edge(START, "node")
    graph = builder.add_conditional_edges("node", path).compile()

    assert graph.invoke(Card("t")) == {"title": "t!!", "count": 2, "tags": ["t", "t"]}


def test_a_pydantic_state_is_validated_when_it_comes_in() -> None:
    seen: list[Any] = []
    builder = StateGraph(Order).add_node("a", seen.append)
    graph = builder.add_edge(START, "a").compile()

    with pytest.raises(ValidationError, match="amount"):
        graph.invoke({"item": "tea", "amount": "many"})
    assert seen == []

    graph.invoke({"item": "tea", "amount": "3"})
    assert seen == [Order(item="tea", amount=3)]


def test_a_schema_inside_a_function_is_found_by_the_nodes_of_its_graph() -> None:
    class Local(TypedDict):
        a: Any

    def node(state: Local, config: Any) -> Local: ...

    builder = StateGraph(State).add_node("whole", node)
    assert builder.nodes["whole"].schema.source is State, "nothing tells what Local is"

    builder = StateGraph(State, input_schema=Local).add_node("narrow", node)
    assert builder.nodes["narrow"].schema.source is Local


def test_a_state_of_one_value_is_read_and_written_as_such() -> None:
    seen: list[Any] = []

    def node(state: Any) -> Any:
        seen.append(list(state))
        return [len(state)]

    builder = StateGraph(Annotated[list, operator.add])
    builder.add_sequence([("a", node), ("b", node)]).set_entry_point("a").compile().invoke([7, 7])

    assert seen == [[7, 7], [7, 7, 2]]


def test_an_update_of_an_unknown_key_fails_the_run() -> None:
    builder = StateGraph(State).add_node("a", lambda state: {"zz": 1}).add_edge(START, "a")

    with pytest.raises(InvalidUpdateError, match="Node 'a' updates 'zz'"):
        builder.compile().invoke({"n": 1})


def test_a_branch_to_an_unknown_node_fails_the_run() -> None:
    builder = with_nodes("a", "b").add_edge(START, "a")
    graph = builder.add_conditional_edges("a", lambda state: Send("zz", {})).compile()

    with pytest.raises(InvalidUpdateError, match=r"sends to 'zz'.*nodes are \['a', 'b'\]"):
        graph.invoke({"n": 1})


def test_a_sequence_runs_in_order() -> None:
    builder = StateGraph(State).add_sequence([("x", says("x")), ("y", says("y")), ("z", says("z"))])

    assert builder.set_entry_point("x").compile().invoke({"n": 1})["log"] == ["x", "y", "z"]


def test_a_conditional_entry_point_starts_where_its_path_says() -> None:
    builder = with_nodes("a", "b").set_conditional_entry_point(to_b)

    assert builder.compile().invoke({"n": 1})["log"] == ["b"]
