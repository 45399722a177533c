"""The rules of calls: tasks that tasks of a super-step have called; pure.

1. A called task belongs to the super-step of the task that called it, its *caller*, and runs beside
   it.  It has no turn in the plan and writes to no channel: its one write is its result, under a
   name that no channel has.
2. Its id comes from its caller, its name and its place among the caller's calls, so that it is the
   same when the caller runs again.  The result of a call that has finished is kept under that id
   and given again, after an interrupt, an error, a retry or a crash: the task does not run twice.
3. Results and errors go to the caller, once they are kept.  An error ends the run only if the
   caller lets it pass; so does an interrupt: called task and caller wait for the answer together.
4. A step ends when all its tasks have, called ones too, whether somebody waits for them or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from .commands import (
    CallDropped,
    MachineCommand,
    Restored,
    RunCall,
    Settle,
    Task,
    TaskCalled,
    TaskFailed,
    TaskFinished,
    TaskInterrupted,
)
from .errors import GraphBubbleUp, GraphInterrupt
from .kept import recall
from .report import Reporter
from .spec import Writes
from .trail import Trail
from .views import error_text

CallEvent: TypeAlias = TaskCalled | TaskFinished | TaskFailed | TaskInterrupted | CallDropped


class Called:
    """The calls of the current super-step."""

    __slots__ = ("_joined", "_pending", "_report", "_trail", "by_id")

    def __init__(self, trail: Trail, report: Reporter, restored: Restored | None) -> None:
        self._trail = trail
        self._report = report
        self._pending: Mapping[str, Writes] = restored.pending if restored else {}
        """What earlier runs have kept, by task id."""
        self.by_id: dict[str, Task] = {}
        """The calls of this step; of several with one id, the newest."""
        self._joined: dict[Task, list[Task]] = {}
        """A running call -> calls with its id that a retried caller has made meanwhile."""

    def feed(self, event: CallEvent) -> tuple[list[MachineCommand], int]:
        """What to do about an event of a called task, and by how much the number of tasks that
        the step waits for changes."""
        call = event.task
        match event:
            case TaskCalled():
                return self._begin(call)
            case TaskFinished():
                return self._finished(call, event), -1
            case TaskFailed():
                return self._failed(call, event.error), -1
            case TaskInterrupted():
                call.interrupts = event.interrupts
                kept = self._trail.keep(call)
                return [*kept, *self._settle(call, GraphInterrupt(event.interrupts))], -1
            case CallDropped():
                return self._dropped(call)

    def clear(self) -> None:
        """The super-step is over."""
        self.by_id.clear()
        self._joined.clear()

    def _begin(self, call: Task) -> tuple[list[MachineCommand], int]:
        commands = self._known(call)
        commands += self._report.starting((call,))
        if call.writes is not None:
            call.cached = True
            return [*commands, Settle(call)], 0
        running = self.by_id.get(call.id)
        if running is not None and running.error is None and not running.interrupts:
            self._joined.setdefault(running, []).append(call)
            return commands, 0
        self.by_id[call.id] = call
        return [*commands, RunCall(call)], 1

    def _known(self, call: Task) -> list[MachineCommand]:
        """Give a call what is kept under its id: of this super-step, or of an earlier run's."""
        name = self._trail.identify(call)
        before = self.by_id.get(name)
        if before is not None:
            call.writes, call.answers, call.below = before.writes, before.answers, before.below
        elif name in self._pending:
            recall(call, self._pending[name])
            call.error = None
            return self._trail.answer((call,))
        return []

    def _finished(self, call: Task, event: TaskFinished) -> list[MachineCommand]:
        call.writes, call.interrupts, call.cached = event.writes, (), event.cached
        commands = [*self._trail.keep(call), *self._report.finished(call)]
        for joined in self._joined.get(call, ()):
            joined.writes = call.writes
        return commands + self._settle(call, None)

    def _failed(self, call: Task, error: BaseException) -> list[MachineCommand]:
        if isinstance(error, GraphBubbleUp):  # a command to the graph that called the caller's
            call.error = error_text(error)
            return self._settle(call, error)
        call.error = error_text(error)
        kept = self._trail.keep(call)
        return [*kept, *self._report.failed(call, error), *self._settle(call, error)]

    def _dropped(self, call: Task) -> tuple[list[MachineCommand], int]:
        """Forget the call, or run it after all for a retried caller that asks for it too."""
        waiting = self._joined.pop(call, None)
        if not waiting:
            self.by_id.pop(call.id, None)
            return [], -1
        heir, *others = waiting
        self.by_id[call.id] = heir
        if others:
            self._joined[heir] = others
        return [RunCall(heir)], 0

    def _settle(self, call: Task, error: BaseException | None) -> list[MachineCommand]:
        return [Settle(each, error) for each in (call, *self._joined.pop(call, ()))]
