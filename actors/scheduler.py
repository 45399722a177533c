"""The scheduler actor: a thin shell that carries out what the super-step machine decides.

It reads its mailbox one message at a time (what has arrived meanwhile is fed to the machine too,
so that tasks which finish together are committed together), and carries out the commands in order:
commit what is to be saved, publish what that reports, wait for the run's owner, run tasks.

Tasks go to node actors, started with their first task.  A task is handed out only while a slot is
free, and a node actor reports with one message per task, so neither ever waits for the other's
mailbox.  A run that a node starts (a subgraph) has a scheduler of its own, which lives in the
node's task and ends with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Callable, Mapping
from contextvars import Context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from checkpoint import EventRow, SerializationError
from streaming import Event, RunLog, StreamWriter

from .commands import (
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
    Task,
)
from .context import TaskContext
from .layout import Layout
from .mailbox import Mailbox
from .node import NodeActor
from .patience import see_through, seen
from .recorder import Recorder
from .ref import ActorRef
from .report import Facts, Watch
from .spec import NodeSpec
from .superstep import Machine
from .supervisor import Supervisor
from .values import Durability, RunConfig

if TYPE_CHECKING:
    from anyio import CapacityLimiter

    from checkpoint import Store

MAX_THREADS = 64
"""Worker threads that run sync nodes of one run at a time; the other tasks wait their turn."""
_REPLIES = 1 << 30
"""Bound of the mailbox: one reply per running task, and slots bound those."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Setting:
    """What a run shares with the runs that its nodes start."""

    log: RunLog
    config: RunConfig
    context: Context
    """The caller's context variables."""
    user_context: Any = None
    """What the caller gave as `context=`."""
    store: Store | None = None
    """What the graph was compiled with as `store=`, or the graph that called it."""
    durability: Durability = "async"
    child_watch: Watch = field(default_factory=Watch)
    """What anyone may see of runs that nodes start."""
    owned: bool = False
    """The run's log has an owner, which steps wait for."""
    inline: bool = False
    """The caller's own thread drives the loop and nobody listens inside a step: a lone sync node
    runs right there instead of in a worker thread."""


