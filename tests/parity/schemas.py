"""State given as dataclass, pydantic model, or several schemas at once."""

import operator
from dataclasses import dataclass, field
from typing import Annotated, NotRequired, Required, TypedDict

from pydantic import BaseModel, Field

from .chains import chain
from .scenario import scenario


class In(TypedDict):
    question: str


class Out(TypedDict):
    answer: str


class Whole(TypedDict, total=False):
    question: str
    answer: str
    notes: Annotated[list, operator.add]


class Private(TypedDict, total=False):
    secret: str


@dataclass
class Card:
    title: str
    count: int = 0
    tags: Annotated[list, operator.add] = field(default_factory=list)


class Order(BaseModel):
    item: str
    amount: int = 1
    log: Annotated[list, operator.add] = Field(default_factory=list)


class Address(BaseModel):
    street: str


class Person(BaseModel):
    name: str
    address: Address


@scenario({"question": "?", "answer": "ignored"})
def an_input_and_an_output_schema(k):
    builder = k.StateGraph(Whole, input_schema=In, output_schema=Out)
    builder.add_node("think", lambda s: {"notes": [sorted(s)]})
    builder.add_node("answer", lambda s: {"answer": f"{s['question']}!"})
    return builder.add_edge(k.START, "think").add_edge("think", "answer")


@scenario({"question": "?"})
def a_private_key_between_two_nodes(k):
    def hide(state: Whole) -> Private:
        return {"secret": "s"}

    def use(state: Private) -> Whole:
        return {"answer": f"{sorted(state)} {state['secret']}"}

    def after(state: Whole) -> Whole:
        return {"notes": [sorted(state)]}

    return chain(k, Whole, hide=hide, use=use, after=after)


@scenario({"question": "?", "answer": "a"})
def a_node_with_an_input_schema_of_its_own(k):
    builder = k.StateGraph(Whole)
    builder.add_node("narrow", lambda s: {"notes": [dict(s)]}, input_schema=In)
    return builder.add_edge(k.START, "narrow")


@scenario({"title": "t"})
def a_dataclass_state(k):
    def node(state):
        assert isinstance(state, Card)
        return {"count": state.count + 1, "tags": [state.title]}

    return chain(k, Card, a=node, b=node)


@scenario(Card("t", 5, ["x"]))
def a_dataclass_instance_as_input(k):
    return chain(k, Card, a=lambda s: {"count": s.count + 1})


@scenario({"title": "t"})
def a_node_that_returns_a_dataclass(k):
    return chain(k, Card, a=lambda s: Card("new", 9, ["y"]), b=lambda s: {"count": s.count + 1})


@scenario({"item": "tea"})
def a_pydantic_state(k):
    def node(state):
        assert isinstance(state, Order)
        return {"amount": state.amount + 1, "log": [state.item]}

    return chain(k, Order, a=node, b=node)


@scenario({"item": "tea", "amount": "3"})
def pydantic_coerces_the_input(k):
    return chain(k, Order, a=lambda s: {"log": [s.amount]})


@scenario(Order(item="tea"))
def a_pydantic_instance_as_input(k):
    return chain(k, Order, a=lambda s: {"amount": s.amount + 1})


@scenario({"item": "tea"})
def a_node_that_returns_a_pydantic_model(k):
    return chain(k, Order, a=lambda s: Order(item="milk", amount=2), b=lambda s: {"log": [s.item]})


@scenario({"name": "Ada", "address": {"street": "High Street"}})
def a_model_inside_a_model(k):
    def node(state):
        return {"name": state.name + " of " + state.address.street}

    return chain(k, Person, a=node)


@scenario({"a": 1})
def required_and_not_required_keys(k):
    class State(TypedDict, total=False):
        a: Required[int]
        b: NotRequired[Annotated[list, operator.add]]
        c: str

    return chain(k, State, x=lambda s: {"b": [s["a"]]}, y=lambda s: {"c": str(sorted(s))})


@scenario({"title": "t", "count": 3})
def a_conditional_edge_over_a_dataclass(k):
    builder = k.StateGraph(Card).add_node("a", lambda s: {"count": s.count - 1})
    builder.add_edge(k.START, "a")
    return builder.add_conditional_edges("a", lambda s: "a" if s.count else k.END)


@scenario(5)
def a_plain_value_as_the_whole_state(k):
    builder = k.StateGraph(Annotated[int, operator.add])
    return builder.add_node("a", lambda s: s + 1).add_edge(k.START, "a")
