"""What nodes reach beside their state: context, store, runtime, config, and values filled in."""

import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, NotRequired, Optional

from pydantic import BaseModel
from typing_extensions import TypedDict

from .fanout import edges
from .scenario import Run, resume, scenario


class Log(TypedDict, total=False):
    log: Annotated[list, operator.add]
    n: int


@dataclass
class Settings:
    tenant: str
    limit: int = 3
    tags: list = field(default_factory=list)


class Model(BaseModel):
    tenant: str
    limit: int = 3


class Typed(TypedDict):
    tenant: str
    limit: NotRequired[int]


def told(context: Any, input: Any = None, **config: Any) -> Run:  # noqa: A002
    """Run with a context."""
    return Run({"log": []} if input is None else input, config, {"context": context})


def one(k: Any, node: Any, schema: Any = None) -> Any:
    """START → a."""
    return edges(k.StateGraph(Log, schema).add_node("a", node), k, "^>a")


def stored(build: Any) -> Any:
    """The builder's graph, compiled with a store that holds one item."""

    def with_store(k: Any) -> Any:
        def compile_(saver: Any) -> Any:
            store = k.MemoryStore()
            store.put(("people",), "ada", {"likes": "tea"})
            return build(k).compile(checkpointer=saver, store=store)

        return compile_

    with_store.__name__ = build.__name__
    return with_store


def shows_context(state: Any, runtime: Any) -> Any:
    """A node that logs its context."""
    return {"log": [repr(runtime.context)]}


def likes(item: Any) -> Any:
    """What an item of the store says."""
    return None if item is None else item.value["likes"]


# --- context -------------------------------------------------------------------------------------


@scenario(told({"tenant": "a", "limit": 5}), told({"tenant": "b"}))
def a_dict_becomes_a_dataclass(k):
    return one(k, shows_context, Settings)


@scenario(told({"tenant": "a", "limit": "5"}))
def a_dict_becomes_a_model_which_checks_it(k):
    return one(k, shows_context, Model)


@scenario(told({"tenant": "a", "more": 1}))
def a_typed_dict_stays_a_dict(k):
    return one(k, shows_context, Typed)


@scenario(told(Settings("a")))
def an_instance_stays_itself(k):
    return one(k, shows_context, Settings)


@scenario(told(Model(tenant="a")))
def a_model_stays_itself(k):
    return one(k, shows_context, Model)


@scenario(told({"tenant": "a"}), told([1, 2]), told("text"))
def without_a_schema_a_context_is_what_it_is(k):
    return one(k, shows_context)


@scenario({"log": []})
def a_run_without_a_context_has_none(k):
    return one(k, shows_context, Settings)


@scenario(told({"limit": "many"}))
def a_model_says_what_is_wrong_with_a_dict(k):
    return one(k, shows_context, Model)


@scenario(told({"tenant": "a"}))
def a_path_reads_the_context(k):
    builder = one(k, shows_context, Settings).add_node("b", lambda s: {"log": ["b"]})
    return builder.add_conditional_edges(
        "a", lambda s, runtime: "b" if runtime.context.tenant == "a" else k.END, ["b", k.END]
    )


@scenario(told({"tenant": "a"}))
def a_node_that_is_a_graph_has_its_callers_context(k):
    return one(k, one(k, shows_context, Settings).compile(), Settings)


@scenario(told({"tenant": "a"}))
def a_graph_that_a_node_calls_has_its_callers_context(k):
    inner = one(k, shows_context, Settings).compile()
    return one(k, lambda state: inner.invoke({"log": []}), Settings)


@scenario(told({"tenant": "a"}), awaits=True)
def an_async_node_calls_a_graph_with_a_context_of_its_own(k):
    inner = one(k, shows_context, Settings).compile()

    async def node(state):
        return await inner.ainvoke({"log": []}, context={"tenant": "inner", "limit": 9})

    return one(k, node, Settings)


@scenario(told({"tenant": "a"}))
def a_dict_of_the_caller_stays_one_inside(k):
    return one(k, one(k, shows_context, Settings).compile(), Typed)


@scenario(told({"tenant": "a"}))
def an_instance_of_the_caller_stays_itself_inside(k):
    return one(k, one(k, shows_context, Model).compile(), Settings)


