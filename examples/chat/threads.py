"""The names of the conversations in a database, kept as the state of a thread of their own."""

from __future__ import annotations

import operator
from typing import Annotated, TypedDict

from actors import START, StateGraph
from checkpoint import Saver

DIRECTORY = {"configurable": {"thread_id": "\N{BULLET} directory"}}


class Names(TypedDict):
    """Each conversation's name, and what it was first asked."""

    titles: Annotated[dict[str, str], operator.or_]


def keep(names: Names) -> None:
    """The input is all there is to keep."""


class Directory:
    """Knows which conversations a database holds."""

    def __init__(self, saver: Saver) -> None:
        builder = StateGraph(Names).add_node(keep).add_edge(START, "keep")
        self._graph = builder.compile(checkpointer=saver, name="directory")

    def titles(self) -> dict[str, str]:
        """First questions by name, oldest conversation first."""
        return self._graph.get_state(DIRECTORY).values.get("titles", {})

    def add(self, name: str, title: str) -> None:
        """Remember a conversation; one that is known keeps its title."""
        if name not in self.titles():
            self._graph.invoke({"titles": {name: title}}, DIRECTORY)
