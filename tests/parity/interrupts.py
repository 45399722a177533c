"""Nodes that ask, and runs that are resumed."""

import asyncio
import operator
from typing import Annotated, Any, TypedDict

from pydantic import BaseModel, ValidationError
from typing_extensions import TypedDict as TypedDictOfPydantic

from .chains import chain, says
from .fanout import edges, logs
from .scenario import Given, Run, Update, resume, resume_map, scenario

NEW = {"log": ["in"]}
UNKNOWN = "0123456789abcdef" * 2


class Log(TypedDict, total=False):
    log: Annotated[list, operator.add]
    n: int


def asks(k: Any, name: str, times: int = 1) -> Any:
    """An async node that asks `times` times and logs the answers."""

    async def node(state):
        return {"log": [name, *(k.interrupt(f"{name} {at}") for at in range(times))]}

    return node


def sync_asks(k: Any, name: str, times: int = 1) -> Any:
    """The same as a sync node."""

    def node(state):
        return {"log": [name, *(k.interrupt(f"{name} {at}") for at in range(times))]}

    return node


def beside(k: Any, **nodes: Any) -> Any:
    """Nodes beside each other, and an end that joins them."""
    builder = k.StateGraph(Log)
    for name, node in nodes.items():
        builder.add_node(name, node).add_edge(k.START, name)
    return builder.add_node("end", says("end")).add_edge(list(nodes), "end")


# --- one node ----------------------------------------------------------------------------------


@scenario(NEW, resume("yes"))
def one_question(k):
    return chain(k, Log, first=says("first"), ask=sync_asks(k, "ask"), last=says("last"))


@scenario(NEW, resume("yes"), awaits=True)
def one_question_of_an_async_node(k):
    return chain(k, Log, ask=asks(k, "ask"), last=says("last"))


@scenario(NEW, resume("one"), resume("two"), resume("three"))
def three_questions_of_one_node(k):
    return chain(k, Log, ask=sync_asks(k, "ask", 3), last=says("last"))


@scenario(NEW, resume(0), resume(False), resume(""), resume([]))
def answers_that_are_false(k):
    return chain(k, Log, ask=sync_asks(k, "ask", 4))


@scenario(NEW, resume({"any": "dict"}), resume({"a" * 31: 1}))
def answers_that_are_dicts_but_no_map(k):
    return chain(k, Log, ask=sync_asks(k, "ask", 2))


@scenario(NEW, resume_map(lambda ids: {ids[0]: "by id"}))
def an_answer_by_id(k):
    return chain(k, Log, ask=sync_asks(k, "ask"), last=says("last"))


@scenario(NEW, resume_map(lambda ids: {UNKNOWN: "nobody"}), resume("yes"))
def an_unknown_id_fires_it_again(k):
    return chain(k, Log, ask=sync_asks(k, "ask"), last=says("last"))


@scenario(NEW, resume_map(lambda ids: {ids[0]: "yes", UNKNOWN: "nobody"}))
def an_unknown_id_beside_a_known_one(k):
    return chain(k, Log, ask=sync_asks(k, "ask"), last=says("last"))


@scenario(NEW, None, None, resume("yes"))
def going_on_without_an_answer_asks_again(k):
    return chain(k, Log, ask=sync_asks(k, "ask"), last=says("last"))


# here the second question is asked again; LangGraph answers it with the first one's answer
@scenario(NEW, resume("one"), None, compare="")
def going_on_without_an_answer_after_the_first_of_two(k):
    return chain(k, Log, ask=sync_asks(k, "ask", 2), last=says("last"))


@scenario(NEW, {"log": ["new"]}, resume("yes"))
def a_new_input_drops_the_question_and_asks_anew(k):
    return chain(k, Log, first=says("first"), ask=sync_asks(k, "ask"), last=says("last"))


@scenario(NEW, resume("yes"), {"log": ["again"]}, resume("no"))
def two_turns_each_with_a_question(k):
    return chain(k, Log, ask=sync_asks(k, "ask"), last=says("last"))


@scenario(NEW, resume("one"), resume("two"), awaits=True)
def two_nodes_that_ask_one_after_the_other(k):
    return chain(k, Log, a=asks(k, "a"), b=asks(k, "b"), last=says("last"))


