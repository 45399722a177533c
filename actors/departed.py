"""Nodes that a thread leads to and its graph does not have, or that it reaches another way; pure.

Control waits in trigger channels, whose names say where they lead.  `rerouted` puts what an older
graph stored there where today's graph looks for it: a node that was next stays next, whatever edges
lead to it now, and a join of other nodes knows of those that had arrived.  A trigger of a node that
is gone stays as it is; a task of a `gone_node` stands for it, which shows and does not run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, cast

from .channels import (
    Channel,
    EphemeralValue,
    LastValueAfterFinish,
    NamedBarrierValue,
    NamedBarrierValueAfterFinish,
)
from .commands import Task
from .errors import NodeGoneError
from .spec import BRANCH, JOIN, NodeSpec, Writes

CONTROL = (BRANCH, JOIN)
"""How the names of trigger channels begin."""


def leads_to(trigger: str) -> str:
    """The node that a trigger channel wakes."""
    return trigger.rpartition(":")[2] if trigger.startswith(JOIN) else trigger[len(BRANCH) :]


def gone_trigger(name: str) -> Channel[Any]:
    """The trigger channel of a node that is gone."""
    return EphemeralValue[Any](Any, guard=False).named(name)


def gone_node(name: str) -> NodeSpec:
    """Stands for a node that is gone."""
    return NodeSpec(
        name=name,
        call=None,
        is_async=False,
        params={},
        triggers=(BRANCH + name,),
        reads=(),
        coerce=None,
        writes=frozenset(),
        targets=(),
        branches=(),
        gone=True,
    )


def gone_error(
    tasks: Sequence[Task], thread_id: str | None, nodes: Sequence[str]
) -> NodeGoneError | None:
    """Why the thread cannot go on, if some of these tasks are to run in nodes that are gone."""
    gone = [task.node.name for task in tasks if task.node.gone and task.writes is None]
    if not gone:
        return None
    names = ", ".join(map(repr, dict.fromkeys(gone)))
    return NodeGoneError(
        f"thread {thread_id!r} waits in {names}, which this graph does not have (its nodes: "
        f"{sorted(nodes)}); nothing was changed. Send it elsewhere with Command(goto='…') as "
        "input, write in its place with update_state(config, values, as_node='…'), begin anew "
        "with an input, or compile the graph with that node",
        thread_id=thread_id,
        nodes=tuple(dict.fromkeys(gone)),
    )


def rerouted(
    values: dict[str, Any],
    versions: Mapping[str, int],
    version: int,
    channels: Mapping[str, Channel],
) -> Mapping[str, int]:
    """Put stored control, in place, where these channels have it; gives the versions that count.

    `version`: that of the channels which the checkpoint's own step changed.
    """
    stored = [name for name in values if name.startswith(CONTROL)]
    after = dict(versions)
    for name in stored:
        value, channel = values[name], channels.get(name)
        if name.startswith(BRANCH):
            if isinstance(channel, LastValueAfterFinish) != isinstance(value, tuple):
                _wake(leads_to(name), values, after, version, channels)
        elif isinstance(channel, NamedBarrierValue):
            values[name] = _as_stored(channel, value)
        else:
            del values[name]
            was_next = isinstance(value, tuple) or versions[name] == version
            if was_next and _is_whole(name, _arrived(value)):
                _wake(leads_to(name), values, after, version, channels)
            else:
                _hand_on(name, value, values, after, version, channels)
    return after


def rerouted_write(name: str, value: Any, channels: Mapping[str, Channel]) -> Writes:
    """A kept write to a join that is gone: to the joins that wait for the same node now."""
    if not name.startswith(JOIN) or name in channels:
        return [(name, value)]
    return [(join, value) for join, channel in _joins(name, channels) if value in channel.names]


def _wake(
    node: str,
    values: dict[str, Any],
    versions: dict[str, int],
    version: int,
    channels: Mapping[str, Channel],
) -> None:
    """Let a node be next."""
    trigger = BRANCH + node
    deferred = isinstance(channels.get(trigger), LastValueAfterFinish)
    values[trigger] = (None, True) if deferred else None
    versions[trigger] = version


def _hand_on(
    name: str,
    value: Any,
    values: dict[str, Any],
    versions: dict[str, int],
    version: int,
    channels: Mapping[str, Channel],
) -> None:
    """Tell the joins into the same node who had arrived at one that is gone."""
    for join, channel in _joins(name, channels):
        seen = set(_arrived(value) & channel.names)
        if seen and join not in values:
            values[join] = _as_stored(channel, seen)
            versions[join] = version


def _joins(name: str, channels: Mapping[str, Channel]) -> list[tuple[str, NamedBarrierValue]]:
    return [
        (join, channel)
        for join, channel in channels.items()
        if isinstance(channel, NamedBarrierValue) and leads_to(join) == leads_to(name)
    ]


def _arrived(value: Any) -> AbstractSet[Any]:
    names: Any = cast("Any", value)[0] if isinstance(value, tuple) else value
    if isinstance(names, set | frozenset):
        return cast("AbstractSet[Any]", names)
    return frozenset()


def _is_whole(join: str, arrived: AbstractSet[Any]) -> bool:
    """True if all nodes of a join have arrived (a name may hold a "+" itself)."""
    names = join.removeprefix(JOIN).rpartition(":")[0]
    return bool(arrived) and sum(map(len, arrived)) + len(arrived) - 1 == len(names)


def _as_stored(channel: NamedBarrierValue, value: Any) -> Any:
    """Who had arrived at a barrier, as this one stores it."""
    deferred = isinstance(channel, NamedBarrierValueAfterFinish)
    if deferred == isinstance(value, tuple):
        return value
    return (value, False) if deferred else value[0]
