"""Where nodes and branches may go, as declared."""

from __future__ import annotations

import functools
from typing import Any, Generic, Literal, TypeVar

import pytest

from actors.ends import branch_name, command_ends, labelled, literal_ends, mapped_ends
from actors.errors import GraphBuildError
from actors.params import callee_of

N = TypeVar("N")


class Command(Generic[N]):
    """Known by its name."""


class Other(Generic[N]):
    """Something else with a parameter."""


class Chooser:
    def __call__(self, state: Any) -> str: ...


def choose(state: Any) -> str: ...


@pytest.mark.parametrize(
    ("declared", "ends"),
    [
        (("a", "b"), {"a": None, "b": None}),
        (["a"], {"a": None}),
        ({"a": "if so"}, {"a": "if so"}),
        ("alone", {"alone": None}),
        ((), {}),
    ],
)
def test_destinations_may_have_labels(declared: Any, ends: dict[str, str | None]) -> None:
    assert labelled(declared) == ends


@pytest.mark.parametrize(
    ("returns", "names"),
    [
        (Command[Literal["a", "b"]], ["a", "b"]),
        (Command[Literal["a"]] | dict[str, int], ["a"]),
        (Command[Literal["a"]] | Command[Literal["b"]], ["a", "b"]),
        (list[Command[Literal["a"]]], ["a"]),
        (Command, []),
        (Command[str], []),
        (Other[Literal["a"]], []),
        (dict[str, Any], []),
        (None, []),
    ],
)
def test_a_command_type_says_where_a_node_may_go(returns: Any, names: list[str]) -> None:
    assert list(command_ends(returns)) == names


def test_a_literal_type_says_where_a_path_may_go() -> None:
    assert literal_ends(Literal["a", "__end__"]) == {"a": "a", "__end__": "__end__"}
    assert literal_ends(str) is None
    assert literal_ends(list[Literal["a"]]) is None
    assert literal_ends(None) is None


def test_a_path_map_is_a_dict_or_a_list_of_names() -> None:
    assert mapped_ends({True: "a"}) == {True: "a"}
    assert mapped_ends(["a", "b"]) == {"a": "a", "b": "b"}
    for wrong in ("a", 5, {"a"}):
        with pytest.raises(GraphBuildError, match="cannot be a path_map: give a dict"):
            mapped_ends(wrong)


@pytest.mark.parametrize(
    ("path", "taken", "name"),
    [
        (choose, [], "choose"),
        (lambda state: "a", [], "condition"),
        (lambda state: "a", ["condition"], "condition_2"),
        (functools.partial(choose), ["choose", "condition", "condition_2"], "condition_3"),
        (Chooser(), [], "condition"),
        (Chooser().__call__, [], "__call__"),
    ],
)
def test_a_branch_has_its_functions_name_or_a_number(
    path: Any, taken: list[str], name: str
) -> None:
    assert branch_name(path, callee_of(path, "path", {}), taken) == name
