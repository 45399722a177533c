"""From a schema to its keys and channels."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, NamedTuple, NotRequired, Required, TypedDict, TypeVar

import pytest
import typing_extensions
from pydantic import BaseModel, Field

from actors.channels import (
    BinaryOperatorAggregate,
    EphemeralValue,
    LastValue,
    NamedBarrierValue,
    Topic,
    UntrackedValue,
)
from actors.errors import GraphBuildError, InvalidUpdateError
from actors.state import ROOT, Schema, channel_of, schema_of

T = TypeVar("T")


def longest(held: list[Any], written: list[Any]) -> list[Any]:
    return max(held, written, key=len)


class Plain(TypedDict):
    name: str
    log: Annotated[list[str], operator.add]


class Inherited(Plain, total=False):
    extra: int


class Redeclared(Plain):
    log: list[str]


@dataclass
class Card:
    title: str
    tags: Annotated[list[str], operator.add] = field(default_factory=list)
    made: int = field(default=0, init=False)


class Order(BaseModel):
    model_config = {"arbitrary_types_allowed": True}
    item: str
    log: Annotated[list[str], operator.add] = Field(default_factory=list)
    _private: int = 3


class Bare:
    a: int
    b: Annotated[int, operator.add]


class Pair(NamedTuple):
    a: int
    b: int = 0


def kinds(schema: Schema) -> dict[str, str]:
    return {key: type(channel).__name__ for key, channel in schema.channels.items()}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (Plain, {"name": "LastValue", "log": "BinaryOperatorAggregate"}),
        (Inherited, {"name": "LastValue", "log": "BinaryOperatorAggregate", "extra": "LastValue"}),
        (Redeclared, {"name": "LastValue", "log": "LastValue"}),
        (Card, {"title": "LastValue", "tags": "BinaryOperatorAggregate"}),
        (Order, {"item": "LastValue", "log": "BinaryOperatorAggregate"}),
        (Bare, {"a": "LastValue", "b": "BinaryOperatorAggregate"}),
        (Pair, {"a": "LastValue", "b": "LastValue"}),
    ],
)
def test_every_kind_of_schema_gives_its_keys_in_order(
    source: Any, expected: dict[str, str]
) -> None:
    schema = schema_of(source, "state_schema")

    assert kinds(schema) == expected
    assert schema.keys == tuple(expected)
    assert all(channel.key == key for key, channel in schema.channels.items())


def test_a_schema_without_keys_is_a_state_without_keys() -> None:
    class Nothing(TypedDict):
        pass

    assert schema_of(Nothing, "state_schema").keys == ()


@pytest.mark.parametrize(
    ("hint", "kind"),
    [
        (int, LastValue),
        (Annotated[int, "a note"], LastValue),
        (Annotated[int, Field(gt=0)], LastValue),
        (Annotated[bool, object()], LastValue),
        (Annotated[bool, Bare], LastValue),
        (Required[int], LastValue),
        (NotRequired[Annotated[list, operator.add]], BinaryOperatorAggregate),
        (Annotated[NotRequired[list], operator.add], BinaryOperatorAggregate),
        (
            typing_extensions.ReadOnly[Required[Annotated[list, operator.add]]],
            BinaryOperatorAggregate,
        ),
        (Annotated[list, operator.add, "a note"], BinaryOperatorAggregate),
        (Annotated[list, len, operator.add], BinaryOperatorAggregate),
        (Annotated[int, max], BinaryOperatorAggregate),
        (Annotated[int, lambda a, b=1, *rest: a], BinaryOperatorAggregate),
        (Annotated[int, lambda *both: both], BinaryOperatorAggregate),
        (Annotated[int, EphemeralValue], EphemeralValue),
        (Annotated[int, UntrackedValue(int)], UntrackedValue),
        (Annotated[int, Topic(int, accumulate=True), operator.add], Topic),
    ],
)
def test_an_annotation_says_which_channel(hint: Any, kind: type) -> None:
    assert type(channel_of(hint, "State.key")) is kind


def test_an_aggregate_starts_as_the_type_under_its_qualifiers() -> None:
    assert channel_of(Annotated[NotRequired[list], operator.add], "State.key").get() == []


def test_a_channel_given_as_an_instance_is_copied_for_each_key() -> None:
    shared = UntrackedValue(int)

    pair: Any = Annotated[int, shared]
    state: Any = TypedDict("state", {"a": pair, "b": pair})
    channels = schema_of(state, "state_schema").channels

    assert [channel.key for channel in channels.values()] == ["a", "b"]
    assert shared.key == ""


@pytest.mark.parametrize(
    "reducer", [len, lambda a: a, lambda a, b, c: a, lambda *, a, b: a, lambda: None]
)
def test_a_function_that_does_not_take_two_is_no_reducer(reducer: Callable[..., Any]) -> None:
    with pytest.raises(GraphBuildError) as caught:
        channel_of(Annotated[list, reducer], "State.log")

    assert str(caught.value).startswith("Invalid reducer signature. Expected (a, b) -> c. Got (")
    assert "State.log" in str(caught.value)


def test_a_channel_class_that_needs_more_than_a_type_wants_an_instance() -> None:
    with pytest.raises(GraphBuildError, match=r"NamedBarrierValue.*Give an instance"):
        channel_of(Annotated[str, NamedBarrierValue], "State.key")


class Unannotated:
    def run(self) -> None: ...


@pytest.mark.parametrize(
    "given", [5, "State", None, {"a": int}, [int], Unannotated, Unannotated(), object, len]
)
def test_what_names_no_keys_is_no_schema(given: Any) -> None:
    with pytest.raises(GraphBuildError) as caught:
        schema_of(given, "state_schema")

    assert str(caught.value).startswith(f"{given!r} cannot be a state_schema: it names no keys")
    assert "Give a TypedDict, a dataclass, a pydantic model" in str(caught.value)


@pytest.mark.parametrize(
    "key",
    [
        "__start__",
        "__end__",
        "__root__",
        "__interrupt__",
        "__pregel_tasks",
        "branch:to:a",
        "join:x",
    ],
)
def test_a_key_that_would_hide_a_channel_of_the_engine_is_refused(key: str) -> None:
    bad: Any = TypedDict("bad", {key: int})

    with pytest.raises(GraphBuildError, match=f"bad has a key '{key}', which is reserved"):
        schema_of(bad, "state_schema")


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (Annotated[list, operator.add], BinaryOperatorAggregate),
        (list, LastValue),
        (dict, LastValue),
        (list[int], LastValue),
        (int | None, LastValue),
        (Annotated[int, EphemeralValue], EphemeralValue),
    ],
)
def test_a_type_without_fields_is_a_state_of_one_value(source: Any, kind: type) -> None:
    schema = schema_of(source, "state_schema")

    assert schema.keys == (ROOT,)
    assert type(schema.channels[ROOT]) is kind
    assert schema.coerce is not None
    assert schema.coerce({ROOT: 5}) == 5
    assert schema.coerce({}) is None
    assert schema.read_input()([1]) == {ROOT: [1]}


class Box(TypedDict, Generic[T]):
    content: T


def test_a_generic_schema_may_be_given_with_its_arguments() -> None:
    assert schema_of(Box[int], "state_schema").keys == ("content",)


def test_nodes_get_a_dict_or_an_instance_of_their_schema() -> None:
    assert schema_of(Plain, "state_schema").coerce is None
    assert schema_of(Bare, "state_schema").coerce is None
    card = schema_of(Card, "state_schema").coerce
    order = schema_of(Order, "state_schema").coerce

    assert card is not None
    assert order is not None
    assert card({"title": "t"}) == Card("t")
    assert order({"item": "tea"}) == Order(item="tea")


def test_the_input_of_a_keyed_state_is_a_dict_or_an_instance() -> None:
    read = schema_of(Card, "state_schema").read_input()

    assert read({"title": "t", "stray": 1}) == {"title": "t", "stray": 1}
    assert read(Card("t", ["x"])) == {"title": "t", "tags": ["x"]}
    with pytest.raises(InvalidUpdateError, match="Expected dict, got 5 as the graph's input"):
        read(5)


class Holder(TypedDict):
    card: Card
    pair: Pair | None


def test_the_types_of_a_schema_are_its_own_and_those_of_its_fields() -> None:
    assert schema_of(Holder, "state_schema").types == (Card, Pair)
    assert schema_of(Card, "state_schema").types == (Card,)
