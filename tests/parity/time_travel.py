"""Journeys through one graph's history: updates, forks, replays."""

import operator
from typing import Annotated, Any, TypedDict

from .chains import chain, says
from .journeys import journey


class Trip(TypedDict, total=False):
    log: Annotated[list, operator.add]
    n: int


def abc(k: Any) -> Any:
    """a, b, c in a row."""
    return chain(k, Trip, a=says("a"), b=says("b"), c=says("c"))


def count(state: Any) -> Any:
    """Counts in `n`."""
    return {"n": state.get("n", 0) + 1}


def counting(k: Any) -> Any:
    """Goes round until `n` is 3."""
    builder = k.StateGraph(Trip).add_node("count", count).add_edge(k.START, "count")
    return builder.add_conditional_edges("count", lambda s: k.END if s["n"] > 2 else "count")


def side_by_side(k: Any) -> Any:
    """a and b beside each other, each with one after it."""
    builder = k.StateGraph(Trip)
    for name in ("a", "b", "a2", "b2"):
        builder.add_node(name, says(name))
    for left, right in ((k.START, "a"), (k.START, "b"), ("a", "a2"), ("b", "b2")):
        builder.add_edge(left, right)
    return builder


def joined(k: Any) -> Any:
    """a and b, then c when both have run."""
    builder = k.StateGraph(Trip)
    for name in "abc":
        builder.add_node(name, says(name))
    builder.add_edge(k.START, "a").add_edge(k.START, "b")
    return builder.add_edge(["a", "b"], "c")


def sending(k: Any) -> Any:
    """a sends two leaves."""
    builder = k.StateGraph(Trip).add_node("a", says("a"))
    builder.add_node("leaf", lambda state: {"log": [state["i"]]}).add_edge(k.START, "a")
    packets = [k.Send("leaf", {"i": i}) for i in range(2)]
    return builder.add_conditional_edges("a", lambda state: packets, ["leaf"])


def failing(k: Any) -> Any:
    """a, then b, which fails, then c."""

    def bad(state):
        raise ValueError("no")

    return chain(k, Trip, a=says("a"), b=bad, c=says("c"))


def asking(k: Any) -> Any:
    """a, then b, which asks twice, then c."""

    def ask(state):
        return {"log": [k.interrupt("first"), k.interrupt("second")]}

    return chain(k, Trip, a=says("a"), b=ask, c=says("c"))


def deferring(k: Any) -> Any:
    """a and b, and a deferred node for when nothing else is left."""
    builder = k.StateGraph(Trip).add_node("a", says("a")).add_node("b", says("b"))
    builder.add_node("late", says("late"), defer=True)
    builder.add_edge(k.START, "a").add_edge("a", "b").add_edge("a", "late")
    return builder.add_edge("b", "late")


# --- whose update it is ------------------------------------------------------------------------


@journey(abc)
async def an_update_does_not_count_as_a_run_of_its_node(k, t):
    await t.run({"log": []})
    await t.update({"log": ["x"]}, "a")
    await t.update({"log": ["y"]})
    await t.run()


@journey(abc)
async def an_update_on_a_fresh_thread_is_by_start(k, t):
    await t.update({"log": ["x"]})
    await t.update({"log": ["y"]})
    await t.run()


@journey(abc)
async def two_updates_on_a_fresh_thread_as_a_node(k, t):
    await t.update({"log": ["x"]}, "a")
    await t.update({"log": ["y"]})


@journey(abc)
async def who_an_update_is_by_at_every_checkpoint(k, t):
    await t.run({"log": ["1"]})
    for old in await t.history():
        await t.update({"n": 1}, at=old.config)
        await t.look()


@journey(abc, interrupt_before=["b"])
async def who_an_update_is_by_after_a_new_input_dropped_a_task(k, t):
    await t.run({"log": ["1"]})
    await t.run({"log": ["2"]})
    for old in await t.history():
        await t.update({"n": 1}, at=old.config)
        await t.look()


@journey(side_by_side)
async def two_that_ran_last_are_ambiguous(k, t):
    await t.run({"log": []})
    await t.update({"log": ["x"]})
    await t.update({"log": ["x"]}, "a2")


@journey(side_by_side)
async def who_an_update_is_by_where_two_ran(k, t):
    await t.run({"log": []})
    for old in await t.history():
        await t.update({"n": 1}, at=old.config)


@journey(sending)
async def nodes_that_a_send_ran_do_not_count(k, t):
    await t.run({"log": []})
    await t.update({"log": ["x"]})
    await t.run()


@journey(deferring)
async def a_deferred_node_counts_when_it_ran(k, t):
    await t.run({"log": []})
    for old in await t.history():
        await t.update({"n": 1}, at=old.config)
        await t.run()


