"""Results of nodes that come from a cache."""

import operator
from typing import Annotated, Any, TypedDict

from .chains import says
from .failures import fails
from .fanout import edges
from .scenario import scenario


class Log(TypedDict, total=False):
    log: Annotated[list, operator.add]
    n: int


def by_n(state: Any) -> str:
    """A key for inputs that differ only in their log."""
    return str(state["n"])


def with_cache(k: Any, builder: Any) -> Any:
    """A graph with a cache of its own."""

    def make(saver: Any) -> Any:
        return builder.compile(checkpointer=saver, cache=k.MemoryCache())

    return make


def counting() -> Any:
    """A sync node that logs how often it ran."""
    runs = []

    def node(state: Any) -> Any:
        runs.append(1)
        return {"log": [len(runs)]}

    return node


def cached(k: Any, node: Any, **policy: Any) -> Any:
    """START → a (cached) → b."""
    policy = k.CachePolicy(**{"key_func": by_n, **policy})
    builder = k.StateGraph(Log).add_node("a", node, cache_policy=policy)
    return edges(builder.add_node("b", says("b")), k, "^>a a>b")


@scenario({"n": 1}, {"n": 1})
def the_same_key_again(k):
    return with_cache(k, cached(k, counting()))


@scenario({"n": 1}, {"n": 2}, {"n": 1})
def another_key_between(k):
    return with_cache(k, cached(k, counting()))


@scenario({"n": 1}, {"n": 1})
def a_time_to_live_that_is_not_over(k):
    return with_cache(k, cached(k, counting(), ttl=3600))


@scenario({"n": 1}, {"n": 1})
def a_policy_without_a_cache(k):
    return cached(k, counting())


@scenario({"n": 1}, {"n": 1})
def the_default_key_sees_the_whole_input(k):
    policy = k.CachePolicy()
    builder = k.StateGraph(Log).add_node("a", counting(), cache_policy=policy)
    return with_cache(k, edges(builder, k, "^>a"))


@scenario({"n": 1}, awaits=True)
def a_loop_comes_to_the_same_input(k):
    runs = []

    async def node(state):
        runs.append(1)
        return {"log": [len(runs)]}

    def again(state):
        return "a" if len(state["log"]) < 4 else k.END

    builder = k.StateGraph(Log).add_node("a", node, cache_policy=k.CachePolicy(key_func=by_n))
    builder.add_node("turn", says("turn"))
    builder = edges(builder, k, "^>a a>turn")
    return with_cache(k, builder.add_conditional_edges("turn", again, ["a", k.END]))


@scenario({"n": 1}, {"n": 1})
def a_result_of_nothing(k):
    return with_cache(k, cached(k, lambda state: None))


@scenario({"n": 1}, {"n": 1})
def a_command_from_the_cache(k):
    def node(state):
        return k.Command(update={"log": ["cmd"]}, goto="c")

    builder = k.StateGraph(Log).add_node("a", node, cache_policy=k.CachePolicy(key_func=by_n))
    return with_cache(k, edges(builder.add_node("c", says("c")), k, "^>a"))


@scenario({"n": 1}, {"n": 1}, awaits=True)
def a_sibling_that_is_not_cached_comes_later(k):
    async def slow(state):
        return {"log": ["slow"]}

    async def quick(state):
        return {"log": ["quick"]}

    policy = k.CachePolicy(key_func=by_n)
    builder = k.StateGraph(Log).add_node("a", slow).add_node("z", quick, cache_policy=policy)
    return with_cache(k, edges(builder, k, "^>a ^>z"))


@scenario({"n": 1}, {"n": 1}, awaits=True)
def sends_from_the_cache(k):
    async def node(state):
        return {"log": [state["n"]]}

    def fan(state):
        return [k.Send("a", {"n": n}) for n in range(3)]

    builder = k.StateGraph(Log).add_node("a", node, cache_policy=k.CachePolicy())
    return with_cache(k, builder.add_conditional_edges(k.START, fan, ["a"]))


@scenario({"n": 1}, None)
def a_failure_is_not_cached(k):
    return with_cache(k, cached(k, fails))


@scenario({"n": 1}, {"n": 1})
def a_default_cache_policy(k):
    builder = k.StateGraph(Log).add_node("a", counting()).add_node("b", counting())
    builder.set_node_defaults(cache_policy=k.CachePolicy(key_func=by_n))
    return with_cache(k, edges(builder, k, "^>a a>b"))


# here a graph inside uses the cache of the one that calls it
@scenario({"n": 1}, {"n": 1}, order="per graph")
def a_graph_inside_without_a_policy(k):
    inner = edges(k.StateGraph(Log).add_node("a", counting()), k, "^>a").compile()
    return with_cache(k, edges(k.StateGraph(Log).add_node("sub", inner), k, "^>sub"))


@scenario({"n": 1}, {"n": 1})
def the_branch_of_a_cached_node_is_kept_too(k):
    asked = []

    def path(state):
        asked.append(1)
        return "b" if len(asked) == 1 else "c"

    policy = k.CachePolicy(key_func=by_n)
    builder = k.StateGraph(Log).add_node("a", counting(), cache_policy=policy)
    builder.add_node("b", says("b")).add_node("c", says("c")).add_edge(k.START, "a")
    return with_cache(k, builder.add_conditional_edges("a", path, ["b", "c"]))
