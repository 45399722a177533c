"""What tells the code of one node from that of another."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from enum import IntEnum
from functools import partial
from typing import Any

import pytest

from actors import START, StateGraph
from actors.fingerprint import cache_namespace
from actors.policies import CachePolicy
from tests.actors.engine import State, chain, says


def namespace_of(code: Callable[..., Any], **ends: Any) -> tuple[str, ...]:
    builder = StateGraph(State).add_node("a", code, cache_policy=CachePolicy())
    builder.add_edge(START, "a")
    if "to" in ends:
        builder.add_node("b", says("b")).add_edge("a", "b")
    if "path" in ends:
        builder.add_conditional_edges("a", ends["path"])
    return builder.compile().spec.nodes["a"].cache_ns


def made(n: Any) -> Callable[[Any], Any]:
    def node(state: State) -> dict[str, Any]:
        return {"n": n}

    return node


def test_the_same_code_has_the_same_namespace() -> None:
    assert namespace_of(made(1)) == namespace_of(made(1))


def test_the_namespace_begins_with_what_it_is_for() -> None:
    assert namespace_of(made(1))[:2] == ("writes", "a")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (made(1), made(2)),
        (made("x"), made("y")),
        (made((1, 2)), made((1, 3))),
        (made(1), made(1.0)),
        (made(says("x")), made(says("y"))),
        (lambda state: {"n": 1}, lambda state: {"n": 2}),
        (partial(lambda state, n: {"n": n}, n=1), partial(lambda state, n: {"n": n}, n=2)),
    ],
)
def test_what_code_is_made_of_tells_it_apart(one: Any, other: Any) -> None:
    assert namespace_of(one) != namespace_of(other)


def test_defaults_tell_code_apart() -> None:
    def one(state: State, k: int = 1) -> None: ...

    def other(state: State, k: int = 2) -> None: ...

    other.__qualname__ = one.__qualname__
    assert namespace_of(one) != namespace_of(other)


def test_where_a_node_goes_tells_it_apart() -> None:
    node = made(1)
    assert namespace_of(node) != namespace_of(node, to="b")
    assert namespace_of(node, path=lambda s: "a") != namespace_of(node, path=lambda s: "__end__")


def test_what_code_may_change_while_it_runs_does_not_count() -> None:
    calls: list[int] = []
    count = 0

    def node(state: State) -> None:
        nonlocal count
        count += 1
        calls.append(count)

    before = namespace_of(node)
    node({})
    assert calls == [1]
    assert namespace_of(node) == before


class Color(IntEnum):
    RED = 1
    BLUE = 2


def test_what_cannot_be_stored_counts_by_its_class() -> None:
    assert namespace_of(made(object())) == namespace_of(made(object()))
    assert namespace_of(made(object())) != namespace_of(made([]))
    assert namespace_of(made(Color.RED)) != namespace_of(made(1))
    assert namespace_of(made(frozenset({object()}))) == namespace_of(made(frozenset({object()})))


class Service:
    def node(self, state: State) -> None: ...

    def __call__(self, state: State) -> None: ...


def test_methods_and_callable_objects_count_by_their_class() -> None:
    assert namespace_of(Service().node) == namespace_of(Service().node)
    assert namespace_of(Service()) == namespace_of(Service())
    assert namespace_of(Service()) != namespace_of(Service().node)


def test_code_that_calls_itself_has_an_end() -> None:
    def outer() -> Callable[[Any], Any]:
        def node(state: State) -> Any:
            return node

        return node

    assert namespace_of(outer()) == namespace_of(outer())


def test_a_variable_that_is_not_bound_yet_counts_as_none() -> None:
    def outer() -> Callable[[Any], Any]:
        def node(state: State) -> Any:
            return later

        marks.append(namespace_of(node))
        later = 1
        return node

    marks = list[Any]()
    outer()
    outer()
    assert marks[0] == marks[1]


def test_a_graph_as_a_node_counts_by_its_nodes() -> None:
    def inner(n: int) -> Any:
        return chain(x=made(n)).compile()

    assert namespace_of(inner(1)) == namespace_of(inner(1))
    assert namespace_of(inner(1)) != namespace_of(inner(2))


PROGRAM = """
from actors import START, CachePolicy, StateGraph
def node(state): return {"n": "x" in {"a", "b", "c"}}
b = StateGraph(dict).add_node("a", node, cache_policy=CachePolicy()).add_edge(START, "a")
print(b.compile().spec.nodes["a"].cache_ns)
"""


def test_another_process_gives_the_same_namespace() -> None:
    def run() -> str:
        command = [sys.executable, "-c", PROGRAM]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert run() == run()


def test_a_node_without_a_cache_policy_has_no_namespace() -> None:
    spec = chain(a=says("a")).compile().spec
    assert spec.nodes["a"].cache_ns == ()
    assert cache_namespace(spec.nodes["a"])[1] == "a"