@journey(abc)
async def an_unknown_node_is_refused(k, t):
    await t.run({"log": []})
    await t.update({"log": ["x"]}, "nobody")
    await t.update(7, "a")


# --- what it makes run -------------------------------------------------------------------------


@journey(abc)
async def an_update_without_values_moves_on(k, t):
    await t.run({"log": []})
    await t.update(None, "a")
    await t.look()
    await t.run()


@journey(abc, interrupt_before=["c"])
async def an_update_of_a_paused_thread_drops_what_waited(k, t):
    await t.run({"log": []})
    await t.update({"log": ["x"]}, "a")
    await t.look()
    await t.run()


@journey(joined, interrupt_before=["c"])
async def a_complete_join_stays_complete(k, t):
    await t.run({"log": []})
    await t.update({"log": ["x"]}, "b")
    await t.look()
    await t.update({"log": ["y"]}, "a")
    await t.look()
    await t.run()


@journey(joined, interrupt_before=["c"])
async def a_complete_join_stays_complete_also_for_its_own_node(k, t):
    await t.run({"log": []})
    await t.update({"log": ["x"]}, "c")
    await t.look()
    await t.run()


@journey(joined)
async def half_of_a_join_by_an_update(k, t):
    await t.update({"log": ["x"]}, "a")
    await t.look()
    await t.update({"log": ["y"]}, "b")
    await t.run()


@journey(counting)
async def an_update_decides_a_branch(k, t):
    await t.run({"n": 0})
    await t.update({"n": 1}, "count")
    await t.look()
    await t.run()
    await t.update({"n": 9}, "count")


@journey(sending)
async def an_update_as_a_sender_sends_again(k, t):
    await t.run({"log": []})
    await t.update({"log": ["x"]}, "a")
    await t.look()
    await t.run()


@journey(sending, interrupt_before=["leaf"])
async def an_update_of_a_thread_whose_sends_wait(k, t):
    await t.run({"log": []})
    await t.update({"log": ["x"]}, "leaf")
    await t.look()
    await t.run()


@journey(deferring, interrupt_before=["late"])
async def a_deferred_node_that_waited_still_waits(k, t):
    await t.run({"log": []})
    await t.update({"log": ["x"]}, "b")
    await t.look()
    await t.run()


@journey(deferring)
async def an_update_opens_a_deferred_node_when_nothing_is_left(k, t):
    await t.update({"log": ["x"]}, "b")
    await t.look()
    await t.run()


# --- start, input, end, copy -------------------------------------------------------------------


@journey(abc)
async def an_update_as_start_begins_anew(k, t):
    await t.run({"log": ["1"]})
    await t.update({"log": ["2"]}, "__start__")
    await t.run()


@journey(abc)
async def an_update_as_input_is_an_input(k, t):
    await t.run({"log": ["1"]})
    await t.update({"log": ["2"]}, "__input__")
    await t.look()
    await t.run()


@journey(abc)
async def an_input_on_a_fresh_thread(k, t):
    await t.update({"log": ["1"]}, "__input__")
    await t.look()
    await t.run()


@journey(abc, interrupt_before=["b"])
async def an_input_beside_what_waits(k, t):
    await t.run({"log": ["1"]})
    await t.update({"log": ["2"]}, "__input__")
    await t.look()
    await t.update({"n": 1})


@journey(abc)
async def an_input_beside_what_an_update_triggered(k, t):
    await t.run({"log": ["1"]})
    await t.update({"log": ["x"]}, "a")
    await t.update({"log": ["2"]}, "__input__")
    await t.run()


@journey(abc)
async def no_input_as_input_is_refused(k, t):
    await t.update(None, "__input__")


@journey(abc, interrupt_before=["b"])
async def an_end_drops_what_waits(k, t):
    await t.run({"log": ["1"]})
    await t.update(None, "__end__")
    await t.look()
    await t.run()
    await t.run({"log": ["2"]})


@journey(abc)
async def an_end_with_values_is_refused(k, t):
    await t.run({"log": ["1"]})
    await t.update({"log": ["2"]}, "__end__")


@journey(abc)
async def an_end_of_a_fresh_thread(k, t):
    await t.update(None, "__end__")


@journey(abc)
async def an_end_at_an_old_checkpoint_takes_what_its_step_wrote(k, t):
    await t.run({"log": ["1"]})
    await t.update(None, "__end__", at=await t.back("b"))
    await t.look()
    await t.run()


@journey(joined, interrupt_before=["c"])
async def an_end_closes_a_join(k, t):
    await t.run({"log": []})
    await t.update(None, "__end__")
    await t.look()
    await t.run({"log": ["2"]})


@journey(abc)
async def a_copy_stands_beside_its_original(k, t):
    await t.run({"log": ["1"]})
    await t.update(None, "__copy__", at=await t.back("b"))
    await t.look()
    await t.run()


