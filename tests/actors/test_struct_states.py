"""msgspec structs as schemas of every role; LangGraph has none to compare with."""

import contextlib
import operator
from typing import Annotated, Any, Generic, TypeVar

import msgspec
import pytest

from actors import START, CompiledGraph, Send, StateGraph
from checkpoint import MemorySaver, SqliteSaver

Item = TypeVar("Item")
THREAD = {"configurable": {"thread_id": "1"}}


class Card(msgspec.Struct):
    title: str
    count: int = 1
    tags: Annotated[list, operator.add] = msgspec.field(default_factory=list)


class Deck(Card, kw_only=True):
    cards: int


class Frozen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    a: int = 1
    log: Annotated[list, operator.add] = []


class Narrow(msgspec.Struct):
    title: str


class Private(msgspec.Struct):
    secret: str = "none"


class Renamed(msgspec.Struct, rename="camel"):
    first_name: str
    log: Annotated[list, operator.add] = []


class Box(msgspec.Struct, Generic[Item]):
    held: Item
    log: Annotated[list, operator.add] = []


def graph(schema: Any, *nodes: Any, **options: Any) -> CompiledGraph:
    """Nodes x0, x1, … in a row."""
    builder, before = StateGraph(schema, **options), START
    for index, node in enumerate(nodes):
        name = f"x{index}"
        builder.add_node(name, node).add_edge(before, name)
        before = name
    return builder.compile()


def test_a_node_gets_an_instance_with_the_defaults_of_what_was_not_given() -> None:
    seen: list[Any] = []
    graph(Card, seen.append).invoke({"title": "t"})
    assert seen == [Card("t", 1, [])]


def test_updates_are_dicts_or_instances() -> None:
    state = graph(
        Card,
        lambda s: {"count": s.count + 1, "tags": ["dict"]},
        lambda s: Card(s.title, s.count + 1, ["instance"]),
    ).invoke({"title": "t"})
    assert state == {"title": "t", "count": 3, "tags": ["dict", "instance"]}


def test_an_instance_is_an_input() -> None:
    assert graph(Card, lambda s: None).invoke(Card("t", 5, ["a"])) == {
        "title": "t",
        "count": 5,
        "tags": ["a"],
    }


def test_a_subclass_has_the_fields_of_its_parent() -> None:
    state = graph(Deck, lambda s: {"cards": s.cards - s.count}).invoke({"title": "t", "cards": 52})
    assert state == {"title": "t", "tags": [], "cards": 51}


def test_a_frozen_struct_by_keyword() -> None:
    state = graph(Frozen, lambda s: {"a": s.a + 1, "log": [s.a]}).invoke({})
    assert state == {"a": 2, "log": [1]}


def test_names_on_the_wire_do_not_change_the_state_s_keys() -> None:
    state = graph(Renamed, lambda s: {"log": [s.first_name]}).invoke({"first_name": "Ada"})
    assert state == {"first_name": "Ada", "log": ["Ada"]}


def test_a_struct_with_a_type_parameter() -> None:
    assert graph(Box, lambda s: {"held": s.held + 1}).invoke({"held": 1})["held"] == 2


def test_structs_as_input_output_and_private_schema() -> None:
    def hide(state: Card) -> Private:
        return Private("hidden")

    def use(state: Private) -> dict[str, Any]:
        return {"tags": [state.secret]}

    def narrow(state: Narrow) -> dict[str, Any]:
        return {"tags": [repr(state)]}

    whole = graph(Card, hide, use, narrow, input_schema=Narrow, output_schema=Frozen)
    assert whole.invoke({"title": "t", "count": 9}) == {"log": []}
    assert graph(Card, hide, use, narrow).invoke({"title": "t"})["tags"] == [
        "hidden",
        "Narrow(title='t')",
    ]


def test_a_value_that_is_missing_is_what_the_struct_raises() -> None:
    with pytest.raises(TypeError, match="Missing required argument 'title'"):
        graph(Card, lambda s: None).invoke({"count": 1})


async def test_a_branch_and_a_send_read_structs() -> None:
    def spread(state: Card) -> list[Send]:
        return [Send("work", Card(f"{state.title}{i}")) for i in range(2)]

    builder = StateGraph(Card).add_node("work", lambda s: {"tags": [s.title]})
    compiled = builder.add_conditional_edges(START, spread, ["work"]).compile()
    assert (await compiled.ainvoke({"title": "t"}))["tags"] == ["t0", "t1"]


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_thread_of_structs_goes_on_where_it_stopped(kind: str, tmp_path: Any) -> None:
    class Hand(msgspec.Struct):
        total: Annotated[int, operator.add] = 0
        log: Annotated[list, operator.add] = []

    builder = StateGraph(Hand).add_node("x", lambda s: {"log": [s.total]}).add_edge(START, "x")
    file = SqliteSaver.from_conn_string(str(tmp_path / "t.db"))
    with contextlib.nullcontext(MemorySaver()) if kind == "memory" else file as saver:
        compiled = builder.compile(checkpointer=saver)
        compiled.invoke({"total": 1}, THREAD)
        assert compiled.invoke({"total": 2}, THREAD) == {"total": 3, "log": [1, 3]}
        assert compiled.get_state(THREAD).values == {"total": 3, "log": [1, 3]}