@scenario(NEW, resume("go"), resume("go"), resume("stop"))
def a_loop_that_asks(k):
    def ask(state):
        return {"log": [k.interrupt(len(state["log"]))]}

    builder = k.StateGraph(Log).add_node("ask", ask).add_edge(k.START, "ask")
    return builder.add_conditional_edges(
        "ask", lambda s: "ask" if s["log"][-1] == "go" else k.END, ["ask", k.END]
    )


@scenario(NEW, resume("yes"))
def a_question_of_any_value(k):
    def ask(state):
        return {"log": [k.interrupt({"nested": [1, [2, 3], None], "log": state["log"]})]}

    return chain(k, Log, ask=ask)


@scenario(NEW, resume("x"))
def a_question_only_on_a_condition(k):
    def ask(state):
        if len(state["log"]) < 2:
            return {"log": ["silent"]}
        return {"log": [k.interrupt("now")]}

    return chain(k, Log, a=ask, b=ask)


@scenario(NEW, resume("yes"))
def the_writer_and_what_came_before_the_question_run_again(k):
    def ask(state, writer):
        writer("before")
        answer = k.interrupt("?")
        writer("after")
        return {"log": [answer]}

    return chain(k, Log, ask=ask)


@scenario(NEW, resume("yes"))
def catching_exceptions_around_a_question(k):
    def ask(state):
        try:
            return {"log": [k.interrupt("?")]}
        except ValueError:
            return {"log": ["caught"]}

    return chain(k, Log, ask=ask, last=says("last"))


@scenario(NEW, None)
def catching_every_exception_swallows_the_question(k):
    def ask(state):
        try:
            return {"log": [k.interrupt("?")]}
        except Exception:
            return {"log": ["caught"]}

    return chain(k, Log, ask=ask, last=says("last"))


# LangGraph shows such a task as updating nothing before it fails, and its old interrupt as pending
@scenario(NEW, resume("bad"), None, compare="call")
def an_error_after_the_answer_then_going_on(k):
    tries = []

    def ask(state):
        answer = k.interrupt("?")
        tries.append(answer)
        if len(tries) == 1:
            raise ValueError(f"no {answer}")
        return {"log": [answer]}

    return chain(k, Log, ask=ask, last=says("last"))


# LangGraph shows such a task as updating nothing before it fails, and its old interrupt as pending
@scenario(NEW, resume("one"), resume("two"), None, compare="call")
def an_error_after_two_answers_then_going_on(k):
    tries = []

    def ask(state):
        answers = [k.interrupt("1"), k.interrupt("2")]
        tries.append(answers)
        if len(tries) == 1:
            raise ValueError(f"no {answers}")
        return {"log": answers}

    return chain(k, Log, ask=ask, last=says("last"))


# LangGraph shows the error of before as well as what it waits for now
@scenario(NEW, None, resume("yes"), compare="call")
def an_error_before_the_question_then_going_on(k):
    tries = []

    def ask(state):
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("not yet")
        return {"log": [k.interrupt("?")]}

    return chain(k, Log, ask=ask, last=says("last"))


# LangGraph shows what the node wrote while its branch asks
@scenario(NEW, resume("b"), compare="")
def a_question_in_a_branch(k):
    builder = k.StateGraph(Log).add_node("a", says("a")).add_node("b", says("b"))
    builder.add_edge(k.START, "a")
    return builder.add_conditional_edges("a", lambda s: k.interrupt("where"), ["b", k.END])


# --- what is resumed ---------------------------------------------------------------------------


@scenario(resume("yes"), compare="")  # ours differs: a ResumeError that says what is missing
def a_resume_of_an_unknown_thread(k):
    return chain(k, Log, ask=sync_asks(k, "ask"))


@scenario(NEW, resume("yes"))
def a_resume_of_a_finished_thread(k):
    return chain(k, Log, only=says("only"))


@scenario(NEW, resume("yes"), resume("more"))
def one_resume_too_many(k):
    return chain(k, Log, ask=sync_asks(k, "ask"))


@scenario(NEW, resume("early"), awaits=True)
def a_resume_after_a_failure_answers_the_first_question(k):
    tries = []

    async def fail(state):
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("no")
        return {"log": [k.interrupt("?")]}

    return chain(k, Log, fail=fail, last=says("last"))