@journey(abc)
async def a_copy_of_the_newest_and_of_the_first(k, t):
    await t.run({"log": ["1"]})
    await t.update(None, "__copy__")
    await t.update({"ignored": 1}, "__copy__", at=await t.back("__start__"))
    await t.look()
    await t.run()


@journey(abc)
async def a_copy_with_updates_at_once(k, t):
    await t.run({"log": ["1"]})
    await t.update([({"log": ["B"]}, "b")], "__copy__", at=await t.back("b"))
    await t.look()
    await t.run()


@journey(sending)
async def a_copy_with_updates_of_several_sends(k, t):
    await t.run({"log": []})
    updates = [({"log": ["x"]}, "leaf"), ({"log": ["y"]}, "leaf"), ({"log": ["z"]}, "leaf")]
    await t.update(updates, "__copy__", at=await t.back("leaf", "leaf"))


@journey(abc)
async def a_copy_that_cannot_be(k, t):
    await t.update(None, "__copy__")
    await t.run({"log": ["1"]})


# --- many at once ------------------------------------------------------------------------------


@journey(abc)
async def a_thread_written_in_bulk(k, t):
    await t.bulk(
        [({"log": ["in"]}, "__input__")],
        [({"log": ["in"]}, "__start__")],
        [({"log": ["a"]}, "a")],
        [({"log": ["b"]}, "b")],
    )
    await t.look()
    await t.run()


@journey(side_by_side)
async def several_updates_in_one_super_step(k, t):
    await t.run({"log": []})
    await t.bulk([({"log": ["B"]}, "b"), ({"log": ["A"]}, "a")], [({"log": ["A2"]}, "a2")])
    await t.look()
    await t.run()


@journey(abc)
async def bulk_updates_that_cannot_be(k, t):
    await t.run({"log": []})
    await t.bulk()
    await t.bulk([])
    await t.bulk([({"n": 1}, None), ({"n": 2}, "b")])
    await t.bulk([(None, "__end__"), ({"n": 2}, "b")])
    await t.bulk([({"n": 1}, "__input__"), ({"n": 2}, "b")])
    await t.bulk([(None, "__copy__"), ({"n": 2}, "b")])
    await t.bulk([({"n": 1}, "b"), (None, "__end__")])


# --- forks and replays -------------------------------------------------------------------------


@journey(abc, interrupt_before=["b"])
async def a_replay_finds_what_a_command_gave(k, t):
    await t.run({"log": ["in"]})
    await t.run(k.Command(update={"log": ["given"], "n": 1}))
    found = await t.find("b")
    await t.look(at=found.config)
    await t.run(at=found.config)
    await t.update({"log": ["updated"]}, at=found.config)
    await t.run()


@journey(abc)
async def two_forks_of_one_checkpoint(k, t):
    await t.run({"log": ["1"]})
    old = await t.back("b")
    await t.update({"log": ["x"]}, at=old)
    await t.run()
    await t.update({"log": ["y"]}, at=old)
    await t.run()
    await t.look(old)


@journey(abc)
async def a_fork_in_place_of_a_node_that_had_run(k, t):
    await t.run({"log": ["1"]})
    await t.update({"log": ["B"]}, "b", at=await t.back("b"))
    await t.look()
    await t.run()


@journey(abc)
async def a_replay_of_each_checkpoint_but_the_newest(k, t):
    await t.run({"log": ["1"]})
    for old in (await t.history())[1:]:
        await t.run(at=old.config)
        await t.look()


@journey(abc)
async def a_replay_of_the_end_of_another_branch(k, t):
    await t.run({"log": ["1"]})
    [end, *_] = await t.history()
    await t.update({"log": ["x"]}, at=await t.back("b"))
    await t.run()
    await t.run(at=end.config)
    await t.look()


@journey(abc)
async def a_new_input_at_an_old_checkpoint(k, t):
    await t.run({"log": ["1"]})
    await t.run({"log": ["2"]}, at=await t.back("b"))
    await t.look()


@journey(joined)
async def a_replay_of_half_a_join(k, t):
    await t.run({"log": ["1"]})
    await t.run(at=await t.back("a", "b"))
    await t.run(at=await t.back("c"))


@journey(sending)
async def a_replay_of_sends(k, t):
    await t.run({"log": ["1"]})
    await t.run(at=await t.back("leaf", "leaf"))


@journey(deferring)
async def a_replay_of_a_deferred_node(k, t):
    await t.run({"log": ["1"]})
    await t.run(at=await t.back("late"))
    await t.run(at=await t.back("b"))


@journey(counting)
async def a_replay_of_a_loop(k, t):
    await t.run({"n": 0})
    for old in (await t.history())[1:]:
        await t.run(at=old.config)


# --- threads that did not finish ---------------------------------------------------------------


