"""References: telling, asking with a deadline, sending from other threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from actors.actor import Actor
from actors.errors import (
    AskTimeoutError,
    MailboxClosedError,
    MailboxFullError,
    OwnTaskError,
    WrongLoopError,
)
from actors.ref import ActorRef
from actors.supervisor import Supervisor
from actors.threads import in_place
from tests.actors.kernel import Hooks, Recorder
from tests.waiting import let_all_run, until


@pytest.fixture
def hooks() -> Hooks:
    return Hooks()


@pytest.fixture
async def supervisor(hooks: Hooks) -> AsyncIterator[Supervisor]:
    async with Supervisor(on_dead_letter=hooks.dead_letter, on_failure=hooks.failure) as supervisor:
        yield supervisor


async def blocked(supervisor: Supervisor, **options: Any) -> tuple[Recorder, ActorRef[Any, Any]]:
    """An actor in the middle of a message, with a mailbox of one place."""
    actor = Recorder()
    ref = supervisor.start(actor, name="blocked", capacity=1, **options)
    ref.tell_nowait("block")
    await actor.started.wait()
    return actor, ref


class TestTell:
    async def test_it_waits_for_room(self, supervisor: Supervisor) -> None:
        actor, ref = await blocked(supervisor)
        await ref.tell("one")
        sender = asyncio.create_task(ref.tell("two"))
        await let_all_run()
        assert not sender.done()
        actor.gate.set()
        await sender
        await ref.ask("last")
        assert actor.log == ["start", "block", "one", "two", "last"]

    async def test_nowait_is_refused_without_room(self, supervisor: Supervisor) -> None:
        _, ref = await blocked(supervisor)
        ref.tell_nowait("one")
        with pytest.raises(MailboxFullError, match="'two' does not fit into mailbox 'blocked'"):
            ref.tell_nowait("two")
        assert ref.stats().refused == 1

    async def test_a_cancelled_tell_has_sent_nothing(self, supervisor: Supervisor) -> None:
        actor, ref = await blocked(supervisor)
        ref.tell_nowait("one")
        sender = asyncio.create_task(ref.tell("two"))
        await let_all_run()
        sender.cancel()
        await asyncio.wait([sender])
        actor.gate.set()
        await ref.ask("last")
        assert "two" not in actor.log

    async def test_what_is_dropped_to_make_room_is_a_dead_letter_or_an_answer(
        self, supervisor: Supervisor, hooks: Hooks
    ) -> None:
        _, ref = await blocked(supervisor, overflow="drop_oldest")
        ref.tell_nowait("old")
        asker = asyncio.create_task(ref.ask("question"))
        await let_all_run()
        ref.tell_nowait("new")
        with pytest.raises(MailboxFullError, match="newer messages pushed it out"):
            await asker
        assert hooks.dead == [("old", "dropped")]

    async def test_an_actor_that_would_wait_for_room_in_its_own_mailbox_is_told_so(
        self, supervisor: Supervisor
    ) -> None:
        class Echoing(Actor[int, None]):
            async def receive(self, message: int) -> None:
                await self.ref.tell(message)
                await self.ref.tell(message)

        ref = supervisor.start(Echoing(), name="echoing", capacity=1)
        with pytest.raises(MailboxFullError):
            await ref.ask(1)

    async def test_a_closed_mailbox_refuses(self, supervisor: Supervisor) -> None:
        ref = supervisor.start(Recorder(), name="recorder")
        await supervisor.stop_actor(ref)
        with pytest.raises(MailboxClosedError, match="start a new actor"):
            ref.tell_nowait(1)
        with pytest.raises(MailboxClosedError):
            await ref.ask(1)


class TestAsk:
    async def test_the_answer_is_what_receive_returns(self, supervisor: Supervisor) -> None:
        ref = supervisor.start(Recorder(), name="recorder")
        assert await ref.ask(None) is None
        assert await ref.ask([1], timeout=None) == [1]

    async def test_no_answer_in_time_is_an_error_that_names_both(
        self, supervisor: Supervisor
    ) -> None:
        _, ref = await blocked(supervisor)
        with pytest.raises(AskTimeoutError, match="'blocked' gave no answer to 'well' within 0 s"):
            await ref.ask("well", timeout=0)

    async def test_waiting_for_room_counts(self, supervisor: Supervisor) -> None:
        _, ref = await blocked(supervisor)
        ref.tell_nowait("fills it")
        with pytest.raises(AskTimeoutError):
            await ref.ask("no room", timeout=0)
        assert len(ref._mailbox) == 1

    async def test_a_question_whose_asker_is_gone_is_not_handled(
        self, supervisor: Supervisor
    ) -> None:
        actor, ref = await blocked(supervisor)
        with pytest.raises(AskTimeoutError):
            await ref.ask("given up", timeout=0)
        actor.gate.set()
        await ref.ask("last")
        assert actor.log == ["start", "block", "last"]

    async def test_an_answer_to_an_asker_that_is_gone_harms_nobody(
        self, supervisor: Supervisor
    ) -> None:
        actor = Recorder()
        ref = supervisor.start(actor, name="recorder")
        asker = asyncio.create_task(ref.ask("block"))
        await actor.started.wait()
        asker.cancel()
        actor.gate.set()
        assert await ref.ask("alive") == "alive"
        assert actor.log == ["start", "block", "alive"]

    async def test_a_timeout_error_of_the_actor_is_its_answer(self, supervisor: Supervisor) -> None:
        class Late(Actor[str, None]):
            async def receive(self, message: str) -> None:
                raise TimeoutError(message)

        with pytest.raises(TimeoutError, match="from inside") as caught:
            await supervisor.start(Late(), name="late").ask("from inside")
        assert type(caught.value) is TimeoutError

    async def test_an_actor_cannot_ask_itself(self, supervisor: Supervisor) -> None:
        class Narcissus(Actor[str, str]):
            async def receive(self, message: str) -> str:
                return await self.ref.ask("who is the fairest?")

        with pytest.raises(OwnTaskError, match="cannot answer while it waits"):
            await supervisor.start(Narcissus(), name="narcissus").ask("go")

    async def test_a_message_whose_repr_fails_can_still_be_reported(
        self, supervisor: Supervisor
    ) -> None:
        class Shy:
            def __repr__(self) -> str:
                raise KeyError("no repr")

        _, ref = await blocked(supervisor)
        with pytest.raises(AskTimeoutError, match="Shy instance"):
            await ref.ask(Shy(), timeout=0)


class Thread:
    """Runs a function in a thread and keeps what it raised."""

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self.error: BaseException | None = None
        threading.Thread(target=self._run).start()

    def _run(self) -> None:
        try:
            self._function()
        except BaseException as error:
            self.error = error
        self._loop.call_soon_threadsafe(self._ended.set)

    async def ended(self) -> BaseException | None:
        await self._ended.wait()
        return self.error


class TestOtherThreads:
    async def test_messages_keep_the_order_of_their_thread(self, supervisor: Supervisor) -> None:
        actor = Recorder()
        ref = supervisor.start(actor, name="recorder", capacity=2)

        def send() -> None:
            for number in range(50):
                ref.tell_threadsafe(number)

        assert await Thread(send).ended() is None
        await ref.ask("last")
        assert actor.log == ["start", *range(50), "last"]

    async def test_a_thread_waits_for_room_up_to_its_timeout(self, supervisor: Supervisor) -> None:
        _, ref = await blocked(supervisor)
        ref.tell_nowait("fills it")
        error = await Thread(lambda: ref.tell_threadsafe("late", timeout=0)).ended()
        assert isinstance(error, MailboxFullError)
        assert "'late' found no room in mailbox 'blocked' within 0 s" in str(error)

    async def test_a_thread_that_waits_is_freed_by_a_stop(self, supervisor: Supervisor) -> None:
        _, ref = await blocked(supervisor)
        ref.tell_nowait("fills it")
        thread = Thread(lambda: ref.tell_threadsafe("late"))
        await until(lambda: len(supervisor.tasks) == 2)
        await supervisor.stop()
        assert isinstance(await thread.ended(), MailboxClosedError)

    async def test_a_stopped_supervisor_and_a_full_box_answer_the_thread(
        self, supervisor: Supervisor
    ) -> None:
        ref = supervisor.start(Recorder(), name="recorder")
        await supervisor.stop()
        assert isinstance(
            await Thread(lambda: ref.tell_threadsafe("late")).ended(), MailboxClosedError
        )

    @pytest.mark.parametrize("busy", [False, True])
    async def test_telling_without_it_is_refused_and_sends_nothing(
        self, supervisor: Supervisor, busy: bool
    ) -> None:
        actor = Recorder()
        ref = supervisor.start(actor, name="recorder")
        await let_all_run()
        if busy:
            ref.tell_nowait("block")
            await let_all_run()
        error = await Thread(lambda: ref.tell_nowait("foreign")).ended()
        assert isinstance(error, WrongLoopError)
        assert "use `tell_threadsafe`" in str(error)
        error = await Thread(lambda: asyncio.run(ref.ask("foreign"))).ended()
        assert isinstance(error, WrongLoopError)
        assert len(ref._mailbox) == 0

    async def test_on_the_loops_own_thread_it_is_refused(self, supervisor: Supervisor) -> None:
        ref = supervisor.start(Recorder(), name="recorder")
        with pytest.raises(WrongLoopError, match="use `tell` or `tell_nowait` there"):
            ref.tell_threadsafe(1)
        with pytest.raises(WrongLoopError):  # nor where that stands still, and is not seen
            in_place(ref.tell_threadsafe, 1)

    def test_a_closed_loop_answers_the_thread(self) -> None:
        async def start() -> ActorRef[Any, Any]:
            async with Supervisor() as supervisor:
                return supervisor.start(Recorder(), name="recorder")

        ref = asyncio.run(start())
        with pytest.raises(MailboxClosedError, match="its event loop is closed"):
            ref.tell_threadsafe("late")
