"""The scheduler actor: a thin shell that carries out what the super-step machine decides.

It reads its mailbox one message at a time (what has arrived meanwhile is fed to the machine too,
so that tasks which finish together are committed together), and carries out the commands in order:
commit what is to be saved, publish what that reports, wait for the run's owner, run tasks.

A task is handed out only while a slot is free, and reports with one message, so neither ever waits
for the other.  The last one of a step that reports while the scheduler waits feeds the machine
itself; the next step begins from there (`walk.py`), or when that one is stored (`outlet.store`).  A
run that a node starts (a subgraph) has a scheduler of its own, in the node's task.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from checkpoint import Cache, SerializationError

from .caching import ResultCache
from .calls import Calls, about_calls
from .commands import (
    Begin,
    CallDropped,
    Cancelled,
    Finish,
    MachineCommand,
    MachineEvent,
    Outcome,
    Restored,
    RunTasks,
    StopAsked,
    Task,
    TaskCalled,
    is_lone,
)
from .context import TaskContext
from .desk import Desk
from .doors import loopless
from .latch import Latch
from .layout import Layout
from .mailbox import Mailbox
from .outlet import can_store, send_out, store, waits_for_nothing
from .patience import see_out, seen
from .recorder import Recorder
from .report import Facts
from .setting import Setting
from .step_meter import StepMeter
from .step_timer import StepTimer
from .superstep import Machine
from .supervisor import Supervisor
from .threads import Threads
from .values import RunConfig

if TYPE_CHECKING:
    from .walk import Walk

News: TypeAlias = MachineEvent | list[MachineCommand] | Exception
"""An event for the machine; its answer to one that a task has fed it; what went wrong there."""

_NO_NOTES: Mapping[str, Callable[[], Any]] = {}
_REPLIES = 1 << 30
"""Bound of the mailbox: one reply per running task, and slots bound those."""


class Scheduler:
    """Drives one machine to its end."""

    __slots__ = ("__weakref__", "_aside", "_ask", "_cancelling", "_children", "_clocks", "_hosting",
        "_lockstep", "_mailbox", "_over", "_results", "_stores", "_straight", "caller", "calls",
        "desk", "facts", "grace", "layout", "loop", "machine", "notes", "recorder", "refused",
        "running", "setting", "supervisor", "threads")  # fmt: skip

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
        meter: StepMeter | None = None,
    ) -> None:
        self.layout = layout
        self.facts = facts
        self.setting = setting
        self.machine = machine = Machine(layout, facts, restored)
        self._ask = loopless(machine.feed) if layout.reduces else machine.feed
        self.notes = _NO_NOTES if restored is None else restored.notes
        """What earlier runs noted of the effects of tasks that run again."""
        self.running: dict[Task, TaskContext] = {}
        self.refused = 0
        """Replies of fenced tasks, which came too late to count."""
        self.caller = caller
        """The task that started this run, if one did."""
        self.loop = asyncio.get_running_loop()
        self._lockstep = setting.owned and (caller is None or caller.scheduler.loop is self.loop)
        """Not for a run that its task drives from a thread of its own: the task may have stopped
        the very loop that the reader is on."""
        self.supervisor = supervisor
        self.recorder = recorder
        """Where checkpoints go; None for a stateless run."""
        self._mailbox: Mailbox[News] = Mailbox(_REPLIES, name="scheduler")
        self._clocks: list[StepMeter | StepTimer] = [] if meter is None else [meter]
        if layout.step_timeout is not None:
            timer = StepTimer(self.loop, layout.step_timeout, self._mailbox.put_nowait)
            self._clocks.append(timer)
        self.calls = Calls(self)
        self.threads = Threads()
        self.desk = Desk(self, setting.config.max_concurrency or math.inf)
        cache = self.cache if layout.caches else None
        self._results = None if cache is None else ResultCache(cache, self.machine, supervisor)
        self._straight = cache is None and waits_for_nothing(recorder, setting)
        """A task may be followed by the next one at once."""
        self._stores = cache is None and can_store(recorder, setting)
        """A step may be stored while the scheduler waits for news."""
        self._children: dict[Scheduler, None] = {}
        self._over = Latch()
        self.grace = 1.0
        """Seconds that user code gets when the run is cancelled."""
        self._cancelling = False
        self._hosting = False  # a task runs in the asyncio task of `drive`: nobody reads the mail
        self._aside: asyncio.Task[Finish] | None = None  # reads it then, from the first call on

    # --- asked from outside ----------------------------------------------------------------

    async def drive(self, begin: Begin, host: Walk | None = None) -> None:
        """Run until the machine is finished, up to the first wait for others in the walk of `host`.

        Raises what ended the run, RunCancelledError after `cancel_nowait`.  When it returns or
        raises, everything is committed and no task of the run is alive.
        """
        try:
            finish = await self._finished(begin, host)
            if finish.error is not None:
                raise finish.error
        finally:
            try:
                await self._end()
            finally:
                self._over.open()

    async def _finished(self, begin: Begin, host: Walk | None) -> Finish:
        try:
            commands = self._ask(begin)
            if host is None or self._clocks or not (self._straight and is_lone(commands)):
                finish = await self._carry_out(commands)
            else:
                self._hosting = True
                await host.take_in(self, commands)
                self._hosting = False
                finish = None if self._aside is None else await self._aside
            return finish or await self._read()
        except SerializationError as error:  # of what was to be stored; a node's own is no such
            if self.recorder is not None:
                self.recorder.drop_refused(error)
            raise

    async def _read(self) -> Finish:
        """Do what comes by mail, to the end."""
        finish = None
        while finish is None:
            finish = await self._carry_out(self._feed(await self._mailbox.get()))
        return finish

    def cancel_nowait(self, grace: float) -> None:
        """Ask the run to stop; what has finished is kept.  User code gets `grace` seconds."""
        self.grace = grace
        self._cancelling = True  # seen by a step that waits for its reader
        self.desk.stop()
        if self._results is not None:
            self._results.cut_short()
        if not self._mailbox.closed:
            self._mailbox.put_nowait(Cancelled())

    def fence(self) -> None:
        """Its task was given up: let it store and show nothing more, and stop.  From any thread."""
        if self.recorder is not None:
            self.recorder.fenced = True
        for context in list(self.running.values()):
            context.fence()
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.cancel_nowait, self.grace)

    # --- asked by tasks --------------------------------------------------------------------

    def reply(self, event: Outcome) -> list[MachineCommand] | None:
        """Take a task's result, and hand its slot on; refused if the task is fenced.

        Gives what to do if the task's own asyncio task can do it all, and run the next one.
        """
        context = self.running[event.task]
        if context.fenced or self._mailbox.closed:
            self.refused += 1
            return None
        del self.running[event.task]
        context.end()
        if self.caller is not None:
            self.caller.progress()
        if (self._straight or self._stores) and self._is_quiet():
            return self._onward(self._ask(event))
        self._mailbox.put_nowait(event)
        if self.calls.callers:
            self.calls.ended(event.task)
        if self.desk.queue:
            self.desk.hand_out(self)
        return None

    def _is_quiet(self) -> bool:
        waits = not len(self._mailbox) if self._hosting else self._mailbox.idle
        return waits and not (self.running or self.desk.queue or self.calls.callers)

    def _onward(self, commands: list[MachineCommand]) -> list[MachineCommand] | None:
        if self._straight and is_lone(commands):
            return commands
        last = commands[-1] if commands else None
        if isinstance(last, RunTasks) and self._stores:
            store(last, commands, self.setting.log, cast(Recorder, self.recorder), self.go_on)
        else:
            self._mailbox.put_nowait(commands)
        return None

    def go_on(self, run: RunTasks, error: Exception | None) -> None:
        """What leads to a step was stored and published, or not: go on."""
        if error is not None:
            self.break_off(error)
        elif not (self._mailbox.closed or self._cancelling):  # a cancel that waits there is the end
            self._mailbox.put_nowait([run]) if self._lockstep else self._begin(run.tasks)

    async def next(self, commands: list[MachineCommand]) -> Task | None:
        """Do what `reply` gave, and wait for the reader; gives the task that is to run then."""
        run = cast(RunTasks, commands[-1])
        if len(commands) > 1:
            await send_out(commands, self.setting.log, self.recorder, self.supervisor, sync=True)
        asked = await self._caught_up(run) if self._lockstep else None
        if asked is not None:
            self._mailbox.put_nowait(asked)
        elif not self._cancelling:
            self._mark_step()
            return run.tasks[0]
        return None

    def break_off(self, error: Exception) -> None:
        """End the run with an error of the engine's own."""
        if not self._mailbox.closed:
            self._mailbox.put_nowait(error)

    def tell(self, event: TaskCalled | CallDropped) -> None:
        """Take news of a call; a dropped one holds no slot any more."""
        self._mailbox.put_nowait(event)
        if self._hosting:
            self._hosting = False
            self._aside = self.supervisor.spawn(self._read(), name="calls", on_done=seen)
        if isinstance(event, CallDropped):
            self.running.pop(event.task, None)
            self.desk.hand_out(self)

    def adopt(self, run: Scheduler) -> None:
        """A run that one of its tasks has started."""
        self._children[run] = None

    def release(self, run: Scheduler) -> None:
        """Such a run is over."""
        self._children.pop(run, None)

    def may_inline(self, task: Task) -> bool:
        """True if sync code may run on the loop's own thread: nothing else, nor a clock, is to run
        on it, and the code has nothing to wait for that would."""
        alone = self.setting.inline and len(self.running) == 1 and not self.desk.queue
        return alone and not (self._clocks or task.node.timeout or self.calls.are_possible())

    @property
    def config(self) -> RunConfig:
        """The run's config."""
        return self.setting.config

    @property
    def cache(self) -> Cache | None:
        """Where results of nodes are kept: what the graph was compiled with, or its caller."""
        own = self.layout.cache
        return own if own is not None or self.caller is None else self.caller.scheduler.cache

    @property
    def closed(self) -> bool:
        """True once it is over."""
        return self._mailbox.closed

    # --- carrying out ------------------------------------------------------------------------

    def _feed(self, event: News) -> list[MachineCommand]:
        commands = self._answer(event)
        while len(self._mailbox) and not (commands and isinstance(commands[-1], RunTasks)):
            commands += self._answer(self._mailbox.get_nowait())
        return commands

    def _answer(self, event: News) -> list[MachineCommand]:
        if isinstance(event, list):  # a task has fed the machine
            return event
        if isinstance(event, Exception):
            raise event
        if self._results is not None:
            self._results.note(event)
        return self._ask(event)

    async def _carry_out(self, commands: list[MachineCommand]) -> Finish | None:
        last = commands[-1] if commands else None
        if len(commands) == 1 and not (self._lockstep or self._results):  # nothing is watched
            if isinstance(last, RunTasks):
                self._begin(last.tasks)
                return None
            if isinstance(last, Finish) and self.recorder is None:
                return last
        calls = about_calls(commands)
        sync = bool(calls) or isinstance(last, RunTasks | Finish)
        await send_out(commands, self.setting.log, self.recorder, self.supervisor, sync=sync)
        if self._results is not None:
            await self._results.keep()
        if calls and (called := self.calls.carry_out(calls)):
            await self._begin_calls(called)
        if not isinstance(last, RunTasks):
            return last if isinstance(last, Finish) else None
        if self._lockstep and (asked := await self._caught_up(last)) is not None:
            return await self._carry_out(self._ask(asked))
        tasks = last.tasks
        if self._results is not None:
            tasks = await self._unknown(tasks, self._results)
        self._begin(tasks)
        return None

    async def _caught_up(self, run: RunTasks) -> StopAsked | None:
        """Wait for the reader, who may have asked the run to stop before this step."""
        await self.setting.log.caught_up()
        control = self.facts.control
        if run.opening and control is not None and control.drain_reason is not None:
            return StopAsked(control.drain_reason)
        return None

    async def _begin_calls(self, called: Sequence[Task]) -> None:
        cached = self._results is None and any(task.node.cache is not None for task in called)
        if cached and (cache := self.cache) is not None:
            self._results = ResultCache(cache, self.machine, self.supervisor)
            self._straight = self._stores = False
        if self._results is not None:
            called = self.calls.wanted(await self._unknown(called, self._results))
        self._begin(called)

    def _begin(self, tasks: Sequence[Task]) -> None:
        if not self._cancelling:
            self._mark_step()
            self.desk.add(tasks, self)

    def _mark_step(self) -> None:
        """A step's time begins, if it does not run already."""
        for clock in self._clocks:
            clock.begin(self.machine.step)

    async def _unknown(self, tasks: Sequence[Task], results: ResultCache) -> Sequence[Task]:
        """The tasks of these whose results are not in the cache; the others have finished."""
        for event in (known := await results.look_up(tasks)):
            self._mailbox.put_nowait(event)
        done = {event.task for event in known}
        return [task for task in tasks if task not in done]

    async def _end(self) -> None:
        """Stop what still runs, fenced first, and store what was put off."""
        for clock in self._clocks:
            clock.end()
        self._mailbox.close()
        self.desk.clear()
        self.calls.refuse()
        for context in list(self.running.values()):
            context.fence()
        children = [run for run in self._children if run.loop is self.loop]
        for run in children:  # started by a task that did not wait for it
            run.cancel_nowait(self.grace)
        try:
            if children or not self.supervisor.stop_idle():
                await see_out(lambda: self._none_lives(children))
            else:
                self.calls.close()
        finally:
            if self.recorder is not None:
                await self.recorder.flush()

    async def _none_lives(self, children: Sequence[Scheduler]) -> None:
        await self.supervisor.stop(self.grace)
        self.calls.close()
        for run in children:
            await run.over(self.grace)

    async def over(self, grace: float) -> None:
        """Wait up to `grace` seconds until the run is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._over.wait()
