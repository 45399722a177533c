"""Registered classes: dataclasses, enums, namedtuples, models and others, as they change."""

from __future__ import annotations

import enum
from collections import namedtuple
from dataclasses import FrozenInstanceError, dataclass, field
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypedDict, TypeVar

import pydantic
import pytest

from checkpoint.errors import (
    DeserializationError,
    SerializationError,
    TypeRegistrationError,
    UnknownTypeTagError,
    UnregisteredTypeError,
)
from checkpoint.registry import (
    DEFAULT_REGISTRY,
    Opaque,
    TypeRegistry,
    can_register,
    register_type,
)
from checkpoint.serde import MsgpackSerializer
from tests.checkpoint.alike import alike

T = TypeVar("T")


@dataclass
class Order:
    number: int
    items: list[str] = field(default_factory=list)
    total: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.number += 1000  # would show if it ran again on reading


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int


@dataclass(slots=True)
class Unset:
    given: int
    later: int = field(init=False)


@dataclass
class Box(Generic[T]):
    content: T


@dataclass
class Rich(dict[str, int]):
    name: str


class Plain(enum.Enum):
    ONE = object()
    TWO = (1, 2)
    UNO = ONE


class Number(enum.IntEnum):
    ONE = 1


class Text(enum.StrEnum):
    A = "a"


class Rights(enum.Flag):
    READ = 1
    WRITE = 2
    EXECUTE = 4


class Row(NamedTuple):
    key: str
    value: int = 0


Pair = namedtuple("Pair", "left right")  # noqa: PYI024 (the untyped kind must work too)


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    name: str
    inner: list[Point] = []
    _secret: int = pydantic.PrivateAttr(default=1)

    @cached_property
    def shout(self) -> str:
        return self.name.upper()


class Frozen(pydantic.BaseModel, frozen=True):
    count: int = pydantic.Field(gt=0)


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and other.cents == self.cents

    __hash__ = None  # pyright: ignore[reportAssignmentType]


class Name(str):
    __slots__ = ()


def registry_of(*classes: type[Any]) -> TypeRegistry:
    registry = TypeRegistry()
    for cls in classes:
        registry.register(cls)
    return registry


KNOWN = registry_of(Order, Point, Unset, Box, Plain, Number, Text, Rights, Row, Pair, Model, Frozen)


def round_trip(value: Any, registry: TypeRegistry = KNOWN) -> Any:
    serde = MsgpackSerializer(registry)
    data = serde.dumps(value)
    back = serde.loads(data)
    assert serde.dumps(back) == data
    return back


@pytest.mark.parametrize(
    "value",
    [
        Order(1, ["a"]),
        Point(1, 2),
        Box(Point(1, 2)),
        Unset(1),
        Plain.ONE,
        Plain.UNO,
        Number.ONE,
        Text.A,
        Rights.READ,
        Rights.READ | Rights.EXECUTE,
        Rights(0),
        Row("a", 1),
        Pair([1], {Point(1, 2): (Text.A,)}),
        {Text.A: 1, Number.ONE: 2, Point(1, 1): 3},
        {Point(1, 2), Point(2, 1), Rights.WRITE},
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_instance_comes_back_as_what_it_was(value: Any) -> None:
    assert alike(round_trip(value), value)


def test_no_code_of_a_dataclass_runs_when_it_comes_back() -> None:
    assert round_trip(Order(1)).number == 1001


def test_a_frozen_dataclass_comes_back_frozen() -> None:
    back = round_trip(Point(1, 2))
    with pytest.raises(FrozenInstanceError):
        back.x = 2


def test_a_field_without_a_value_stays_without() -> None:
    assert not hasattr(round_trip(Unset(1)), "later")


def test_an_enum_member_comes_back_as_the_member_itself() -> None:
    assert round_trip([Plain.ONE, Plain.UNO]) == [Plain.ONE, Plain.ONE]
    assert round_trip(Plain.TWO) is Plain.TWO


def test_a_model_comes_back_whole() -> None:
    model = Model(name="a", inner=[Point(1, 2)], added=(1, 2))
    model._secret = 5
    assert model.shout == "A"
    back = round_trip(model)
    assert back == model
    assert type(back.inner[0]) is Point
    assert back.model_extra == {"added": (1, 2)}
    assert back.model_fields_set == {"name", "inner", "added"}
    assert back._secret == 5
    assert "shout" not in vars(back)


def test_a_model_is_restored_without_validation() -> None:
    back = round_trip(Frozen.model_construct(count=-1))
    assert (back.count, back.model_fields_set) == (-1, {"count"})


def test_a_class_of_another_kind_travels_by_its_functions() -> None:
    registry = TypeRegistry()
    registry.register(Money, encode=lambda money: money.cents, decode=Money)
    registry.register(Name, encode=str, decode=Name)
    back = round_trip([Money(5), Name("x")], registry)
    assert back == [Money(5), "x"]
    assert type(back[1]) is Name


def test_register_type_serves_as_a_decorator_and_fills_the_default_registry() -> None:
    @register_type
    @dataclass
    class Local:
        x: int

    assert MsgpackSerializer().loads(MsgpackSerializer().dumps(Local(1))) == Local(1)
    found = DEFAULT_REGISTRY.of_class(Local)
    assert found is not None
    assert found.name == f"{Local.__module__}.{Local.__qualname__}"


def test_an_encode_function_may_use_the_serializer_itself() -> None:
    registry = TypeRegistry()
    serde = MsgpackSerializer(registry)
    registry.register(
        Money,
        encode=lambda money: serde.dumps((money.cents, {money.cents})),
        decode=lambda data: Money(serde.loads(data)[0]),
    )
    assert round_trip([(Money(5), {1: Money(6)})], registry) == [(Money(5), {1: Money(6)})]


# ----------------------------------------------------------------------- refusal on writing


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (Order(1), "register_type(Order)"),
        (Number.ONE, "register_type(Number)"),
        (Text.A, "register_type(Text)"),
        (Row("a"), "register_type(Row)"),
        (Frozen(count=1), "register_type(Frozen)"),
        (Money(1), "register_type(Money, encode=..., decode=...)"),
        (Name("a"), "register_type(Name, encode=..., decode=...)"),
    ],
    ids=["dataclass", "enum", "text enum", "named tuple", "pydantic", "plain class", "text"],
)
def test_an_unregistered_class_is_refused_with_the_line_that_mends_it(
    value: Any, line: str
) -> None:
    serde = MsgpackSerializer(TypeRegistry())
    for nested in (value, [{"a": (value,)}]):
        with pytest.raises(UnregisteredTypeError) as caught:
            serde.dumps(nested)
        assert line in str(caught.value)
        assert f"{__name__}.{type(value).__qualname__}" in str(caught.value)


