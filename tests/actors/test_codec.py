"""Events as bytes: what is stored, what is left to the checkpoint, and how it comes back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import Enum, IntEnum
from threading import Lock
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel

import streaming
from actors import CompiledGraph, Interrupt
from actors.codec import SavedValues, SerializedEvents
from checkpoint import MemorySaver, MsgpackSerializer, SerializationError
from streaming import CheckpointSaved, Custom, Event, StepCommitted, Withdrawn
from tests.actors.engine import chain, on, saying, says

GRAPH = chain(a=says("a"), b=saying("b")).compile()


def codec(*, with_values: bool = False) -> SerializedEvents:
    return SerializedEvents(MemorySaver().serializer, GRAPH.layout, with_values=with_values)


def saved(**changes: Any) -> CheckpointSaved:
    known: dict[str, Any] = {
        "config": {"configurable": {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": "c"}},
        "parent_config": None,
        "metadata": {"source": "loop", "step": 1, "parents": {}},
        "next": ["b"],
        "tasks": [{"id": "1", "name": "b", "interrupts": (), "state": None}],
    }
    return CheckpointSaved(**(known | changes))


SAMPLES: list[Event] = [
    streaming.RunStarted(run_id="r", thread_id="t"),
    streaming.RunFinished(status="success"),
    streaming.RunFailed(error="LookupError", message="no"),
    streaming.Attempt(number=2),
    streaming.TaskStarted(
        task_id="1", name="a", input={"log": [(1, 2)]}, triggers=("x",), metadata={"m": 1}
    ),
    streaming.TaskFinished(task_id="1", name="a", update={"n": 1}, result={"n": 1}, cached=True),
    streaming.TaskFailed(task_id="1", name="a", error="LookupError('no')"),
    streaming.Token(chunk="word", metadata={"langgraph_node": "a"}),
    streaming.Custom(data={"any": [1, 2.5, None, b"x", "\ud800"]}, node="a"),
    streaming.Withdrawn(),
    streaming.Paused(interrupts=(Interrupt("q", "0" * 32),)),
    streaming.TaskInterrupted(
        task_id="1", name="a", interrupts=(Interrupt({"ask": 1}, "0" * 32),), values={"n": 1}
    ),
    streaming.Traced(
        event="on_chain_end",
        name="a",
        run_id="2",
        parent_ids=("1",),
        tags=("graph:step:1",),
        metadata={"m": 1},
        data={"output": {"n": 1}, "input": {"n": 0}},
    ),
]


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: type(event).__name__)
def test_an_event_comes_back_as_it_was(event: Event) -> None:
    event.id, event.ns, event.step, event.time = 7, ("sub:1",), 3, 1.5
    target = codec()
    assert repr(target.decode(target.encode(event))) == repr(event)


def test_every_kind_of_event_has_a_code() -> None:
    kinds = {type(event) for event in SAMPLES} | {StepCommitted}
    assert kinds == set(Event.__subclasses__())


def test_the_state_of_a_step_is_left_to_its_checkpoint() -> None:
    big = "x" * 10_000
    event = StepCommitted(values={"text": big}, wrote=True, checkpoint=saved())
    target = codec()
    data = target.encode(event)
    back = target.decode(data)
    assert len(data) < 1000
    assert isinstance(back, StepCommitted)
    assert (back.values, back.wrote) == (None, True)
    assert repr(back.checkpoint) == repr(event.checkpoint)
    assert event.values == {"text": big}


@pytest.mark.parametrize("with_checkpoint", [True, False])
def test_the_state_is_stored_where_no_checkpoint_will_hold_it(with_checkpoint: bool) -> None:
    checkpoint = saved() if with_checkpoint else None
    event = StepCommitted(values={"n": 1}, wrote=True, checkpoint=checkpoint)
    target = codec(with_values=with_checkpoint)
    back = target.decode(target.encode(event))
    assert isinstance(back, StepCommitted)
    assert back.values == {"n": 1}


def test_the_keys_a_step_wrote_come_back() -> None:
    event = StepCommitted(values={}, wrote=True, changed=frozenset({"n", "log"}))
    target = codec()
    back = target.decode(target.encode(event))
    assert isinstance(back, StepCommitted)
    assert set(back.changed or ()) == {"n", "log"}


class Shade(Enum):
    DARK = "dark"


class Level(IntEnum):
    HIGH = 3


class Text(str):
    __slots__ = ()


class Point(NamedTuple):
    x: int
    y: Any


@dataclass
class Box:
    inside: Any


class Model(BaseModel):
    when: date


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (Shade.DARK, "dark"),
        (Level.HIGH, 3),
        (Text("a"), "a"),
        (Point(1, Box(Shade.DARK)), {"x": 1, "y": {"inside": "dark"}}),
        (Model(when=date(2026, 1, 2)), {"when": date(2026, 1, 2)}),
        (
            {"boxes": [Box({Shade.DARK})], 5: Box(None)},
            {"boxes": [{"inside": ["dark"]}], "5": {"inside": None}},
        ),
    ],
)
def test_of_what_a_node_says_the_parts_are_kept_where_the_object_cannot_be(
    said: Any, kept: Any
) -> None:
    target = codec()
    back = target.decode(target.encode(Custom(data=said)))
    assert isinstance(back, Custom)
    assert back.data == kept
    assert type(back.data) is type(kept)


def test_what_cannot_be_stored_is_refused() -> None:
    with pytest.raises(SerializationError):
        codec().encode(Custom(data={"box": Box(object())}))
    with pytest.raises(SerializationError):
        codec().encode(Custom(data=object()))


# --- values without an end -----------------------------------------------------------------------


def ring() -> Any:
    value: list[Any] = []
    value += [value, value]
    return value


def tree() -> Any:
    root: dict[str, Any] = {}
    root["children"] = [Box({"parent": root}) for _ in range(3)]
    return root


def crowd() -> Any:
    all_of_them: list[Any] = [[] for _ in range(30)]
    for one in all_of_them:
        one.extend(all_of_them)
    return all_of_them


def deep(inside: Any = None, levels: int = 100_000) -> Any:
    for _ in range(levels):
        inside = [inside, "beside"]
    return inside


def endless_model() -> Any:
    class Own(BaseModel):
        inside: Any = None

    model = Own()
    model.inside = model
    return model


ENDLESS = [ring, tree, crowd, deep, endless_model, lambda: deep(Lock(), 2000)]


class Counting(MsgpackSerializer):
    """Counts how often something is packed, or looked at to see if it can be."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def dumps(self, value: Any) -> bytes:
        self.calls += 1
        return super().dumps(value)


