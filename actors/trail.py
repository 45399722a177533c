"""The checkpoints that a run adds to its thread, one after the other, and what is kept after each.

Pure: ids and times come in through `Facts`.  A run that stores nothing has no checkpoint; its tasks
have ids all the same, made when something needs them: new in each run, but of a graph that a task
calls the same whenever that task runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .answers import interrupt_id
from .channels import MISSING
from .channelset import ChannelSet
from .commands import (
    MachineCommand,
    Restored,
    SaveCheckpoint,
    SaveWrites,
    Snapshot,
    Source,
    Task,
)
from .departed import gone_error
from .errors import NodeGoneError
from .layout import Layout
from .report import Facts, is_start, task_id


class Trail:
    """One run's way from checkpoint to checkpoint."""

    __slots__ = ("_facts", "_newest", "_own", "checkpoint_id", "saved", "wrote")

    def __init__(self, facts: Facts, restored: Restored | None) -> None:
        self._facts = facts
        self._newest = restored.newest_id if restored else ""
        """The scope's newest checkpoint when the run came; ids of a scope only grow."""
        self.checkpoint_id = restored.checkpoint_id if restored else None
        """The checkpoint that the tasks of this step start from."""
        self.saved = _again(restored) if restored else None
        """The same as it was saved."""
        self._own = False
        """True: it is this run's input.  The run goes right on, so that it was taken is known."""
        self.wrote = restored.wrote if restored else ()
        """Names of the nodes that ran last, sorted; nodes that a Send ran do not count."""

    def save(
        self,
        source: Source,
        step: int,
        channels: ChannelSet,
        ran: Sequence[Task] = (),
        *,
        changed: Iterable[str] | None = None,
    ) -> list[MachineCommand]:
        """Add a checkpoint with the channels that changed since the last (or just those named).

        `ran`: tasks that are over with it.
        """
        facts = self._facts
        if not facts.persist:
            return []
        given = channels.take_given()
        self.wrote, self._own = _nodes(ran) or self.wrote, source == "input"
        parent = self.checkpoint_id
        after = max(parent or "", self._newest)
        self._newest = self.checkpoint_id = facts.new_id(after or None)
        self.saved = Snapshot(  # in the order of its fields: naming them takes twice as long
            self.checkpoint_id,
            parent,
            facts.now(),
            source,
            step,
            channels.version,
            channels.stored(channels.updated if changed is None else changed),
            self.wrote,
            channels.stored(given) if given and changed is None else {},
        )
        return [SaveCheckpoint(self.saved)]

    def stuck(self, tasks: Sequence[Task], layout: Layout) -> NodeGoneError | None:
        """Why no step can be made of these tasks, if some are of nodes that are gone."""
        return gone_error(tasks, self._facts.thread_id, list(layout.spec.nodes))

    def step_aside(self) -> None:
        """Let the next checkpoint stand beside the last one, not after it."""
        self.checkpoint_id = self.saved.parent_id if self.saved else None

    def keep(self, task: Task) -> list[MachineCommand]:
        """Keep what a task has come to, as pending writes of the step it belongs to."""
        if self.checkpoint_id is None or (is_start(task) and self._own and not task.interrupts):
            return []
        return [SaveWrites(task, self.checkpoint_id)]

    def identify(self, task: Task) -> str:
        """The task's id, made when first asked for."""
        if not task.id:
            facts = self._facts
            seed = self.identify(task.parent) if task.parent else self.checkpoint_id
            if not seed and not facts.ns:  # a namespace names the calling task
                seed = facts.seed()
            task.id = task_id(seed or "", facts.ns, task)
        return task.id

    def answer(self, tasks: Iterable[Task]) -> list[MachineCommand]:
        """Give tasks the answers that were brought for what they wait for, and keep them."""
        answers = self._facts.answers
        commands: list[MachineCommand] = []
        if answers is None:
            return commands
        for task in tasks:
            name = interrupt_id(self.namespace(task), len(task.answers))
            if all(name != interrupt.id for interrupt in task.interrupts):
                continue  # what a graph it calls waits for, if anything
            answer = answers.take(name)
            if answer is not MISSING:
                task.answers, task.interrupts = (*task.answers, answer), ()
                commands += self.keep(task)
        return commands

    def namespace(self, task: Task) -> tuple[str, ...]:
        """The task's own namespace, which the first graph it calls has too."""
        outer = self._facts.ns if task.parent is None else self.namespace(task.parent)
        return (*outer, f"{task.node.name}:{self.identify(task)}")


def _nodes(ran: Sequence[Task]) -> tuple[str, ...]:
    # No Send, no error handler, no node that is gone.
    names = [task.node.name for task in ran if len(task.path) == 2 and not task.node.gone]
    return tuple(sorted({*names})) if len(names) > 1 else tuple(names)


def _again(restored: Restored) -> Snapshot:
    """A restored checkpoint as it was when it was saved, to be shown again."""
    return Snapshot(
        id=restored.checkpoint_id,
        parent_id=restored.parent_id,
        created_at=restored.created_at,
        source=restored.source,
        step=restored.step,
        version=restored.version,
        changed={},
        wrote=restored.wrote,
    )