def test_a_subclass_of_a_plain_type_is_never_flattened() -> None:
    with pytest.raises(UnregisteredTypeError, match="plain str"):
        MsgpackSerializer(TypeRegistry()).dumps({"a": Name("x")})


def test_a_subclass_of_a_registered_class_is_another_class() -> None:
    class Special(Order):
        pass

    with pytest.raises(UnregisteredTypeError, match="Special"):
        MsgpackSerializer(KNOWN).dumps(Special(1))


def test_an_encode_function_that_raises_is_named() -> None:
    registry = TypeRegistry()
    registry.register(Money, encode=lambda money: money.euros, decode=Money)
    with pytest.raises(SerializationError, match="AttributeError") as caught:
        MsgpackSerializer(registry).dumps(Money(1))
    assert isinstance(caught.value.__cause__, AttributeError)


# ---------------------------------------------------------------------- rules of registration


@pytest.mark.parametrize(
    ("cls", "how"),
    [
        (Money, {}),
        (Money, {"encode": str}),
        (Order, {"decode": str}),
        (Rich, {}),
        (Name, {}),
        (list[int], {}),
        (7, {}),
        (dict, {"encode": str, "decode": str}),
        (tuple, {"encode": str, "decode": str}),
        (Order, {"name": ""}),
        (Order, {"name": "x" * 256}),
        (Order, {"aliases": [""]}),
    ],
    ids=repr,
)
def test_a_registration_that_cannot_work_is_refused_and_changes_nothing(
    cls: Any, how: dict[str, Any]
) -> None:
    registry = TypeRegistry()
    with pytest.raises(TypeRegistrationError):
        registry.register(cls, **how)
    if isinstance(cls, type):
        assert registry.of_class(cls) is None


def test_registering_again_is_harmless() -> None:
    registry = registry_of(Point, Point)
    assert round_trip(Point(1, 2), registry) == Point(1, 2)


def test_another_class_cannot_take_a_name() -> None:
    registry = registry_of(Point)
    for how in ({"name": f"{__name__}.Point"}, {"aliases": [f"{__name__}.Point"]}):
        with pytest.raises(TypeRegistrationError, match="has that name"):
            registry.register(Order, **how)
    assert round_trip(Point(1, 2), registry) == Point(1, 2)
    assert registry.of_class(Order) is None


def test_a_class_defined_again_takes_the_place_of_the_former_one() -> None:
    registry = TypeRegistry()

    def define() -> type[Any]:
        @registry.register
        @dataclass
        class Cell:
            x: int

        return Cell

    former, latter = define(), define()
    serde = MsgpackSerializer(registry)
    assert type(serde.loads(serde.dumps(former(1)))) is latter