def traced(data: Any) -> streaming.Traced:
    return streaming.Traced(
        event="on_chain_end",
        name="a",
        run_id="2",
        parent_ids=(),
        tags=(),
        metadata={},
        data={"output": data},
    )


@pytest.mark.parametrize("make", ENDLESS)
def test_a_value_without_an_end_is_refused_at_once(make: Callable[[], Any]) -> None:
    serializer = Counting()
    with pytest.raises(SerializationError, match=r"^event Custom of node 'a': "):
        SerializedEvents(serializer, GRAPH.layout).encode(Custom(data=make(), node="a"))
    assert serializer.calls < 30


@pytest.mark.parametrize("make", ENDLESS)
def test_of_a_trace_without_an_end_the_beginning_is_kept(make: Callable[[], Any]) -> None:
    serializer = Counting()
    target = SerializedEvents(serializer, GRAPH.layout)
    back = target.decode(target.encode(traced({"n": 1, "endless": make()})))
    assert isinstance(back, streaming.Traced)
    assert back.data["output"]["n"] == 1
    assert "…" in repr(back.data) or "Own" in repr(back.data)
    assert serializer.calls < 60


def test_where_a_trace_contains_itself_something_else_stands() -> None:
    target = codec()
    back = target.decode(target.encode(traced(tree())))
    assert isinstance(back, streaming.Traced)
    child = {"inside": {"parent": "…"}}
    assert back.data == {"output": {"children": [child, child, child]}}


def test_what_stands_beside_a_deep_part_is_not_packed_for_each_level() -> None:
    serializer = Counting()
    target = SerializedEvents(serializer, GRAPH.layout)
    back = target.decode(target.encode(Custom(data=deep(Shade.DARK, 200))))
    assert isinstance(back, Custom)
    assert back.data == deep("dark", 200)
    assert serializer.calls < 30


def test_a_part_that_stands_in_many_places_is_taken_apart_once() -> None:
    serializer = Counting()
    target, part = SerializedEvents(serializer, GRAPH.layout), Box(Shade.DARK)
    back = target.decode(target.encode(Custom(data=[part] * 100)))
    assert isinstance(back, Custom)
    assert back.data == [{"inside": "dark"}] * 100
    assert serializer.calls < 30


def test_deep_down_what_can_be_stored_stays_of_its_type() -> None:
    said = {"t": (1, (2,)), 5: date(2026, 1, 2), "s": {1}, (1, 2): [b"x"]}
    target = codec()
    back = target.decode(target.encode(Custom(data=deep([said, Shade.DARK], 20))))
    assert isinstance(back, Custom)
    assert back.data == deep([said, "dark"], 20)


def test_a_value_is_refused_by_who_stands_deep_already() -> None:
    def down(levels: int) -> bytes:
        return down(levels - 1) if levels else codec().encode(Custom(data=deep(Lock(), 240)))

    with pytest.raises(SerializationError):
        down(sys.getrecursionlimit() - 400)


async def finished_thread() -> tuple[CompiledGraph, MemorySaver, Any]:
    saver = MemorySaver()
    graph = chain(a=says("a"), b=saying("b")).compile(checkpointer=saver)
    await graph.ainvoke({"log": []}, on("t"))
    return graph, saver, [s async for s in graph.aget_state_history(on("t"))]


async def test_the_state_is_filled_in_from_the_checkpoint_of_the_step() -> None:
    graph, saver, history = await finished_thread()
    resolve = SavedValues(saver, "t", graph.layout)
    for snapshot in history[:-1]:
        event = StepCommitted(values=None, wrote=True, checkpoint=saved(config=snapshot.config))
        filled = await resolve(event)
        assert isinstance(filled, StepCommitted)
        assert filled.values == snapshot.values
        assert event.values is None


async def test_a_step_whose_checkpoint_is_gone_is_withdrawn_in_its_place() -> None:
    graph, saver, history = await finished_thread()
    event = StepCommitted(values=None, wrote=True, checkpoint=saved(config=history[0].config))
    event.id, event.step = 7, 2
    found = await SavedValues(saver, "other", graph.layout)(event)
    assert isinstance(found, Withdrawn)
    assert (found.id, found.step) == (7, 2)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Custom(data=1),
        lambda: StepCommitted(values={"n": 1}, wrote=True, checkpoint=None),
    ],
)
async def test_events_that_lack_nothing_stay_as_they_are(make: Callable[[], Event]) -> None:
    event = make()
    resolve = SavedValues(MemorySaver(), "t", GRAPH.layout)
    assert await resolve(event) is event
