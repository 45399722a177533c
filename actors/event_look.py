"""What `astream_events` shows: spans, and what the graph streams as one of their events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

from streaming import SKIP, Chunk

from .errors import ConfigError
from .look import Look, Reader, Shown
from .request import ChunkOptions, Modes, check_keys, parse_look
from .spec import GraphSpec

Names: TypeAlias = Sequence[str] | None


class EventsOptions(ChunkOptions, total=False):
    """What `astream_events` and `stream_events` take."""

    version: Literal["v2"]
    """Of the form of the events; there is this one."""
    include_names: Names
    """Show what has one of these names; None: whatever it is called."""
    include_types: Names
    """Likewise of these kinds: "chain", "chat_model", "llm", "tool", "retriever", "prompt", …
    What fits any of the three `include_…` that are given is shown."""
    include_tags: Names
    """Likewise with one of these tags."""
    exclude_names: Names
    """Do not show what has one of these names."""
    exclude_types: Names
    """Likewise of these kinds."""
    exclude_tags: Names
    """Likewise with one of these tags."""


class EventFilter(NamedTuple):
    """Which events to show."""

    include_names: Names = None
    include_types: Names = None
    include_tags: Names = None
    exclude_names: Names = None
    exclude_types: Names = None
    exclude_tags: Names = None

    def keeps(self, event: Mapping[str, Any]) -> bool:
        """True for an event to show."""
        name, tags = event["name"], event["tags"]
        kind = event["event"].removeprefix("on_").rpartition("_")[0]
        wanted = (self.include_names, self.include_types, self.include_tags)
        unwanted = (self.exclude_names, self.exclude_types, self.exclude_tags)
        included = wanted == (None, None, None) or _any_of(wanted, name, kind, tags)
        return included and not _any_of(unwanted, name, kind, tags)


def _any_of(wanted: tuple[Names, Names, Names], name: str, kind: str, tags: Sequence[str]) -> bool:
    names, kinds, some_tags = wanted
    return (
        name in (names or ())
        or kind in (kinds or ())
        or any(tag in tags for tag in some_tags or ())
    )


@dataclass(slots=True, eq=False, repr=False)  # not frozen: one per call
class EventLook(Look):
    """Spans of a run; chunks of other modes as what its graph streams."""

    filter: EventFilter = field(default_factory=EventFilter)

    def reader(self, chunks: Reader) -> Shown:
        """The events that are to be shown."""
        return Shown(chunks, self, EventForm(self.show, self.filter))

    @property
    def only_shaped(self) -> bool:
        """False: events are chosen by what they hold."""
        return False


class EventForm:
    """Makes events of the chunks of a reader, or SKIP if they are not to be shown."""

    def __init__(self, streamed: Callable[[Chunk], Any], shown: EventFilter) -> None:
        self._streamed = streamed
        self._filter = shown
        self._graph: dict[str, Any] = {}
        """The first event: the graph begins."""

    def __call__(self, chunk: Chunk) -> Any:
        """The event that shows a chunk, or SKIP."""
        if chunk.mode == "events":
            event = chunk.data
            self._graph = self._graph or event
        else:
            event = {
                **self._graph,
                "event": "on_chain_stream",
                "data": {"chunk": self._streamed(chunk)},
                "tags": list(self._graph["tags"]),
                "metadata": dict(self._graph["metadata"]),
                "parent_ids": list(self._graph["parent_ids"]),
            }
        return event if self._filter.keeps(event) else SKIP


def event_look(spec: GraphSpec, options: EventsOptions, default: Modes) -> EventLook:
    """What the options ask to see.  Raises ConfigError, UnknownStreamModeError."""
    version = options.get("version", "v2")
    if version != "v2":
        raise ConfigError(
            f"version={version!r}: events have the form 'v2' here; give that, or leave it out"
        )
    asked = options.get("stream_mode")
    modes = default if asked is None else asked
    return EventLook(
        modes=parse_look([*parse_look(modes), "events"]),
        single=isinstance(modes, str),
        subgraphs=bool(options.get("subgraphs")),
        output_keys=check_keys(spec, options.get("output_keys")),
        printed=parse_look(options.get("print_mode") or ()),
        filter=_filter(options),
    )


def _filter(options: Mapping[str, Any]) -> EventFilter:
    given = {name: options.get(name) for name in EventFilter._fields}
    for name, value in given.items():
        if isinstance(value, str):
            raise ConfigError(f"{name}={value!r} is one string; give a list of strings")
    return EventFilter(**given)
