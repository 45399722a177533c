"""Where control can go in a graph, found by walking it the way a run would.

The walk drives the graph's own trigger channels, with no values and no user code.  A task writes
what its static edges say whenever it runs; what its branches and Commands may choose, it writes the
first time only, so that loops end.  An edge is drawn from whoever wrote to a trigger of a node that
runs then.  A node that runs because nothing else was left gets edges from the last step's tasks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import NamedTuple

from .channelset import ChannelSet
from .commands import PULL, Task
from .draw_parts import Edge
from .layout import Layout
from .spec import BRANCH, GraphSpec, NodeSpec
from .values import END, START

STEPS = 251
"""Loops are walked as often as this many steps allow; a longer chain is walked to its end."""


class _Lead(NamedTuple):
    """Control that a task handed, or may have handed, to a trigger channel."""

    trigger: str
    conditional: bool = False
    label: str | None = None


def edges_of(layout: Layout) -> list[Edge]:
    """The edges of a graph's drawing, by source and target; one for each pair."""
    if layout.spec.direct:
        return list(_channel_edges(layout.spec))
    walk = _Walk(layout)
    last = walk.run()
    edges: dict[tuple[str, str], Edge] = {}
    for edge in sorted(walk.edges, key=_order):
        label = None if edge.data == edge.target else edge.data
        edges.setdefault((edge.source, edge.target), replace(edge, data=label))
    return [*edges.values(), *_last_edges(edges, last)]


def _order(edge: Edge) -> tuple[str, str, bool, str]:
    return edge.source, edge.target, edge.conditional, edge.data or ""


def _last_edges(edges: Collection[tuple[str, str]], last: Collection[str]) -> Iterator[Edge]:
    """Edges to END: from nodes that lead nowhere, else out of a loop that nothing leaves."""
    sources, targets = {source for source, _ in edges}, {target for _, target in edges}
    dead_ends = targets - sources - {END}
    if dead_ends:
        yield from (Edge(name, END) for name in sorted(dead_ends))
    elif END not in targets and len(last) == 1:
        yield from (Edge(name, END, conditional=True) for name in last)


def _channel_edges(spec: GraphSpec) -> Iterator[Edge]:
    """The edges of a raw graph: from who writes to a channel to who subscribes to it."""
    puts = {START: spec.input_keys} | {name: node.puts for name, node in spec.nodes.items()}
    woken = {
        name: sorted({target for channel in channels for target in spec.triggers.get(channel, ())})
        for name, channels in puts.items()
    }
    for source in sorted(woken):
        yield from (Edge(source, target) for target in woken[source])
    dead_ends = sorted(name for name in spec.nodes if not woken[name])
    if dead_ends:
        alone = len(spec.nodes) == 1  # then LangGraph takes the edge for one out of a loop
        yield from (Edge(name, END, conditional=alone) for name in dead_ends)
    else:
        shown = set(spec.output_keys)
        yield from (
            Edge(name, END, conditional=True)
            for name, node in sorted(spec.nodes.items())
            if not shown.isdisjoint(node.puts)
        )


class _Walk:
    """One walk: the channels, and who has written to which of them."""

    def __init__(self, layout: Layout) -> None:
        self._spec = layout.spec
        self._channels = ChannelSet(layout)
        self._options: dict[str, set[_Lead]] = {}
        """Node -> what its branches and Commands may choose, once it has run."""
        self._leads: dict[str, set[_Lead]] = {}
        """Node -> what it wrote when it last ran, without what others have overtaken since."""
        self.edges: set[Edge] = set()

    def run(self) -> list[str]:
        """Walk until nothing is left to run; gives the names of the last step's tasks."""
        start = self._spec.start
        tasks, last = [Task(start, (PULL, start.name), start.triggers)], list[str]()
        for _ in range(max(STEPS, len(self._spec.nodes) + 1)):
            if not tasks:
                break
            step = {task.node.name: self._leads_of(task) for task in tasks}
            self._leads |= step
            tasks, last = self._next(tasks), list(step)
            self._draw(tasks, step)
        return last

    def _leads_of(self, task: Task) -> set[_Lead]:
        """Give the task its writes; what it hands control to with them."""
        node, chosen = task.node, dict[str, str | None]()
        task.writes = list(node.targets)
        if node.name not in self._options:
            choices = list(_choices(node))
            self.edges |= {
                Edge(node.name, END, label, conditional=True)
                for end, label in choices
                if end == END
            }
            leads = [_Lead(BRANCH + end, True, lb) for end, lb in choices if end != END]
            self._options[node.name] = set(leads)
            chosen = {lead.trigger: lead.label for lead in leads}
            task.writes += dict.fromkeys(chosen).items()
        wrote = {_Lead(name, name in chosen, chosen.get(name)) for name, _ in task.writes}
        return wrote | self._options[node.name]

    def _next(self, tasks: list[Task]) -> list[Task]:
        self._channels.apply(tasks)
        planned = self._channels.plan()
        if not planned and self._channels.open_deferred():
            planned = self._channels.plan()
        return planned

    def _draw(self, tasks: list[Task], step: dict[str, set[_Lead]]) -> None:
        """Edges into these tasks, from all who wrote to their triggers."""
        writers: dict[str, list[tuple[str, _Lead]]] = {}
        for name, leads in self._leads.items():
            for lead in leads:
                writers.setdefault(lead.trigger, []).append((name, lead))
        for task in tasks:
            target, led = task.node.name, False
            for trigger in task.triggers:
                for source, lead in writers.get(trigger, ()):
                    self.edges.add(Edge(source, target, lead.label, lead.conditional))
                    if lead in step.get(source, ()):
                        led = True
                    else:
                        self._leads[source].discard(lead)
            if not led:
                self.edges |= {Edge(source, target, conditional=True) for source in step}


def _choices(node: NodeSpec) -> Iterator[tuple[str, str | None]]:
    """Where its Commands and branches may go, as declared, with labels."""
    yield from node.ends.items()
    for branch in node.branches:
        yield from ((end, str(label)) for label, end in (branch.ends or {}).items())