class Scheduler:
    """Drives one machine to its end."""

    __slots__ = (
        "_actors",
        "_cancelling",
        "_children",
        "_grace",
        "_lockstep",
        "_loop",
        "_mailbox",
        "_over",
        "_queue",
        "_recorder",
        "_slots",
        "_supervisor",
        "_threads",
        "caller",
        "facts",
        "layout",
        "machine",
        "notes",
        "refused",
        "running",
        "setting",
    )

    def __init__(
        self,
        layout: Layout,
        facts: Facts,
        setting: Setting,
        supervisor: Supervisor,
        *,
        restored: Restored | None = None,
        recorder: Recorder | None = None,
        caller: TaskContext | None = None,
    ) -> None:
        self.layout = layout
        self.facts = facts
        self.setting = setting
        self.machine = Machine(layout, facts, restored)
        self.notes: Mapping[str, Callable[[], Any]] = {} if restored is None else restored.notes
        """What earlier runs noted of the effects of tasks that run again."""
        self.running: dict[Task, TaskContext] = {}
        self.refused = 0
        """Replies of fenced tasks, which came too late to count."""
        self.caller = caller
        """The task that started this run, if one did."""
        self._loop = asyncio.get_running_loop()
        self._lockstep = setting.owned and (caller is None or caller.scheduler.loop is self._loop)
        """Not for a run that its task drives from a thread of its own: the task may have stopped
        the very loop that the reader is on."""
        self._supervisor = supervisor
        self._recorder = recorder
        self._mailbox: Mailbox[MachineEvent] = Mailbox(_REPLIES, name="scheduler")
        self._queue: deque[Task] = deque()
        self._actors: dict[str, ActorRef[Task, None]] = {}
        self._slots = setting.config.max_concurrency or math.inf
        self._threads: CapacityLimiter | None = None
        self._children: set[Scheduler] = set()
        self._over = asyncio.Event()
        self._grace = 1.0
        self._cancelling = False

    # --- asked from outside ----------------------------------------------------------------

    async def drive(self, begin: Begin) -> None:
        """Run until the machine is finished.

        Raises what ended the run, RunCancelledError after `cancel_nowait`.  When it returns or
        raises, everything is committed and no task of the run is alive.
        """
        try:
            finish = await self._carry_out(self.machine.feed(begin))
            while finish is None:
                finish = await self._carry_out(self._feed(await self._mailbox.get()))
            if finish.error is not None:
                raise finish.error
        except SerializationError as error:
            if self._recorder is not None:
                for name in self._recorder.drop_refused():
                    error.add_note(f"During task with name {name!r}, whose writes are not stored")
            raise
        finally:
            try:
                await self._end()
            finally:
                self._over.set()

    def cancel_nowait(self, grace: float) -> None:
        """Ask the run to stop; what has finished is kept.  User code gets `grace` seconds."""
        self._grace = grace
        self._cancelling = True  # seen by a step that waits for its reader
        if not self._mailbox.closed:
            self._mailbox.put_nowait(Cancelled())

    def fence(self) -> None:
        """The task that started this run was given up: let nothing of the run be stored or
        streamed any more, and ask it to stop.  From any thread."""
        if self._recorder is not None:
            self._recorder.fenced = True
        for context in list(self.running.values()):
            context.fence()
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.cancel_nowait, self._grace)

    # --- asked by node actors --------------------------------------------------------------

    def reply(self, context: TaskContext, event: MachineEvent) -> None:
        """Take a task's result, and hand its slot on; refused if the task is fenced."""
        if context.fenced or self._mailbox.closed:
            self.refused += 1
            return
        del self.running[context.task]
        context.over = True
        self._mailbox.put_nowait(event)
        if self._queue:
            self._hand_out()

    def adopt(self, run: Scheduler) -> None:
        """A run that one of its tasks has started."""
        self._children.add(run)

    def release(self, run: Scheduler) -> None:
        """Such a run is over."""
        self._children.discard(run)

    def writer_for(self, task: Task) -> StreamWriter:
        """A writer of `custom` chunks for one task."""
        log, facts = self.setting.log, self.facts
        return StreamWriter(log, ns=facts.ns, step=task.step, node=task.node.name)

    def may_inline(self) -> bool:
        """True if sync code may run on the loop's own thread: nothing else is to run on it."""
        return self.setting.inline and len(self.running) == 1 and not self._queue

    @property
    def config(self) -> RunConfig:
        """The run's config."""
        return self.setting.config

    @property
    def context(self) -> Context:
        """The context variables that nodes see."""
        return self.setting.context

    @property
    def recorder(self) -> Recorder | None:
        """Where checkpoints go; None for a stateless run."""
        return self._recorder

    @property
    def supervisor(self) -> Supervisor:
        """Owns the tasks of the run."""
        return self._supervisor

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop the run lives on."""
        return self._loop

    @property
    def threads(self) -> CapacityLimiter:
        """Bounds the worker threads of this run.  Shared with no other run, so that sync nodes
        which wait for graphs they call cannot starve those of threads."""
        if self._threads is None:
            from anyio import CapacityLimiter

            self._threads = CapacityLimiter(MAX_THREADS)
        return self._threads

    # --- carrying out ------------------------------------------------------------------------

    def _feed(self, event: MachineEvent) -> list[MachineCommand]:
        commands = self.machine.feed(event)
        while len(self._mailbox):
            commands += self.machine.feed(self._mailbox.get_nowait())
        return commands

    async def _carry_out(self, commands: list[MachineCommand]) -> Finish | None:
        recorder = self._recorder
        events: list[Event] = []
        last = commands[-1] if commands else None
        if len(commands) > 1 or not isinstance(last, RunTasks):  # else: nothing stored or watched
            for command in commands:
                if isinstance(command, Emit):
                    events.append(command.event)
                elif recorder is not None:
                    _record(recorder, command)
        if recorder is not None and recorder.pending:
            await self._commit(recorder, events, sync=isinstance(last, RunTasks | Finish))
        else:
            for event in events:
                self.setting.log.publish(event)
        if not isinstance(last, RunTasks):
            return last if isinstance(last, Finish) else None
        if self._lockstep:
            await self.setting.log.caught_up()
        if not self._cancelling:
            self._queue.extend(last.tasks)
            self._hand_out()
        return None

    async def _commit(self, recorder: Recorder, events: list[Event], *, sync: bool) -> None:
        """Commit, then publish what was waiting for that; with a durable log in one transaction.

        In a supervised task of its own: a cancelled run still learns how its commit ended.
        """
        work = self._commit_and_publish(recorder, events)
        task = self._supervisor.spawn(work, name="commit", on_done=seen)
        await see_through(task)
        task.result()
        if sync and recorder.durability == "sync":
            await recorder.synced()

    async def _commit_and_publish(self, recorder: Recorder, events: list[Event]) -> None:
        log = self.setting.log
        if log.durable is None:
            await recorder.commit()
            for event in events:
                log.publish(event)
            return
        await log.settled()  # appends asked for earlier, whose ids come first
        staged = log.stage(events)
        try:
            await recorder.commit([EventRow(log.run_id, number, data) for number, data in staged])
        except BaseException:
            await log.withdraw(staged)
            raise
        log.release(staged)

    def _hand_out(self) -> None:
        queue, running = self._queue, self.running
        while queue and len(running) < self._slots:
            task = queue.popleft()
            self._actor_of(task.node).tell_nowait(task)

    def _actor_of(self, node: NodeSpec) -> ActorRef[Task, None]:
        ref = self._actors.get(node.name)
        if ref is None:
            ref = self._supervisor.start(NodeActor(node, self), name=node.name)
            self._actors[node.name] = ref
        return ref

    async def _end(self) -> None:
        """Stop what still runs, fenced first, and store what was put off."""
        self._mailbox.close()
        self._queue.clear()
        for context in list(self.running.values()):
            context.fence()
        children = [run for run in self._children if run.loop is self._loop]
        for run in children:  # started by a task that did not wait for it
            run.cancel_nowait(self._grace)
        await self._supervisor.stop(self._grace)
        for run in children:
            await run.over(self._grace)
        if self._recorder is not None:
            await self._recorder.flush()

    async def over(self, grace: float) -> None:
        """Wait up to `grace` seconds until the run is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._over.wait()


def _record(recorder: Recorder, command: MachineCommand) -> None:
    match command:
        case SaveCheckpoint(snapshot):
            recorder.save(snapshot)
        case SaveWrites(task, checkpoint_id):
            recorder.keep(task, checkpoint_id)
        case _:
            pass
