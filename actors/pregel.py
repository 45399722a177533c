"""Raw graphs: nodes over channels, without a state schema and without edges.

A node runs in the super-step after one in which a channel it subscribes to was written.  It gets
the channels it reads and writes its result to channels.  The input is written right into the input
channels; the run ends when no node is triggered.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, cast

from checkpoint import Saver, Store

from .channels import MISSING, Channel, Topic
from .checks import check_name
from .compiled import CompiledGraph
from .errors import EmptyInputError, GraphBuildError, InvalidUpdateError
from .fittings import Fittings, stored_by
from .layout import Pauses
from .params import Callee, callee_of
from .policies import RetryPolicy, TimeoutOption, limits_of, retries_of
from .request import nodes_of
from .spec import KEPT, TASKS, GraphSpec, NodeSpec, Sources, Writes, kept_channel
from .values import START, TAG_HIDDEN, Send


@dataclass(frozen=True, slots=True)
class ChannelWriteEntry:
    """One write of a node: its result (or `value`, or what `mapper` makes of it) to a channel."""

    channel: str
    value: Any = MISSING
    """What to write; left out: the node's result."""
    skip_none: bool = False
    """Write nothing when it is None."""
    mapper: Callable[[Any], Any] | None = None

    def of(self, result: Any) -> Writes:
        """The write, or none."""
        value = result if self.value is MISSING else self.value
        if self.mapper is not None:
            value = self.mapper(value)
        return [] if value is None and self.skip_none else [(self.channel, value)]


class NodeBuilder:
    """Collects what a node of a raw graph subscribes to, does and writes; calls can be chained.

    Example:
        >>> double = NodeBuilder().subscribe_only("a").do(lambda a: a + a).write_to("b")
    """

    def __init__(self) -> None:
        self._triggers: list[str] = []
        self._reads: list[str] = []
        self._only: str | None = None
        self._calls: list[Any] = []
        self._writes: list[ChannelWriteEntry] = []
        self._tags: list[str] = []
        self._metadata: dict[str, Any] = {}
        self._retry: list[RetryPolicy] = []
        self._timeout: TimeoutOption = None

    def subscribe_only(self, channel: str) -> Self:
        """Run when the channel was written, with its bare value.

        Raises GraphBuildError if the node subscribes to others.
        """
        if self._triggers or self._reads:
            raise GraphBuildError(
                f"Cannot subscribe to single channel {channel!r} when other channels are already "
                f"subscribed to ({[*self._triggers, *self._reads]}): use subscribe_to for all"
            )
        self._only = channel
        self._triggers.append(channel)
        return self

    def subscribe_to(self, *channels: str, read: bool = True) -> Self:
        """Run when one of the channels was written; with their values in a dict, if `read`.

        Raises GraphBuildError after `subscribe_only`.
        """
        self._check_many(channels)
        self._triggers += channels
        if read:
            self._reads += channels
        return self

    def read_from(self, *channels: str) -> Self:
        """Read these channels too, without being triggered by them."""
        self._check_many(channels)
        self._reads += channels
        return self

    def do(self, node: Callable[..., Any]) -> Self:
        """What to run, sync or async; what is added later gets the result of what was before."""
        self._calls.append(node)
        return self

    def write_to(self, *channels: str | ChannelWriteEntry, **values: Any) -> Self:
        """Write the result to channels; `name=function` writes what it makes of the result,
        `name=value` that value."""
        for channel in channels:
            entry = ChannelWriteEntry(channel) if isinstance(channel, str) else channel
            self._writes.append(entry)
        for name, value in values.items():
            mapped = ChannelWriteEntry(name, mapper=value) if callable(value) else None
            self._writes.append(mapped or ChannelWriteEntry(name, value))
        return self

    def meta(self, *tags: str, **metadata: Any) -> Self:
        """Tags and metadata, shown in streams."""
        self._tags += tags
        self._metadata.update(metadata)
        return self

    def add_retry_policies(self, *policies: RetryPolicy) -> Self:
        """When and how often to run it again after it raised; see RetryPolicy."""
        self._retry += policies
        return self

    def set_timeout(self, timeout: TimeoutOption) -> Self:
        """How long one attempt may take: seconds, a timedelta or a TimeoutPolicy."""
        self._timeout = timeout
        return self

    def spec(self, name: str, channels: Mapping[str, Channel]) -> NodeSpec:
        """The node as a graph keeps it.

        Raises GraphBuildError for a channel there is not, and for what is no policy.
        """
        used = [*self._triggers, *self._reads]
        for channel in used:
            if channel not in channels:
                raise GraphBuildError(
                    f"Node {name} reads channel '{channel}' not in known channels: "
                    f"'{sorted(channels)}'; add it to channels=, or mend the name"
                )
        for entry in self._writes:
            if entry.channel not in channels:
                raise GraphBuildError(
                    f"Node {name} writes to channel '{entry.channel}' not in known channels: "
                    f"'{sorted(channels)}'; add it to channels=, or mend the name"
                )
        if not self._triggers:
            raise GraphBuildError(
                f"Node {name} subscribes to no channel, so it would never run: call subscribe_only "
                "or subscribe_to"
            )
        callee = self._callee(name)
        metadata = {**self._metadata, **({"tags": self._tags} if self._tags else {})}
        return NodeSpec(
            name=name,
            call=callee.call,
            is_async=callee.is_async,
            params=callee.params,
            triggers=tuple(dict.fromkeys(self._triggers)),
            reads=tuple(dict.fromkeys([self._only] if self._only else self._reads)),
            coerce=None if self._only is None else _bare(self._only),
            writes=frozenset(channels),
            targets=(),
            branches=(),
            metadata=metadata or None,
            hidden=TAG_HIDDEN in self._tags,
            retry=retries_of(self._retry, f"Node {name!r}"),
            timeout=limits_of(self._timeout, f"Node {name!r}"),
            put=_putter(self._writes),
            puts=tuple(dict.fromkeys(entry.channel for entry in self._writes)),
        )

    def _check_many(self, channels: Sequence[str]) -> None:
        if self._only is not None:
            raise GraphBuildError(
                f"Cannot read from {list(channels)} when subscribed to the single channel "
                f"{self._only!r}: use subscribe_to for all"
            )

    def _callee(self, name: str) -> Callee:
        callees = [callee_of(call, f"Node {name!r}", {}) for call in self._calls]
        if len(callees) == 1:
            return callees[0]
        if any(callee.params for callee in callees):
            raise GraphBuildError(
                f"Node {name!r} has several functions, one of which asks for more than its input: "
                "call them from one function that asks for it, and give that to do()"
            )
        return Callee(_piped(callees), is_async=True, name=name, params={})


