"""What the machine wants to know of a graph at every step, worked out once when it is compiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .channels import LastValueAfterFinish, NamedBarrierValue, NamedBarrierValueAfterFinish
from .spec import GraphSpec

_CONSUMED = (NamedBarrierValue, NamedBarrierValueAfterFinish, LastValueAfterFinish)
_DEFERRED = (NamedBarrierValueAfterFinish, LastValueAfterFinish)


@dataclass(frozen=True, slots=True)
class Layout:
    """A graph spec with the sets that make a step's cost independent of the graph's size."""

    spec: GraphSpec
    state: frozenset[str]
    """State keys."""
    outputs: frozenset[str]
    """Output keys."""
    consumed: frozenset[str]
    """Channels that are told when a task they triggered has run."""
    deferred: frozenset[str]
    """Channels that open when nothing else is left to run."""
    position: Mapping[str, int]
    """Node name -> place in the order the nodes were added."""
    subgraphs: frozenset[str]
    """Nodes that are compiled graphs with state of their own."""

    @classmethod
    def of(cls, spec: GraphSpec, subgraphs: frozenset[str] = frozenset()) -> Layout:
        """The layout of a spec."""
        channels = spec.channels.items()
        return cls(
            spec=spec,
            state=frozenset(spec.state_keys),
            outputs=frozenset(spec.output_keys),
            consumed=frozenset(name for name, c in channels if isinstance(c, _CONSUMED)),
            deferred=frozenset(name for name, c in channels if isinstance(c, _DEFERRED)),
            position={name: place for place, name in enumerate(spec.nodes)},
            subgraphs=subgraphs,
        )
