"""What updates make of a thread's state, without a loop and without a saver."""

from __future__ import annotations

from typing import Any

import pytest

from actors import END, START, InvalidUpdateError
from actors.channelset import ChannelSet
from actors.commands import NULL_TASK, Restored
from actors.report import task_id
from actors.revision import Act, Revision, copied_updates
from actors.scope import planned
from actors.spec import INPUT
from actors.trail import Trail
from actors.values import StateUpdate
from tests.actors.engine import chain, facts, fan, saying, says


def found(**changes: Any) -> Restored:
    """A checkpoint after which b is to run."""
    known: dict[str, Any] = {
        "checkpoint_id": "c0",
        "parent_id": "c-",
        "step": 3,
        "version": 7,
        "values": {"log": ["a"], "branch:to:b": None},
        "versions": {"log": 7, "branch:to:b": 7},
        "wrote": ("a",),
        "newest_id": "c0",
    }
    return Restored(**(known | changes))


def revision(graph: Any, restored: Restored | None, **more: Any) -> Revision:
    layout = graph.compile().layout
    made = facts(persist=True)
    channels = ChannelSet(layout, restored)
    return Revision(layout, (), channels, Trail(made, restored), restored, **more)


def abc() -> Any:
    return chain(**{name: says(name) for name in "abc"})


def by(of: Revision, name: str, **update: Any) -> Act:
    node = of.author(name)
    return Act(node, [*update.items(), *node.targets])


def waiting(of: Revision) -> list[str]:
    return [task.node.name for task in of.tasks()]


def test_an_update_is_by_the_node_that_ran_last() -> None:
    assert revision(abc(), found()).author(None).name == "a"
    assert revision(abc(), None).author(None).name == START
    with pytest.raises(InvalidUpdateError, match="Ambiguous update, specify as_node"):
        revision(abc(), found(wrote=("a", "b"))).author(None)
    with pytest.raises(InvalidUpdateError, match="Node nobody does not exist"):
        revision(abc(), found()).author("nobody")
    with pytest.raises(InvalidUpdateError, match="Node '' does not exist"):
        revision(abc(), found()).author("")
    with pytest.raises(InvalidUpdateError, match="Node __end__ does not exist"):
        revision(abc(), found()).author(END)


def test_an_update_drops_what_waited_and_plans_what_its_node_triggers() -> None:
    of = revision(abc(), found())
    assert of.act([by(of, "a", log=["x"])]) == []
    assert waiting(of) == ["b"]
    saved = of.snapshot
    assert (saved.source, saved.step, saved.parent_id) == ("update", 4, "c0")
    assert saved.changed["log"] == ["a", "x"]
    assert saved.wrote == ("a",)  # an update is no run of its node


def test_an_update_stands_for_the_task_of_its_node() -> None:
    of = revision(abc(), found())
    [task] = of.tasks()
    [stood_for] = of.act([by(of, "b", log=["x"])])
    assert (stood_for.id, stood_for.writes) == (task.id, [("log", ["x"]), ("branch:to:c", None)])
    assert waiting(of) == ["c"]


def test_an_older_checkpoint_keeps_no_results_of_updates() -> None:
    of = revision(abc(), found(newest_id="c5"))
    assert of.act([by(of, "b", log=["x"])]) == []


def test_siblings_that_finished_count_only_where_an_update_closes_their_step() -> None:
    values = {"log": [], "branch:to:a": None, "branch:to:b": None}
    restored = found(values=values, versions=dict.fromkeys(values, 7), wrote=(START,))
    of = revision(fan(a=saying("a"), b=saying("b")), restored)
    a, _ = of.tasks()
    restored = found(
        values=values,
        versions=dict.fromkeys(values, 7),
        pending={a.id: [("log", ["a"])]},
        wrote=(START,),
    )
    closing = revision(fan(a=saying("a"), b=saying("b")), restored)
    closing.act([by(closing, "b", log=["B"])])
    assert closing.snapshot.changed["log"] == ["a", "B"]
    assert closing.snapshot.wrote == ("a",)
    anew = revision(fan(a=saying("a"), b=saying("b")), restored)
    anew.act([by(anew, START, log=["S"])])
    assert anew.snapshot.changed["log"] == ["S"]
    assert waiting(anew) == ["a", "b"]


