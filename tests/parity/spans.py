"""What `astream_events` gives, in a form in which the two engines can be compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from .normal import Normaliser

THREAD = {"configurable": {"thread_id": "t"}}
THEIRS_ONLY = frozenset({"ls_integration"})
"""Metadata that says which engine it is."""


@dataclass(frozen=True, slots=True)
class Traced:
    """A graph whose events are compared."""

    name: str
    build: Callable[[Any], Any]
    """Given an engine's names, makes a compiled graph; also given a saver if it takes two."""
    turns: tuple[Any, ...]
    """Inputs on one thread, or functions of the engine's names that make them."""
    config: Mapping[str, Any]
    options: Mapping[str, Any]
    order: Literal["exact", "per span"]
    """per span: siblings run side by side, only what happens to one of them has an order."""
    saver: str


def traced(
    *turns: Any,
    config: Mapping[str, Any] | None = None,
    order: Literal["exact", "per span"] = "exact",
    saver: str = "none",
    **options: Any,
) -> Callable[[Callable[[Any], Any]], Traced]:
    """Make a comparison of the decorated build function."""

    def wrap(build: Callable[[Any], Any]) -> Traced:
        name = build.__name__.replace("_", " ")
        return Traced(name, build, turns, config or {}, options, order, saver)

    return wrap


def each_traced(*modules: Any) -> pytest.MarkDecorator:
    """Parametrise over the comparisons that the modules define."""
    found = [value for m in modules for value in vars(m).values() if isinstance(value, Traced)]
    return pytest.mark.parametrize("each", found, ids=lambda each: each.name)


async def events_of(each: Traced, engine: Any) -> Any:
    """The events of all turns, normalised; of a turn that raises, the error after them."""
    async with engine.asaver(each.saver, None) as saver:
        graph = each.build(engine) if saver is None else each.build(engine)(saver)
        return [await _turn(each, graph, _made(turn, engine), engine) for turn in each.turns]


def _made(turn: Any, engine: Any) -> Any:
    return turn(engine) if callable(turn) else turn


async def _turn(each: Traced, graph: Any, value: Any, engine: Any) -> Any:
    config = {**(THREAD if each.saver != "none" else {}), **each.config}
    return in_order(each, await told(graph, value, config, **each.options))


async def told(graph: Any, value: Any, config: Any = None, **options: Any) -> list[Any]:
    """The events of a run, and the error that ended it."""
    events: list[Any] = []
    stream = graph.astream_events(value, config, version="v2", **options)
    while True:
        try:
            events.append(await anext(stream))
        except StopAsyncIteration:
            return events
        except Exception as error:
            return [*events, error]


def in_order(each: Traced, events: list[Any]) -> Any:
    """Events normalised: a list, or lists by span."""
    spans = Spans()
    if each.order == "exact":
        return [spans.event(event) for event in events]
    for event in events:
        spans.meet(event)
    by_span: dict[str, list[Any]] = {}
    for event in events:
        by_span.setdefault(spans.label(event["run_id"]), []).append(spans.event(event))
    return by_span


@dataclass
class Spans:
    """Names the spans of one run: by their place among those of one name and input."""

    labels: dict[str, str] = field(default_factory=dict[str, str])
    normal: Normaliser = field(default_factory=Normaliser)

    def meet(self, event: Mapping[str, Any]) -> None:
        """Give the span its label: one of its own for each name and input."""
        name, given = event["name"], event["data"]
        if event["event"].endswith("_start"):
            self.labels.setdefault(event["run_id"], f"{name} {given.get('input')!r}")

    def label(self, run_id: str) -> str:
        """The label of a span; in the order they come, if they were not met before."""
        return self.labels.setdefault(run_id, f"span {len(self.labels)}")

    def event(self, event: Any) -> Any:
        """An event without what is another one in each run."""
        if isinstance(event, BaseException):
            return type(event).__name__, str(event).partition(":")[0]
        assert event.keys() == KEYS
        metadata = {k: v for k, v in event["metadata"].items() if k not in THEIRS_ONLY}
        return {
            "event": event["event"],
            "name": event["name"],
            "span": self.label(event["run_id"]),
            "parents": [self.label(parent) for parent in event["parent_ids"]],
            "tags": event["tags"],
            "metadata": _without_ids(metadata),
            "data": self._data(event["data"]),
        }

    def _data(self, data: Any) -> Any:
        return {key: self._value(value) for key, value in data.items()}

    def _value(self, value: Any) -> Any:
        if type(value).__name__ in ("Command", "Send") or isinstance(value, BaseException):
            return repr(value)
        if isinstance(value, tuple) and value and isinstance(value[0], tuple):
            return (self.normal.path(value[0]), *map(self._value, value[1:]))
        if isinstance(value, list):
            return [self._value(item) for item in value]
        return self.normal.value(value)


KEYS = {"event", "data", "name", "tags", "run_id", "metadata", "parent_ids"}


def _without_ids(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Namespaces without the ids of tasks."""
    shown = dict(metadata)
    for key in ("checkpoint_ns", "langgraph_checkpoint_ns"):
        if key in shown:
            shown[key] = [part.partition(":")[0] for part in shown[key].split("|")]
    return shown