@scenario(told({"tenant": "a"}), awaits=True)
def a_context_reaches_sends(k):
    async def work(part, runtime):
        return {"log": [f"{part['n']} {runtime.context.tenant}"]}

    builder = k.StateGraph(Log, Settings).add_node("work", work)
    sends = [k.Send("work", {"n": n}) for n in range(3)]
    return builder.add_conditional_edges(k.START, lambda s: sends, ["work"])


@scenario(told({"tenant": "a"}), resume("yes", context={"tenant": "b"}))
def a_run_that_goes_on_has_the_context_of_its_own_call(k):
    def node(state, runtime):
        return {"log": [k.interrupt("?"), runtime.context.tenant]}

    return one(k, node, Settings)


@scenario(told({"tenant": "a"}))
def get_runtime_gives_what_the_parameter_has(k):
    def node(state, runtime):
        found = k.get_runtime(Settings)
        return {"log": [found is runtime, found.context.tenant]}

    return one(k, node, Settings)


@scenario(told({"tenant": "a"}))
def a_helper_deep_below_gets_the_runtime(k):
    def helper(depth):
        return helper(depth - 1) if depth else k.get_runtime().context.tenant

    return one(k, lambda state: {"log": [helper(5)]}, Settings)


@scenario(told({"tenant": "a"}))
def a_runtime_with_other_values(k):
    def node(state, runtime):
        other = runtime.override(context="mine")
        merged = runtime.merge(k.Runtime(context="theirs"))
        same = runtime.merge(k.Runtime())
        return {"log": [other.context, runtime.context.tenant, merged.context, same.context.tenant]}

    return one(k, node, Settings)


@scenario(told({"tenant": "a"}))
def a_runtime_that_has_no_such_value(k):
    def node(state, runtime):
        try:
            runtime.override(colour="red")
        except TypeError:
            return {"log": ["refused"]}
        return None

    return one(k, node, Settings)


@scenario(told(None))
def a_runtime_made_by_hand(k):
    def node(state):
        made = k.Runtime(context="mine")
        made.stream_writer("nobody hears this")
        made.heartbeat()
        return {"log": [made.context, made.store, made.previous, made.execution_info]}

    return one(k, node)


# --- which task this is --------------------------------------------------------------------------


@scenario({"log": []}, compare="call state")
def a_node_is_told_which_attempt_it_is(k):
    def node(state, runtime):
        info = runtime.execution_info
        if info.node_attempt < 3:
            raise ConnectionError("gone")
        return {"log": [info.node_attempt, isinstance(info.node_first_attempt_time, float)]}

    policy = k.RetryPolicy(initial_interval=0, jitter=False, retry_on=ConnectionError)
    return edges(k.StateGraph(Log).add_node("a", node, retry_policy=policy), k, "^>a")


@scenario({"log": []})
def a_node_is_told_its_place(k):
    def node(state, runtime):
        info = runtime.execution_info
        node_of, _, task = info.checkpoint_ns.partition(":")
        return {"log": [node_of, task == info.task_id]}

    return one(k, node)


@scenario(Run({"log": []}, {"run_id": "00000000-0000-0000-0000-000000000007"}), compare="state")
def a_node_is_told_its_thread_and_run(k):
    def node(state, runtime):
        info = runtime.execution_info
        return {"log": [info.thread_id, str(info.run_id), len(info.checkpoint_id or "")]}

    return one(k, node)


# --- store ---------------------------------------------------------------------------------------


@scenario({"log": []})
@stored
def a_node_reads_the_store_by_name(k):
    return one(k, lambda state, store: {"log": [likes(store.get(("people",), "ada"))]})


@scenario({"log": []})
@stored
def a_node_reads_the_store_by_annotation(k):
    def node(state, *, store: k.Store):
        return {"log": [likes(store.get(("people",), "ada"))]}

    return one(k, node)


@scenario({"log": []})
@stored
def a_node_reads_the_store_of_its_runtime(k):
    def node(state, runtime):
        same = runtime.store is k.get_store()
        return {"log": [likes(runtime.store.get(("people",), "ada")), same]}

    return one(k, node)


@scenario({"log": []}, {"log": []})
@stored
def what_one_run_puts_the_next_one_finds(k):
    def node(state, store):
        before = len(store.search(("notes",)))
        store.put(("notes",), f"n{before}", {"likes": "soup"})
        return {"log": [before]}

    return one(k, node)


@scenario({"log": []}, awaits=True)
@stored
def an_async_node_reads_and_writes_the_store(k):
    async def node(state, store):
        await store.aput(("people",), "bob", {"likes": "soup"})
        found = await store.asearch(("people",))
        return {"log": sorted(likes(item) for item in found)}

    return one(k, node)