def test_what_a_command_brought_is_taken_in_at_the_newest_checkpoint_only() -> None:
    pending = {NULL_TASK: [("n", 7)]}
    of = revision(abc(), found(pending=pending))
    of.act([by(of, "a")])
    assert {**of.snapshot.changed, **of.snapshot.before}["n"] == 7
    old = revision(abc(), found(pending=pending, newest_id="c5"))
    old.act([by(old, "a")])
    assert "n" not in {**old.snapshot.changed, **old.snapshot.before}


def test_an_end_takes_what_finished_and_drops_the_rest() -> None:
    of = revision(abc(), found())
    of.end([])
    assert waiting(of) == []
    [task] = revision(abc(), found()).tasks()
    kept = {task.id: [("log", ["b"]), ("branch:to:c", None)]}
    done = revision(abc(), found(pending=kept))
    done.end([])
    assert (waiting(done), done.snapshot.changed["log"]) == (["c"], ["a", "b"])


def test_an_input_that_a_run_took_counts_at_an_end() -> None:
    data = {"log": ["in"]}
    restored = found(values={INPUT: data}, versions={INPUT: 7}, wrote=())
    of = revision(abc(), restored, by_run=True)
    assert of.input_taken
    of.end([("log", ["in"]), ("branch:to:a", None)])
    assert (waiting(of), of.snapshot.changed["log"]) == (["a"], ["in"])
    assert not revision(abc(), restored).input_taken


def test_an_input_waits_beside_what_waits() -> None:
    of = revision(abc(), found())
    of.begin({"log": ["in"]})
    assert waiting(of) == [START, "b"]
    assert (of.snapshot.source, of.snapshot.step, of.snapshot.version) == ("input", 4, 7)
    fresh = revision(abc(), None)
    fresh.begin({"log": ["in"]})
    assert (fresh.snapshot.step, waiting(fresh)) == (-1, [START])


def test_a_copy_stands_beside_its_original() -> None:
    of = revision(abc(), found())
    of.copy()
    assert (of.snapshot.parent_id, of.snapshot.step, of.snapshot.source) == ("c-", 4, "fork")
    assert of.snapshot.changed == {}
    assert waiting(of) == ["b"]
    with pytest.raises(InvalidUpdateError, match="non-existent"):
        revision(abc(), None).copy()


def test_updates_that_follow_a_copy_find_their_tasks_node_by_node() -> None:
    tasks = revision(abc(), found()).tasks()
    first, second = ({"n": 1}, "b"), ({"n": 2}, "b")
    assert copied_updates([first, ({}, "c"), second], tasks) == [
        StateUpdate({"n": 1}, "b", tasks[0].id),
        StateUpdate({"n": 2}, "b", None),
        StateUpdate({}, "c", None),
    ]
    for wrong in (7, "ab", ({},), None):
        with pytest.raises(InvalidUpdateError, match="Invalid update item"):
            copied_updates([wrong], tasks)


def test_planned_tasks_have_the_ids_and_the_marks_that_a_run_gives_them() -> None:
    restored = found()
    layout = abc().compile().layout
    channels = ChannelSet(layout, restored)
    [task] = planned(layout, ("x",), channels, checkpoint_id="c0", step=4, pending={})
    assert task.id == task_id("c0", ("x",), task)
    kept = {task.id: [("__error__", "boom")]}
    [again] = planned(layout, ("x",), channels, checkpoint_id="c0", step=4, pending=kept)
    assert (again.error, again.writes) == ("boom", None)
