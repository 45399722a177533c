"""What a graph is built of, as the builder collects it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .channels import Channel, LastValue
from .errors import GraphBuildError
from .managed import ManagedValue
from .params import Callee
from .policies import CachePolicy, RetryPolicy, TimeoutPolicy
from .spec import ROOT
from .state import Schema, schema_of


class NodePolicies(NamedTuple):
    """What is done about a node that fails, hangs, or has run before; None: what the graph says."""

    retry: tuple[RetryPolicy, ...] | None = None
    cache: CachePolicy | None = None
    timeout: TimeoutPolicy | None = None
    handler: Callee | None = None
    """Called when the node failed for good."""

    def over(self, defaults: NodePolicies) -> NodePolicies:
        """These, and the defaults where these say nothing."""
        return NodePolicies(
            retry=defaults.retry if self.retry is None else self.retry,
            cache=self.cache or defaults.cache,
            timeout=self.timeout or defaults.timeout,
            handler=self.handler or defaults.handler,
        )


NO_POLICIES = NodePolicies()


class NodePart(NamedTuple):
    """A node as it was added."""

    name: str
    callee: Callee
    schema: Schema
    """What it reads."""
    defer: bool
    metadata: Mapping[str, Any] | None
    ends: Mapping[str, str | None]
    """Where its Commands may go, as it was declared, with labels for drawing."""
    policies: NodePolicies


class BranchPart(NamedTuple):
    """A conditional edge as it was added."""

    name: str
    callee: Callee
    ends: Mapping[Any, str] | None
    schema: Schema | None
    """What its path reads; None: what its source node reads."""


@dataclass(slots=True, eq=False, repr=False)
class Parts:
    """Everything added so far; dicts with None stand for ordered sets."""

    state: Schema
    input: Schema
    output: Schema
    context: Any = None
    """The context schema, as given."""
    defaults: NodePolicies = NO_POLICIES
    """Policies of the nodes that have none of their own."""
    channels: dict[str, Channel] = field(default_factory=dict[str, Channel])
    """State channels of all schemas met so far, in that order."""
    schemas: list[Schema] = field(default_factory=list[Schema])
    managed: dict[str, type[ManagedValue[Any]]] = field(
        default_factory=dict[str, type[ManagedValue[Any]]]
    )
    """Managed keys of all those schemas."""
    nodes: dict[str, NodePart] = field(default_factory=dict[str, NodePart])
    edges: dict[tuple[str, str], None] = field(default_factory=dict[tuple[str, str], None])
    joins: dict[tuple[tuple[str, ...], str], None] = field(
        default_factory=dict[tuple[tuple[str, ...], str], None]
    )
    branches: dict[str, dict[str, BranchPart]] = field(
        default_factory=dict[str, dict[str, BranchPart]]
    )

    @classmethod
    def of(
        cls, state: Any, input_schema: Any, output_schema: Any, context_schema: Any = None
    ) -> Parts:
        """No nodes yet, and the channels of the graph's own schemas."""
        first = schema_of(state, "state_schema")
        parts = cls(first, first, first, context_schema)
        parts.adopt(first)
        if input_schema is not None:
            parts.input = parts.schema(input_schema, "input_schema")
            parts.adopt(parts.input)
        if output_schema is not None:
            parts.output = parts.schema(output_schema, "output_schema")
            parts.adopt(parts.output)
        return parts

    def schema(self, source: Any, role: str) -> Schema:
        """The schema read from `source`, now or before; it fits with those adopted."""
        for known in self.schemas:
            if known.source is source:
                return known
        schema = schema_of(source, role)
        for key, channel in schema.channels.items():
            self._check_fit(key, channel, schema)
        self._check_managed(schema)
        return schema

    def adopt(self, schema: Schema) -> None:
        """Take over a schema's channels; a reducer declared earlier stays."""
        if not any(schema is known for known in self.schemas):
            self.schemas.append(schema)
            self.channels = {**self.channels, **schema.channels, **self.channels}
            self.managed |= schema.managed

    def _check_managed(self, schema: Schema) -> None:
        for key, manager in {**self.managed, **schema.managed}.items():
            if key in self.channels or key in schema.channels:
                raise GraphBuildError(
                    f"Key {key!r} is filled in by {manager.__name__} in one schema and holds "
                    f"state in another; {schema.source!r} came last. Annotate it the same way in "
                    "both, or give one of them another name"
                )

    def _check_fit(self, key: str, channel: Channel, schema: Schema) -> None:
        if (key == ROOT) != (ROOT in self.channels):
            raise GraphBuildError(
                f"{schema.source!r} does not go with {self.state.source!r}: one of them names keys "
                "and the other is a state of one value. Make both the same kind"
            )
        existing = self.channels.get(key)
        if existing is None or type(channel) is LastValue or existing.same_as(channel):
            return
        raise GraphBuildError(
            f"Channel '{key}' already exists with a different type: {type(existing).__name__}, and "
            f"{schema.source!r} makes it a {type(channel).__name__} of its own. Annotate the key "
            "the same way in every schema (with the same reducer), or plainly in the later ones"
        )
