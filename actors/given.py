"""A Command as a run's input: checked, and turned into writes; pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .channelset import settled
from .commands import Restored
from .errors import EmptyInputError, InvalidUpdateError, ResumeError
from .report import Facts
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
