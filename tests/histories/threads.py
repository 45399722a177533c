"""Threads of one small graph, and what they must be: the model that lifecycles are held against."""

from __future__ import annotations

import asyncio
import operator
from dataclasses import dataclass, replace
from typing import Annotated, TypedDict

from actors import END, START, StateGraph, interrupt

Point = tuple[tuple[str, ...], tuple[str, ...]]
"""A checkpoint: its log, and the nodes to run."""


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


async def first(state: State) -> State:
    for _ in range(10):
        await asyncio.sleep(0)
    return {"log": ["first"]}


async def ask(state: State) -> State:
    return {"log": [f"asked {interrupt('?')}"]}


def last(state: State) -> State:
    return {"log": ["last"]}


GRAPH = (
    StateGraph(State)
    .add_node(first)
    .add_node(ask)
    .add_node(last)
    .add_edge(START, "first")
    .add_edge("first", "ask")
    .add_edge("ask", "last")
    .add_edge("last", END)
    .compile()
)


@dataclass(frozen=True)
class Thread:
    """A thread as the model knows it."""

    log: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    past: tuple[Point, ...] = ()
    """Its checkpoints, the oldest first."""
    asked: bool = False
    answer: str | None = None
    """What was answered to the node that is to run; the engine keeps it and does not show it, and
    asks no other."""

    @property
    def visible(self) -> Thread:
        """What the engine shows of it."""
        return replace(self, answer=None)

    def after(self, log: tuple[str, ...], following: tuple[str, ...]) -> Thread:
        """The thread with one more checkpoint, whose log is so much longer."""
        whole = self.log + log
        return Thread(whole, following, (*self.past, (whole, following)))

    def after_input(self, word: str) -> list[Thread]:
        """All that a run with this input passes, in order; the last one is where it pauses."""
        begun = self.after((word,), ("first",))
        return [begun, *begun.going_on()]

    def going_on(self) -> list[Thread]:
        """The same of a run that goes on, without an answer."""
        match self.next:
            case ("first",):
                done = self.after(("first",), ("ask",))
                return [done, *done.going_on()]
            case ("ask",) if self.answer is not None:
                return self.answered(self.answer)
            case ("ask",):
                return [Thread(self.log, ("ask",), self.past, asked=True)]
            case ("last",):
                return [self.after(("last",), ())]
            case _:
                return []

    def answered(self, word: str) -> list[Thread]:
        """The same of a run that brings an answer."""
        answer = word if self.answer is None else self.answer
        taken = Thread(self.log, ("ask",), self.past, answer=answer)
        done = self.after((f"asked {answer}",), ("last",))
        return [taken, done, *done.going_on()]

    def updated(self, word: str) -> Thread:
        """The thread after an update as `first`."""
        return self.after((word,), ("ask",))
