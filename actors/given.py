"""What a run is given: a Command turned into writes, an input looked at before it counts; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

from .channelset import ChannelSet, settled
from .commands import PULL, MachineCommand, Restored, RunTasks
from .errors import EmptyInputError, InvalidUpdateError, ResumeError
from .report import Facts, is_start
from .spec import GraphSpec, Writes
from .values import START, Command
from .writes import command_writes


def given_writes(
    command: Command[Any], spec: GraphSpec, facts: Facts, restored: Restored | None
) -> Writes:
    """The writes that a Command adds to what the thread would run next.

    Raises ResumeError for an answer where nothing can wait for one, EmptyInputError for a Command
    that says nothing, InvalidUpdateError for an update or a goto that cannot be.
    """
    if command.graph == Command.PARENT:
        raise InvalidUpdateError(
            f"There is no parent graph for {command!r} as input: leave `graph` out, or return the "
            "Command from a node of a graph that another one calls"
        )
    if command.resume is not None:
        _check_resume(command, facts, restored)
    everywhere = replace(spec.start, writes=frozenset(spec.state_keys), name=START)
    writes = command_writes(command, everywhere, spec.nodes)
    if any(name not in spec.channels for name, _ in writes):
        raise InvalidUpdateError(
            f"{command!r} as input goes to a node, but the nodes of graph {spec.name!r} are "
            "triggered by channels alone: leave `goto` out, or give it an input"
        )
    if not writes and command.resume is None:
        raise EmptyInputError(
            f"Received empty Command input: {command!r} has no resume, update or goto, so there is "
            "nothing to do; give one of them, or None to go on"
        )
    return settled(writes, spec.channels)


def split_off(
    unstored: AbstractSet[str], data: dict[str, Any]
) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """An input's keys that are never stored, and those that are."""
    if unstored.isdisjoint(data):
        return {}, data
    aside = {key: data[key] for key in data if key in unstored}
    return aside, {key: data[key] for key in data if key not in unstored}


def readable(
    commands: list[MachineCommand], channels: ChannelSet, given: Callable[[], Writes]
) -> list[MachineCommand]:
    """The commands that an input leads to, if what runs first can read the state that it makes.

    Raises what a schema raises that takes no such state, while nothing of the input is stored yet:
    stored, it would fail each later run of the thread.  `given`: what the input writes, for the
    branches that say where to begin.
    """
    last = commands[-1] if commands else None
    first = last.tasks if isinstance(last, RunTasks) else ()
    made = [task for task in first if task.path[0] == PULL and task.node.coerce is not None]
    for task in {(task.node.coerce, task.node.reads): task for task in made}.values():
        channels.input_of(task)  # of an error handler it is the same
    for task in first:
        for branch in task.node.branches if is_start(task) else ():
            if branch.coerce is not None:
                channels.input_after(given(), branch, task.step)
    return commands


def _check_resume(command: Command[Any], facts: Facts, restored: Restored | None) -> None:
    if not facts.persist:
        raise ResumeError(
            "Cannot use Command(resume=...) without checkpointer: nothing is stored that could "
            f"wait for {command.resume!r}; compile the graph with a checkpointer and give a "
            "thread_id"
        )
    if restored is None:
        raise ResumeError(
            f"Command(resume={command.resume!r}) answers nothing: thread {facts.thread_id!r} has "
            "no checkpoint; give the thread_id of the run that was interrupted, or an input"
        )
