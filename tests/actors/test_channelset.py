"""The channels of one run: reading, applying a step, planning the next one, and restoring."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, TypedDict

import pytest

from actors import START, InvalidUpdateError, Send, StateGraph, UntrackedValue
from actors.channels import MISSING
from actors.channelset import ChannelSet
from actors.commands import PULL, PUSH, Restored, Task
from actors.spec import INPUT, TASKS
from tests.actors.engine import State, chain, fan


def noop(state: Any) -> None:
    """A node that is never called here."""


def channels_of(builder: StateGraph, restored: Restored | None = None) -> ChannelSet:
    return ChannelSet(builder.compile().layout, restored)


def task(builder: StateGraph, name: str, *writes: tuple[str, Any]) -> Task:
    done = Task(builder.compile().layout.spec.nodes[name], (PULL, name), ())
    done.writes = list(writes)
    return done


def restored(version: int, **values: Any) -> Restored:
    return Restored(
        checkpoint_id="c",
        parent_id=None,
        step=1,
        version=version,
        values=values,
        versions=dict.fromkeys(values, version),
    )


def test_keys_that_hold_nothing_are_not_selected() -> None:
    channels = channels_of(chain(a=noop))
    channels.write({"text": ["x"]})
    assert channels.select(("n", "text")) == {"text": "x"}


def test_values_come_in_schema_order_whatever_the_order_of_writes() -> None:
    channels = channels_of(chain(a=noop))
    channels.write({"text": ["x"]})
    channels.write({"n": [1]})
    channels.write({"log": [["a"]]})
    keys = channels_of(chain(a=noop)).select(("log",))
    assert list(channels.select(("log", "n", "text"))) == ["log", "n", "text"]
    assert keys == {"log": []}


def test_what_was_selected_does_not_change_with_the_channels() -> None:
    builder = chain(a=noop)
    channels = channels_of(builder)
    whole = channels.select(builder.compile().layout.spec.state_keys)
    some = channels.select(("log", "n"))
    channels.write({"n": [1], "log": [["a"]]})
    assert whole == some == {"log": []}


def test_a_write_of_a_reduced_list_makes_a_new_list() -> None:
    channels = channels_of(chain(a=noop))
    channels.write({"log": [["a"]]})
    before = channels.select(("log",))["log"]
    channels.write({"log": [["b"]]})
    assert before == ["a"]


def test_the_state_after_writes_is_computed_without_changing_anything() -> None:
    channels = channels_of(chain(a=noop))
    channels.write({"log": [["a"]], "n": [1]})
    writes = [("log", ["b"]), ("log", ["c"]), ("n", 2), ("branch:to:a", None)]
    assert channels.state_after(writes, ("log", "n", "text")) == {"log": ["a", "b", "c"], "n": 2}
    assert channels.select(("log", "n")) == {"log": ["a"], "n": 1}


def test_the_whole_state_after_writes_comes_in_schema_order_and_is_a_new_dict() -> None:
    layout = chain(a=noop).compile().layout
    channels, keys = ChannelSet(layout), layout.spec.state_keys
    channels.write({"text": ["x"]})
    first = channels.state_after([("n", 1)], keys)
    assert list(first.items()) == [("log", []), ("n", 1), ("text", "x")]
    channels.state_after([("text", "y")], keys)["text"] = "z"
    assert channels.select(keys) == {"log": [], "text": "x"}


def test_updated_names_the_channels_of_the_last_write_only() -> None:
    channels = channels_of(chain(a=noop))
    channels.write({"n": [1]})
    assert channels.updated == {"n"}
    channels.write({"text": ["x"]})
    assert channels.updated == {"text"}


def test_the_version_grows_with_every_write() -> None:
    channels = channels_of(chain(a=noop))
    versions = [channels.version]
    for n in range(3):
        channels.write({"n": [n]})
        versions.append(channels.version)
    assert versions == [0, 1, 2, 3]


def test_a_trigger_lasts_for_one_step() -> None:
    channels = channels_of(chain(a=noop))
    channels.write({"branch:to:a": [None]})
    assert [t.node.name for t in channels.plan()] == ["a"]
    channels.write({"n": [1]})
    assert channels.plan() == []
    assert channels.updated == {"n", "branch:to:a"}


def test_applying_sorts_tasks_by_path() -> None:
    builder = fan(a=noop, b=noop)
    channels = channels_of(builder)
    tasks = [task(builder, "b", ("log", ["b"])), task(builder, "a", ("log", ["a"]))]
    assert channels.apply(tasks) == {"log"}
    assert channels.select(("log",)) == {"log": ["a", "b"]}


def test_applying_names_channels_that_were_written_even_if_nothing_changed() -> None:
    builder = chain(a=noop)
    channels = channels_of(builder)
    assert channels.apply([task(builder, "a", ("log", []))]) == {"log"}


def test_two_writers_of_one_value_are_refused_by_the_channel() -> None:
    builder = fan(a=noop, b=noop)
    tasks = [task(builder, name, ("n", 1)) for name in "ab"]
    with pytest.raises(InvalidUpdateError, match="At key 'n'"):
        channels_of(builder).apply(tasks)


def test_a_planned_task_names_all_triggers_of_its_node_as_users_know_them() -> None:
    builder = fan(a=noop, b=noop).add_node("c", noop)
    builder.add_edge("a", "c").add_edge(["a", "b"], "c")
    channels = channels_of(builder)
    channels.write({"branch:to:c": [None]})
    assert [t.triggers for t in channels.plan()] == [("branch:to:c", "join:a+b:c")]


def test_sends_are_planned_by_index_with_their_arguments() -> None:
    channels = channels_of(chain(a=noop))
    channels.write({TASKS: [Send("a", 1), Send("a", 2)]})
    planned = channels.plan()
    assert [(t.path, t.arg, t.triggers) for t in planned] == [
        ((PUSH, 0, False), 1, (PUSH,)),
        ((PUSH, 1, False), 2, (PUSH,)),
    ]


def test_an_input_is_planned_as_the_start_before_what_is_triggered_beside_it() -> None:
    channels = channels_of(chain(a=noop))
    channels.write({INPUT: [{"n": 1}], "branch:to:a": [None]})
    assert [t.path for t in channels.plan()] == [(PULL, INPUT), (PULL, "a")]


def test_a_graph_of_a_thousand_nodes_copies_only_the_channels_it_touches() -> None:
    builder = StateGraph(State).add_edge(START, "n0")
    for number in range(1000):
        builder.add_node(f"n{number}", noop)
    channels = channels_of(builder)
    channels.write({"branch:to:n0": [None]})
    assert {*channels._channels} == {"log", "branch:to:n0", "__schema__"}
    assert channels.state() == {"log": []}


def test_a_channel_that_the_stored_step_emptied_triggers_nothing() -> None:
    emptied = replace(restored(4), versions={"branch:to:a": 4})
    channels = channels_of(chain(a=noop), emptied)
    assert channels.plan() == []
    assert channels.stored(channels.updated) == {"branch:to:a": MISSING}


def test_restored_channels_hold_what_was_stored_and_what_was_updated_then() -> None:
    channels = channels_of(chain(a=noop), restored(4, log=["x"], **{"branch:to:a": None}))
    assert channels.select(("log",)) == {"log": ["x"]}
    assert channels.version == 4
    assert [t.node.name for t in channels.plan()] == ["a"]


def test_a_stored_channel_that_the_graph_has_lost_is_left_out() -> None:
    channels = channels_of(chain(a=noop), restored(4, log=["x"], gone=1))
    assert channels.select(("log",)) == {"log": ["x"]}
    assert channels.plan() == []


def test_a_stored_trigger_of_a_node_that_the_graph_has_lost_plans_a_task_that_says_so() -> None:
    channels = channels_of(chain(a=noop), restored(4, **{"branch:to:gone": None}))
    assert [(t.node.name, t.node.gone) for t in channels.plan()] == [("gone", True)]
    channels.write({"n": [1]})
    assert channels.plan() == []


def test_a_restored_trigger_still_expires_after_its_step() -> None:
    channels = channels_of(chain(a=noop), restored(4, **{"branch:to:a": None}))
    channels.write({"n": [1]})
    assert channels.stored(channels.updated) == {"n": 1, "branch:to:a": MISSING}


def test_untracked_values_are_never_stored() -> None:
    class Secret(TypedDict):
        token: Annotated[str, UntrackedValue]
        n: int

    channels = channels_of(chain(Secret, a=noop))
    channels.write({"token": ["s"], "n": [1]})
    assert channels.select(("token", "n")) == {"token": "s", "n": 1}
    assert channels.stored({"token", "n"}) == {"n": 1}


class Stamped:
    """Stamps what is written to `log`, unless it is stamped."""

    def __call__(self, held: list[Any], written: list[Any]) -> list[Any]:
        return held + written

    def settle(self, written: list[Any]) -> list[Any]:
        return written if written[:1] == ["stamp"] else ["stamp", *written]


class StampedState(TypedDict):
    log: Annotated[list[Any], Stamped()]
    plain: Any


def test_a_task_remembers_what_its_node_returned_if_it_was_settled() -> None:
    builder = StateGraph(StampedState).add_node("n", noop).add_edge(START, "n")
    channels, one = channels_of(builder), task(builder, "n")
    returned = [("log", ["a"]), ("plain", ["b"]), ("branch:to:n", None)]
    settled = channels.settled(one, returned)
    assert settled == [("log", ["stamp", "a"]), *returned[1:]]
    assert one.returned is returned
    assert channels.settled(one, settled) is settled
    assert one.returned is returned


def test_writes_that_nothing_settles_stay_the_same_list() -> None:
    builder = chain(State, a=noop)
    one = task(builder, "a")
    writes = [("log", ["a"])]
    assert channels_of(builder).settled(one, writes) is writes
    assert one.returned is None


def test_what_only_says_who_is_next_is_no_channel_where_nothing_is_stored() -> None:
    builder = chain(State, a=noop, b=noop)
    layout = builder.compile().layout
    one = task(builder, "a", ("n", 1), ("branch:to:b", None))
    stored, unstored = ChannelSet(layout), ChannelSet(layout, stored=False)
    for channels in (stored, unstored):
        assert channels.apply([one]) == {"n", "branch:to:b"}
        assert [planned.path for planned in channels.plan()] == [(PULL, "b")]
        channels.apply([task(builder, "b", ("n", 2))])
        assert channels.plan() == []
        assert channels.output() == {"n": 2, "log": []}
    assert stored.stored(["branch:to:b"]) == {"branch:to:b": MISSING}
    assert layout.signals == {"branch:to:a", "branch:to:b"}


def test_a_join_is_a_channel_even_where_nothing_is_stored() -> None:
    builder = StateGraph(State).add_node("a", noop).add_node("b", noop).add_node("c", noop)
    builder.add_edge(START, "a").add_edge(START, "b").add_edge(["a", "b"], "c")
    layout = builder.compile().layout
    channels = ChannelSet(layout, stored=False)
    [join] = [name for name in layout.spec.nodes["c"].triggers if name not in layout.signals]
    channels.apply([task(builder, "a", (join, "a"))])
    assert channels.plan() == []
    channels.apply([task(builder, "b", (join, "b"))])
    assert [planned.node.name for planned in channels.plan()] == ["c"]
