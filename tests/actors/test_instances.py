"""From a dict of keys to an instance and back."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, TypedDict

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from actors.errors import InvalidUpdateError
from actors.instances import coercer, updates_of
from actors.instances import input_reader as reader_of
from actors.values import Command, Overwrite, Send


@dataclass
class Card:
    title: str
    count: int = 0
    note: str | None = None
    made: int = field(default=7, init=False)


@dataclass
class Nothing:
    pass


class Order(BaseModel):
    item: str
    amount: int = 1
    note: str | None = None
    log: Annotated[list[int], operator.add] = Field(default_factory=list)


class Aliased(BaseModel):
    item: str = Field(alias="Item")


class AliasedByName(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    item: str = Field(alias="Item")


class Keys(TypedDict):
    a: int


class Annotated_:  # noqa: N801
    a: int
    b: int

    def __init__(self) -> None:
        self.a = 1


class Pair(NamedTuple):
    a: int
    b: int


class Message(BaseModel):
    content: str


def input_reader(cls: Any, checked: frozenset[str]) -> Any:
    """Of a graph that has no keys but those, and `value`."""
    return reader_of(cls, checked, checked | {"value"})


def made(cls: Any, values: dict[str, Any]) -> Any:
    make = coercer(cls)
    assert make is not None
    return make(values)


def test_an_instance_is_made_of_the_keys_that_hold_a_value() -> None:
    assert made(Card, {"title": "t"}) == Card("t")
    assert made(Order, {"item": "tea", "amount": "3"}) == Order(item="tea", amount=3)


@pytest.mark.parametrize("cls", [Keys, dict, Pair, Annotated_])
def test_other_schemas_give_nodes_the_dict(cls: Any) -> None:
    assert coercer(cls) is None


def test_a_key_that_is_missing_raises_the_schemas_own_error() -> None:
    with pytest.raises(TypeError, match="title"):
        made(Card, {"count": 1})
    with pytest.raises(ValidationError, match="Field required"):
        made(Order, {"amount": 1})


@pytest.mark.parametrize("cls", [Aliased, AliasedByName])
def test_a_pydantic_field_is_filled_by_its_name_whatever_its_alias(cls: Any) -> None:
    assert made(cls, {"item": "tea"}).item == "tea"


@pytest.mark.parametrize(
    ("instance", "updates"),
    [
        (Card("t"), {"title": "t", "count": 0, "note": None}),
        (Nothing(), {}),
        (Order(item="tea"), {"item": "tea", "amount": 1, "log": []}),
        (Order(item="tea", note=None), {"item": "tea", "amount": 1, "note": None, "log": []}),
        (Order(item="tea", note="n"), {"item": "tea", "amount": 1, "note": "n", "log": []}),
        (Annotated_(), {"a": 1}),
        (Pair(1, 2), {"a": 1, "b": 2}),
    ],
)
def test_an_instance_stands_for_the_update_of_its_fields(
    instance: Any, updates: dict[str, Any]
) -> None:
    assert updates_of(instance) == updates


@pytest.mark.parametrize("value", [5, "text", None, (1, 2), [], object(), print, Card])
def test_what_is_no_instance_of_a_schema_stands_for_nothing(value: Any) -> None:
    assert updates_of(value) is None


PLAIN = frozenset({"item", "amount", "note"})


def test_any_mapping_is_an_input_and_is_not_kept() -> None:
    read = input_reader(Keys, frozenset({"a"}))
    given = {"a": 1}

    taken = read(given)

    assert taken == given
    assert taken is not given
    assert read(MappingProxyType(given)) == given


@pytest.mark.parametrize("value", [5, "text", None, [("a", 1)], [{"a": 1}]])
def test_other_things_are_no_input(value: Any) -> None:
    with pytest.raises(
        InvalidUpdateError, match=r"as the graph's input\. Give a dict of state keys"
    ):
        input_reader(Keys, frozenset({"a"}))(value)


@pytest.mark.parametrize(
    "value",
    [
        Send("n", {"a": 1}),
        Command(update={"a": 1}, goto="n"),
        Overwrite({"a": 1}),
        Message(content="hi"),
        Card("t"),
        Nothing(),
    ],
)
def test_an_instance_that_has_no_key_of_the_graph_is_no_input(value: Any) -> None:
    with pytest.raises(InvalidUpdateError, match=r"^Expected dict, got .* as the graph's input\."):
        input_reader(Keys, frozenset({"a"}))(value)


def test_the_state_of_another_graph_is_an_input() -> None:
    assert input_reader(Keys, frozenset({"a"}))(Pair(1, 2)) == {"a": 1, "b": 2}
    assert input_reader(Keys, frozenset({"note"}))(Order(item="tea"))["item"] == "tea"
    assert input_reader(Nothing, frozenset({"a"}))(Nothing()) == {}


def test_pydantic_validates_the_input_and_leaves_it_as_it_is() -> None:
    read = input_reader(Order, PLAIN)

    assert read({"item": "tea", "amount": "3", "stray": 1}) == {
        "item": "tea",
        "amount": "3",
        "stray": 1,
    }
    assert read(Order(item="tea")) == {"item": "tea", "amount": 1, "log": []}
    with pytest.raises(ValidationError, match="amount"):
        read({"item": "tea", "amount": "many"})


def test_a_key_left_out_is_not_missed_since_the_thread_may_hold_it() -> None:
    assert input_reader(Order, PLAIN)({"amount": 2}) == {"amount": 2}


def test_a_key_with_a_reducer_is_validated_when_it_is_read() -> None:
    read = input_reader(Order, PLAIN)

    assert read({"item": "tea", "log": "one"}) == {"item": "tea", "log": "one"}
    assert read({"item": Overwrite("tea")}) == {"item": Overwrite("tea")}


def test_an_aliased_key_is_validated_too() -> None:
    with pytest.raises(ValidationError, match="Item"):
        input_reader(Aliased, frozenset({"item"}))({"item": 5})


def test_a_rule_about_the_whole_model_waits_for_the_whole_state() -> None:
    class Range(BaseModel):
        low: int = 0
        high: int = 0

        @model_validator(mode="after")
        def in_order(self) -> Range:
            if self.low > self.high:
                raise ValueError("low above high")
            return self

    read = input_reader(Range, frozenset({"low", "high"}))

    assert read({"low": 5}) == {"low": 5}, "the thread may hold a higher high"
