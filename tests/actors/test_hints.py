"""Annotations resolved, and the classes named in them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial, wraps
from inspect import Parameter
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Required,
    TypedDict,
)

import pytest
import typing_extensions
from pydantic import BaseModel

from actors.errors import GraphBuildError
from actors.hints import (
    field_hints,
    function_of,
    is_schema_class,
    look_through,
    parameter_hint,
    types_in,
)

if TYPE_CHECKING:
    from decimal import Decimal


class Color(Enum):
    RED = 1


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Leaf:
    color: Color
    kind: ClassVar[str] = "leaf"
    cache: int = field(default=0, init=False)


@dataclass
class Tree:
    leaves: list[Leaf]
    parent: Tree | None = None


class Model(BaseModel):
    tree: Tree
    spots: tuple[Point, ...] = ()


class Meta(TypedDict):
    model: NotRequired[Model]


class ForTypeCheckersOnly(TypedDict):
    amount: Decimal


Name = NewType("Name", str)
BoxedLeaf = typing_extensions.TypeAliasType("BoxedLeaf", list[Leaf])


def test_fields_are_what_a_class_is_constructed_with() -> None:
    assert field_hints(Leaf) == {"color": Color}
    assert field_hints(Model) == {"tree": Tree, "spots": tuple[Point, ...]}
    assert field_hints(Point) == {"x": int, "y": int}


def test_text_annotations_are_resolved_where_the_class_stands() -> None:
    assert field_hints(Tree) == {"leaves": list[Leaf], "parent": Tree | None}


def test_an_inherited_field_is_resolved_where_it_was_declared() -> None:
    class Child(Meta):
        more: int

    assert field_hints(Child) == {"model": NotRequired[Model], "more": int}


def test_a_class_inside_a_function_may_name_itself() -> None:
    @dataclass
    class Local:
        value: int
        next: Local | None = None

    assert field_hints(Local) == {"value": int, "next": Local | None}


def test_pydantic_finds_local_names_itself() -> None:
    class Inner(BaseModel):
        a: int

    class Outer(BaseModel):
        inner: Inner
        log: Annotated[list[Inner], operator.add]

    hints = field_hints(Outer)

    assert hints == {"inner": Inner, "log": Annotated[list[Inner], operator.add]}


def test_a_name_that_cannot_be_found_is_named_with_its_field() -> None:
    with pytest.raises(GraphBuildError) as caught:
        field_hints(ForTypeCheckersOnly)

    message = str(caught.value)
    assert "'Decimal'" in message
    assert "ForTypeCheckersOnly.amount" in message
    assert "Define what it names at the top of that module" in message
    assert isinstance(caught.value.__cause__, NameError)


@pytest.mark.parametrize("text", ["1 +", "undefined.thing", "1 / 0"])
def test_an_annotation_that_is_no_type_is_named(text: str) -> None:
    broken: Any = type("Broken", (), {"__annotations__": {"a": text}, "__module__": __name__})

    with pytest.raises(GraphBuildError, match=r"Broken\.a cannot be resolved"):
        field_hints(broken)


@pytest.mark.parametrize(
    "hint",
    [
        int,
        Required[int],
        NotRequired[int],
        typing_extensions.ReadOnly[int],
        typing_extensions.ReadOnly[NotRequired[int]],
    ],
)
def test_qualifiers_are_looked_through(hint: Any) -> None:
    assert look_through(hint) is int


@pytest.mark.parametrize(
    ("hint", "found"),
    [
        (int, ()),
        (Any, ()),
        (Leaf, (Leaf, Color)),
        (list[Leaf], (Leaf, Color)),
        (dict[str, tuple[Leaf, ...]] | None, (Leaf, Color)),
        (Annotated[Sequence[Point], operator.add], (Point,)),
        (Literal[Color.RED, "blue"], (Color,)),
        (Callable[[Leaf], Point], (Point,)),
        (Name, ()),
        (BoxedLeaf, (Leaf, Color)),
        (Tree, (Tree, Leaf, Color)),
        (Model, (Model, Tree, Leaf, Color, Point)),
        (Meta, (Model, Tree, Leaf, Color, Point)),
        (type[Leaf], (Leaf, Color)),
        ("Leaf", ()),
    ],
)
def test_the_classes_a_value_may_hold_are_found(hint: Any, found: tuple[type, ...]) -> None:
    assert types_in([hint]) == found


def test_a_class_with_fields_that_cannot_be_resolved_is_still_found() -> None:
    @dataclass
    class Half:
        amount: Decimal

    assert types_in([list[Half]]) == (Half,)


@pytest.mark.parametrize("cls", [Meta, Leaf, Model])
def test_schema_classes_are_told_from_others(cls: Any) -> None:
    assert is_schema_class(cls)


@pytest.mark.parametrize(
    "cls", [int, dict, Color, Point, BaseModel, list[int], "Meta", None, Leaf(Color.RED)]
)
def test_other_things_are_no_schema_classes(cls: Any) -> None:
    assert not is_schema_class(cls)


def test_a_parameter_is_resolved_in_its_module_its_closure_and_what_is_known() -> None:
    class Inner(TypedDict):
        a: int

    def node(state: Inner) -> list[Inner]:
        return [Inner(a=1)] if state else []

    assert parameter_hint(node, "Leaf", {}) is Leaf
    assert parameter_hint(node, "Inner", {}) is Inner
    assert parameter_hint(node, "Known", {"Known": int}) is int
    assert parameter_hint(node, Leaf, {}) is Leaf


def test_a_parameter_that_cannot_be_resolved_says_nothing() -> None:
    def node(state: Any) -> Any:
        return later

    assert parameter_hint(node, "Decimal", {}) is None
    assert parameter_hint(node, Parameter.empty, {}) is None
    later = None
    assert node(1) is None


def test_the_function_behind_a_callable_is_found() -> None:
    def plain(state: Any) -> Any: ...

    @wraps(plain)
    def wrapper(*args: Any) -> Any: ...

    class Thing:
        def __call__(self, state: Any) -> Any: ...

        def method(self, state: Any) -> Any: ...

    assert function_of(plain) is plain
    assert function_of(wrapper) is plain
    assert function_of(partial(partial(plain), 1)) is plain
    assert function_of(Thing().method) is Thing.method
    assert function_of(Thing()) is Thing.__call__
