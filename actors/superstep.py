"""The super-step machine: all rules of a run, as a pure object.

Events go in (`commands.py`: Begin, TaskFinished, TaskFailed, Cancelled), commands come out
(SaveWrites, SaveCheckpoint, Emit, RunTasks, Finish).  Nothing here waits, reads a clock or makes
an id by itself; clock and ids come in through `Facts`.

The rules:

1. A *super-step* runs a set of tasks.  All of them see the state as the step found it; their
   writes are applied together when the last one has finished, in the order of their paths (node
   tasks by name, then Sends by index), never in the order they finished.
2. Applying a step's writes updates channels.  A node whose trigger channel was updated gets a
   task in the next step; each Send in the tasks channel gets one too.  Only updated channels are
   looked at, so a step costs what it changed, not what the graph holds.
3. When no task is left, deferred nodes that were triggered open; when there are none, the run is
   finished.
4. The input is a step of its own: checkpoint -1 holds it (but for keys that are never stored),
   step 0 applies it.  A new input on a thread that had tasks left drops those tasks.  Steps count
   on over the runs of a thread.
5. Going on without an input plans again from the checkpoint.  Tasks whose writes were kept do not
   run again; their updates are reported as cached.
6. A task that fails ends the run.  The writes of siblings that finished are kept, the error too.
7. The commands of one answer are in order: what an Emit reports is saved by the commands before
   it, and RunTasks or Finish comes last, so that the shell can commit, publish, wait for its
   reader, and then go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from .channelset import ChannelSet
from .commands import (
    ERROR,
    PULL,
    Begin,
    Cancelled,
    Emit,
    Finish,
    MachineCommand,
    MachineEvent,
    Restored,
    RunTasks,
    SaveCheckpoint,
    SaveWrites,
    Snapshot,
    Source,
    Task,
    TaskFailed,
    TaskFinished,
)
from .errors import EmptyInputError, GraphRecursionError, RunCancelledError
from .layout import Layout
from .report import Facts, Reporter, is_start, task_id
from .spec import INPUT, Writes
from .views import error_text


class Machine:
    """One run of one graph (a subgraph's run is a machine of its own)."""

    __slots__ = (
        "_aside",
        "_done",
        "_facts",
        "_layout",
        "_newest",
        "_open",
        "_report",
        "_restored",
        "_saved",
        "_step",
        "_stop",
        "_tasks",
        "_with_ids",
        "channels",
        "checkpoint_id",
    )

    def __init__(self, layout: Layout, facts: Facts, restored: Restored | None = None) -> None:
        self._layout = layout
        self._facts = facts
        self._restored = restored
        self.channels = ChannelSet(layout, restored)
        self.checkpoint_id: str | None = restored.checkpoint_id if restored else None
        self._newest = restored.newest_id if restored else ""
        """The scope's newest checkpoint when the run came; ids of a scope only grow."""
        self._report = Reporter(layout, facts, self.channels)
        self._step = restored.step if restored else -2
        """The super-step that the last checkpoint closed."""
        self._stop = self._step + facts.recursion_limit + 2
        self._tasks: list[Task] = []
        self._aside: Mapping[str, Any] = {}
        """Keys of the input that are never stored: only this run's step 0 has them."""
        self._open = 0
        """Tasks of this step that have not finished."""
        self._done = False
        self._saved: Snapshot | None = None
        self._with_ids = facts.persist or facts.watch.tasks

    # --- in and out --------------------------------------------------------------------

    def feed(self, event: MachineEvent) -> list[MachineCommand]:
        """What to do about an event; nothing once the run is over."""
        if self._done:
            return []
        if isinstance(event, TaskFinished):  # by far the most frequent; a pattern costs 0.4 µs
            return self._task_finished(event.task, event.writes)
        match event:
            case TaskFailed(task, error):
                return self._task_failed(task, error)
            case Begin(value):
                return self._resume() if value is None else self._begin(value)
            case Cancelled():
                return [self._finish(RunCancelledError(_CANCELLED.format(self._facts.seed)))]

    @property
    def step(self) -> int:
        """The super-step that runs, or that the last checkpoint closed."""
        return self._step

    def output(self) -> dict[str, Any]:
        """The output keys that hold a value."""
        return self.channels.select(self._layout.spec.output_keys)

    def input_of(self, task: Task) -> Any:
        """What the task's node is called with: a Send's argument, or the state keys it reads
        (as an instance of its schema, if that is a class of its own)."""
        if task.path[0] != PULL:
            return task.arg
        state = self.channels.select(task.node.reads)
        return state if task.node.coerce is None else task.node.coerce(state)

    def start_writes(self) -> Writes:
        """What the input writes in step 0: its state keys."""
        data: Mapping[str, Any] = {**self.channels.channel(INPUT).get(), **self._aside}
        return [(key, data[key]) for key in self._layout.spec.input_keys if key in data]

    def identify(self, task: Task) -> str:
        """The task's id, made when first asked for."""
        if not task.id:
            task.id = task_id(self.checkpoint_id or self._facts.seed, self._facts.ns, task)
        return task.id

    # --- beginning ---------------------------------------------------------------------

    def _begin(self, value: Any) -> list[MachineCommand]:
        spec = self._layout.spec
        data = value if spec.coerce_input is None else spec.coerce_input(value)
        if not self._layout.unstored.isdisjoint(data):
            self._aside = {k: v for k, v in data.items() if k in self._layout.unstored}
            data = {k: v for k, v in data.items() if k not in self._layout.unstored}
        dropped = self.channels.consume(self.channels.plan())  # what was left to run
        self.channels.write({INPUT: [data]})
        self.channels.updated |= dropped
        self._step += 1
        commands = self._save("input", ())
        start = self._adopt(self.channels.plan())
        if self._facts.persist and self._facts.watch.checkpoints:
            commands.append(
                Emit(self._report.committed(self._step, frozenset(), self._saved, start))
            )
        self._step += 1
        if spec.start.branches:  # user code says where to begin
            return [*commands, self._run(start)]
        writes = [*self.start_writes(), *spec.start.targets]
        self._open = 1
        return commands + self._task_finished(start[0], writes)

    def _resume(self) -> list[MachineCommand]:
        restored = self._restored
        if restored is None:
            return [self._finish(EmptyInputError(_NO_INPUT))]
        self._saved = _again(restored)
        tasks = self.channels.plan()
        commands: list[MachineCommand] = []
        if restored.replayed and tasks:
            self._step += 1
            commands = self._save("fork", (), changed=())
        self._adopt(tasks)
        self._match(tasks, restored.pending)
        watch = self._facts.watch
        if watch.values or watch.checkpoints:
            saved = self._saved if watch.checkpoints else None
            commands.append(Emit(self._report.committed(self._step, None, saved, tasks)))
        return commands + self._start(tasks)

    def _match(self, tasks: Sequence[Task], pending: Mapping[str, Writes]) -> None:
        """Give tasks what was kept of them when they last ran."""
        for task in tasks:
            kept = pending.get(task.id)
            if kept is None:
                continue
            task.error = next((value for name, value in kept if name == ERROR), None)
            if task.error is None:
                task.writes, task.cached = kept, True

    # --- a step ------------------------------------------------------------------------

    def _adopt(self, tasks: list[Task]) -> list[Task]:
        """Make these the tasks of the step after the current one."""
        for task in tasks:
            task.step = self._step + 1
            if self._with_ids:
                self.identify(task)
        self._tasks = tasks
        return tasks

    def _start(self, tasks: list[Task]) -> list[MachineCommand]:
        """Announce a step's tasks, then run those that have not finished already."""
        if not tasks:
            return [self._finish()]
        self._step += 1
        commands: list[MachineCommand] = []
        if self._facts.watch.tasks:
            commands += [self._announce(task) for task in tasks if not is_start(task)]
        for task in tasks:
            task.error = None
            if task.cached:
                commands += self._show(task)
        todo = [task for task in tasks if not task.cached]
        if todo:
            commands.append(self._run(todo))
            return commands
        return commands + self._end_step()

    def _run(self, tasks: list[Task]) -> RunTasks:
        self._open = len(tasks)
        return RunTasks(tasks)

    def _task_finished(self, task: Task, writes: Writes) -> list[MachineCommand]:
        task.writes = writes
        self._open -= 1
        commands = self._keep(task)
        if not is_start(task):
            commands += self._show(task)
        if not self._open:
            commands += self._end_step()
        return commands

    def _task_failed(self, task: Task, error: BaseException) -> list[MachineCommand]:
        task.error = error_text(error)
        commands = self._keep(task)
        if self._facts.watch.tasks and not is_start(task):
            commands.append(Emit(self._report.failed(task, error)))
        return [*commands, self._finish(error)]

    def _end_step(self) -> list[MachineCommand]:
        done = self._tasks
        try:
            written = self.channels.apply(done)
        except Exception as error:  # noqa: BLE001 - reducers are user code: they may raise anything
            return [self._finish(error)]
        planned = self.channels.plan()
        if not planned and self.channels.open_deferred():
            planned = self.channels.plan()
        commands: list[MachineCommand] = []
        if self._facts.persist:
            commands = self._save("loop", tuple(sorted({task.node.name for task in done})))
        self._adopt(planned)
        watch = self._facts.watch
        if watch.values or watch.checkpoints:
            commands += self._show_step(written & self._layout.state, planned)
        if self._step >= self._stop:
            return [*commands, self._finish(self._out_of_steps())]
        return commands + self._start(planned)

    def _finish(self, error: BaseException | None = None) -> Finish:
        self._done = True
        return Finish(error)

    def _out_of_steps(self) -> GraphRecursionError:
        return GraphRecursionError(_OUT_OF_STEPS.format(self._facts.recursion_limit))

    # --- what leaves the machine -------------------------------------------------------

    def _save(
        self, source: Source, wrote: tuple[str, ...], changed: Iterable[str] | None = None
    ) -> list[MachineCommand]:
        if not self._facts.persist:
            return []
        parent = self.checkpoint_id
        self.checkpoint_id = self._facts.new_id(parent and max(parent, self._newest))
        self._saved = Snapshot(
            id=self.checkpoint_id,
            parent_id=parent,
            created_at=self._facts.now(),
            source=source,
            step=self._step,
            version=self.channels.version,
            changed=self.channels.stored(self.channels.updated if changed is None else changed),
            wrote=wrote,
        )
        return [SaveCheckpoint(self._saved)]

    def _keep(self, task: Task) -> list[MachineCommand]:
        if is_start(task) or self.checkpoint_id is None:
            return []
        return [SaveWrites(task, self.checkpoint_id)]

    def _announce(self, task: Task) -> Emit:
        try:
            value = self.input_of(task)
        except Exception:  # noqa: BLE001 - a schema refused the state; the task will fail with that
            value = self.channels.select(task.node.reads)
        return Emit(self._report.started(task, value))

    def _show(self, task: Task) -> list[MachineCommand]:
        watch = self._facts.watch
        if (watch.updates or watch.tasks) and not is_start(task):
            return [Emit(self._report.finished(task))]
        return []

    def _show_step(
        self, written: AbstractSet[str], planned: Sequence[Task]
    ) -> list[MachineCommand]:
        watch = self._facts.watch
        saved = self._saved if watch.checkpoints else None
        if (watch.values and written) or saved is not None:
            return [Emit(self._report.committed(self._step, written, saved, planned))]
        return []


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
        wrote=(),
    )


_NO_INPUT = (
    "Received no input for __start__: the thread has no checkpoint to go on from; give an input"
)
_CANCELLED = "run {!r} was cancelled, so it has no result; read its thread's state or run it again"
_OUT_OF_STEPS = (
    "Recursion limit of {} reached without hitting a stop condition. "
    "You can increase the limit by setting the `recursion_limit` config key."
)
