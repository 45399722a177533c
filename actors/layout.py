"""What the machine wants to know of a graph at every step, worked out once when it is compiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import BuiltinFunctionType
from typing import Any, NamedTuple

from checkpoint import Cache, Store

from .channels import (
    Channel,
    EphemeralValue,
    LastValue,
    LastValueAfterFinish,
    NamedBarrierValue,
    NamedBarrierValueAfterFinish,
)
from .fitting import channel_text
from .migrations import Migration
from .spec import BRANCH, SCHEMA, GraphSpec
from .views import shared_namespace

_CONSUMED = (NamedBarrierValue, NamedBarrierValueAfterFinish, LastValueAfterFinish)
_OURS = f"{__package__}."
_DEFERRED = (NamedBarrierValueAfterFinish, LastValueAfterFinish)


class Pauses(NamedTuple):
    """Names of nodes before and after which a run pauses."""

    before: frozenset[str] = frozenset()
    after: frozenset[str] = frozenset()


NO_PAUSES = Pauses()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Layout:
    """A graph spec with the sets that make a step's cost independent of the graph's size."""

    spec: GraphSpec
    state: frozenset[str]
    """State keys."""
    filled: tuple[str, ...]
    """State keys that hold a value from the start."""
    unstored: frozenset[str]
    """Channels that no checkpoint keeps."""
    consumed: frozenset[str]
    """Channels that are told when a task they triggered has run."""
    fleeting: bool
    """Some state key holds its value for one step only."""
    deferred: frozenset[str]
    """Channels that open when nothing else is left to run."""
    settling: frozenset[str]
    """Channels whose writes are settled before they are stored."""
    reduces: bool
    """Writing to some channel runs code of the user's."""
    signals: frozenset[str]
    """Triggers that hold nothing: that they were written is all there is to know of them."""
    position: Mapping[str, int]
    """Node name -> place in the order the nodes were added."""
    graphs: frozenset[str]
    """Nodes that are compiled graphs."""
    subgraphs: Mapping[str, Layout]
    """Nodes that are, or call, a compiled graph which keeps checkpoints -> that graph's layout."""
    pauses: Pauses = NO_PAUSES
    """Where runs pause, unless a call says otherwise."""
    cache: Cache | None = None
    """Where results are kept; None: where the calling graph keeps them."""
    caches: bool = False
    """Some nodes' results are to be kept."""
    step_timeout: float | None = None
    """Seconds a super-step may take."""
    kept: bool = False
    """Called by another graph, it goes on with the state that it had come to."""
    store: Store | None = None
    """What its nodes find as `store`, unless the graph that calls it has one."""
    migrations: tuple[Migration[Any, Any], ...] = ()
    """What brings the state of older threads up to date."""
    schema: Channel = field(default_factory=lambda: LastValue(dict))
    """Holds what threads are to say of the state keys (see `evolution.py`); never written to."""

    @property
    def types(self) -> Mapping[str, str]:
        """State key -> what it is."""
        return self.schema.get()["types"]

    def at(self, ns: Sequence[str]) -> Layout | None:
        """The layout of the subgraph at a namespace; None if no node is known to lead there."""
        found = self.reach(ns)
        return None if found is None else found[0]

    def reach(self, ns: Sequence[str]) -> tuple[Layout, tuple[str, ...]] | None:
        """The layout of the subgraph at a namespace, and the namespace it stores under; None if no
        node is known to lead there."""
        layout, stored = self, tuple[str, ...]()
        for part in ns:
            stored = (*stored, part)
            if part.isdigit() and len(stored) > 1:  # called again by the same task
                continue
            inner = layout.subgraphs.get(part.partition(":")[0])
            if inner is None:
                return None
            layout = inner
            if layout.kept:
                stored = shared_namespace(stored)
        return layout, stored

    @classmethod
    def of(
        cls,
        spec: GraphSpec,
        graphs: frozenset[str] = frozenset(),
        subgraphs: Mapping[str, Layout] | None = None,
        pauses: Pauses | None = None,
        *,
        cache: Cache | None = None,
        step_timeout: float | None = None,
        kept: bool = False,
        store: Store | None = None,
        migrations: tuple[Migration[Any, Any], ...] = (),
    ) -> Layout:
        """The layout of a spec."""
        channels = spec.channels.items()
        return cls(
            spec=spec,
            state=frozenset(spec.state_keys),
            filled=tuple(k for k in spec.state_keys if spec.channels[k].is_available()),
            unstored=frozenset(name for name, c in channels if not c.persisted),
            consumed=frozenset(name for name, c in channels if isinstance(c, _CONSUMED)),
            fleeting=any(spec.channels[name].expires for name in spec.state_keys),
            deferred=frozenset(name for name, c in channels if isinstance(c, _DEFERRED)),
            settling=frozenset(name for name, c in channels if c.settles),
            reduces=any(_is_theirs(c) for _, c in channels),
            signals=frozenset(name for name, c in channels if _is_signal(name, c, spec)),
            position={name: place for place, name in enumerate(spec.nodes)},
            graphs=graphs,
            subgraphs=subgraphs or {},
            pauses=pauses or NO_PAUSES,
            cache=cache,
            caches=any(node.cache is not None for node in spec.nodes.values()),
            step_timeout=step_timeout,
            kept=kept,
            store=store,
            migrations=migrations,
            schema=_schema(spec, migrations),
        )


def _is_theirs(channel: Channel) -> bool:
    """Its reducer, or its class, is neither Python's nor of this package."""
    code: Any = getattr(channel, "operator", type(channel))
    return not (isinstance(code, BuiltinFunctionType) or str(code.__module__).startswith(_OURS))


def _is_signal(name: str, channel: Channel, spec: GraphSpec) -> bool:
    plain = type(channel) is EphemeralValue and not channel.guard
    return plain and name.startswith(BRANCH) and name not in spec.state_keys


def _schema(spec: GraphSpec, migrations: tuple[Migration[Any, Any], ...]) -> Channel:
    schema: dict[str, Any] = {
        "types": {key: channel_text(spec.channels[key]) for key in spec.state_keys}
    }
    if migrations:
        schema["migrated"] = sorted(each.note for each in migrations)
    channel = LastValue[Any](dict).named(SCHEMA)
    channel.restore(schema)
    return channel