def _piped(callees: Sequence[Callee]) -> Callable[[Any], Any]:
    """One async function that gives each function the result of the one before."""

    async def piped(value: Any) -> Any:
        for callee in callees:
            value = callee.call(value)
            if inspect.isawaitable(value):
                value = await value
        return value

    return piped


def _bare(channel: str) -> Callable[[Mapping[str, Any]], Any]:
    return lambda values: values.get(channel)


def _putter(entries: Sequence[ChannelWriteEntry]) -> Callable[[Any], Writes]:
    kept = tuple(entries)
    return lambda result: [write for entry in kept for write in entry.of(result)]


class Pregel(CompiledGraph):
    """A graph made of nodes and channels directly; runs, streams and keeps threads as any graph.

    `nodes`: builders by name; `channels`: an empty channel by name; `input_channels`,
    `output_channels`: a name (then input or result is the bare value) or several.  The default
    stream mode is "values", which shows all channels that hold a value.

    Raises GraphBuildError (a ValueError) when a name names nothing, or nothing would ever run.

        >>> double = NodeBuilder().subscribe_only("a").do(lambda a: a + a).write_to("b")
        >>> channels = {"a": EphemeralValue(str), "b": LastValue(str)}
        >>> Pregel(nodes={"double": double}, channels=channels, input_channels="a",
        ...        output_channels="b").invoke("x")
        'xx'
    """

    def __init__(
        self,
        *,
        nodes: Mapping[str, NodeBuilder],
        channels: Mapping[str, Channel],
        input_channels: str | Sequence[str],
        output_channels: str | Sequence[str],
        checkpointer: Saver | bool | None = None,
        store: Store | None = None,
        interrupt_before_nodes: Literal["*"] | Sequence[str] = (),
        interrupt_after_nodes: Literal["*"] | Sequence[str] = (),
        name: str = "Pregel",
    ) -> None:
        spec = _spec(name, nodes, channels, input_channels, output_channels)
        pauses = Pauses(
            nodes_of(spec, interrupt_before_nodes), nodes_of(spec, interrupt_after_nodes)
        )
        super().__init__(spec, Fittings(checkpointer, pauses, store=stored_by(store)))