@scenario({"log": []})
def without_a_store_there_is_none(k):
    def node(state, runtime, store):
        return {"log": [runtime.store, store, k.get_store()]}

    return one(k, node)


@scenario({"log": []})
@stored
def a_path_reads_the_store(k):
    builder = one(k, lambda s: None).add_node("tea", lambda s: {"log": ["tea"]})
    return builder.add_conditional_edges(
        "a", lambda s, store: likes(store.get(("people",), "ada")), ["tea"]
    )


@scenario({"log": []})
@stored
def a_node_that_is_a_graph_has_its_callers_store(k):
    inner = one(k, lambda state, store: {"log": [likes(store.get(("people",), "ada"))]})
    return one(k, inner.compile())


@scenario({"log": []})
@stored
def a_store_of_the_inner_graph_gives_way_to_its_callers(k):
    own = k.MemoryStore()
    own.put(("people",), "ada", {"likes": "nothing"})
    inner = one(k, lambda state, store: {"log": [likes(store.get(("people",), "ada"))]})
    return one(k, inner.compile(store=own))


@scenario({"log": []}, None, None)
def a_store_that_fails_in_the_middle_fails_the_run_and_the_thread_goes_on(k):
    left = [OSError("the store is down"), OSError("still down")]

    class Failing(k.MemoryStore):
        def get(self, *args, **more):
            if left:
                raise left.pop(0)
            return super().get(*args, **more)

    def node(state, store):
        return {"log": [likes(store.get(("people",), "ada"))]}

    builder = edges(one(k, lambda s: {"log": ["a"]}).add_node("b", node), k, "a>b")
    return lambda saver: builder.compile(checkpointer=saver, store=Failing())


# --- parameters ----------------------------------------------------------------------------------


def names_of(*values: Any) -> list[str]:
    """What kinds of things these are."""
    kinds = {"dict": "config", "function": "writer", "StreamWriter": "writer"}
    found = [type(value).__name__ for value in values]
    return [kinds.get(name, name.removeprefix("In").replace("Memory", "memory")) for name in found]


@scenario({"log": []})
def parameters_in_any_order(k):
    def node(state, writer, runtime, config):
        return {"log": names_of(config, writer, runtime)}

    return one(k, node)


@scenario({"log": []})
def parameters_by_keyword_only(k):
    def node(state, *, runtime: k.Runtime, config, writer: k.StreamWriter):
        return {"log": names_of(config, writer, runtime)}

    return one(k, node)


@scenario({"log": []})
def parameters_with_defaults_and_optional_ones(k):
    def node(state, config=None, runtime: Optional[k.Runtime] = None, x=5):  # noqa: UP045
        return {"log": [*names_of(config, runtime), x]}

    return one(k, node)


@scenario({"log": []})
def parameters_of_an_object_that_is_called(k):
    class Node:
        def __call__(self, state, config, *, runtime):
            return {"log": names_of(config, runtime)}

    return one(k, Node())


@scenario({"log": []}, awaits=True)
def parameters_of_an_async_method(k):
    class Nodes:
        async def node(self, state, writer, runtime):
            return {"log": names_of(writer, runtime)}

    return one(k, Nodes().node)


@scenario({"log": []})
def parameters_of_static_and_class_methods(k):
    class Nodes:
        @staticmethod
        def first(state, runtime):
            return {"log": names_of(runtime)}

        @classmethod
        def second(cls, state, config):
            return {"log": [*names_of(config), cls.__name__]}

    return edges(one(k, Nodes.first).add_node("b", Nodes.second), k, "a>b")


@scenario({"log": []})
def parameters_of_partials(k):
    def node(bound, state, config, runtime, more):
        return {"log": [bound, more, *names_of(config, runtime)]}

    return one(k, functools.partial(node, 1, more=2))


@scenario({"log": []}, awaits=True)
def parameters_of_an_async_partial(k):
    async def node(bound, state, runtime):
        return {"log": [bound, *names_of(runtime)]}

    return one(k, functools.partial(node, 1))


@scenario({"log": []})
def parameters_beside_any_others(k):
    def node(state, *args, config, **more):
        return {"log": [*names_of(config), len(args), sorted(more)]}

    return one(k, node)


@scenario({"log": []})
def previous_outside_of_an_entrypoint_is_none(k):
    return one(k, lambda state, previous, runtime: {"log": [previous, runtime.previous]})


