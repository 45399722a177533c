"""The channels of one run: the only mutable state of the super-step machine.

Channels are copied from the graph when they are first used, so that a run of a large graph costs
what it touches.  `values` mirrors the state channels in schema order, kept up to date for
the channels that changed, so that reading the state is one dict copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .channels import Channel
from .commands import PULL, PUSH, Restored, Task
from .departed import gone_node, gone_trigger, leads_to
from .layout import Layout
from .managed import filled_in
from .policies import TimeoutOption, limits_of
from .spec import (
    BRANCH,
    INPUT,
    INPUT_ONLY,
    SCHEMA,
    TASKS,
    WHOLE_STATE,
    BranchSpec,
    NodeSpec,
    Writes,
)
from .values import Send

_UNTOLD = frozenset({SCHEMA})
_NONE: frozenset[str] = frozenset()


class ChannelSet:
    """The run's channels, their common version, and what the last step updated."""

    __slots__ = (
        "_channels",
        "_deferred",
        "_expiring",
        "_last",
        "_layout",
        "_left",
        "_limited",
        "_signals",
        "_spec",
        "_values",
        "astray",
        "given",
        "stop",
        "updated",
        "version",
    )

    def __init__(
        self, layout: Layout, restored: Restored | None = None, *, stored: bool = True
    ) -> None:
        self._layout = layout
        self._spec = layout.spec
        self._signals = _NONE if stored else layout.signals
        """Triggers that are no channels here, as none of them is ever stored."""
        self._channels: dict[str, Channel] = {}
        self._values: dict[str, Any] = {}
        self._expiring: set[str] = set()
        self._deferred: dict[str, None] = {}
        self._last: dict[str, Any] | None = None
        """Of state that holds for one step only: as the last step that wrote any left it."""
        self._limited: dict[tuple[str, TimeoutOption], NodeSpec] = {}
        """Nodes with the timeouts that Sends gave them."""
        self._left = False
        """Nodes that are gone are waited for no more: control was given to others."""
        self.astray = False
        """Some task that was planned stands for a node that is gone."""
        self.version = 0
        self.stop = 0
        """The super-step at whose end the recursion limit is reached."""
        self.updated: set[str] = set()
        """Channels that the last step changed."""
        self.given: frozenset[str] = _UNTOLD
        """Channels changed since by writes of no task; the next checkpoint has them too."""
        self._channels[SCHEMA] = layout.schema
        for key in layout.filled:
            self._channels[key] = layout.spec.channels[key].fresh()
        if restored is not None:
            self._restore(restored)
        self._refresh(self._channels)

    def _restore(self, restored: Restored) -> None:
        for name, value in restored.values.items():
            if name in self._layout.spec.channels or name.startswith(BRANCH):
                channel = self.channel(name)
                channel.restore(value)
                self._mark(name, channel)
        if restored.schema is not None:
            self._channels[SCHEMA] = self._layout.schema.fresh()
            self._channels[SCHEMA].restore(restored.schema)
        self.given = frozenset(restored.outdated)
        self.version = restored.version
        self.updated = {n for n, v in restored.versions.items() if v == restored.version}
        for name in self.updated:
            if name in self._spec.channels:
                self.channel(name)

    # --- reading -------------------------------------------------------------------------

    def channel(self, name: str) -> Channel:
        """The run's own copy of a channel."""
        channel = self._channels.get(name)
        if channel is None:
            known = self._layout.spec.channels.get(name)
            channel = gone_trigger(name) if known is None else known.fresh()
            self._channels[name] = channel
        return channel

    def select(self, keys: Sequence[str]) -> dict[str, Any]:
        """A new dict of those keys that hold a value, in the order of `keys`."""
        values = self._values
        if keys is self._spec.state_keys:
            return values.copy()
        return {key: values[key] for key in keys if key in values}

    def output(self) -> dict[str, Any]:
        """The output keys, as the last step that wrote state left them."""
        if self._last is None:
            return self.select(self._spec.output_keys)
        return {key: self._last[key] for key in self._spec.output_keys if key in self._last}

    def input_of(self, task: Task) -> Any:
        """What the task's node is called with: a Send's or a call's argument, the bare input, or
        the state keys it reads (as an instance of its schema, if that is a class of its own)."""
        if task.path[0] != PULL:
            return task.arg
        node = task.node
        if node.reads is INPUT_ONLY:
            return self._channels[INPUT].get()
        return self.read_by(node, task.step)

    def read_by(self, node: NodeSpec, step: int) -> Any:
        """The state keys that a node reads, as it gets them."""
        state = self.select(node.reads)
        if node.managed:
            state |= filled_in(node.managed, step, self.stop)
        return state if node.coerce is None else node.coerce(state)

    def state(self) -> Any:
        """What streams and snapshots show: all state keys that hold a value, or, of a graph whose
        whole state is one value, that value."""
        keys = self._layout.spec.state_keys
        if keys in WHOLE_STATE:
            return self._values.get(keys[0])
        return self._values.copy()

    def input_after(self, writes: Writes, branch: BranchSpec, step: int) -> Any:
        """What a branch's path is called with: the state as its node's writes alone leave it."""
        state = self.state_after(writes, branch.reads)
        if branch.managed:
            state |= filled_in(branch.managed, step, self.stop)
        return state if branch.coerce is None else branch.coerce(state)

    def state_after(self, writes: Writes, keys: Sequence[str]) -> dict[str, Any]:
        """The state as these writes alone would leave it; nothing is changed."""
        written = grouped([write for write in writes if write[0] in self._layout.state])
        after: dict[str, Any] = {}
        for name, values in written.items():
            copy = self.channel(name).copy()
            copy.update(values)
            if copy.is_available():
                after[name] = copy.get()
        state = self._values
        if keys is self._spec.state_keys and state.keys() >= after.keys():
            return state | after
        there = [key for key in keys if key in after or key in state]
        return {key: after[key] if key in after else state[key] for key in there}

    def stored(self, names: Iterable[str]) -> dict[str, Any]:
        """What to store of these channels (MISSING: empty now), without those never stored.

        By name, so that the same run stores the same bytes in any process: names come as sets.
        """
        channels = map(self.channel, names := sorted(names))
        return {n: c.checkpoint() for n, c in zip(names, channels, strict=True) if c.persisted}

    def settled(self, task: Task, writes: Writes) -> Writes:
        """What a task wrote as it is to be stored and applied."""
        names = self._layout.settling
        if not names:
            return writes
        made = settled(writes, self._spec.channels)
        if made is not writes:
            task.returned = writes
        return made

    # --- a step --------------------------------------------------------------------------

    def apply(self, done: Sequence[Task]) -> set[str]:
        """Apply the writes of finished tasks in path order; gives the names of channels written.

        Raises what a channel or a reducer raises; the set is of no further use then.
        """
        ordered = done if len(done) == 1 else sorted(done, key=_path)
        consumed = self.consume(ordered) if self._layout.consumed else ()
        written: dict[str, list[Any]] = {}
        for task in ordered:
            for name, value in task.writes or ():
                if name in written:
                    written[name].append(value)
                else:
                    written[name] = [value]
        self.write(written, ordered)
        if consumed:
            self.updated |= consumed
        return set(written)

    def consume(self, tasks: Sequence[Task]) -> set[str]:
        """Tell barriers and deferred triggers that what they triggered has run."""
        told = self._layout.consumed
        names = {name for task in tasks for name in task.node.triggers if name in told}
        return {name for name in names if name in self._channels and self._channels[name].consume()}

    def write(self, written: Mapping[str, list[Any]], by: Sequence[Task] = ()) -> None:
        """Give channels their writes as one step, and empty those that last for one step only.

        An error of a reducer gets a note that names the channel and the nodes that wrote to it.
        """
        self.version += 1
        self._left = False
        expiring, self._expiring = self._expiring, set()
        changed = self._take(written, by)
        for name in expiring:
            if name not in written and self._channels[name].update(()):
                changed.add(name)
        self.updated = changed
        self._refresh(changed)
        if self._layout.fleeting and not self._layout.state.isdisjoint(written):
            self._last = self._values.copy()

    def give(self, writes: Writes) -> None:
        """Take writes of no task before a step: what they trigger runs beside what is planned."""
        written = grouped(writes)
        self._left = self._left or any(n == TASKS or n.startswith(BRANCH) for n in written)
        if TASKS in written and self.channel(TASKS).is_available():
            written[TASKS] = [*self.channel(TASKS).get(), *written[TASKS]]
        changed = self._take(written, ())
        self.updated |= changed
        self.given |= changed
        self._refresh(changed)

    def take_given(self) -> frozenset[str]:
        """Channels changed by writes of no task since the last checkpoint, and not in this step."""
        if not self.given:
            return _NONE
        given, self.given = self.given, _NONE
        return given - self.updated

    def _take(self, written: Mapping[str, list[Any]], by: Sequence[Task]) -> set[str]:
        changed: set[str] = set()
        channels, deferred, signals = self._channels, self._layout.deferred, self._signals
        for name, values in written.items():
            if name in signals:
                changed.add(name)
                continue
            channel = channels.get(name)
            if channel is None:
                channel = self.channel(name)
            try:
                if channel.update(values):
                    changed.add(name)
            except Exception as error:
                error.add_note(f"While channel {name!r} took the updates of {_writers(name, by)}")
                raise
            if channel.expires:
                self._expiring.add(name)
            elif name in deferred:
                self._deferred[name] = None
        return changed

    def open_deferred(self) -> bool:
        """Open deferred triggers that were written; True if there were any."""
        if not self._deferred:
            return False
        opened = {name for name in self._deferred if self._channels[name].finish()}
        for name in opened:
            del self._deferred[name]
        self.updated |= opened
        return bool(opened)

    def plan(self) -> list[Task]:
        """The next step's tasks: the input, Sends by index, then nodes by name."""
        first: list[Task] = []
        tasks: list[Task] = []
        names: set[str] = set()
        gone: list[str] = []
        spec = self._spec
        triggers, signals = spec.triggers, self._signals
        for channel_name in self.updated:
            woken = triggers.get(channel_name)
            if woken and (channel_name in signals or self._channels[channel_name].is_available()):
                names.update(woken)
            elif channel_name == TASKS and self._channels[TASKS].is_available():
                tasks = self._sent()
            elif channel_name == INPUT and self._channels[INPUT].is_available():
                first.append(Task(spec.start, (PULL, INPUT), (INPUT,)))
            elif channel_name not in spec.channels and channel_name.startswith(BRANCH):
                gone.append(channel_name)
        for name in sorted(names) if len(names) > 1 else names:
            node = spec.nodes[name]
            tasks.append(Task(node, (PULL, name), node.triggers))
        if gone and not self._left:
            tasks += self._gone(gone)
        return first + tasks if first else tasks

    def _sent(self) -> list[Task]:
        return [
            Task(node, (PUSH, index, False), (PUSH,), send.arg)
            for index, send in enumerate(self._channels[TASKS].get())
            if (node := self._node_of(send)) is not None
        ]

    def _node_of(self, send: Send) -> NodeSpec | None:
        """The node that a Send means; None if it is gone and waited for no more."""
        node = self._spec.nodes.get(send.node)
        if node is None:
            self.astray = not self._left
            return None if self._left else gone_node(send.node)
        return node if send.timeout is None else self._limited_node(send)

    def _gone(self, triggers: Iterable[str]) -> list[Task]:
        """The tasks that stand for nodes that are gone."""
        waited = [name for name in triggers if self.channel(name).is_available()]
        nodes = [gone_node(leads_to(name)) for name in sorted(waited)]
        self.astray = self.astray or bool(nodes)
        return [Task(node, (PULL, node.name), node.triggers) for node in nodes]

    def _limited_node(self, send: Send) -> NodeSpec:
        key = (send.node, send.timeout)
        node = self._limited.get(key)
        if node is None:
            limit = limits_of(send.timeout, f"A Send to {send.node!r}")
            node = replace(self._layout.spec.nodes[send.node], timeout=limit)
            self._limited[key] = node
        return node

    # --- upkeep --------------------------------------------------------------------------

    def _mark(self, name: str, channel: Channel) -> None:
        if channel.expires:
            self._expiring.add(name)
        elif name in self._layout.deferred:
            self._deferred[name] = None

    def _refresh(self, names: Iterable[str]) -> None:
        state, values, grown = self._layout.state, self._values, False
        for name in names:
            if name not in state:
                continue
            channel = self._channels[name]
            if channel.is_available():
                grown = grown or name not in values
                values[name] = channel.get()
            else:
                values.pop(name, None)
        if grown:
            self._values = {k: values[k] for k in self._layout.spec.state_keys if k in values}


def settled(writes: Writes, channels: Mapping[str, Channel]) -> Writes:
    """Writes as they are to be stored and applied; the same list if nothing was to be decided."""
    made = [
        (name, channels[name].settle(value) if name in channels else value)
        for name, value in writes
    ]
    same = all(new[1] is old[1] for new, old in zip(made, writes, strict=True))
    return writes if same else made


def grouped(writes: Writes) -> dict[str, list[Any]]:
    """Writes by channel, in the order written."""
    written: dict[str, list[Any]] = {}
    for name, value in writes:
        written.setdefault(name, []).append(value)
    return written


def _writers(channel: str, tasks: Sequence[Task]) -> str:
    wrote = (task for task in tasks if any(name == channel for name, _ in task.writes or ()))
    return ", ".join(repr(task.node.name) for task in wrote) or "the caller"


def _path(task: Task) -> Any:
    return task.path
