"""The desk where tasks wait for a slot, and from where they go to the actors of their nodes."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .commands import Task
from .node_actor import NodeActor
from .spec import NodeSpec
from .walk import begin

if TYPE_CHECKING:
    from .scheduler import Scheduler


class Desk:
    """Hands out the tasks of one scheduler, in the order they came.

    The scheduler comes with each call: kept here, it would make a circle, and its run would stay in
    memory until the collector comes by.
    """

    __slots__ = ("_actors", "_callers", "_running", "_slots", "queue")

    def __init__(self, scheduler: Scheduler, slots: float) -> None:
        self._slots = slots
        self.queue: deque[Task] | tuple[()] = ()  # no deque before one has to wait: 0.6 KB
        """Tasks that wait for a slot."""
        self._actors: dict[NodeSpec, NodeActor] = {}
        self._running = scheduler.running
        self._callers = scheduler.calls.callers

    def add(self, tasks: Iterable[Task], scheduler: Scheduler) -> None:
        """Take tasks, and hand out as many as there are slots."""
        if self._slots == math.inf:  # none has to wait
            for task in tasks:
                begin(task, scheduler)
            return
        self.queue = deque((*self.queue, *tasks))
        self.hand_out(scheduler)

    def hand_out(self, scheduler: Scheduler) -> None:
        """Hand out as many tasks as there are slots; those who may wait for calls hold none."""
        queue, running, callers = self.queue, self._running, self._callers
        while isinstance(queue, deque) and queue and len(running) - len(callers) < self._slots:
            begin(queue.popleft(), scheduler)

    def actor_of(self, node: NodeSpec, scheduler: Scheduler) -> NodeActor:
        """The actor of a node, which is made for its first message."""
        actor = self._actors.get(node)
        if actor is None:
            actor = self._actors[node] = NodeActor(node, scheduler)
        return actor

    def take_back(self, task: Task) -> bool:
        """Hand this task out no more; False if it does not wait here."""
        if not isinstance(self.queue, deque) or task not in self.queue:
            return False
        self.queue.remove(task)
        return True

    def stop(self) -> None:
        """Hand out nothing more: the run is being cancelled."""
        self._slots = 0

    def clear(self) -> None:
        """Hand out nothing more, and let go of the actors."""
        self.queue = ()
        self._actors.clear()
