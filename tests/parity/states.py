"""What a state may be made of: defaults, inheritance, qualifiers, generics, several at once."""

import functools
import operator
from dataclasses import dataclass, field
from typing import (
    Annotated,
    Any,
    ClassVar,
    Generic,
    NotRequired,
    Optional,
    Required,
    TypedDict,
    TypeVar,
)

import typing_extensions
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.dataclasses import dataclass as pydantic_dataclass

from .chains import chain
from .scenario import Update, scenario

Item = TypeVar("Item")


class Log(TypedDict, total=False):
    log: Annotated[list, operator.add]
    n: int
    text: str


def seen(state):
    """A node that logs what it was given."""
    return {"log": [repr(state)]}


def keys(state):
    """A node that logs which keys it was given."""
    return {"log": [sorted(state)]}


# --- TypedDict ------------------------------------------------------------------------------


class Base(TypedDict):
    a: int


class Child(Base, total=False):
    log: Annotated[list, operator.add]
    b: int


class Other(TypedDict, total=False):
    c: Annotated[int, operator.add]


class Both(Child, Other):
    d: str


class Overriding(Base):
    a: Annotated[int, operator.add]
    log: Annotated[list, operator.add]


class Qualified(TypedDict, total=False):
    a: Required[Annotated[int, operator.add]]
    b: Annotated[NotRequired[int], "told"]
    c: typing_extensions.ReadOnly[str]
    d: Required[typing_extensions.ReadOnly[int]]
    log: NotRequired[Annotated[list, operator.add]]


class Box(TypedDict, Generic[Item], total=False):
    held: Item
    log: Annotated[list, operator.add]


class IntBox(Box[int], total=False):
    n: int


class Optionals(TypedDict, total=False):
    maybe: Annotated[Optional[list], "told"]  # noqa: UP045 - both ways to write it
    log: Annotated[list | None, lambda held, new: [*(held or []), *(new or [])]]


@scenario({"a": 1})
def keys_of_a_parent_class(k):
    return chain(k, Child, x=keys, y=lambda s: {"b": s["a"] + 1}, z=keys)


@scenario({"a": 1, "c": 1}, {"a": 2, "c": 2})
def keys_of_two_parent_classes(k):
    return chain(k, Both, x=lambda s: {"c": 5, "d": "d"}, y=keys)


@scenario({"a": 1}, {"a": 1})
def a_key_that_gets_a_reducer_in_a_subclass(k):
    return chain(k, Overriding, x=lambda s: {"a": 10}, y=lambda s: {"log": [s["a"]]})


@scenario({"a": 1, "c": "c", "d": 4}, {"a": 1})
def required_not_required_and_read_only(k):
    return chain(k, Qualified, x=lambda s: {"a": 2, "b": 3, "c": "new"}, y=keys)


@scenario({"held": 1})
def a_generic_typed_dict_without_its_parameter(k):
    return chain(k, Box, x=lambda s: {"held": s["held"] + 1, "log": [s["held"]]})


@scenario({"held": 1, "n": 2})
def a_subclass_of_a_generic_typed_dict(k):
    return chain(k, IntBox, x=lambda s: {"held": s["n"]}, y=keys)


@scenario({}, {"log": None}, {"log": ["x"]})
def a_reduced_key_that_may_be_none(k):
    return chain(k, Optionals, x=lambda s: {"log": None, "maybe": None}, y=lambda s: {"log": ["y"]})


@scenario({"unknown": 1, "n": 2})
def a_key_of_the_input_that_the_state_does_not_have(k):
    return chain(k, Log, x=keys)


@scenario({"unknown": 1})
def only_keys_that_the_state_does_not_have(k):
    return chain(k, Log, x=keys)


@scenario({"n": "no number"})
def a_typed_dict_checks_nothing(k):
    return chain(k, Log, x=lambda s: {"text": 5, "log": [s["n"]]})


# --- dataclass ------------------------------------------------------------------------------


@dataclass
class Card:
    title: str = "untitled"
    count: int = 0
    tags: Annotated[list, operator.add] = field(default_factory=lambda: ["made"])
    log: Annotated[list, operator.add] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    a: int = 1
    log: Annotated[list, operator.add] = field(default_factory=list)


@dataclass
class Deck(Card):
    cards: int = 52
    count: int = 9


