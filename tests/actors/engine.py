"""Small graphs, nodes and facts that the tests of the engine share."""

from __future__ import annotations

import asyncio
import itertools
import operator
import threading
from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypedDict

from actors import END, START, CompiledGraph, StateGraph
from actors.commands import (
    Begin,
    Emit,
    Finish,
    MachineCommand,
    Restored,
    RunTasks,
    SaveCheckpoint,
    SaveWrites,
    Task,
    TaskFinished,
)
from actors.kept import kept_of
from actors.report import Facts, Watch
from actors.spec import Writes
from actors.superstep import Machine

ALL = Watch(values=True, updates=True, tasks=True, checkpoints=True)
DEADLINE = 10.0
"""Seconds after which a test that hangs is given up."""


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]
    n: int
    text: str


def says(name: str, **more: Any) -> Callable[[Any], dict[str, Any]]:
    """A sync node that logs its name."""

    def node(state: Any) -> dict[str, Any]:
        return {"log": [name], **more}

    return node


def saying(name: str, **more: Any) -> Callable[[Any], Any]:
    """An async node that logs its name."""

    async def node(state: Any) -> dict[str, Any]:
        return {"log": [name], **more}

    return node


def noting(name: str, ran: list[str]) -> Callable[[Any], Any]:
    """An async node that logs its name, and notes there that it runs."""

    async def node(state: Any) -> dict[str, Any]:
        ran.append(name)
        return {"log": [name]}

    return node


class Gated:
    """An async node that waits for its gate, and tells how it came and went."""

    def __init__(self, name: str = "gated") -> None:
        self.name = name
        self.started = asyncio.Event()
        self.gate = asyncio.Event()
        self.calls = 0
        self.cancelled = 0
        self.cleaned = 0

    async def __call__(self, state: Any) -> dict[str, Any]:
        self.calls += 1
        self.started.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            await asyncio.sleep(0)
            self.cleaned += 1
        return {"log": [self.name]}


class Blocked:
    """A sync node that blocks its worker thread until its gate opens."""

    def __init__(self, name: str = "blocked") -> None:
        self.name = name
        self.started = threading.Event()
        self.gate = threading.Event()
        self.ended = threading.Event()
        self.late: list[Any] = []
        """What `after` gave or raised once the gate was open."""
        self.after: Callable[[], Any] = lambda: None

    def __call__(self, state: Any) -> dict[str, Any]:
        self.started.set()
        assert self.gate.wait(DEADLINE)
        try:
            self.late.append(self.after())
        except BaseException as error:
            self.late.append(error)
        finally:
            self.ended.set()
        return {"log": [self.name]}


async def set_in_thread(event: threading.Event) -> None:
    """Wait for an event that a worker thread sets."""
    assert await asyncio.to_thread(event.wait, DEADLINE)


def chain(schema: Any = State, **nodes: Any) -> StateGraph:
    """Nodes in a row from START to END."""
    builder, before = StateGraph(schema), START
    for name, node in nodes.items():
        builder.add_node(name, node)
        builder.add_edge(before, name)
        before = name
    return builder.add_edge(before, END)


def fan(schema: Any = State, **nodes: Any) -> StateGraph:
    """Nodes side by side."""
    builder = StateGraph(schema)
    for name, node in nodes.items():
        builder.add_node(name, node)
        builder.add_edge(START, name)
    return builder


def on(thread_id: str, **more: Any) -> dict[str, Any]:
    """A config that names a thread."""
    return {"configurable": {"thread_id": thread_id}, **more}


# --- machines without a loop -------------------------------------------------------------------


def facts(**changes: Any) -> Facts:
    """Facts with a clock that stands and ids c1, c2, …"""
    numbers, seed = itertools.count(1), changes.pop("seed", "run")
    known: dict[str, Any] = {
        "now": lambda: 7.0,
        "new_id": lambda _parent: f"c{next(numbers)}",
        "recursion_limit": 25,
        "seed": lambda: seed,
    }
    return Facts(**(known | changes))


def machine(builder: StateGraph | CompiledGraph, **changes: Any) -> Machine:
    """A machine of the graph, with `restored` and any facts."""
    graph = builder if isinstance(builder, CompiledGraph) else builder.compile()
    restored = changes.pop("restored", None)
    return Machine(graph.layout, facts(**changes), restored)


def writes_for(task: Task, *updates: dict[str, Any]) -> Writes:
    """What a node's task writes: the updates, then its static edges."""
    found = [(key, value) for update in updates for key, value in update.items()]
    return [*found, *task.node.targets]


def finish(
    target: Machine, commands: list[MachineCommand], order: Iterable[str] = (), **updates: Any
) -> list[MachineCommand]:
    """Finish the tasks that `commands` run, in the named order, each with `{"log": [name]}` or the
    update given for it; gives the commands of all answers."""
    tasks = ran(commands)
    wanted = list(order) or [task.node.name for task in tasks]
    given: list[MachineCommand] = []
    for name in wanted:
        task = next(task for task in tasks if task.node.name == name and task.writes is None)
        update = updates.get(name, {"log": [name]})
        given += target.feed(TaskFinished(task, writes_for(task, update)))
    return given


def ran(commands: list[MachineCommand]) -> list[Task]:
    """The tasks that are to run."""
    return [task for command in commands if isinstance(command, RunTasks) for task in command.tasks]


def names(commands: list[MachineCommand]) -> list[str]:
    """The nodes that are to run, in order."""
    return [task.node.name for task in ran(commands)]


def emitted(commands: list[MachineCommand]) -> list[Any]:
    """The events."""
    return [command.event for command in commands if isinstance(command, Emit)]


def saved(commands: list[MachineCommand]) -> list[Any]:
    """The snapshots of checkpoints to store."""
    return [command.snapshot for command in commands if isinstance(command, SaveCheckpoint)]


def kept(commands: list[MachineCommand]) -> list[Task]:
    """The tasks whose writes are to be kept."""
    return [command.task for command in commands if isinstance(command, SaveWrites)]


def ending(commands: list[MachineCommand]) -> Finish:
    """The end, which must be the last command."""
    assert isinstance(commands[-1], Finish), commands
    return commands[-1]


def run_through(target: Machine, value: Any, **updates: Any) -> list[MachineCommand]:
    """Feed a machine to its end; gives every command."""
    every = commands = target.feed(Begin(value))
    while ran(commands):
        commands = finish(target, commands, **updates)
        every = every + commands
    return every


def restored_of(commands: list[MachineCommand], upto: int | None = None) -> Restored:
    """What a saver would give back after these commands (up to the n-th checkpoint)."""
    snapshots = saved(commands)[:upto]
    values: dict[str, Any] = {}
    versions: dict[str, int] = {}
    for snapshot in snapshots:
        for name, value in {**snapshot.before, **snapshot.changed}.items():
            values.pop(name, None)
            versions.pop(name, None)
            if not _is_missing(value):
                values[name] = value
                versions[name] = snapshot.version
    last = snapshots[-1]
    pending: dict[str, Writes] = {}
    for command in commands:
        if isinstance(command, SaveWrites) and command.checkpoint_id == last.id:
            pending[command.task.id] = list(kept_of(command.task, ()))
    return Restored(
        checkpoint_id=last.id,
        parent_id=last.parent_id,
        step=last.step,
        version=last.version,
        values=values,
        versions=versions,
        pending=pending,
        source=last.source,
    )


def _is_missing(value: Any) -> bool:
    return type(value).__name__ == "Missing"
