"""Runs that a task starts: a graph as a node, or called inside one.

A child belongs to the task that called it: it publishes to the same log under the task's namespace,
stores its checkpoints in a scope of its own under the same claim, and ends with the task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from checkpoint import CheckpointMetadata, Decoder, Loaded, new_id
from streaming import Event, ShownMessages, Traced, chunk_id

from .adapters import listening, loaded_langchain
from .answers import interrupt_id
from .commands import INTERRUPT, Begin, Restored
from .config import inherited
from .context import TaskContext
from .errors import ParentCommand, RunCancelledError
from .kept_graphs import kept_state
from .layout import Layout
from .look import Look, Shown
from .nested import Inner, Nested
from .private import GraphStream
from .recorder import Recorder
from .report import Facts, Watch
from .request import Request, narrowed, watch_of
from .restore import restored_from
from .scheduler import Scheduler
from .setting import Setting
from .spec import KEPT
from .superstep import Machine
from .supervisor import Supervisor
from .tracing import GraphTrace, call_span, graph_ended, graph_failed, graph_started
from .values import GraphOutput
from .views import namespace_text, shared_namespace


class Child:
    """A graph that is to run inside a task, under the task's next namespace."""

    def __init__(
        self,
        layout: Layout,
        value: Any,
        request: Request,
        parent: TaskContext,
        *,
        stored: bool,
    ) -> None:
        ns = parent.child_namespace()
        self._call = namespace_text(ns)
        """Whose call it is."""
        self._layout = layout
        self._value = value
        self._request = request
        self._config = inherited(parent.scheduler.config, request.config)
        self._parent = parent
        self._stored = stored and parent.scheduler.recorder is not None
        self._kept = self._stored and layout.kept
        self.ns = shared_namespace(ns) if self._kept else ns
        self._below = parent.scheduler.setting.child_watch
        """What graphs that its nodes call are to tell of."""

    async def run(self, watch: Watch | None = None) -> dict[str, Any]:
        """Run it to its end; gives its final values, or raises what it raised.

        When its task runs again after a failure or a crash, it goes on where it had come to.
        """
        parent = self._parent.scheduler
        if self._parent.fenced:
            raise RunCancelledError(
                f"task {self._parent.task.node.name!r} of run {self._parent.run_id!r} was given "
                "up, so the graph it calls does not run; let the node end"
            )
        facts = self._facts(_given_or(watch, parent.setting.child_watch))
        if not self._stored or parent.recorder is None or facts.thread_id is None:
            return await self._drive(facts, None, None)
        if not self._kept:
            state = await parent.recorder.saver.load(facts.thread_id, namespace_text(self.ns))
            recorder = await self._recorder(parent.recorder, facts, state, state)
            return await self._drive(facts, recorder, state, going_on=True)
        ns, turns = namespace_text(self.ns), parent.recorder.turns
        turn = await turns.acquire(ns, self._call, None)  # calls of one step share the scope
        try:
            return await self._run_kept(parent.recorder, facts, ns)
        finally:
            turns.release(ns, turn)

    async def _run_kept(self, parent: Recorder, facts: Facts, ns: str) -> dict[str, Any]:
        """Go on with the state that the graph had come to on this branch."""
        caller_id = self._parent.scheduler.machine.trail.checkpoint_id
        entries = self._parent.scheduler.setting.entries
        state = await kept_state(
            parent.saver,
            parent.claim.thread_id,
            ns,
            (self._call, caller_id),
            self._parent.head_of(ns),
            None if entries is None else entries.of(ns, self._call),
        )
        recorder = await self._recorder(parent, facts, state.base or state.blank, state.newest)
        if state.newest is not None:
            facts = replace(facts, new_id=_beyond(state.newest.newest_id))
        return await self._drive(
            facts, recorder, state.base, going_on=state.begun, replayed=state.meant
        )

    async def _drive(
        self,
        facts: Facts,
        recorder: Recorder | None,
        base: Loaded | None,
        *,
        going_on: bool = False,
        replayed: bool = False,
    ) -> dict[str, Any]:
        parent = self._parent.scheduler
        restored = None
        if base is not None and recorder is not None:
            decoder = Decoder(recorder.saver.serializer)
            restored = restored_from(base, decoder, self._layout, replayed=replayed)
            recorder.go_on_from(restored, self._layout)
            self._free_answers(facts, restored)
        scheduler = Scheduler(
            self._layout,
            facts,
            self._setting(facts.watch),
            _supervisor(parent),
            restored=restored,
            recorder=recorder,
            caller=self._parent,
        )
        self._parent.adopt(scheduler)
        try:
            await graph_started(scheduler, self._value)
            goes_on = going_on and restored is not None
            host = self._parent.walk if len(parent.running) == 1 else None  # siblings take turns
            await scheduler.drive(Begin(None if goes_on else self._value), host)
        except BaseException as error:
            if isinstance(error, ParentCommand):  # the call is over, and the next goes on from here
                self._note_heads(scheduler.machine)
            await graph_failed(scheduler, error)
            raise
        finally:
            self._parent.release(scheduler)
        self._note_heads(scheduler.machine)
        values = scheduler.machine.channels.output()
        await graph_ended(scheduler, self._narrowed(values), {"input": self._value})
        return values

    def _setting(self, watch: Watch) -> Setting:
        shared = self._parent.scheduler.setting
        return Setting(  # by hand, as `replace` takes 2 µs more
            events=shared.events,
            config=self._config,
            context=shared.context,
            user_context=_given_or(self._request.context, shared.user_context),
            store=_given_or(shared.store, self._layout.store),
            durability=shared.durability,
            child_watch=self._below.union(watch.below),
            entries=shared.entries,
            shown=_shown(shared, watch),
            said=shared.said,
            trace=self._trace(watched=watch.events),
            owned=shared.owned,
            inline=shared.inline and self._is_alone(),
        )

    def _trace(self, *, watched: bool) -> GraphTrace | None:
        """The graph as a span of the task, or of what runs inside of it."""
        request, parent = self._request.config, self._parent
        inline = parent.scheduler.setting.inline
        listeners = listening(request.callbacks, parent, inline=inline)
        if listeners is None and not watched:
            return None
        adapter = loaded_langchain()
        config = replace(self._config, run_name=request.run_name)
        inside = None if adapter is None else adapter.inside(parent, request.callbacks)
        span = call_span(self._layout.spec.name, config, parent, self.ns, inside)
        return GraphTrace(span, listeners)

    def _free_answers(self, facts: Facts, restored: Restored) -> None:
        """Answers to what this graph asked, and asks no more, as it was updated from outside.

        Where it was not, an earlier run brought the answer and was stopped before the caller
        learned of it: what is asked now is another question.
        """
        if facts.answers is None or restored.source in ("input", "loop"):
            return
        task, trail = self._parent.task, self._parent.scheduler.machine.trail
        kept = (write for writes in restored.pending.values() for write in writes)
        asked = {each.id for name, value in kept if name == INTERRUPT for each in value}
        asked.add(interrupt_id(trail.namespace(task), len(task.answers)))  # by the task itself
        for interrupt in task.interrupts:
            if interrupt.id not in asked:
                facts.answers.free(interrupt.id)

    def _note_heads(self, machine: Machine) -> None:
        """Tell the calling task where graphs that keep their state have come to."""
        head = machine.trail.checkpoint_id
        if self._kept and head is not None:
            self._parent.keep({namespace_text(self.ns): head})
        elif self._stored and (heads := machine.channels.channel(KEPT).get()):
            self._parent.keep(heads)

    async def output(self, watch: Watch | None = None) -> GraphOutput:
        """The same as the call wants it; what it waits for is raised, for the task waits too."""
        values = await self.run(watch)
        return GraphOutput(self._narrowed(values))

    def _narrowed(self, values: dict[str, Any]) -> Any:
        return narrowed(self._layout.spec, values, self._request.output_keys)

    def _is_alone(self) -> bool:
        """True if its task does nothing but run it, and no other task runs."""
        scheduler, task = self._parent.scheduler, self._parent.task
        return task.node.name in scheduler.layout.graphs and scheduler.may_inline(task)

    def stream(self, look: Look) -> GraphStream:
        """Its chunks, for the task that called it; they go to the run's own readers as well."""
        return GraphStream(lambda: self._begin(look))

    def _begin(self, look: Look) -> tuple[Nested, Shown]:
        supervisor = _supervisor(self._parent.scheduler)  # none is to be had once the run is over
        parent, depth = self._parent.scheduler.setting, len(self.ns)

        def mine(event: Event) -> bool:
            own = event.ns[:depth] == self.ns
            return own and (look.subgraphs or len(event.ns) == depth or type(event) is Traced)

        subscriber = parent.log.subscribe(
            look.wanted,
            after=chunk_id(parent.log.last, "events"),
            subgraphs=True,
            where=mine,
            output_keys=look.output_keys,
        )
        watch = watch_of(look.wanted).union(parent.child_watch)
        if look.subgraphs:
            self._below = watch
        nested = Nested(self.output(watch), subscriber, supervisor)
        return nested, look.reader(Inner(subscriber, depth))

    async def _recorder(
        self, parent: Recorder, facts: Facts, base: Loaded | None, found: Loaded | None
    ) -> Recorder:
        """Stores what it makes of `base`, in the scope that held `found`."""
        known, parents = parent.metadata, dict(facts.parents)
        caller_id = self._parent.scheduler.machine.trail.checkpoint_id
        if self._kept and caller_id is not None:
            parents[self._call] = caller_id
        metadata = CheckpointMetadata(
            source="loop", step=0, run_id=known.run_id, parents=parents, extra=known.extra
        )
        recorder = Recorder(
            parent.saver,
            parent.claim,
            namespace_text(self.ns),
            base,
            durability=parent.durability,
            metadata=metadata,
            unstored=self._layout.unstored,
            points=parent.points,
            turns=parent.turns,
        )
        await recorder.mark(found)
        return recorder

    def _facts(self, watch: Watch) -> Facts:
        scheduler, config = self._parent.scheduler, self._config
        spec = self._layout.spec
        parents = dict(scheduler.facts.parents)
        trail, task = scheduler.machine.trail, self._parent.task
        if trail.checkpoint_id is not None:
            parents[namespace_text(scheduler.facts.ns)] = trail.checkpoint_id
            while (task := task.parent) is not None:
                parents[namespace_text(trail.namespace(task))] = trail.checkpoint_id
        shared = scheduler.facts
        return Facts(  # by hand, as `replace` takes 2 µs more
            now=shared.now,
            new_id=shared.new_id,
            recursion_limit=config.recursion_limit,
            persist=self._stored,
            watch=watch,
            ns=self.ns,
            seed=shared.seed,
            shown_keys=None if spec.output_keys == spec.state_keys else spec.output_keys,
            thread_id=shared.thread_id,
            configurable=shared.configurable,
            parents=parents,
            metadata=shared.metadata,
            task_metadata=shared.task_metadata,
            pauses=self._layout.pauses,
            answers=shared.answers,
            control=shared.control,
        )


def _supervisor(scheduler: Scheduler) -> Supervisor:
    """Under the caller's supervisor; in a worker thread with a loop of its own, a root there."""
    if scheduler.loop is asyncio.get_running_loop():
        return scheduler.supervisor.child("subgraph")
    return Supervisor("subgraph")


def _shown(setting: Setting, watch: Watch) -> ShownMessages | None:
    """The run's; one of its own if only whoever reads this child asked for messages."""
    return ShownMessages() if setting.shown is None and watch.messages else setting.shown


def _beyond(newest_id: str) -> Callable[[str | None], str]:
    """Makes ids greater than that of the scope's newest checkpoint, of whatever branch."""

    def make(after: str | None) -> str:
        return new_id(max(after or "", newest_id))

    return make


def _given_or(value: Any, other: Any) -> Any:
    return other if value is None else value
