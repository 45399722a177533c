"""Dispatchers: several messages at a time, up to their slots, and each one for itself."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator
from typing import Any

import pytest

from actors.dispatcher import Dispatcher
from actors.errors import (
    ConfigError,
    HandlerCancelledError,
    MailboxClosedError,
    MailboxFullError,
    OwnTaskError,
)
from actors.ref import ActorRef
from actors.supervisor import Supervisor
from tests.actors.kernel import CrashError, Hooks
from tests.waiting import let_all_run

user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")


@pytest.fixture
def hooks() -> Hooks:
    return Hooks()


@pytest.fixture
async def supervisor(hooks: Hooks) -> AsyncIterator[Supervisor]:
    async with Supervisor(on_dead_letter=hooks.dead_letter, on_failure=hooks.failure) as supervisor:
        yield supervisor


class Gated(Dispatcher[Any, Any]):
    """Holds each message until its gate opens; "crash" and "stray" fail as they say."""

    def __init__(self, slots: int | None = None) -> None:
        self.slots = slots
        self.gates: dict[Any, asyncio.Event] = {}
        self.running: list[Any] = []
        self.most = 0
        self.started: list[Any] = []
        self.failed: list[tuple[str, Any]] = []

    async def on_failure(self, error: Exception, message: Any) -> None:
        await asyncio.sleep(0)
        self.failed.append((type(error).__name__, message))

    async def handle(self, message: Any) -> Any:
        if message == "crash":
            raise CrashError(message)
        if message == "stray":
            raise asyncio.CancelledError
        self.started.append(message)
        self.running.append(message)
        self.most = max(self.most, len(self.running))
        try:
            await self.gates.setdefault(message, asyncio.Event()).wait()
        finally:
            self.running.remove(message)
        return message

    async def open(self, *messages: Any) -> None:
        for message in messages:
            self.gates.setdefault(message, asyncio.Event()).set()
        await let_all_run()


def started(
    supervisor: Supervisor, slots: int | None = None, **options: Any
) -> tuple[Gated, ActorRef[Any, Any]]:
    dispatcher = Gated(slots)
    return dispatcher, supervisor.start(dispatcher, name="gated", **options)


async def test_without_slots_all_messages_are_handled_at_once(supervisor: Supervisor) -> None:
    gated, ref = started(supervisor, capacity=1)
    for number in range(100):
        ref.tell_nowait(number)
    await let_all_run()
    assert gated.running == list(range(100))
    assert ref.stats().received == 100


async def test_a_message_starts_without_waiting_for_any_task(supervisor: Supervisor) -> None:
    gated, ref = started(supervisor)
    ref.tell_nowait("now")
    await asyncio.sleep(0)
    assert gated.running == ["now"]


async def test_never_more_than_its_slots_run_and_the_longest_waiting_is_next(
    supervisor: Supervisor,
) -> None:
    gated, ref = started(supervisor, slots=3)
    for number in range(10):
        ref.tell_nowait(number)
    await let_all_run()
    assert gated.running == [0, 1, 2]
    assert len(supervisor.tasks) == 3
    await gated.open(1)
    assert gated.running == [0, 2, 3]
    await gated.open(*range(10))
    assert gated.started == list(range(10))
    assert gated.most == 3


async def test_a_message_that_finds_a_free_slot_passes_by_the_mailbox(
    supervisor: Supervisor,
) -> None:
    gated, ref = started(supervisor, slots=1)
    ref.tell_nowait("at once")
    assert (ref.stats().length, ref.stats().high_water) == (0, 0)
    ref.tell_nowait("later")
    assert (ref.stats().length, ref.stats().received) == (1, 2)
    await gated.open("at once", "later")
    assert gated.started == ["at once", "later"]


async def test_its_mailbox_is_bounded_behind_the_slots(supervisor: Supervisor) -> None:
    gated, ref = started(supervisor, slots=1, capacity=2)
    for number in range(3):
        ref.tell_nowait(number)
    with pytest.raises(MailboxFullError):
        ref.tell_nowait("too much")
    sender = asyncio.create_task(ref.tell("waits"))
    await let_all_run()
    assert not sender.done()
    await gated.open(0)
    await sender
    await gated.open(1, 2, "waits")
    assert gated.started == [0, 1, 2, "waits"]


async def test_questions_are_answered_as_they_end(supervisor: Supervisor) -> None:
    gated, ref = started(supervisor)
    askers = [asyncio.create_task(ref.ask(number)) for number in range(3)]
    await let_all_run()
    await gated.open(2)
    assert [asker.done() for asker in askers] == [False, False, True]
    await gated.open(0, 1)
    assert await asyncio.gather(*askers) == [0, 1, 2]


async def test_a_question_whose_asker_is_gone_takes_no_slot(supervisor: Supervisor) -> None:
    gated, ref = started(supervisor, slots=1)
    ref.tell_nowait("first")
    asker = asyncio.create_task(ref.ask("given up"))
    await let_all_run()
    asker.cancel()
    await let_all_run()
    ref.tell_nowait("second")
    await gated.open("first")
    assert gated.started == ["first", "second"]


async def test_the_only_slot_cannot_ask_its_own_dispatcher(supervisor: Supervisor) -> None:
    class Narcissus(Dispatcher[str, str]):
        slots = 1

        async def handle(self, message: str) -> str:
            return await self.ref.ask("who?")

    with pytest.raises(OwnTaskError):
        await supervisor.start(Narcissus(), name="narcissus").ask("go")


async def test_a_handler_may_ask_its_own_dispatcher_when_slots_are_free(
    supervisor: Supervisor,
) -> None:
    class Factorial(Dispatcher[int, int]):
        async def handle(self, message: int) -> int:
            return message * await self.ref.ask(message - 1) if message else 1

    assert await supervisor.start(Factorial(), name="factorial").ask(6) == 720


@pytest.mark.parametrize("slots", [0, -1])
async def test_slots_below_one_are_refused(supervisor: Supervisor, slots: int) -> None:
    with pytest.raises(ConfigError, match=f"slots={slots} of dispatcher 'gated'"):
        started(supervisor, slots=slots)


class TestContext:
    async def test_a_message_runs_in_the_context_made_for_it(self, supervisor: Supervisor) -> None:
        class Greeter(Dispatcher[str, str]):
            def context_for(self, message: str) -> contextvars.Context:
                context = contextvars.Context()
                context.run(user.set, message)
                return context

            async def handle(self, message: str) -> str:
                return f"hello {user.get()}"

        ref = supervisor.start(Greeter(), name="greeter")
        assert await asyncio.gather(ref.ask("ann"), ref.ask("bob")) == ["hello ann", "hello bob"]
        assert user.get() == "nobody"

    async def test_without_one_it_is_a_copy_of_the_senders(self, supervisor: Supervisor) -> None:
        class Greeter(Dispatcher[None, str]):
            async def handle(self, message: None) -> str:
                return user.get()

        ref = supervisor.start(Greeter(), name="greeter")
        user.set("eve")
        assert await ref.ask(None) == "eve"

    async def test_a_context_that_cannot_be_made_is_a_failure_of_its_message(
        self, supervisor: Supervisor
    ) -> None:
        class Broken(Gated):
            def context_for(self, message: Any) -> contextvars.Context | None:
                if message == "bad":
                    raise CrashError
                return None

        broken = Broken()
        ref = supervisor.start(broken, name="broken")
        with pytest.raises(CrashError):
            await ref.ask("bad")
        await broken.open("good")
        assert await ref.ask("good") == "good"
        assert broken.failed == [("CrashError", "bad")]


class TestFailure:
    async def test_one_message_fails_for_itself(self, supervisor: Supervisor) -> None:
        gated, ref = started(supervisor, slots=2)
        ref.tell_nowait("other")
        with pytest.raises(CrashError):
            await ref.ask("crash")
        ref.tell_nowait("crash")
        await let_all_run()
        assert gated.running == ["other"]
        assert gated.failed == [("CrashError", "crash")] * 2
        assert supervisor.stats().restarts == 0

    async def test_a_cancelled_error_that_nobody_sent_is_a_failure(
        self, supervisor: Supervisor, hooks: Hooks
    ) -> None:
        gated, ref = started(supervisor)
        with pytest.raises(HandlerCancelledError):
            await ref.ask("stray")
        await let_all_run()
        assert gated.failed == [("HandlerCancelledError", "stray")]
        assert hooks.dead == []

    async def test_a_failing_hook_is_reported_and_gives_its_slot_back(
        self, supervisor: Supervisor, hooks: Hooks
    ) -> None:
        class Clumsy(Gated):
            async def on_failure(self, error: Exception, message: Any) -> None:
                raise KeyError(message)

        clumsy = Clumsy(slots=1)
        ref = supervisor.start(clumsy, name="clumsy")
        ref.tell_nowait("crash")
        await clumsy.open("next")
        assert await ref.ask("next") == "next"
        assert [name for name, _ in hooks.failures] == ["clumsy.on_failure"]


class TestCancel:
    async def test_a_cancelled_handler_leaves_an_answer_or_a_dead_letter(
        self, supervisor: Supervisor, hooks: Hooks
    ) -> None:
        _, ref = started(supervisor)
        ref.tell_nowait("told")
        asker = asyncio.create_task(ref.ask("asked"))
        await let_all_run()
        for task in supervisor.tasks:
            supervisor.cancel(task)
        with pytest.raises(HandlerCancelledError, match="its handling was cancelled; ask again"):
            await asker
        assert hooks.dead == [("told", "cancelled")]

    async def test_a_handler_cancelled_before_its_first_turn_loses_no_message(
        self, supervisor: Supervisor, hooks: Hooks
    ) -> None:
        gated, ref = started(supervisor)
        ref.tell_nowait(None)
        (task,) = supervisor.tasks
        supervisor.cancel(task)
        await let_all_run()
        assert hooks.dead == [(None, "cancelled")]
        assert gated.started == []

    async def test_the_slot_of_a_cancelled_handler_goes_to_the_next_message(
        self, supervisor: Supervisor
    ) -> None:
        gated, ref = started(supervisor, slots=1)
        ref.tell_nowait("first")
        ref.tell_nowait("second")
        await let_all_run()
        supervisor.cancel(supervisor.tasks[0])
        await let_all_run()
        assert gated.running == ["second"]


class TestStop:
    async def test_waiting_and_running_messages_are_all_settled(
        self, supervisor: Supervisor, hooks: Hooks
    ) -> None:
        gated, ref = started(supervisor, slots=1)
        running = asyncio.create_task(ref.ask("running"))
        await let_all_run()
        waiting = asyncio.create_task(ref.ask("waiting"))
        await let_all_run()
        ref.tell_nowait("told")
        await supervisor.stop()
        results = await asyncio.gather(running, waiting, return_exceptions=True)
        assert [type(result) for result in results] == [MailboxClosedError] * 2
        assert hooks.dead == [("told", "stopped")]
        assert gated.started == ["running"]

    async def test_a_dispatcher_can_be_stopped_alone(
        self, supervisor: Supervisor, hooks: Hooks
    ) -> None:
        _, ref = started(supervisor)
        other, other_ref = started(supervisor)
        ref.tell_nowait(1)
        other_ref.tell_nowait(2)
        await let_all_run()
        assert await supervisor.stop_actor(ref) == ()
        assert hooks.dead == [(1, "stopped")]
        assert other.running == [2]
        with pytest.raises(MailboxClosedError):
            ref.tell_nowait(3)

    @pytest.mark.parametrize("first", ["itself", "its supervisor"])
    async def test_a_dispatcher_may_be_stopped_twice_at_the_same_time(
        self, supervisor: Supervisor, hooks: Hooks, first: str
    ) -> None:
        _, ref = started(supervisor)
        ref.tell_nowait(1)
        await let_all_run()
        stopping = supervisor.stop_actor(ref) if first == "itself" else supervisor.stop()
        assert await asyncio.gather(stopping, supervisor.stop_actor(ref)) == [(), ()]
        assert hooks.dead == [(1, "stopped")]

    async def test_what_outlives_the_grace_is_settled_once(
        self, supervisor: Supervisor, hooks: Hooks
    ) -> None:
        class Deaf(Dispatcher[Any, None]):
            gate = asyncio.Event()

            async def handle(self, message: Any) -> None:
                try:
                    await self.gate.wait()
                finally:
                    await self.gate.wait()

        deaf = Deaf()
        ref = supervisor.start(deaf, name="deaf")
        ref.tell_nowait(None)
        asker = asyncio.create_task(ref.ask("question"))
        await let_all_run()
        assert await supervisor.stop(grace=0) == ("deaf", "deaf")
        with pytest.raises(MailboxClosedError):
            await asker
        deaf.gate.set()
        assert await supervisor.stop() == ()
        assert hooks.dead == [(None, "stopped")]