@scenario({"log": []})
def a_wrapped_node_keeps_its_parameters(k):
    def wrapped(function: Callable) -> Callable:
        @functools.wraps(function)
        def call(*args, **kwargs):
            return function(*args, **kwargs)

        return call

    return one(k, wrapped(lambda state, runtime: {"log": names_of(runtime)}))


# --- values filled in ----------------------------------------------------------------------------


def filled(k: Any) -> Any:
    """A state with both values that are filled in."""

    class Counted(TypedDict, total=False):
        log: Annotated[list, operator.add]
        n: int
        left: k.RemainingSteps
        last: k.IsLastStep

    return Counted


def loop(k: Any, rounds: int = 4) -> Any:
    """A node that runs so many times and logs what is filled in."""

    def node(state):
        return {"n": state.get("n", 0) + 1, "log": [[state["left"], state["last"], sorted(state)]]}

    builder = k.StateGraph(filled(k)).add_node("a", node).add_edge(k.START, "a")
    return builder.add_conditional_edges("a", lambda s: "a" if s["n"] < rounds else k.END)


@scenario({"n": 0})
def steps_that_are_left(k):
    return loop(k)


@scenario(Run({"n": 0}, {"recursion_limit": 5}), Run({"n": 0}, {"recursion_limit": 5}))
def the_last_step_knows_that_it_is(k):
    return loop(k)


@scenario(Run({"n": 0}, {"recursion_limit": 3}), says="Recursion limit of 3")
def steps_run_out(k):
    return loop(k)


@scenario({"n": 0, "left": 99, "last": True})
def an_input_does_not_fill_them_in(k):
    return loop(k, 2)


@scenario({"n": 0})
def an_update_of_them_is_dropped(k):
    builder = k.StateGraph(filled(k)).add_node("a", lambda s: {**s, "left": 5, "n": 1, "log": []})
    return edges(builder.add_node("b", lambda s: {"log": [s["left"]]}), k, "^>a a>b")


@scenario({"n": 0})
def a_node_reads_them_through_a_schema_of_its_own(k):
    class Own(TypedDict):
        left: k.RemainingSteps

    def node(state: Own):
        return {"log": [dict(state)]}

    return one(k, node)


@scenario({"n": 0}, {"n": 1}, compare="call state")
def a_dataclass_has_them(k):
    @dataclass
    class Counted:
        n: int
        left: k.RemainingSteps = 0

    return edges(k.StateGraph(Counted).add_node("a", lambda s: {"n": s.left}), k, "^>a")


@scenario({"n": 0}, {"n": 1}, compare="call state")
def a_model_has_them(k):
    class Counted(BaseModel):
        n: int
        last: k.IsLastStep = False

    return edges(k.StateGraph(Counted).add_node("a", lambda s: {"n": int(s.last)}), k, "^>a")


@scenario({"n": 0})
def a_send_is_given_what_it_sent_alone(k):
    builder = k.StateGraph(filled(k)).add_node("a", lambda s: {"log": [sorted(s)]})
    return builder.add_conditional_edges(k.START, lambda s: [k.Send("a", {"n": 5})], ["a"])


@scenario(Run({"n": 0}, {"recursion_limit": 9}))
def an_inner_graph_counts_its_own_steps(k):
    def node(state):
        return {"log": [state["left"]]}

    inner = k.StateGraph(filled(k)).add_node("x", node).add_node("y", node)
    builder = one(k, lambda s: None).add_node("b", edges(inner, k, "^>x x>y").compile())
    return edges(builder, k, "a>b")


@scenario(Run({"n": 0}, {"recursion_limit": 20}), resume("yes"))
def a_run_that_goes_on_has_its_steps_anew(k):
    def node(state):
        return {"log": [k.interrupt("?"), state["left"]]}

    return edges(k.StateGraph(filled(k)).add_node("a", node), k, "^>a")


@scenario({"n": 0})
def values_of_ones_own_are_filled_in(k):
    class Doubled(k.ManagedValue):
        @staticmethod
        def get(scratchpad):
            return scratchpad.step * 2

    class Own(TypedDict, total=False):
        log: Annotated[list, operator.add]
        doubled: Annotated[int, Doubled]

    def node(state):
        return {"log": [state["doubled"]]}

    return edges(k.StateGraph(Own).add_node("a", node).add_node("b", node), k, "^>a a>b")