def _spec(
    name: str,
    builders: Mapping[str, NodeBuilder],
    channels: Mapping[str, Channel],
    inputs: str | Sequence[str],
    outputs: str | Sequence[str],
) -> GraphSpec:
    named = {key: _named(key, channel) for key, channel in channels.items()}
    for node in builders:
        check_name(node, ())
    nodes = {node: builder.spec(node, named) for node, builder in builders.items()}
    triggers: dict[str, list[str]] = {}
    for node in nodes.values():
        for channel in node.triggers:
            triggers.setdefault(channel, []).append(node.name)
    input_keys = _known("Input", inputs, named)
    if not any(key in triggers for key in input_keys):
        raise GraphBuildError(
            f"Input channel {', '.join(input_keys)} is not subscribed to by any node, so no input "
            "would run anything: subscribe a node to one"
        )
    return GraphSpec(
        name=name,
        channels={**named, TASKS: Topic[Send](Send).named(TASKS), KEPT: kept_channel()},
        nodes=nodes,
        start=_start(input_keys, inputs),
        triggers={channel: tuple(sorted(names)) for channel, names in triggers.items()},
        input_keys=input_keys,
        output_keys=_known("Output", outputs, named),
        state_keys=tuple(named),
        coerce_input=_reader(inputs),
        sources=Sources(_as_source(inputs), _as_source(outputs)),
        direct=True,
        bare=outputs if isinstance(outputs, str) else None,
        shows="values",
    )


def _as_source(keys: str | Sequence[str]) -> str | tuple[str, ...]:
    return keys if isinstance(keys, str) else tuple(keys)


def _named(key: str, channel: Any) -> Channel:
    if isinstance(channel, Channel) and not key.startswith("__"):
        return cast("Channel", channel.named(key))
    raise GraphBuildError(
        f"channels={{{key!r}: {channel!r}}} cannot be: give a name without leading underscores, "
        "and a channel such as LastValue(str)"
    )


def _known(
    role: str, keys: str | Sequence[str], channels: Mapping[str, Channel]
) -> tuple[str, ...]:
    asked = (keys,) if isinstance(keys, str) else tuple(keys)
    for key in asked:
        if key not in channels:
            raise GraphBuildError(
                f"{role} channel '{key}' not in known channels: '{sorted(channels)}'; add it to "
                "channels=, or mend the name"
            )
    return asked


def _start(keys: tuple[str, ...], inputs: str | Sequence[str]) -> NodeSpec:
    """Who writes the input: nobody, but `update_state` may write in its name."""
    read = _reader(inputs)
    return NodeSpec(
        name=START,
        call=None,
        is_async=False,
        params={},
        triggers=(),
        reads=keys,
        coerce=None,
        writes=frozenset(keys),
        targets=(),
        branches=(),
        put=lambda values: list(read(values).items()),
    )


def _reader(inputs: str | Sequence[str]) -> Callable[[Any], dict[str, Any]]:
    """What makes the writes to the input channels of a run's input."""
    if isinstance(inputs, str):
        return lambda value: {inputs: value}
    keys = tuple(inputs)

    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise InvalidUpdateError(
                f"Expected dict, got {value!r} as input: give values by input channel, which are "
                f"{list(keys)}"
            )
        given = dict(cast("Mapping[str, Any]", value))
        unknown = [key for key in given if key not in keys]
        if unknown:
            raise InvalidUpdateError(
                f"Input channel {unknown[0]!r} not found in {list(keys)}: give values for those"
            )
        if not given:
            raise EmptyInputError(f"Received no input for {list(keys)}: give a value for one")
        return given

    return read
