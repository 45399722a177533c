"""Graphs whose schemas are described as JSON: what is given to StateGraph, once per engine."""

from __future__ import annotations

import enum
import operator
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, make_dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, NotRequired, Optional, Required

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import ReadOnly, TypedDict

from .lib import Engine


class Kind(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Address(TypedDict):
    """Where somebody lives."""

    street: str
    number: NotRequired[int]


class Person(BaseModel):
    name: str = Field(description="what they are called", min_length=1)
    age: int | None = None


class Plain(TypedDict):
    a: int
    b: str


class Partial(TypedDict, total=False):
    a: Required[int]
    b: NotRequired[Annotated[list[str], operator.add]]
    c: float


class Reduced(TypedDict):
    total: Annotated[int, operator.add]
    log: Annotated[Sequence[str], operator.add]


class Nested(TypedDict):
    home: Address
    people: list[Person]
    by_name: dict[str, Person]


class Wide(TypedDict):
    kind: Kind
    choice: Literal["x", "y", 3]
    when: datetime
    price: Decimal
    key: uuid.UUID
    maybe: Optional[int]  # noqa: UP045 - both ways to write it
    either: int | str | None
    pair: tuple[int, str]
    row: tuple[float, ...]
    several: set[int]
    anything: Any
    data: bytes


class Inherited(Plain, total=False):
    c: list[int]


class Told(TypedDict):
    """A state that says what it is."""

    text: Annotated[str, Field(description="what was said", max_length=80)]


class Fixed(TypedDict):
    key: ReadOnly[int]
    value: str


class In(TypedDict):
    question: str


class Out(TypedDict):
    answer: str


class Whole(TypedDict, total=False):
    question: str
    answer: str
    secret: int


@dataclass
class Card:
    title: str
    count: int = 3
    note: str | None = None
    tags: Annotated[list[str], operator.add] = field(default_factory=list)
    level: Annotated[int, Field(description="how far", ge=0)] = 1


@dataclass
class Bare:
    x: int
    maybe: Optional[Annotated[int, "told"]]  # noqa: UP045
    both: Annotated[int | None, "told"]


@dataclass
class Deck(Card):
    cards: list[Card] = field(default_factory=list)
    home: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    first: int
    second: Kind = Kind.SMALL


@dataclass
class Reserved:
    copy: int
    json: str = "x"
    model_name: str = "m"


class Order(BaseModel):
    """An order."""

    model_config = ConfigDict(extra="forbid")
    item: str = Field(alias="product")
    amount: int = Field(1, ge=1, description="how many")
    log: Annotated[list[str], operator.add] = Field(default_factory=list)
    who: Person | None = None


class Big(Order):
    kind: Kind = Kind.LARGE


class ContextDict(TypedDict):
    user: str
    limit: NotRequired[int]


@dataclass
class ContextClass:
    user: str
    retries: int = 3


class ContextModel(BaseModel):
    user: str = Field(description="who asks")
    kind: Kind = Kind.SMALL


@dataclass(frozen=True, slots=True)
class Shape:
    """A graph's schemas."""

    name: str
    given: Callable[[Engine], dict[str, Any]]


def _shape(state: Any, **more: Any) -> Shape:
    given = {"state_schema": state, **more}
    names = [getattr(schema, "__name__", str(schema)) for schema in given.values()]
    return Shape(" and ".join(names), lambda _: given)


def _channels(k: Engine) -> dict[str, Any]:
    fields = [
        ("topic", Annotated[list, k.Topic(int)], field(default_factory=list)),
        ("once", Annotated[str, k.EphemeralValue(str)], ""),
        ("handle", Annotated[int, k.UntrackedValue(int)], 0),
        ("same", Annotated[float, k.AnyValue], 0.5),
    ]
    return {"state_schema": make_dataclass("Channels", fields)}


SHAPES = [
    *map(_shape, (Plain, Partial, Reduced, Nested, Wide, Inherited, Told)),
    *map(_shape, (Card, Bare, Deck, Frozen, Reserved, Person, Order, Big)),
    *map(
        _shape, (list, Annotated[list[int], operator.add], Annotated[dict[str, int], operator.or_])
    ),
    _shape(Whole, input_schema=In, output_schema=Out),
    _shape(Whole, input_schema=Person, output_schema=Card),
    _shape(Card, input_schema=Plain),
    _shape(Plain, context_schema=ContextDict),
    _shape(Card, context_schema=ContextClass),
    _shape(Order, context_schema=ContextModel),
    Shape("channels of every kind", _channels),
]