@dataclass
class Marked:
    limit: ClassVar[int] = 3
    a: int = 1
    log: Annotated[list, operator.add] = field(default_factory=list)


@scenario({"title": "t"}, {"count": 4})
def defaults_of_a_dataclass(k):
    return chain(k, Card, x=seen, y=lambda s: {"count": s.count + 1}, z=seen)


@scenario({"tags": ["given"]})
def a_default_factory_under_a_reducer(k):
    return chain(k, Card, x=lambda s: {"tags": ["x"]}, y=lambda s: {"log": [s.tags]})


@scenario({"a": 2})
def a_frozen_dataclass_by_keyword(k):
    return chain(k, Frozen, x=lambda s: {"a": s.a + 1}, y=seen)


@scenario({"title": "t"}, Deck(title="u", count=1))
def a_subclass_of_a_dataclass(k):
    return chain(k, Deck, x=seen, y=lambda s: Deck(cards=s.cards - 1))


@scenario({"title": "t"})
def a_node_that_returns_a_subclass_of_the_state(k):
    class Titled(Card):
        pass

    return chain(k, Card, x=lambda s: Titled(title="new"), y=seen)


# no chunks: theirs show the input as the node left it
@scenario({"title": "t"}, compare="call state")
def a_node_that_returns_the_state_it_was_given(k):
    def change(state):
        state.count += 5
        return state

    return chain(k, Card, x=change, y=lambda s: {"log": [s.count]})


@scenario({"a": 5})
def a_class_variable_of_a_dataclass(k):
    return chain(k, Marked, x=seen)


@scenario({"title": "t"}, Update({"count": 7}, "x"), Update(Card(count=8), "x"))
def updates_from_outside_of_a_dataclass(k):
    return chain(k, Card, x=lambda s: {"count": s.count + 1}, y=seen)


@pydantic_dataclass
class Checked:
    a: int
    log: Annotated[list, operator.add] = field(default_factory=list)


@scenario({"a": "5"})
def a_dataclass_that_pydantic_made(k):
    return chain(k, Checked, x=seen)


# --- pydantic -------------------------------------------------------------------------------


class Order(BaseModel):
    item: str
    amount: int = Field(1, ge=1)
    log: Annotated[list, operator.add] = Field(default_factory=list)


class Upper(BaseModel):
    name: str
    log: Annotated[list, operator.add] = []

    @field_validator("name")
    @classmethod
    def shout(cls, value):
        return value.upper()


class Ordered(BaseModel):
    low: int = 0
    high: int = 10
    log: Annotated[list, operator.add] = []

    @model_validator(mode="after")
    def in_order(self):
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    n: int = 0
    log: Annotated[list, operator.add] = []


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    n: int = 0
    log: Annotated[list, operator.add] = []


class BigOrder(Order):
    discount: float = 0.5


class Line(BaseModel):
    items: list[Order] = []
    log: Annotated[list, operator.add] = []


class Either(BaseModel):
    which: int | str = 0
    maybe: Order | None = None
    log: Annotated[list, operator.add] = []


class Holder(BaseModel, Generic[Item]):
    held: Item
    log: Annotated[list, operator.add] = []


@scenario({"item": "tea"})
def what_nodes_give_is_checked_when_it_is_read(k):
    return chain(k, Order, x=lambda s: {"amount": "3"}, y=lambda s: {"log": [s.amount]})


@scenario({"item": "tea"})
def what_the_last_node_gives_is_not_checked(k):
    return chain(k, Order, x=lambda s: {"amount": "many"})


@scenario({"name": "ada"})
def a_field_validator_runs_at_every_reading(k):
    return chain(k, Upper, x=lambda s: {"log": [s.name], "name": "bob"}, y=seen)


@scenario({"low": 1}, {"low": 5, "high": 6})
def a_validator_of_the_whole_model(k):
    return chain(k, Ordered, x=lambda s: {"log": [[s.low, s.high]]})


@scenario({"n": 1}, {"n": 1, "more": 2})
def a_strict_model_that_forbids_more(k):
    return chain(k, Strict, x=seen)


@scenario({"n": 1, "more": 2})
def a_model_that_allows_more(k):
    return chain(k, Open, x=seen)


