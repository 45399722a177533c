"""The super-step machine: all rules of a run, as a pure object.

Events go in, commands come out (both in `commands.py`); clock and ids come in through `Facts`.

The rules:

1. A *super-step* runs a set of tasks.  All of them see the state as the step found it; their
   writes are applied together when the last one has finished, in the order of their paths (node
   tasks by name, then Sends by index), never in the order they finished.
2. Applying a step's writes updates channels.  A node whose trigger channel was updated gets a
   task in the next step, each Send in the tasks channel too.  Only updated channels are looked at.
3. When no task is left, deferred nodes that were triggered open; when there are none, the run is
   finished.
4. The input is a step of its own: checkpoint -1 holds it (but for keys that are never stored),
   step 0 applies it.  A new input on a thread that had tasks left drops those tasks; a step whose
   tasks have all finished is closed first.  Steps count on over the runs of a thread.
5. Going on without an input plans again.  Tasks whose writes were kept are reported as cached.
6. A task that fails ends the run.  The writes of siblings that finished are kept, the error too.
   If its node has an error handler, that runs in the same step with the same input instead; a
   handler that fails ends the run.  Going on then runs the handler again, not the node.
7. A task that is interrupted waits; its siblings run to the end and their writes are kept, then the
   run ends as interrupted.  Going on runs it again with the answers given so far.  Before or after
   a node where the graph is to pause, the run ends too, its step saved; going on passes there.
8. A Command as input adds its writes to what is planned, kept under an id of their own until the
   next checkpoint has them.  No step is made of tasks whose nodes are gone from the graph.
9. A run asked to stop ends where the next step would begin, its last one saved; so does a graph
   that a task calls, whose siblings run to the end.  A step that takes too long ends the run.
10. Tasks that a task calls belong to its step; their rules stand in `called.py`.
11. Of the commands of one answer, those that save come before the Emit that reports it, and
   RunTasks or Finish comes last: the shell commits, publishes, waits for its reader, goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any, cast

from .called import Called, CallEvent
from .channelset import ChannelSet
from .commands import (
    NULL_TASK,
    PULL,
    Begin,
    CallDropped,
    Cancelled,
    Finish,
    MachineCommand,
    MachineEvent,
    Restored,
    RunTasks,
    SaveWrites,
    StepTimedOut,
    StopAsked,
    Task,
    TaskCalled,
    TaskFailed,
    TaskFinished,
    TaskInterrupted,
)
from .control import RunControl
from .endings import no_input, out_of_steps, stopped
from .errors import GraphBubbleUp, GraphDrained, GraphInterrupt
from .given import given_writes, readable, split_off
from .handlers import hand_over, handler_task, is_handled
from .kept import recall
from .layout import Layout
from .report import Facts, Reporter, is_start
from .scope import unclosed
from .spec import INPUT, Writes
from .trail import Trail
from .values import Command, Interrupt
from .views import error_text


class Machine:
    """One run of one graph (a subgraph's run is a machine of its own)."""

    __slots__ = (
        "_aside",
        "_called",
        "_control",
        "_done",
        "_drained",
        "_facts",
        "_first_written",
        "_given",
        "_layout",
        "_open",
        "_paused",
        "_report",
        "_restored",
        "_silent",
        "_tasks",
        "_with_ids",
        "channels",
        "step",
        "trail",
    )

    def __init__(self, layout: Layout, facts: Facts, restored: Restored | None = None) -> None:
        self._layout = layout
        self._facts = facts
        self._restored = restored
        self.channels = ChannelSet(layout, restored, stored=facts.persist)
        self.trail = Trail(facts, restored)
        self._control = facts.control or RunControl()
        self._report = Reporter(layout, facts, self.channels)
        self._called: Called | None = None  # what tasks of this step have called, once one did
        self.step = restored.step if restored else -2
        """The super-step that runs, or that the last checkpoint closed."""
        self.channels.stop = self.step + facts.recursion_limit + 2
        self._tasks: list[Task] = []
        self._given: Writes = []  # control by a Command on a new thread, beside the start
        self._first_written: AbstractSet[str] = frozenset()
        self._paused: tuple[Interrupt, ...] | None = None
        """Interrupts of this step's tasks; None: no task is interrupted or drained."""
        self._drained: GraphDrained | None = None  # a graph that a task called was asked to stop
        self._aside: Mapping[str, Any] = {}
        """Keys of the input that are never stored: only this run's step 0 has them."""
        self._open = 0  # tasks of this step that have not finished
        self._done = False
        self._with_ids = facts.persist or facts.watch.tasks
        self._silent = not (facts.persist or facts.watch)  # nothing is stored, nobody watches

    def feed(self, event: MachineEvent) -> list[MachineCommand]:
        """What to do about an event; nothing once the run is over."""
        if self._done:
            return []
        if isinstance(event, TaskFinished) and event.task.parent is None:  # a pattern costs 0.4 µs
            return self._task_finished(event.task, event.writes, cached=event.cached)
        match event:
            case Begin(value):
                return self._enter(value)
            case TaskFailed(Task(parent=None) as task, error):
                return self._task_failed(task, error)
            case TaskInterrupted(Task(parent=None) as task, interrupts):
                return self._task_interrupted(task, interrupts)
            case TaskCalled() | TaskFinished() | TaskFailed() | TaskInterrupted() | CallDropped():
                return self._call(event)
            case StepTimedOut(step) if step != self.step:
                return []
            case StepTimedOut() | StopAsked() | Cancelled():
                limit = self._layout.step_timeout
                return [self._finish(stopped(event, self._facts.seed(), limit, self._tasks))]

    def start_writes(self) -> Writes:
        """What the input writes in step 0: its state keys."""
        return self._layout.spec.writes_in({**self.channels.channel(INPUT).get(), **self._aside})

    def _enter(self, value: Any) -> list[MachineCommand]:
        restored = self._restored
        if restored is not None and NULL_TASK in restored.pending:
            self.channels.give(restored.pending[NULL_TASK])
        if isinstance(value, Command):
            return self._command(cast("Command[Any]", value))
        if value is None:
            return self._resume()
        begun = self._begin(self._layout.spec.read(value))
        return readable(begun, self.channels, self.start_writes) if self._facts.persist else begun

    def _command(self, command: Command[Any]) -> list[MachineCommand]:
        writes = given_writes(command, self._layout.spec, self._facts, self._restored)
        restored = self._restored
        if restored is None:
            state = [(name, value) for name, value in writes if name in self._layout.state]
            self.channels.give(state)
            self._given = [write for write in writes if write[0] not in self._layout.state]
            return self._begin({}, {name for name, _ in state})
        self.channels.give(writes)
        commands = self._resume()
        if writes and not restored.replayed:
            kept = [*restored.pending.get(NULL_TASK, ()), *writes]
            task = Task(self._layout.spec.start, (PULL, INPUT), ())
            task.id, task.writes = NULL_TASK, kept
            commands.insert(0, SaveWrites(task, restored.checkpoint_id))
        return commands

    def _begin(self, data: Any, given: AbstractSet[str] = frozenset()) -> list[MachineCommand]:
        """Start with an input; `given`: state keys that a Command has already written."""
        spec = self._layout.spec
        told = self._control.drain_reason or given or self._restored
        if not self._facts.persist and spec.starts_plainly and not told:
            return self._begin_at_once(data)
        self._aside, data = split_off(self._layout.unstored, data)
        commands = self._close(unclosed(self._layout, self._facts, self._restored, self.channels))
        left = self.channels.plan()
        dropped = self.channels.consume(left)
        written = {key: [data[key]] for key in data} if spec.direct else {INPUT: [data]}
        self.channels.write(written)
        self.channels.updated |= dropped | given
        self._first_written = given
        self.step += 1
        commands += self.trail.save("input", self.step, self.channels, left)
        start = self._adopt(self.channels.plan())
        commands += self._report.stepped(self.step, frozenset(), self.trail.saved, start)
        if spec.direct:
            return commands + self._start(start)
        if (reason := self._control.drain_reason) is not None:
            return [*commands, self._finish(GraphDrained(reason))]
        self.step += 1
        if spec.start.branches:  # user code says where to begin
            self._open = len(start)
            return [*commands, RunTasks(start, opening=True)]
        self._open, writes = 1, [*self.start_writes(), *spec.start.targets]
        return commands + self._task_finished(start[0], writes)

    def _close(self, finished: list[Task]) -> list[MachineCommand]:
        """Close a step that the last run left with nothing but its checkpoint missing."""
        if not finished:
            return []
        self.channels.apply(finished)
        self.channels.stop += 1
        self.step += 1
        told = self._plan_on(finished)
        return told + self._report.stepped(self.step, frozenset(), self.trail.saved, self._tasks)

    def _begin_at_once(self, data: Any) -> list[MachineCommand]:
        """Start without a step for the input, which only a checkpoint would show."""
        self.step += 2
        spec = self._layout.spec
        start = Task(spec.start, (PULL, INPUT), (INPUT,), None, self.step)
        writes = [*spec.writes_in({**data}), *spec.start.targets]
        start.writes, self._tasks = self.channels.settled(start, writes), [start]
        return self._end_step()

    def _resume(self) -> list[MachineCommand]:
        restored = self._restored
        if restored is None:
            return [self._finish(no_input())]
        tasks = self.channels.plan()
        commands: list[MachineCommand] = []
        if restored.replayed:
            self.step += 1
            commands = self.trail.save(
                "fork", self.step, self.channels, changed=self.channels.given
            )
        self._adopt(tasks)
        for task in tasks:
            self._recall(task, restored.pending)
        if self.channels.astray and (stuck := self.trail.stuck(tasks, self._layout)):
            raise stuck
        if self._facts.answers is not None and not self._facts.ns:
            self._facts.answers.address({i.id for task in tasks for i in task.interrupts})
        commands += self._report.restored(self.step, self.trail.saved, tasks)
        return commands + self.trail.answer(self._tasks) + self._start(self._tasks, passing=True)

    def _recall(self, task: Task, pending: Mapping[str, Writes]) -> None:
        if task.id in pending:
            recall(task, pending[task.id])
            task.cached = task.writes is not None
            if is_handled(task):
                self._recall(self._hand_over(task), pending)

    def _adopt(self, tasks: list[Task]) -> list[Task]:
        """Make these the tasks of the step after the current one."""
        for task in tasks:
            task.step = self.step + 1
            if self._with_ids:
                self.trail.identify(task)
        if self._called is not None:
            self._called.clear()
        self._tasks = tasks
        return tasks

    def _start(self, tasks: list[Task], *, passing: bool = False) -> list[MachineCommand]:
        """Announce a step's tasks, then run those that have not finished already.

        `passing`: the run was told to go on here, so it does not pause.
        """
        if not tasks:
            return [self._finish()]
        if self.channels.astray and (stuck := self.trail.stuck(tasks, self._layout)):
            return [self._finish(stuck)]
        before = self._facts.pauses.before
        if before and not passing and any(task.node.name in before for task in tasks):
            return self._pause()
        if (reason := self._control.drain_reason) is not None:
            return [self._finish(GraphDrained(reason))]
        self.step += 1
        commands = [] if self._report.silent else self._report.starting(tasks)
        todo: list[Task] = []
        for task in tasks:
            task.error = None
            if task.cached:
                commands += self._report.finished(task)
            elif task.failure is None or not is_handled(task):
                todo.append(task)
        if todo:
            self._open = len(todo)
            commands.append(RunTasks(todo, opening=True))
            return commands
        return commands + self._end_step()

    def _call(self, event: CallEvent) -> list[MachineCommand]:
        if self._called is None:
            self._called = Called(self.trail, self._report, self._restored)
        commands, more = self._called.feed(event)
        self._open += more
        return commands if self._open else commands + self._end_step()

    def _task_finished(
        self, task: Task, writes: Writes, *, cached: bool = False
    ) -> list[MachineCommand]:
        task.writes, task.interrupts, task.cached = self.channels.settled(task, writes), (), cached
        self._open -= 1
        commands = [] if self._silent else self.trail.keep(task) + self._report.finished(task)
        return commands if self._open else commands + self._end_step()

    def _task_failed(self, task: Task, error: BaseException) -> list[MachineCommand]:
        if isinstance(error, GraphDrained):
            self._drained, self._paused = error, self._paused or ()
            self._open -= 1
            return [] if self._open else self._end_step()
        if isinstance(error, GraphBubbleUp):  # not the task's: it is for whoever called the graph
            return [self._finish(error)]
        task.error = error_text(error)
        handled = hand_over(task, error)
        if self._facts.answers is not None:
            taken = self._facts.answers.taken
            task.interrupts = tuple(i for i in task.interrupts if i.id not in taken)
        commands = [*self.trail.keep(task), *self._report.failed(task, error)]
        return [*commands, RunTasks([self._hand_over(task)]) if handled else self._finish(error)]

    def _hand_over(self, failed: Task) -> Task:
        """Put the task of its error handler beside a task that failed."""
        task = handler_task(failed, self._layout.spec)
        self._tasks = [*self._tasks, task]
        if self._with_ids:
            self.trail.identify(task)
        return task

    def _task_interrupted(
        self, task: Task, interrupts: tuple[Interrupt, ...]
    ) -> list[MachineCommand]:
        task.interrupts = interrupts
        self._paused = (*(self._paused or ()), *interrupts)
        self._open -= 1
        commands = self.trail.keep(task) if interrupts or task.answers else []
        commands += self._report.interrupted(task)
        return commands if self._open else commands + self._end_step()

    def _end_step(self) -> list[MachineCommand]:
        done = self._tasks
        if self._facts.answers is not None and not self._facts.ns:
            self._facts.answers.end_step()
        if self._paused is not None:
            return self._end_interrupted(self._paused)
        if self._given and is_start(done[0]):
            done[0].writes = [*(done[0].writes or ()), *self._given]
        try:
            written = self.channels.apply(done)
        except Exception as error:  # noqa: BLE001 - reducers are user code: they may raise anything
            return [self._finish(error)]
        commands = self._plan_on(done)
        if not self._report.silent:
            shown = (written | self._first_written) & self._layout.state
            self._first_written = frozenset()
            commands += self._report.stepped(self.step, shown, self.trail.saved, self._tasks)
        after = self._facts.pauses.after
        if after and any(task.node.name in after for task in done):
            return commands + self._pause()
        if self.step >= self.channels.stop:
            return [*commands, self._finish(out_of_steps(self._facts.recursion_limit))]
        return commands + self._start(self._tasks)

    def _plan_on(self, done: list[Task]) -> list[MachineCommand]:
        """Save a step whose writes are applied, and plan the next one."""
        planned = self.channels.plan()
        if not planned and self.channels.open_deferred():
            planned = self.channels.plan()
        persist = self._facts.persist
        commands = self.trail.save("loop", self.step, self.channels, done) if persist else []
        self._adopt(planned)
        return commands

    def _end_interrupted(self, interrupts: tuple[Interrupt, ...]) -> list[MachineCommand]:
        """End a step in which tasks wait; the caller sees what the others wrote."""
        if self._drained is not None:
            return [self._finish(self._drained)]
        commands: list[MachineCommand] = []
        done = [task for task in self._tasks if task.writes]
        if done and not self._facts.ns:
            try:
                written = self.channels.apply(done) & self._layout.state
            except Exception as error:  # noqa: BLE001 - reducers are user code
                return [self._finish(error)]
            commands = self._report.stepped(self.step, written, None, ())
        if interrupts:
            return [*commands, self._finish(GraphInterrupt(interrupts))]
        return commands + self._pause()

    def _pause(self) -> list[MachineCommand]:
        """Pause before or after a node; of a graph that a task called, only the root tells."""
        commands = [] if self._facts.ns else self._report.paused(self.step)
        return [*commands, self._finish(GraphInterrupt())]

    def _finish(self, error: BaseException | None = None) -> Finish:
        self._done = True
        return Finish(error)
