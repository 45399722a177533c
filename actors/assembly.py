"""From the parts of a graph to its spec: trigger channels, and who writes and who reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from .channels import (
    Channel,
    EphemeralValue,
    LastValueAfterFinish,
    NamedBarrierValue,
    NamedBarrierValueAfterFinish,
    Topic,
)
from .errors import GraphBuildError
from .fingerprint import cache_namespace
from .parts import BranchPart, NodePart, NodePolicies, Parts
from .spec import (
    BRANCH,
    DEFAULT_HANDLER,
    HANDLER_PREFIX,
    INPUT,
    JOIN,
    KEPT,
    ROOT,
    ROOT_ONLY,
    TASKS,
    BranchSpec,
    GraphSpec,
    NodeSpec,
    Sources,
    Writes,
    kept_channel,
)
from .state import Schema
from .values import END, START, TAG_HIDDEN, Send


def spec_of(parts: Parts, name: str) -> GraphSpec:
    """The spec of checked parts; later additions to the parts do not reach it."""
    assembly = _Assembly(parts)
    nodes = {node.name: assembly.node(node) for node in parts.nodes.values()}
    handlers = {node.name: assembly.handler(node) for node in parts.nodes.values()}
    triggers: dict[str, list[str]] = {}
    for node in nodes.values():
        for channel in node.triggers:
            triggers.setdefault(channel, []).append(node.name)
    return GraphSpec(
        name=name,
        channels=assembly.channels,
        nodes=nodes,
        start=assembly.start(),
        triggers={channel: tuple(sorted(names)) for channel, names in triggers.items()},
        input_keys=assembly.keys(parts.input),
        bare=ROOT if assembly.state_keys == ROOT_ONLY else None,
        output_keys=assembly.keys(parts.output),
        state_keys=assembly.state_keys,
        coerce_input=parts.input.read_input(parts.channels),
        as_output=parts.output.coerce,
        as_state=parts.state.coerce,
        types=tuple(dict.fromkeys(cls for schema in parts.schemas for cls in schema.types)),
        sources=Sources(parts.input.source, parts.output.source, parts.context),
        handlers={name: handler for name, handler in handlers.items() if handler is not None},
    )


class _Assembly:
    """Everything that more than one node's spec is made from."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.state_keys = tuple(parts.channels)
        self._writes = frozenset(self.state_keys)
        self._dropped = frozenset(parts.managed)
        self._targets: dict[str, Writes] = {}
        self._joins: dict[str, list[str]] = {}
        self.channels = {**parts.channels, **dict(self._control_channels())}
        for start, end in parts.edges:
            if end != END:
                self._targets.setdefault(start, []).append((BRANCH + end, None))
        self._add_joins()

    def _control_channels(self) -> Iterator[tuple[str, Channel]]:
        yield INPUT, EphemeralValue[Any](Any).named(INPUT)
        yield TASKS, Topic[Send](Send).named(TASKS)
        yield KEPT, kept_channel()
        for node in self.parts.nodes.values():
            key = BRANCH + node.name
            channel = LastValueAfterFinish[Any](Any) if node.defer else _one_step()
            yield key, channel.named(key)

    def _add_joins(self) -> None:
        for starts, end in self.parts.joins:
            if end == END:
                continue
            key = f"{JOIN}{'+'.join(starts)}:{end}"
            if key in self.channels:
                raise GraphBuildError(
                    f"Two edges into {end!r} wait for nodes whose names join to the same text, "
                    f"{'+'.join(starts)!r}. Rename one of the nodes, without a '+'"
                )
            deferred = self.parts.nodes[end].defer
            barrier = NamedBarrierValueAfterFinish if deferred else NamedBarrierValue
            self.channels[key] = barrier(str, set(starts)).named(key)
            self._joins.setdefault(end, []).append(key)
            for start in dict.fromkeys(starts):
                self._targets.setdefault(start, []).append((key, start))

    def keys(self, schema: Schema) -> tuple[str, ...]:
        """A schema's keys; one and the same tuple for all that is the whole state."""
        return self.state_keys if schema.keys == self.state_keys else schema.keys

    def node(self, part: NodePart) -> NodeSpec:
        """One node's spec."""
        callee, metadata = part.callee, part.metadata
        policies = part.policies.over(self.parts.defaults)
        node = NodeSpec(
            name=part.name,
            call=callee.call,
            is_async=callee.is_async,
            params=callee.params,
            triggers=(BRANCH + part.name, *self._joins.get(part.name, ())),
            reads=self.keys(part.schema),
            coerce=part.schema.coerce,
            managed=part.schema.managed,
            writes=self._writes,
            dropped=self._dropped,
            targets=tuple(self._targets.get(part.name, ())),
            branches=self._branches(part.name, part.schema),
            defer=part.defer,
            metadata=metadata,
            hidden=metadata is not None and TAG_HIDDEN in metadata.get("tags", ()),
            ends=part.ends,
            retry=policies.retry or (),
            timeout=policies.timeout,
            cache=policies.cache,
            error_handler=_handler_name(part, self.parts.defaults),
        )
        return node if node.cache is None else replace(node, cache_ns=cache_namespace(node))

    def handler(self, part: NodePart) -> NodeSpec | None:
        """The error handler of a node, if it has one.  Nothing triggers it, and only a Command it
        returns says where to go next; the graph's own retries and limits hold for it too."""
        defaults = self.parts.defaults
        callee = part.policies.handler or defaults.handler
        if callee is None:
            return None
        return NodeSpec(
            name=_handler_name(part, defaults) or part.name,
            call=callee.call,
            is_async=callee.is_async,
            params=callee.params,
            triggers=(),
            reads=self.keys(part.schema),
            coerce=part.schema.coerce,
            managed=part.schema.managed,
            writes=self._writes,
            dropped=self._dropped,
            targets=(),
            branches=(),
            retry=defaults.retry or (),
            timeout=defaults.timeout,
        )

    def start(self) -> NodeSpec:
        """What START does: no call, only edges and branches."""
        keys = self.keys(self.parts.input)
        return NodeSpec(
            name=START,
            call=None,
            is_async=False,
            params={},
            triggers=(INPUT,),
            reads=keys,
            coerce=None,
            writes=frozenset(keys),
            targets=tuple(self._targets.get(START, ())),
            branches=self._branches(START, self.parts.state),
        )

    def _branches(self, source: str, schema: Schema) -> tuple[BranchSpec, ...]:
        branches = self.parts.branches.get(source, {}).values()
        return tuple(self._branch(branch, branch.schema or schema) for branch in branches)

    def _branch(self, part: BranchPart, schema: Schema) -> BranchSpec:
        return BranchSpec(
            name=part.name,
            path=part.callee.call,
            params=part.callee.params,
            ends=part.ends,
            reads=self.keys(schema),
            coerce=schema.coerce,
            managed=schema.managed,
        )


def _handler_name(part: NodePart, defaults: NodePolicies) -> str | None:
    if part.policies.handler is not None:
        return f"{HANDLER_PREFIX}{part.name}"
    return None if defaults.handler is None else DEFAULT_HANDLER


def _one_step() -> EphemeralValue[Any]:
    """Any number of edges may wake a node in the same step."""
    return EphemeralValue[Any](Any, guard=False)
