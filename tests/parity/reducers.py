"""State keys that combine what is written to them."""

import operator
from typing import Annotated, Any, TypedDict

from .chains import chain
from .fanout import edges, writes
from .scenario import scenario


def merge(left: dict, right: dict) -> dict:
    """Both dicts, the right one wins."""
    return {**left, **right}


def keep_largest(left: int, right: int) -> int:
    """The larger of two."""
    return max(left, right)


def choosy(left: list, right: list) -> list:
    """Refuses a bad item."""
    if "bad" in right:
        raise ValueError("a bad item")
    return left + right


class Sums(TypedDict, total=False):
    total: Annotated[int, operator.add]
    items: Annotated[list, operator.add]
    table: Annotated[dict, merge]
    most: Annotated[int, keep_largest]
    either: Annotated[set, operator.or_]


class Choosy(TypedDict, total=False):
    items: Annotated[list, choosy]


@scenario({"total": 5})
def numbers_are_added(k):
    return chain(k, Sums, a=lambda s: {"total": 2}, b=lambda s: {"total": s["total"]})


@scenario({"items": [1]}, awaits=True)
def lists_from_siblings_are_joined(k):
    builder = k.StateGraph(Sums).add_node("b", writes(items=["b1", "b2"]))
    return edges(builder.add_node("a", writes(items=["a"])), k, "^>a ^>b")


@scenario({"table": {"x": 1}}, awaits=True)
def dicts_are_merged(k):
    builder = k.StateGraph(Sums).add_node("a", writes(table={"x": 2, "y": 3}))
    return edges(builder.add_node("b", writes(table={"y": 4})), k, "^>a ^>b")


@scenario({"most": 3}, awaits=True)
def a_reducer_of_ones_own(k):
    builder = k.StateGraph(Sums).add_node("a", writes(most=9)).add_node("b", writes(most=4))
    return edges(builder, k, "^>a ^>b")


@scenario({"either": {1}})
def sets_are_united(k):
    return chain(k, Sums, a=lambda s: {"either": {2, 3}}, b=lambda s: {"total": len(s["either"])})


@scenario({"most": 1})
def a_reduced_key_starts_from_its_type(k):
    return chain(k, Sums, a=lambda s: {"total": len(s["items"]) + s["total"] + 1})


@scenario({"items": [1, 2]})
def an_overwrite_replaces(k):
    return chain(
        k, Sums, a=lambda s: {"items": k.Overwrite(["new"])}, b=lambda s: {"items": ["more"]}
    )


@scenario({"items": [1, 2]}, awaits=True)
def an_overwrite_beside_an_ordinary_write(k):
    builder = k.StateGraph(Sums).add_node("a", writes(items=k.Overwrite(["new"])))
    return edges(builder.add_node("b", writes(items=["b"])), k, "^>a ^>b")


@scenario({"items": [1, 2]}, awaits=True)
def an_ordinary_write_before_an_overwrite(k):
    builder = k.StateGraph(Sums).add_node("b", writes(items=k.Overwrite(["new"])))
    return edges(builder.add_node("a", writes(items=["a"])), k, "^>a ^>b")


@scenario({"items": [1]}, awaits=True, compare="call chunks")
def two_overwrites_in_one_step(k):
    builder = k.StateGraph(Sums).add_node("a", writes(items=k.Overwrite(["a"])))
    return edges(builder.add_node("b", writes(items=k.Overwrite(["b"]))), k, "^>a ^>b")


# LangGraph loses the last chunks, or not, depending on the modes
@scenario({"items": [1]}, compare="call")
def a_reducer_that_raises(k):
    return chain(k, Choosy, a=lambda s: {"items": ["bad"]}, b=lambda s: {"items": ["good"]})


@scenario({"items": ["bad"]}, compare="call chunks")
def a_reducer_that_refuses_the_input(k):
    return chain(k, Choosy, a=lambda s: {"items": ["good"]})


@scenario({"total": 1, "items": ["x"], "table": {"a": 1}, "most": 2})
def every_reducer_at_once(k):
    def node(state: Any) -> Any:
        return {"total": 1, "items": ["y"], "table": {"b": 2}, "most": 5}

    return chain(k, Sums, a=node, b=node)


@scenario({"items": ["x"]}, awaits=True)
def a_reducer_in_a_lambda(k):
    class Longest(TypedDict, total=False):
        items: Annotated[list, lambda left, right: right if len(right) > len(left) else left]

    builder = k.StateGraph(Longest).add_node("a", writes(items=["p", "q"]))
    return edges(builder.add_node("b", writes(items=["r"])), k, "^>a ^>b")