def test_typed_dicts_and_plain_types_need_no_registration() -> None:
    class State(TypedDict):
        x: int

    registry = registry_of(State, dict, tuple, int)
    state: State = {"x": 1}
    assert round_trip(state, registry) == {"x": 1}


def test_what_can_be_registered_unaided_is_known_beforehand() -> None:
    assert all(map(can_register, [Order, Plain, Row, Model, ValueError, dict, Rights]))
    assert not any(map(can_register, [Money, Name, Rich, list[int], "Order"]))


# -------------------------------------------------------------------- classes that have changed


def stored_as(name: str, cls: type[Any], value: Any) -> bytes:
    registry = TypeRegistry()
    registry.register(cls, name=name)
    return MsgpackSerializer(registry).dumps(value)


def read_as(name: str, cls: type[Any], data: bytes) -> Any:
    registry = TypeRegistry()
    registry.register(cls, name="now", aliases=[name])
    return MsgpackSerializer(registry).loads(data)


def test_a_renamed_class_is_found_by_its_alias() -> None:
    data = stored_as("shop.Old", Point, Point(1, 2))
    assert read_as("shop.Old", Point, data) == Point(1, 2)


def test_new_fields_take_their_defaults_and_former_ones_are_dropped() -> None:
    @dataclass
    class Before:
        x: int
        gone: int

    @dataclass
    class After:
        x: int
        fixed: int = 7
        made: list[int] = field(default_factory=lambda: [1])

    data = stored_as("c", Before, Before(1, 2))
    assert read_as("c", After, data) == After(1, 7, [1])


def test_new_fields_of_models_and_namedtuples_take_their_defaults() -> None:
    class Before(pydantic.BaseModel):
        x: int
        gone: int = 1

    class After(pydantic.BaseModel):
        x: int
        made: list[int] = pydantic.Field(default_factory=lambda data: [data["x"]])
        _kept: dict[str, int] = pydantic.PrivateAttr(default_factory=dict)

    class Wide(NamedTuple):
        key: str
        value: int = 0
        more: int = 9

    back = read_as("c", After, stored_as("c", Before, Before(x=1)))
    assert (back.x, back.made, back._kept, hasattr(back, "gone")) == (1, [1], {}, False)
    assert back.model_fields_set == {"x"}
    assert back == After(x=1)
    assert read_as("r", Wide, stored_as("r", Row, Row("a", 1))) == Wide("a", 1, 9)


def test_a_new_field_without_a_default_is_an_error_that_names_it() -> None:
    @dataclass
    class Wider:
        x: int
        y: int
        z: int

    class WiderRow(NamedTuple):
        key: str
        z: int

    class WiderModel(Frozen):
        z: int

    for was, value, now in (
        (Point, Point(1, 2), Wider),
        (Row, Row("a"), WiderRow),
        (Frozen, Frozen(count=1), WiderModel),
    ):
        with pytest.raises(DeserializationError, match="'z'"):
            read_as("c", now, stored_as("c", was, value))


def test_a_member_that_is_gone_is_an_error_that_names_it() -> None:
    class Fewer(enum.Enum):
        THREE = 3

    with pytest.raises(DeserializationError, match="'ONE'"):
        read_as("n", Fewer, stored_as("n", Number, Number.ONE))


@pytest.mark.parametrize("now", [Row, Frozen, Plain, Rights, ValueError, Order])
def test_a_name_that_now_means_another_kind_of_class_is_an_error(now: type[Any]) -> None:
    registry = TypeRegistry()
    registry.register(Money, name="c", encode=lambda money: money.cents, decode=Money)
    data = MsgpackSerializer(registry).dumps(Money(99))
    with pytest.raises(DeserializationError):
        read_as("c", now, data)


# ------------------------------------------------------------------------------- unknown names


def test_an_unknown_name_is_an_error_that_names_it() -> None:
    data = stored_as("shop.Old", Point, Point(1, 2))
    with pytest.raises(UnknownTypeTagError, match=r"shop\.Old"):
        MsgpackSerializer(TypeRegistry()).loads(data)


def test_a_tool_gets_an_opaque_value_and_writes_it_back_as_it_was() -> None:
    value = {"a": [Point(1, 2), (Order(3),)], Point(0, 0): {Rights.READ}, "known": ValueError("x")}
    data = MsgpackSerializer(KNOWN).dumps(value)
    tool = MsgpackSerializer(TypeRegistry(), opaque=True)
    seen = tool.loads(data)
    assert seen["a"][0].tag == f"{__name__}.Point"
    assert isinstance(seen["a"][1][0], Opaque)
    assert type(seen["known"]) is ValueError
    assert tool.dumps(seen) == data
    assert alike(list(MsgpackSerializer(KNOWN).loads(tool.dumps(seen))), list(value))