@journey(failing)
async def an_update_in_place_of_a_task_that_failed(k, t):
    await t.run({"log": ["1"]})
    await t.update({"log": ["B"]}, "b")
    await t.look()
    await t.run()


@journey(failing)
async def an_update_before_a_task_that_failed(k, t):
    await t.run({"log": ["1"]})
    await t.update({"n": 1})
    await t.look()
    await t.run()


@journey(failing)
async def an_update_names_the_task_it_stands_for(k, t):
    await t.run({"log": ["1"]})
    [task] = (await t.look()).tasks
    await t.update({"log": ["B"]}, "a", task_id=task.id)
    await t.look()


@journey(failing)
async def copies_and_inputs_on_a_failed_thread(k, t):
    await t.run({"log": ["1"]})
    await t.update(None, "__copy__")
    await t.look()
    await t.update({"log": ["2"]}, "__input__")
    await t.look()
    await t.update(None, "__end__")


@journey(asking)
async def an_update_before_a_task_that_asks(k, t):
    await t.run({"log": ["1"]})
    await t.update({"n": 1})
    await t.look()
    await t.run()


@journey(asking)
async def an_update_in_place_of_a_task_that_asks(k, t):
    await t.run({"log": ["1"]})
    await t.update({"log": ["B"]}, "b")
    await t.look()
    await t.run()


@journey(asking)
async def a_copy_of_a_thread_that_waits(k, t):
    await t.run({"log": ["1"]})
    await t.update(None, "__copy__")
    await t.look()
    await t.run()


@journey(asking)
async def a_replay_before_an_interrupt_asks_again(k, t):
    await t.run({"log": ["1"]})
    await t.run(k.Command(resume="x"))
    await t.run(k.Command(resume="y"))
    await t.run(at=await t.back("a"))
    await t.look()
    await t.run(k.Command(resume="z"))
    await t.run(k.Command(resume="w"))


@journey(asking)
async def a_replay_of_the_step_that_asked(k, t):
    await t.run({"log": ["1"]})
    await t.run(k.Command(resume="x"))
    await t.run(k.Command(resume="y"))
    await t.run(at=await t.back("b"))
    await t.look()
    await t.run(k.Command(resume="z"))
    await t.run(k.Command(resume="w"))


@journey(asking)
async def a_fork_before_an_interrupt_asks_again(k, t):
    await t.run({"log": ["1"]})
    await t.run(k.Command(resume="x"))
    await t.run(k.Command(resume="y"))
    await t.update({"n": 5}, at=await t.back("b"))
    await t.look()
    await t.run()
    await t.run(k.Command(resume="z"))
    await t.run(k.Command(resume="w"))


@journey(asking)
async def a_new_input_on_a_thread_that_waits(k, t):
    await t.run({"log": ["1"]})
    await t.run({"log": ["2"]})
    await t.look()
    await t.update({"n": 1})
    await t.look()


# --- looking -----------------------------------------------------------------------------------


@journey(abc)
async def history_by_metadata(k, t):
    first = {"configurable": {"thread_id": "t", "user": "ada"}, "metadata": {"job": "x"}}
    await t.run({"log": ["1"]}, at=first)
    await t.run({"log": ["2"]})
    await t.update({"n": 1})
    for match in (
        {"source": "input"},
        {"source": "update"},
        {"source": "fork"},
        {"step": 1},
        {"step": "1"},
        {"user": "ada"},
        {"user": None},
        {"job": "x", "source": "loop"},
        {"parents": {}},
        {"nothing": 1},
        {},
    ):
        await t.history(filter=match)


@journey(abc)
async def history_by_place(k, t):
    await t.run({"log": ["1"]})
    found = await t.history()
    await t.history(limit=0)
    await t.history(limit=2)
    await t.history(limit=99)
    await t.history(before=found[2].config)
    await t.history(before=found[2].config, limit=1)
    await t.history(before=found[-1].config)
    await t.history(filter={"source": "loop"}, limit=2)
    await t.history(filter={"source": "loop"}, before=found[1].config, limit=2)


@journey(abc)
async def history_of_one_checkpoint(k, t):
    await t.run({"log": ["1"]})
    found = await t.history()
    await t.history(at=found[2].config)
    await t.look(at=found[2].config)
    await t.look(at=found[-1].config)


@journey(abc)
async def a_thread_that_nobody_knows(k, t):
    nobody = {"configurable": {"thread_id": "nobody"}}
    await t.look(at=nobody)
    await t.history(at=nobody)
    await t.run(at=nobody)


@journey(abc)
async def state_at_every_checkpoint_of_two_branches(k, t):
    await t.run({"log": ["1"]})
    await t.update({"log": ["x"]}, at=await t.back("b"))
    await t.run()
    for old in await t.history():
        await t.look(at=old.config)
