"""What user code returns, as writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pytest
from pydantic import BaseModel

from actors.errors import InvalidUpdateError
from actors.spec import TASKS, BranchSpec, GraphSpec, NodeSpec
from actors.values import END, START, Command, Overwrite, Send
from actors.writes import goto_writes, route_writes, writes_of


@dataclass
class Card:
    a: int
    b: int | None = None


@dataclass
class Wider:
    a: int
    c: int = 0


class Model(BaseModel):
    a: int
    b: int | None = None


class Array:
    """As arrays of numpy are: what it equals is an array, which is neither true nor false."""

    def __eq__(self, other: object) -> Any:
        return Array()

    def __bool__(self) -> bool:
        raise ValueError("the truth value of an array is ambiguous")

    __hash__ = None  # pyright: ignore[reportAssignmentType]


def node(*keys: str, call: Any = None) -> NodeSpec:
    return NodeSpec(
        name="n",
        call=call,
        is_async=False,
        params={},
        triggers=(),
        reads=keys,
        coerce=None,
        writes=frozenset(keys),
        targets=(),
        branches=(),
    )


def branch(ends: Mapping[Any, str] | None = None) -> BranchSpec:
    return BranchSpec("choose", lambda state: None, {}, ends, (), None)


NODE = node("a", "b")
NODES = ("x", "y")


@pytest.mark.parametrize(
    ("result", "writes"),
    [
        (None, []),
        ({}, []),
        ({"b": 1, "a": 2}, [("b", 1), ("a", 2)]),
        ({"a": None}, [("a", None)]),
        ({"a": Overwrite(1)}, [("a", Overwrite(1))]),
        (MappingProxyType({"a": 1}), [("a", 1)]),
        (Card(1), [("a", 1), ("b", None)]),
        (Model(a=1), [("a", 1)]),
        ([{"a": 1}, {"b": 2, "a": 3}], [("a", 1), ("b", 2), ("a", 3)]),
        ([{"a": 1}, None, Card(2, 3)], [("a", 1), ("a", 2), ("b", 3)]),
    ],
)
def test_an_update_becomes_writes_in_its_order(result: Any, writes: list[Any]) -> None:
    assert writes_of(NODE, result, NODES) == writes


def test_a_send_goes_where_it_says() -> None:
    assert writes_of(NODE, Send("x", 1), NODES) == [(TASKS, Send("x", 1))]
    assert writes_of(NODE, [{"a": 1}, Send("y", 2)], NODES) == [("a", 1), (TASKS, Send("y", 2))]
    with pytest.raises(InvalidUpdateError, match="Node 'n' sends to 'z', which is no node"):
        writes_of(NODE, Send("z", 1), NODES)


def test_a_tuple_of_commands_is_taken_as_a_list_of_them() -> None:
    result = (Command(update={"a": 1}), {"b": 2}, Send("x", 3), Command(goto="y"))
    assert writes_of(NODE, result, NODES) == writes_of(NODE, list(result), NODES)
    both = (Command(update=[1]), Command(goto="y"))
    assert writes_of(node("__root__"), both, NODES) == [("__root__", [1]), ("branch:to:y", None)]


@pytest.mark.parametrize(
    "result",
    [
        *[5, "a", [], ({"a": 1},), [{"a": 1}, 5], [("a", 1)], {"a"}, object, iter(())],
        *[Array(), [Array()], Command(update=Array())],
    ],
)
def test_what_is_no_update_is_refused(result: Any) -> None:
    with pytest.raises(InvalidUpdateError) as caught:
        writes_of(NODE, result, NODES)

    message = str(caught.value)
    assert message.startswith("Expected dict, got ")
    assert "from node 'n'" in message
    assert "Return a dict of state keys" in message


def test_the_refusal_shows_what_was_returned_in_short() -> None:
    with pytest.raises(InvalidUpdateError, match=r"^Expected dict, got 5 from node 'n'"):
        writes_of(NODE, 5, NODES)
    with pytest.raises(InvalidUpdateError) as caught:
        writes_of(NODE, "long" * 1000, NODES)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("result", [{"a": 1, "zz": 2}, {"zz": 1}, Wider(1), [{"zz": 1}], {5: 1}])
def test_an_unknown_key_is_refused_with_the_known_ones(result: Any) -> None:
    with pytest.raises(InvalidUpdateError) as caught:
        writes_of(NODE, result, NODES)

    message = str(caught.value)
    assert message.startswith("Node 'n' updates ")
    assert "Its keys are ['a', 'b']" in message


def test_keys_of_a_subgraph_that_its_parent_has_not_are_left_out() -> None:
    class Graph:
        spec = GraphSpec(
            name="child",
            channels={},
            nodes={},
            start=node(),
            triggers={},
            input_keys=(),
            output_keys=(),
            state_keys=(),
        )

    parent = node("a", call=Graph())

    assert writes_of(parent, {"a": 1, "child only": 2}, NODES) == [("a", 1)]


@pytest.mark.parametrize("result", [5, {}, {"a": 1}, [], [1], (1, 2), "text", Card(1)])
def test_any_result_is_the_update_of_a_state_of_one_value(result: Any) -> None:
    assert writes_of(node("__root__"), result, NODES) == [("__root__", result)]


def test_nothing_is_no_update_of_a_state_of_one_value() -> None:
    assert writes_of(node("__root__"), None, NODES) == []


SEND = Send("y", {"a": 1})


@pytest.mark.parametrize(
    ("result", "writes"),
    [
        ("x", [("branch:to:x", None)]),
        (END, []),
        ([], []),
        (["y", "x"], [("branch:to:y", None), ("branch:to:x", None)]),
        (("x", END), [("branch:to:x", None)]),
        (SEND, [(TASKS, SEND)]),
        ([SEND, "x", SEND], [(TASKS, SEND), ("branch:to:x", None), (TASKS, SEND)]),
    ],
)
def test_a_branch_writes_where_it_goes(result: Any, writes: list[Any]) -> None:
    assert route_writes(result, branch(), NODES) == writes


@pytest.mark.parametrize(
    ("result", "writes"),
    [
        (True, [("branch:to:x", None)]),
        (False, []),
        (None, [("branch:to:y", None)]),
        ([True, SEND], [("branch:to:x", None), (TASKS, SEND)]),
    ],
)
def test_a_path_map_says_what_results_mean(result: Any, writes: list[Any]) -> None:
    assert route_writes(result, branch({True: "x", False: END, None: "y"}), NODES) == writes


@pytest.mark.parametrize("result", ["x", 5, ["unhashable"], [["unhashable"]], START, Array()])
def test_a_result_that_the_path_map_does_not_hold_is_refused(result: Any) -> None:
    with pytest.raises(InvalidUpdateError) as caught:
        route_writes(result, branch({"go": "x"}), NODES)

    assert str(caught.value).startswith("Branch 'choose' returned ")
    assert "It holds ['go']" in str(caught.value)


@pytest.mark.parametrize(
    "result", [None, 5, ["x", None], {"x"}, START, {"x": 1}, [["x"]], Array(), [Array()]]
)
def test_a_result_that_is_no_destination_is_refused(result: Any) -> None:
    with pytest.raises(InvalidUpdateError) as caught:
        route_writes(result, branch(), NODES)

    message = str(caught.value)
    assert message.startswith("Branch did not return a valid destination")
    assert "'choose'" in message
    assert "nodes are ['x', 'y']" in message


@pytest.mark.parametrize(
    ("result", "says"),
    [
        ("zz", "Branch 'choose' goes to 'zz', which is no node"),
        (["x", "zz"], "Branch 'choose' goes to 'zz', which is no node"),
        (Send("zz", 1), "Branch 'choose' sends to 'zz', which is no node"),
        (Send(START, 1), "Branch 'choose' sends to '__start__', which is no node"),
    ],
)
def test_an_unknown_destination_is_refused_with_the_nodes_there_are(result: Any, says: str) -> None:
    with pytest.raises(InvalidUpdateError) as caught:
        route_writes(result, branch(), NODES)

    assert str(caught.value).startswith(says)
    assert "Its nodes are ['x', 'y']" in str(caught.value)


def test_nothing_can_be_sent_to_the_end() -> None:
    with pytest.raises(InvalidUpdateError, match=r"^Cannot send a packet to the END node"):
        route_writes(Send(END, 1), branch(), NODES)


def test_others_may_ask_for_a_destination_in_their_own_name() -> None:
    assert goto_writes("x", "Node 'n'", NODES) == [("branch:to:x", None)]
    with pytest.raises(InvalidUpdateError, match=r"^Node 'n' goes to 'zz'"):
        goto_writes("zz", "Node 'n'", NODES)
