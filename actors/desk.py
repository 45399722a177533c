"""The desk where tasks wait for a slot, and from where they go to the actors of their nodes."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .commands import Task
from .guarded import GuardedNode
from .node import NodeActor
from .ref import ActorRef
from .spec import NodeSpec

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
        self.queue: deque[Task] = deque()
        """Tasks that wait for a slot."""
        self._actors: dict[NodeSpec, ActorRef[Task, None]] = {}
        self._running = scheduler.running
        self._callers = scheduler.calls.callers

    def add(self, tasks: Iterable[Task], scheduler: Scheduler) -> None:
        """Take tasks, and hand out as many as there are slots."""
        if self._slots == math.inf:  # none has to wait
            for task in tasks:
                self._send(task, scheduler)
            return
        self.queue.extend(tasks)
        self.hand_out(scheduler)

    def hand_out(self, scheduler: Scheduler) -> None:
        """Hand out as many tasks as there are slots; those who may wait for calls hold none."""
        queue, running, callers = self.queue, self._running, self._callers
        while queue and len(running) - len(callers) < self._slots:
            self._send(queue.popleft(), scheduler)

    def take_back(self, task: Task) -> bool:
        """Hand this task out no more; False if it does not wait here."""
        if task not in self.queue:
            return False
        self.queue.remove(task)
        return True

    def clear(self) -> None:
        """Hand out nothing more, and let go of the actors."""
        self.queue.clear()
        self._actors.clear()

    def _send(self, task: Task, scheduler: Scheduler) -> None:
        node = task.node
        ref = self._actors.get(node)
        if ref is None:
            actor = (GuardedNode if node.guarded else NodeActor)(node, scheduler)
            ref = self._actors[node] = scheduler.supervisor.start(actor, name=node.name)
        ref.tell_nowait(task)