@scenario(NEW, Update({"log": ["set"]}), resume("yes"))
def an_update_as_the_last_writer_then_a_resume(k):
    return chain(k, Log, first=says("first"), ask=sync_asks(k, "ask"), last=says("last"))


# LangGraph shows the update as the result of the task in the history
@scenario(NEW, Update({"log": ["set"]}, "ask"), None, compare="call chunks")
def an_update_in_place_of_the_asking_node(k):
    return chain(k, Log, first=says("first"), ask=sync_asks(k, "ask"), last=says("last"))


@scenario(NEW, Update({"log": ["set"]}, "first"), None, resume("yes"))
def an_update_before_the_asking_node_asks_again(k):
    return chain(k, Log, first=says("first"), ask=sync_asks(k, "ask"), last=says("last"))


# --- beside each other -------------------------------------------------------------------------


@scenario(NEW, resume_map(lambda ids: dict(zip(ids, "xy", strict=True))), awaits=True)
def two_beside_each_other_answered_at_once(k):
    return beside(k, a=asks(k, "a"), b=asks(k, "b"))


@scenario(
    NEW,
    resume_map(lambda ids: {ids[0]: "x"}),
    resume_map(lambda ids: dict.fromkeys(ids, "y")),
    awaits=True,
)
def two_beside_each_other_answered_one_by_one(k):
    return beside(k, a=asks(k, "a"), b=asks(k, "b"))


@scenario(
    NEW,
    Run(Given(lambda k, ids: k.Command(resume={ids[0]: "x"}, update={"log": ["update"]}))),
    resume("y"),
    awaits=True,
)
def what_comes_with_one_of_two_answers_is_shown_with_it(k):
    return beside(k, a=asks(k, "a"), b=asks(k, "b"))


@scenario(NEW, resume_map(lambda ids: {ids[1]: "x"}), resume("y"), awaits=True)
def the_second_of_two_is_answered_first_then_a_bare_answer(k):
    return beside(k, a=asks(k, "a"), b=asks(k, "b"))


@scenario(
    NEW,
    resume("which"),
    resume_map(lambda ids: dict(zip(ids, "xy", strict=True))),
    awaits=True,
    says="When there are multiple pending interrupts, you must specify the interrupt id",
)
def a_bare_answer_to_two(k):
    return beside(k, a=asks(k, "a"), b=asks(k, "b"))


@scenario(NEW, resume("yes"), awaits=True)
def a_sibling_that_finishes_is_not_run_again(k):
    runs = []

    async def count(state):
        runs.append(1)
        return {"n": len(runs)}

    return beside(k, ask=asks(k, "ask"), other=count)


@scenario(NEW, resume("yes"), awaits=True)
def a_sibling_that_finishes_later_is_waited_for(k):
    def build():
        gate = asyncio.Event()

        async def ask(state):
            asyncio.get_running_loop().call_soon(gate.set)
            return {"log": [k.interrupt("?")]}

        async def late(state):
            await gate.wait()
            for _ in range(5):
                await asyncio.sleep(0)
            return {"log": ["late"]}

        return beside(k, ask=ask, late=late)

    return build()


# LangGraph does not show that it has finished
@scenario(NEW, resume("yes"), awaits=True, compare="call state")
def a_sibling_that_writes_nothing(k):
    async def silent(state):
        return None

    return beside(k, ask=asks(k, "ask"), other=silent)


@scenario(
    NEW,
    resume_map(lambda ids: {ids[0]: "x1"}),
    resume_map(lambda ids: dict.fromkeys(ids, "more")),
    resume_map(lambda ids: dict.fromkeys(ids, "last")),
    awaits=True,
)
def two_beside_each_other_with_two_questions_each(k):
    return beside(k, a=asks(k, "a", 2), b=asks(k, "b", 2))


@scenario(NEW, resume("yes"), awaits=True)
def a_join_waits_for_the_answer(k):
    builder = logs(k, "a", "b", "b2", "c")
    builder.add_node("ask", asks(k, "ask"))
    return edges(builder, k, "^>a ^>b a>ask b>b2 ask+b2>c")


@scenario(NEW, resume("yes"), awaits=True)
def a_deferred_node_waits_for_the_answer(k):
    builder = logs(k, "b").add_node("ask", asks(k, "ask"))
    builder.add_node("end", says("end"), defer=True)
    return edges(builder, k, "^>ask ^>b ask>end b>end")


