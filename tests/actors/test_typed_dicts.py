"""TypedDicts of `typing` as pydantic takes them, at any depth of a type."""

from typing import Annotated, Any, Generic, NotRequired, Required, TypedDict, TypeVar

import pytest
from pydantic import TypeAdapter
from typing_extensions import ReadOnly

from actors.typed_dicts import modern

Item = TypeVar("Item")


class Point(TypedDict):
    x: int


class Loose(TypedDict, total=False):
    must: Required[str]
    may: list[Point]


class AsText(TypedDict):
    must: "str"
    may: "NotRequired[int]"
    shall: "ReadOnly[Required[int]]"


class LooseAsText(TypedDict, total=False):
    must: "Required[int]"
    may: "int | None"


class Box(TypedDict, Generic[Item]):
    held: Item
    spare: NotRequired[list[Item]]


class Tree(TypedDict):
    children: list["Tree"]


def checked(hint: Any, value: Any) -> Any:
    return TypeAdapter(modern(hint)).validate_python(value)


@pytest.mark.parametrize(
    ("hint", "given", "read"),
    [
        (Point, {"x": "1"}, {"x": 1}),
        (list[Point], [{"x": "1"}], [{"x": 1}]),
        (dict[str, Point] | None, {"a": {"x": "1"}}, {"a": {"x": 1}}),
        (Annotated[Point, "told"], {"x": "1"}, {"x": 1}),
        (tuple[Point, ...], [{"x": "1"}], ({"x": 1},)),
        (Loose, {"must": "m", "may": [{"x": "1"}]}, {"must": "m", "may": [{"x": 1}]}),
        (Box[int], {"held": "1"}, {"held": 1}),
        (Box[Point], {"held": {"x": "1"}}, {"held": {"x": 1}}),
        (Box[int], {"held": 1, "spare": ["2"]}, {"held": 1, "spare": [2]}),
        (AsText, {"must": "m", "shall": "1"}, {"must": "m", "shall": 1}),
        (LooseAsText, {"must": "1"}, {"must": 1}),
        (Tree, {"children": [{"children": []}]}, {"children": [{"children": []}]}),
        (int, "1", 1),
    ],
)
def test_a_value_is_read_by_the_type_made_anew(hint: Any, given: Any, read: Any) -> None:
    assert checked(hint, given) == read


@pytest.mark.parametrize(
    ("hint", "wrong"),
    [
        (Point, {}),
        (AsText, {"must": "m"}),
        (LooseAsText, {}),
        (Loose, {"may": []}),
        (list[Point], [{"x": "a"}]),
        (Box[int], {"held": "a"}),
    ],
)
def test_a_value_that_does_not_fit_is_refused(hint: Any, wrong: Any) -> None:
    with pytest.raises(ValueError, match="validation error"):
        checked(hint, wrong)


def test_a_type_without_typed_dicts_stays_as_it_is() -> None:
    hint = dict[str, Annotated[list[int], "told"]]
    assert modern(hint) is hint
