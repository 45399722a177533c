"""States and nodes whose annotations are texts: `from __future__ import annotations`."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired, Required, TypedDict

from pydantic import BaseModel

from .chains import chain
from .scenario import scenario

if TYPE_CHECKING:
    from decimal import Decimal


class State(TypedDict, total=False):
    a: Required[int]
    b: NotRequired[Annotated[list, operator.add]]
    later: Later
    log: Annotated[list, operator.add]


class Later(TypedDict):
    x: int


class Small(TypedDict):
    a: int


@dataclass
class Card:
    a: int = 1
    log: Annotated[list, operator.add] = field(default_factory=list)


class Model(BaseModel):
    a: int = 1
    inner: Model | None = None
    log: Annotated[list, operator.add] = []


def small(state: Small) -> dict[str, Any]:
    """Reads one key."""
    return {"log": [sorted(state)]}


def as_card(state: Card) -> State:
    """Reads an instance."""
    return {"log": [repr(state)]}


def unresolved(state: Decimal):
    """Its annotation is imported for type checkers only."""
    return {"log": [sorted(state)]}


@scenario({"a": 1, "later": {"x": 1}})
def a_state_that_names_what_is_defined_below_it(k):
    return chain(k, State, x=lambda s: {"b": [1]}, y=lambda s: {"b": [2], "log": [sorted(s)]})


@scenario({"a": 1, "b": [1]})
def nodes_that_read_what_their_annotations_name(k):
    return chain(k, State, x=small, y=as_card)


@scenario({"a": 1})
def an_annotation_for_type_checkers_only(k):
    return chain(k, State, x=unresolved)


@scenario({"a": 1})
def an_annotation_with_a_class_of_the_function_around(k):
    class Local(TypedDict):
        a: int

    def node(state: Local):
        return {"log": [sorted(state)]}

    return chain(k, State, x=node).add_edge("x", k.END)


@scenario({"a": 3, "inner": {"a": 4}})
def a_model_that_names_itself(k):
    return chain(k, Model, x=lambda s: {"log": [s.inner.a], "inner": None}, y=as_card)


@scenario({"a": 2})
def a_dataclass_with_texts_as_types(k):
    return chain(k, Card, x=lambda s: {"log": [s.a], "a": s.a + 1}, y=small)


@scenario({"a": 2})
def a_branch_with_a_literal_as_text(k):
    def path(state: Small) -> Literal["x", "__end__"]:
        return "x" if sorted(state) == ["a"] else "__end__"

    builder = k.StateGraph(State).add_node("x", small)
    return builder.add_conditional_edges(k.START, path)