@scenario({"item": "tea"})
def a_subclass_of_a_model(k):
    return chain(k, BigOrder, x=lambda s: {"discount": s.discount / 2}, y=seen)


@scenario({"items": [{"item": "tea"}, {"item": "milk", "amount": 2}]})
def models_in_a_list(k):
    return chain(k, Line, x=lambda s: {"log": [o.item for o in s.items]}, y=seen)


@scenario({"which": "text", "maybe": {"item": "tea"}}, {"which": 3, "maybe": None})
def a_union_in_a_model(k):
    return chain(k, Either, x=seen, y=lambda s: {"maybe": None}, z=seen)


@scenario({"held": "5"})
def a_generic_model_with_its_parameter(k):
    return chain(k, Holder[int], x=seen)


@scenario(Order(item="tea", amount=4), Order(item="milk"))
def model_instances_as_input_twice(k):
    return chain(k, Order, x=lambda s: {"log": [s.amount]})


@scenario({"item": "tea", "amount": 4}, Update({"amount": "9"}, "x"))
def an_update_of_a_model_from_outside(k):
    return chain(k, Order, x=lambda s: {"log": [s.amount]}, y=seen)


@scenario({"item": "tea"})
def a_conditional_edge_reads_a_model(k):
    def path(state):
        return "again" if isinstance(state, Order) and state.amount < 3 else k.END

    builder = chain(k, Order, x=lambda s: {"amount": s.amount + 1})
    builder.add_node("again", lambda s: {"log": [s.amount]}).add_edge("again", "x")
    return builder.add_conditional_edges("x", path, ["again", k.END])


@scenario({"item": "tea"}, order="any")
def a_send_with_a_model_s_fields(k):
    builder = k.StateGraph(Order).add_node("a", lambda s: None)
    builder.add_node("worker", lambda s: {"log": [repr(s)]}).add_edge(k.START, "a")
    return builder.add_conditional_edges(
        "a", lambda s: [k.Send("worker", {"item": "x"}), k.Send("worker", s)], ["worker"]
    )


# --- several schemas ------------------------------------------------------------------------


class Question(TypedDict):
    question: str


class Answer(TypedDict):
    answer: str


class Whole(TypedDict, total=False):
    question: str
    answer: str
    log: Annotated[list, operator.add]


class Narrow(TypedDict, total=False):
    question: str


class Secret(TypedDict, total=False):
    secret: str
    counted: Annotated[int, operator.add]


@dataclass
class Asked:
    question: str = "none"
    log: Annotated[list, operator.add] = field(default_factory=list)


class AskedModel(BaseModel):
    question: str = "none"
    answer: str | None = None


@scenario({"question": "?", "log": ["dropped"]})
def an_input_schema_takes_its_own_keys_only(k):
    return k.StateGraph(Whole, input_schema=Question).add_node("x", keys).add_edge(k.START, "x")


@scenario({"question": "?"})
def an_output_schema_shows_its_own_keys_only(k):
    builder = k.StateGraph(Whole, output_schema=Answer)
    builder.add_node("x", lambda s: {"answer": "!", "log": ["x"]})
    return builder.add_edge(k.START, "x")


@scenario({"question": "?"})
def an_input_schema_with_keys_that_the_state_does_not_have(k):
    builder = k.StateGraph(Log, input_schema=Question)
    builder.add_node("x", lambda s: {"log": [sorted(s)]}, input_schema=Question)
    return builder.add_node("y", keys).add_edge(k.START, "x").add_edge("x", "y")


@scenario({"question": "5"})
def a_model_as_input_schema_of_a_typed_dict(k):
    builder = k.StateGraph(Whole, input_schema=AskedModel).add_node("x", keys)
    return builder.add_edge(k.START, "x")


@scenario({"question": "?"})
def a_model_as_output_schema_of_a_typed_dict(k):
    builder = k.StateGraph(Whole, output_schema=AskedModel)
    builder.add_node("x", lambda s: {"answer": 5, "log": ["x"]})
    return builder.add_edge(k.START, "x")


@scenario({"question": "?"})
def nodes_that_read_one_state_as_three_classes(k):
    def as_dict(state: Narrow):
        return {"log": [sorted(state)]}

    def as_dataclass(state: Asked):
        return {"log": [type(state).__name__]}

    def as_model(state: AskedModel):
        return {"log": [repr(state)]}

    return chain(k, Whole, x=as_dict, y=as_dataclass, z=as_model)


