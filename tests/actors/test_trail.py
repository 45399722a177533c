"""The checkpoints that a run adds to its thread, one after the other."""

from __future__ import annotations

from typing import Any

from actors.channelset import ChannelSet
from actors.commands import Restored, SaveCheckpoint, SaveWrites, Task
from actors.trail import Trail
from tests.actors.engine import chain, facts, says

LAYOUT = chain(a=says("a"), b=says("b")).compile().layout


def channels(**written: Any) -> ChannelSet:
    """Channels in which a step has written these."""
    made = ChannelSet(LAYOUT, None)
    made.write({name: [value] for name, value in written.items()})
    return made


def task(name: str = "a") -> Task:
    return Task(LAYOUT.spec.nodes[name], ("__pregel_pull", name), (), step=1)


def restored(**known: Any) -> Restored:
    return Restored("c5", "c4", 3, 2, {}, {}, **known)


def snapshots(commands: list[Any]) -> list[Any]:
    return [command.snapshot for command in commands if isinstance(command, SaveCheckpoint)]


def test_a_run_that_stores_nothing_has_no_checkpoints() -> None:
    trail = Trail(facts(), None)
    assert trail.save("loop", 0, channels(n=1)) == []
    assert trail.keep(task()) == []
    assert (trail.checkpoint_id, trail.saved) == (None, None)


def test_each_checkpoint_has_the_one_before_as_its_parent() -> None:
    trail = Trail(facts(persist=True), None)
    first, second = (snapshots(trail.save("loop", step, channels(n=step)))[0] for step in (0, 1))
    assert (first.parent_id, second.parent_id) == (None, first.id)
    assert (trail.checkpoint_id, trail.saved) == (second.id, second)


def test_a_checkpoint_has_what_changed_or_what_is_named() -> None:
    trail = Trail(facts(persist=True), None)
    assert snapshots(trail.save("loop", 0, channels(n=1, text="x")))[0].changed == {
        "n": 1,
        "text": "x",
    }
    assert snapshots(trail.save("loop", 0, channels(n=1, text="x"), changed=["n"]))[0].changed == {
        "n": 1
    }


def test_ids_are_greater_than_any_the_scope_has() -> None:
    asked: list[str | None] = []

    def new_id(after: str | None) -> str:
        asked.append(after)
        return f"{after}+"

    trail = Trail(facts(persist=True, new_id=new_id), restored(newest_id="c9"))
    trail.save("fork", 4, channels())
    assert asked == ["c9"]
    assert trail.saved is not None
    assert trail.saved.parent_id == "c5"


def test_a_restored_checkpoint_is_shown_as_it_was_saved() -> None:
    saved = Trail(facts(persist=True), restored(created_at=4.0, source="update")).saved
    assert saved is not None
    assert (saved.id, saved.parent_id, saved.step) == ("c5", "c4", 3)
    assert (saved.created_at, saved.source, saved.changed) == (4.0, "update", {})


def test_a_tasks_writes_belong_to_the_step_after_the_checkpoint() -> None:
    [command] = Trail(facts(persist=True), restored()).keep(task())
    assert isinstance(command, SaveWrites)
    assert command.checkpoint_id == "c5"


def test_the_task_that_applies_the_runs_own_input_keeps_nothing() -> None:
    start = Task(LAYOUT.spec.start, ("__pregel_pull", "__start__"), ())
    trail = Trail(facts(persist=True), None)
    trail.save("input", -1, channels())
    assert trail.keep(start) == []


def test_a_task_has_the_same_id_and_namespace_in_any_process() -> None:
    one, other = (Trail(facts(persist=True, seed=seed), restored()) for seed in ("r1", "r2"))
    assert one.identify(task()) == other.identify(task())
    assert one.namespace(task()) == (f"a:{one.identify(task())}",)


def test_tasks_differ_by_node_checkpoint_and_graph() -> None:
    trail = Trail(facts(persist=True), restored())
    below = Trail(facts(persist=True, ns=("sub:1",)), restored())
    ids = {trail.identify(task("a")), trail.identify(task("b")), below.identify(task("a"))}
    trail.save("loop", 4, channels())
    assert len(ids | {trail.identify(task("a"))}) == 4


def test_tasks_of_stateless_runs_differ_from_run_to_run() -> None:
    one, other = (Trail(facts(seed=seed), None) for seed in ("r1", "r2"))
    assert one.identify(task()) != other.identify(task())