@scenario(NEW, resume("yes"), awaits=True)
def a_deferred_node_asks(k):
    builder = k.StateGraph(Log).add_node("a", says("a")).add_node("b", says("b"))
    builder.add_node("end", asks(k, "end"), defer=True).add_node("last", says("last"))
    return edges(builder, k, "^>a a>b a>end b>end end>last")


# --- Sends -------------------------------------------------------------------------------------


def spread(k: Any, leaf: Any, count: int = 3) -> Any:
    """`leaf` once for each number, then an end."""
    builder = k.StateGraph(Log).add_node("leaf", leaf).add_node("end", says("end"))
    builder.add_conditional_edges(
        k.START, lambda s: [k.Send("leaf", {"i": i}) for i in range(count)], ["leaf"]
    )
    return builder.add_edge("leaf", "end")


@scenario(NEW, resume_map(lambda ids: dict(zip(ids, "xyz", strict=True))), awaits=True)
def every_send_asks(k):
    async def leaf(state):
        return {"log": [state["i"], k.interrupt(state["i"])]}

    return spread(k, leaf)


@scenario(NEW, resume("yes"), awaits=True)
def one_send_of_three_asks(k):
    async def leaf(state):
        return {"log": [k.interrupt("?") if state["i"] == 1 else state["i"]]}

    return spread(k, leaf)


@scenario(
    NEW,
    resume_map(lambda ids: {ids[2]: "z"}),
    resume_map(lambda ids: {ids[-1]: "y"}),
    resume("x"),
    awaits=True,
)
def sends_are_answered_one_by_one(k):
    async def leaf(state):
        return {"log": [state["i"], k.interrupt(state["i"])]}

    return spread(k, leaf)


# --- static pauses -----------------------------------------------------------------------------


def abc(k: Any) -> Any:
    """Three nodes in a row."""
    return chain(k, Log, a=says("a"), b=says("b"), c=says("c"))


@scenario(NEW, None, interrupt_before=["b"])
def a_pause_before_a_node(k):
    return abc(k)


@scenario(NEW, None, interrupt_after=["b"])
def a_pause_after_a_node(k):
    return abc(k)


@scenario(NEW, None, None, None, interrupt_before="*")
def a_pause_before_every_node(k):
    return abc(k)


@scenario(NEW, None, None, None, interrupt_after="*")
def a_pause_after_every_node(k):
    return abc(k)


@scenario(NEW, None, None, None, None, interrupt_before="*", interrupt_after="*")
def a_pause_before_and_after_every_node(k):
    return abc(k)


@scenario(NEW, None, interrupt_after=["c"])
def a_pause_after_the_last_node(k):
    return abc(k)


@scenario(NEW, None, interrupt_before=["a"])
def a_pause_before_the_first_node(k):
    return abc(k)


@scenario(Run(NEW, options={"interrupt_before": ["b"]}), None)
def a_pause_that_a_call_asks_for(k):
    return abc(k)


@scenario(Run(NEW, options={"interrupt_after": "*"}), Run(None, options={"interrupt_after": ["b"]}))
def pauses_that_each_call_asks_for(k):
    return abc(k)


@scenario(
    Run(NEW, options={"interrupt_before": ["c"]}),
    Run(None, options={"interrupt_after": ["c"]}),
    None,
    interrupt_before=["b"],
)
def a_call_asks_for_other_pauses_than_the_graph(k):
    return abc(k)


@scenario(NEW, {"log": ["new"]}, None, interrupt_before=["b"])
def a_new_input_where_it_paused(k):
    return abc(k)


@scenario(NEW, Update({"log": ["set"]}), None, interrupt_before=["b"])
def an_update_where_it_paused(k):
    return abc(k)


# likewise
@scenario(NEW, Update({"log": ["set"]}, "b"), None, interrupt_before=["b"], compare="call chunks")
def an_update_in_place_of_the_node_it_paused_before(k):
    return abc(k)


@scenario(NEW, resume("nothing"), interrupt_before=["b"])
def a_resume_where_it_paused_without_a_question(k):
    return abc(k)


@scenario(NEW, resume("early"), interrupt_before=["ask"])
def a_resume_where_it_paused_before_a_node_that_asks(k):
    return chain(k, Log, a=says("a"), ask=sync_asks(k, "ask"))