@scenario({"question": "?"})
def a_private_key_with_a_reducer(k):
    def hide(state: Whole) -> Secret:
        return {"secret": "s", "counted": 1}

    def count(state: Secret) -> Secret:
        return {"counted": 1}

    def tell(state: Secret) -> Whole:
        return {"log": [dict(state)]}

    return chain(k, Whole, hide=hide, count=count, tell=tell)


@scenario({"question": "?"}, {"question": "again"})
def a_private_key_on_the_next_turn(k):
    def hide(state: Whole) -> Secret:
        return {"secret": "s", "counted": 1}

    def tell(state: Secret) -> Whole:
        return {"log": [dict(state)]}

    return chain(k, Whole, hide=hide, tell=tell)


@scenario({"question": "?"})
def a_later_schema_may_name_a_reduced_key_plainly(k):
    class Plain(TypedDict):
        log: list

    def node(state: Plain):
        return {"log": [len(state["log"])]}

    return chain(k, Whole, x=node, y=node)


@scenario({"question": "?"})
def a_branch_with_a_state_of_its_own(k):
    def path(state: Narrow):
        return "b" if sorted(state) == ["question"] else k.END

    builder = chain(k, Whole, a=lambda s: {"answer": "a"}).add_node("b", keys)
    return builder.add_conditional_edges("a", path, ["b", k.END])


@scenario({"question": "?"})
def an_annotated_method_and_a_partial_as_nodes(k):
    class Nodes:
        def method(self, state: Asked):
            return {"log": [type(state).__name__]}

        def __call__(self, state: Narrow):
            return {"log": [sorted(state)]}

    def bound(extra, state: dict):
        return {"log": [extra, sorted(state)]}

    nodes = Nodes()
    return chain(k, Whole, x=nodes.method, y=nodes, z=functools.partial(bound, "extra"))


@scenario({"question": "?"})
def an_input_schema_wins_over_an_annotation(k):
    def node(state: Asked):
        return {"log": [sorted(state)]}

    builder = k.StateGraph(Whole).add_node("x", node, input_schema=Narrow)
    return builder.add_edge(k.START, "x")


@scenario({"question": "?"})
def an_annotation_that_is_no_state(k):
    def first(state: dict):
        return {"log": [sorted(state)]}

    def second(state: Any):
        return {"log": [sorted(state)]}

    def third(state: "Nowhere"):  # noqa: F821 - it cannot be resolved
        return {"log": [sorted(state)]}

    return chain(k, Whole, x=first, y=second, z=third)


@scenario({"question": "?"})
def subgraphs_with_states_of_other_kinds(k):
    inner = chain(k, Asked, i=lambda s: {"log": [s.question], "question": "from inside"}).compile()
    model = chain(k, AskedModel, m=lambda s: {"answer": s.question}).compile()
    return chain(k, Whole, inner=inner, model=model, after=keys)


# --- a state of one value -------------------------------------------------------------------


@scenario([1], [2])
def a_list_that_is_the_whole_state(k):
    return chain(k, Annotated[list, operator.add], x=lambda s: [len(s)], y=lambda s: [len(s)])


@scenario({"a": 1}, {"b": 2})
def a_dict_that_is_the_whole_state_and_reduced(k):
    return chain(k, Annotated[dict, operator.or_], x=lambda s: {"n": len(s)})


# --- reducers -------------------------------------------------------------------------------


def limited(held, new, *, limit=2):
    """Keeps the last few."""
    return (held + new)[-limit:]


class Reducers(TypedDict, total=False):
    few: Annotated[list, limited]
    three: Annotated[list, functools.partial(limited, limit=3)]
    told: Annotated[list, "text first", operator.add]
    last: Annotated[int, lambda held, new: max(new, held)]
    made: Annotated[dict, lambda held, new: {**held, **new}]


@scenario({"few": [1], "three": [1], "told": [1], "last": 3, "made": {"a": 1}}, {"few": [9]})
def reducers_of_every_kind(k):
    def node(state):
        return {"few": [2, 3], "three": [2, 3], "told": [2], "last": 2, "made": {"b": 2}}

    return chain(k, Reducers, x=node, y=node)
