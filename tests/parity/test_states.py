"""States that do not hold: the same errors as LangGraph's, when a graph is built and when it runs.

What a run is refused for is compared without notes: LangGraph fails the whole step before any task
starts, here it is the task that cannot read its state.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

import pytest
from pydantic import BaseModel, Field, model_validator

from .chains import chain
from .lib import Engine


class State(TypedDict):
    log: Annotated[list, operator.add]
    n: int


class OtherReducer(TypedDict):
    log: Annotated[list, operator.concat]


class NewReducer(TypedDict):
    n: Annotated[int, operator.add]


@dataclass
class Needy:
    must: int
    log: Annotated[list, operator.add] = field(default_factory=list)


class Order(BaseModel):
    item: str
    amount: int = Field(1, ge=1)
    log: Annotated[list, operator.add] = []


class Ordered(BaseModel):
    low: int = 0
    high: int = 10

    @model_validator(mode="after")
    def in_order(self) -> Ordered:
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


class Strict(BaseModel, strict=True):
    n: int = 0


def idle(state: Any) -> None:
    """A node that does nothing."""


def refused(k: Engine, schema: Any, given: Any, update: Mapping[str, Any] | None) -> Any:
    graph = chain(k, schema, x=lambda s: update, y=idle).compile()
    with pytest.raises(Exception) as caught:  # noqa: PT011 - compared below
        graph.invoke(given)
    return type(caught.value), str(caught.value)


@pytest.mark.parametrize(
    ("schema", "given", "update"),
    [
        (Needy, {"log": ["x"]}, None),
        (Order, {"item": "tea", "amount": 0}, None),
        (Order, {"item": 5}, None),
        (Order, {"amount": 3}, None),
        (Order, {"item": "tea"}, {"amount": -1}),
        (Order, {"item": "tea"}, {"item": None}),
        (Ordered, {"low": 11}, None),
        (Ordered, {"low": 1}, {"high": 0}),
        (Strict, {"n": "1"}, None),
        (Strict, {"n": 1}, {"n": "2"}),
    ],
)
def test_a_state_that_its_class_refuses_raises_what_the_class_raises(
    schema: Any, given: Any, update: Any, ours: Engine, theirs: Engine
) -> None:
    assert refused(ours, schema, given, update) == refused(theirs, schema, given, update)


def test_input_that_is_refused_leaves_the_thread_as_it_was(ours: Engine) -> None:
    """Where LangGraph's thread goes on failing with the old input."""
    with ours.saver("memory", None) as saver:  # type: ignore[arg-type]
        graph = chain(ours, Order, x=lambda s: {"log": [s.amount]}).compile(checkpointer=saver)
        thread = {"configurable": {"thread_id": "1"}}
        with pytest.raises(ValueError, match="greater than or equal to 1"):
            graph.invoke({"item": "tea", "amount": 0}, thread)
        assert graph.get_state(thread).values == {}
        assert graph.invoke({"item": "tea", "amount": 2}, thread)["log"] == [2]


def two_reducers(k: Engine) -> None:
    k.StateGraph(State, input_schema=OtherReducer)


def a_reducer_for_a_plain_key(k: Engine) -> None:
    k.StateGraph(State, output_schema=NewReducer)


def a_reducer_in_a_node_s_schema(k: Engine) -> None:
    k.StateGraph(State).add_node("x", idle, input_schema=NewReducer)


def a_reducer_in_a_node_s_annotation(k: Engine) -> None:
    def node(state: OtherReducer) -> None: ...

    k.StateGraph(State).add_node("x", node)


def a_reducer_of_three(k: Engine) -> None:
    k.StateGraph(Annotated[list, lambda one, two, three: one])


def a_reducer_of_one(k: Engine) -> None:
    k.StateGraph(Annotated[list, lambda one: one])


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (two_reducers, "Channel 'log' already exists with a different type"),
        (a_reducer_for_a_plain_key, "Channel 'n' already exists with a different type"),
        (a_reducer_in_a_node_s_schema, "Channel 'n' already exists with a different type"),
        (a_reducer_in_a_node_s_annotation, "Channel 'log' already exists with a different type"),
        (a_reducer_of_three, "Invalid reducer signature. Expected (a, b) -> c. Got"),
        (a_reducer_of_one, "Invalid reducer signature. Expected (a, b) -> c. Got"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_schemas_that_do_not_go_together_are_refused_alike(
    build: Callable[[Engine], None], says: str, ours: Engine, theirs: Engine
) -> None:
    for k in (theirs, ours):
        with pytest.raises(ValueError, match=r"reducer|Channel") as caught:
            build(k)
        assert str(caught.value).startswith(says)