@scenario(NEW, None, resume("yes"), interrupt_before=["ask"], interrupt_after=["ask"])
def a_pause_round_a_node_that_asks(k):
    return chain(k, Log, a=says("a"), ask=sync_asks(k, "ask"), last=says("last"))


@scenario(NEW, None, None, awaits=True, interrupt_before=["a"])
def a_pause_before_one_of_two_nodes(k):
    return edges(logs(k, "a", "b", "c"), k, "^>a ^>b a+b>c")


@scenario(NEW, None, None, awaits=True, interrupt_after=["a"])
def a_pause_after_one_of_two_nodes(k):
    return edges(logs(k, "a", "b", "c"), k, "^>a ^>b a+b>c")


@scenario(NEW, None, None, awaits=True, interrupt_before=["leaf"])
def a_pause_before_sends(k):
    async def leaf(state):
        return {"log": [state["i"]]}

    return spread(k, leaf)


@scenario(NEW, None, None, None, None, interrupt_before=["a"])
def a_pause_in_a_loop(k):
    builder = k.StateGraph(Log).add_node("a", says("a")).add_edge(k.START, "a")
    return builder.add_conditional_edges(
        "a", lambda s: "a" if len(s["log"]) < 4 else k.END, ["a", k.END]
    )


@scenario(Run(NEW, options={"interrupt_before": []}), None, interrupt_before=["b"])
def an_empty_list_of_pauses_leaves_those_of_the_graph(k):
    return abc(k)


@scenario(NEW, None, interrupt_before=["end"], awaits=True)
def a_pause_before_a_deferred_node(k):
    builder = k.StateGraph(Log).add_node("a", says("a")).add_node("b", says("b"))
    builder.add_node("end", says("end"), defer=True)
    return edges(builder, k, "^>a a>b a>end b>end")


@scenario(Run(NEW, options={"output_keys": "n"}), resume("yes", output_keys="n"))
def a_question_of_a_run_that_shows_one_key(k):
    return chain(k, Log, a=lambda s: {"n": 3}, ask=sync_asks(k, "ask"))


@scenario(Run(NEW, options={"output_keys": ["n"]}), resume("yes", output_keys=["n"]))
def a_question_of_a_run_that_shows_some_keys(k):
    return chain(k, Log, a=lambda s: {"n": 3}, ask=sync_asks(k, "ask"))


@scenario(NEW, resume({}), resume("yes"))
def an_empty_map_fires_it_again(k):
    return chain(k, Log, ask=sync_asks(k, "ask"))


# LangGraph shows it nowhere but in snapshots
@scenario(NEW, resume("b"), compare="")
def a_question_in_the_branch_from_the_start(k):
    builder = k.StateGraph(Log).add_node("a", says("a")).add_node("b", says("b"))
    return builder.add_conditional_edges(k.START, lambda s: k.interrupt("where"), ["a", "b"])


class Decision(BaseModel):
    ok: bool


def fitting(k: Any, schema: Any) -> Any:
    """A node that wants an answer of a schema."""

    def ask(state):
        return {"log": [str(k.interrupt("?", response_schema=schema))]}

    return chain(k, Log, ask=ask, last=says("last"))


@scenario(NEW, resume({"ok": "yes"}))
def an_answer_that_fits_a_model(k):
    return fitting(k, Decision)


# LangGraph keeps the answer that did not fit, so its snapshot shows no question
@scenario(NEW, resume("maybe"), resume({"ok": True}), compare="call")
def an_answer_that_does_not_fit_and_then_one_that_does(k):
    return fitting(k, Decision)


@scenario(NEW, resume({"sum": "3"}))
def an_answer_that_fits_a_typed_dict(k):
    return fitting(k, TypedDictOfPydantic("Sum", {"sum": int}))


@scenario(NEW, resume(5))
def an_answer_to_a_json_schema_may_be_anything(k):
    return fitting(k, {"type": "object"})


@scenario(NEW, resume("no"), resume({"ok": True}))
def a_node_that_asks_until_the_answer_fits(k):
    def ask(state):
        while True:
            try:
                return {"log": [str(k.interrupt("?", response_schema=Decision))]}
            except ValidationError:
                continue

    return chain(k, Log, ask=ask)
