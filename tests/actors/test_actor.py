"""Actors: one message at a time, hooks in pairs, nothing lost when a life ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from actors.actor import MESSAGES_PER_TURN, Actor
from actors.errors import ConfigError, HandlerCancelledError, MailboxClosedError
from actors.restart import RestartPolicy
from actors.supervisor import Supervisor
from tests.actors.kernel import CrashError, FakeTime, Hooks, Recorder
from tests.waiting import let_all_run


@pytest.fixture
def hooks() -> Hooks:
    return Hooks()


@pytest.fixture
async def supervisor(hooks: Hooks) -> AsyncIterator[Supervisor]:
    time = FakeTime()
    async with Supervisor(
        on_dead_letter=hooks.dead_letter,
        on_failure=hooks.failure,
        clock=time.clock,
        sleep=time.sleep,
    ) as supervisor:
        yield supervisor


async def test_messages_are_handled_in_order_after_on_start(supervisor: Supervisor) -> None:
    actor = Recorder()
    ref = supervisor.start(actor, name="recorder")
    for number in range(3):
        ref.tell_nowait(number)
    await ref.ask("last")
    assert actor.log == ["start", 0, 1, 2, "last"]


async def test_one_message_at_a_time(supervisor: Supervisor) -> None:
    class Busy(Actor[int, None]):
        inside = most = 0

        async def receive(self, message: int) -> None:
            self.inside += 1
            self.most = max(self.most, self.inside)
            await asyncio.sleep(0)
            self.inside -= 1

    actor = Busy()
    ref = supervisor.start(actor, name="busy")
    await asyncio.gather(*(ref.ask(number) for number in range(10)))
    assert actor.most == 1


async def test_an_actor_knows_its_own_reference(supervisor: Supervisor) -> None:
    class Countdown(Actor[int, None]):
        def __init__(self) -> None:
            self.done = asyncio.Event()

        async def receive(self, message: int) -> None:
            if message == 0:
                self.done.set()
            else:
                self.ref.tell_nowait(message - 1)

    actor = Countdown()
    ref = supervisor.start(actor, name="countdown")
    assert actor.ref is ref
    ref.tell_nowait(5)
    await actor.done.wait()


def test_its_reference_before_the_start_says_how_to_get_one() -> None:
    with pytest.raises(ConfigError, match=r"start it with `Supervisor\.start`"):
        _ = Recorder().ref


async def test_the_same_object_cannot_run_twice_at_once(supervisor: Supervisor) -> None:
    actor = Recorder()
    ref = supervisor.start(actor, name="one")
    with pytest.raises(
        ConfigError, match="'two' cannot start: this Recorder already runs as 'one'"
    ):
        supervisor.start(actor, name="two")
    await supervisor.stop_actor(ref)
    assert await supervisor.start(actor, name="three").ask(1) == 1


async def test_an_actor_that_tells_itself_for_ever_does_not_starve_the_loop(
    supervisor: Supervisor,
) -> None:
    class Hamster(Actor[int, None]):
        count = 0

        async def receive(self, message: int) -> None:
            self.count += 1
            self.ref.tell_nowait(message)

    actor = Hamster()
    supervisor.start(actor, name="hamster").tell_nowait(1)
    await let_all_run(3)
    assert 0 < actor.count <= 3 * MESSAGES_PER_TURN


class TestFailure:
    async def test_it_goes_to_on_failure_and_the_next_message_meets_a_new_life(
        self, supervisor: Supervisor
    ) -> None:
        actor = Recorder()
        ref = supervisor.start(actor, name="recorder")
        ref.tell_nowait("crash")
        ref.tell_nowait("after")
        await ref.ask("last")
        assert actor.log == [
            "start",
            ("CrashError", "crash"),
            "stop",
            "start",
            "after",
            "last",
        ]

    async def test_the_asker_gets_the_error_itself(self, supervisor: Supervisor) -> None:
        ref = supervisor.start(Recorder(), name="recorder")
        with pytest.raises(CrashError):
            await ref.ask("crash")
        assert await ref.ask("well again") == "well again"

    async def test_state_made_in_on_start_is_fresh_after_a_restart(
        self, supervisor: Supervisor
    ) -> None:
        class Counter(Actor[int, int]):
            async def on_start(self) -> None:
                self.total = 0

            async def receive(self, message: int) -> int:
                self.total += 10 // message
                return self.total

        ref = supervisor.start(Counter(), name="counter")
        assert await ref.ask(5) == 2
        with pytest.raises(ZeroDivisionError):
            await ref.ask(0)
        assert await ref.ask(5) == 2

    async def test_a_failing_on_start_is_tried_again(self, supervisor: Supervisor) -> None:
        class Slow(Recorder):
            async def on_start(self) -> None:
                await super().on_start()
                if self.log.count("start") < 3:
                    raise CrashError

        actor = Slow()
        assert await supervisor.start(actor, name="slow").ask("hello") == "hello"
        assert actor.log == ["start", ("CrashError", None)] * 2 + ["start", "hello"]

    async def test_hooks_that_fail_are_reported_and_stop_nothing(
        self, supervisor: Supervisor, hooks: Hooks
    ) -> None:
        class Clumsy(Recorder):
            async def on_failure(self, error: Exception, message: Any) -> None:
                raise KeyError("on_failure")

            async def on_stop(self) -> None:
                raise KeyError("on_stop")

        ref = supervisor.start(Clumsy(), name="clumsy")
        ref.tell_nowait("crash")
        assert await ref.ask("alive") == "alive"
        assert [name for name, _ in hooks.failures] == ["clumsy.on_failure", "clumsy.on_stop"]

    async def test_a_cancelled_error_that_nobody_sent_is_a_failure_and_no_stop(
        self, supervisor: Supervisor
    ) -> None:
        class Stray(Recorder):
            async def receive(self, message: Any) -> Any:
                if message == "stray":
                    future = asyncio.get_running_loop().create_future()
                    future.cancel()
                    await future
                return message

        actor = Stray()
        ref = supervisor.start(actor, name="stray")
        with pytest.raises(HandlerCancelledError, match="something it awaited was cancelled"):
            await ref.ask("stray")
        assert await ref.ask("alive") == "alive"
        assert actor.log == ["start", ("HandlerCancelledError", "stray"), "stop", "start"]


class TestStop:
    async def test_on_stop_may_await_and_runs_once(self, supervisor: Supervisor) -> None:
        actor = Recorder()
        ref = supervisor.start(actor, name="recorder")
        await ref.ask(1)
        await supervisor.stop_actor(ref)
        await supervisor.stop_actor(ref)
        assert actor.log == ["start", 1, "stop"]

    async def test_what_waits_is_answered_or_becomes_a_dead_letter(
        self, supervisor: Supervisor, hooks: Hooks
    ) -> None:
        actor = Recorder()
        ref = supervisor.start(actor, name="recorder")
        ref.tell_nowait("block")
        await actor.started.wait()
        asker = asyncio.create_task(ref.ask("question"))
        await let_all_run()
        ref.tell_nowait(None)
        await supervisor.stop()
        with pytest.raises(
            MailboxClosedError, match="'question' to actor 'recorder' has no answer"
        ):
            await asker
        assert hooks.dead == [(None, "stopped"), ("block", "stopped")]
        assert supervisor.stats().dead_letters == 2
        assert ref.closed

    async def test_a_question_in_hand_is_answered_with_an_error(
        self, supervisor: Supervisor, hooks: Hooks
    ) -> None:
        actor = Recorder()
        ref = supervisor.start(actor, name="recorder")
        asker = asyncio.create_task(ref.ask("block"))
        await actor.started.wait()
        await supervisor.stop_actor(ref)
        with pytest.raises(MailboxClosedError, match="the actor stopped first"):
            await asker
        assert hooks.dead == []

    async def test_a_message_finished_in_spite_of_the_cancel_is_handled(
        self, supervisor: Supervisor, hooks: Hooks
    ) -> None:
        class Stubborn(Recorder):
            async def receive(self, message: Any) -> Any:
                self.started.set()
                try:
                    await self.gate.wait()
                except asyncio.CancelledError:
                    return "done"

        actor = Stubborn()
        ref = supervisor.start(actor, name="stubborn")
        asker = asyncio.create_task(ref.ask("question"))
        await actor.started.wait()
        await supervisor.stop_actor(ref)
        assert await asker == "done"
        assert actor.log == ["start", "stop"]
        assert hooks.dead == []

    async def test_an_actor_stopped_before_its_first_turn_loses_nothing(
        self, supervisor: Supervisor, hooks: Hooks
    ) -> None:
        actor = Recorder()
        supervisor.start(actor, name="recorder").tell_nowait("early")
        await supervisor.stop()
        assert hooks.dead == [("early", "stopped")]
        assert actor.log == []

    async def test_an_actor_cancelled_from_outside_ends_and_settles_its_messages(
        self, supervisor: Supervisor, hooks: Hooks
    ) -> None:
        actor = Recorder()
        ref = supervisor.start(actor, name="recorder")
        ref.tell_nowait("block")
        ref.tell_nowait("next")
        await actor.started.wait()
        (task,) = supervisor.tasks
        task.cancel()
        await asyncio.wait([task])
        await let_all_run()
        assert ref.closed
        assert hooks.dead == [("block", "cancelled"), ("next", "stopped")]
        assert supervisor.stats().restarts == 0

    @pytest.mark.parametrize("turns", range(12))
    async def test_nothing_vanishes_whenever_the_stop_comes(
        self, supervisor: Supervisor, hooks: Hooks, turns: int
    ) -> None:
        class Slow(Recorder):
            async def receive(self, message: Any) -> Any:
                await asyncio.sleep(0)
                return await super().receive(message)

        actor = Slow()
        ref = supervisor.start(actor, name="slow", capacity=2, restart=RestartPolicy(budget=9))
        senders = [asyncio.create_task(ref.tell(number)) for number in range(5)]
        await let_all_run(turns)
        await supervisor.stop()
        results = await asyncio.gather(*senders, return_exceptions=True)
        sent = [number for number, result in enumerate(results) if result is None]
        handled = [entry for entry in actor.log if isinstance(entry, int)]
        assert sorted(handled + [message for message, _ in hooks.dead]) == sent
