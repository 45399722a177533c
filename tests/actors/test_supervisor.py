"""Supervisors: every task has an owner, and no owner waits for ever."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import warnings
import weakref
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from actors.errors import (
    ConfigError,
    MailboxClosedError,
    OwnTaskError,
    SupervisorClosedError,
    WrongLoopError,
)
from actors.supervisor import Supervisor, SupervisorStats
from tests.actors.kernel import CrashError, Hooks, Recorder
from tests.waiting import let_all_run, until

user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")


@pytest.fixture
def hooks() -> Hooks:
    return Hooks()


@pytest.fixture
async def supervisor(hooks: Hooks) -> AsyncIterator[Supervisor]:
    async with Supervisor(on_dead_letter=hooks.dead_letter, on_failure=hooks.failure) as supervisor:
        yield supervisor


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


async def crash() -> None:
    raise CrashError


class Stubborn:
    """Does not end when it is cancelled, only when it is released."""

    def __init__(self) -> None:
        self.cancels = 0
        self.gate = asyncio.Event()

    async def run(self) -> None:
        while not self.gate.is_set():
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.cancels += 1


class TestSpawn:
    async def test_it_runs_in_a_task_with_its_name_and_context(
        self, supervisor: Supervisor
    ) -> None:
        async def who() -> str:
            return user.get()

        context = contextvars.Context()
        context.run(user.set, "ann")
        task = supervisor.spawn(who(), name="who", context=context)
        assert task.get_name() == "who"
        assert await task == "ann"

    async def test_on_done_gets_the_ended_task_and_owns_its_error(
        self, supervisor: Supervisor, hooks: Hooks
    ) -> None:
        ended: list[BaseException | None] = []
        supervisor.spawn(crash(), name="crash", on_done=lambda task: ended.append(task.exception()))
        await let_all_run()
        assert [type(error) for error in ended] == [CrashError]
        assert hooks.failures == []

    async def test_an_error_that_no_one_owns_goes_to_the_failure_hook(
        self, supervisor: Supervisor, hooks: Hooks
    ) -> None:
        unheard: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: unheard.append(what))
        supervisor.spawn(crash(), name="crash")
        await let_all_run()
        gc.collect()
        ((name, error),) = hooks.failures
        assert (name, type(error)) == ("crash", CrashError)
        assert supervisor.stats().failures == 1
        assert unheard == []

    async def test_an_on_done_that_fails_is_reported(
        self, supervisor: Supervisor, hooks: Hooks
    ) -> None:
        def on_done(task: asyncio.Task[None]) -> None:
            raise CrashError

        supervisor.spawn(asyncio.sleep(0), name="fine", on_done=on_done)
        await let_all_run()
        assert [name for name, _ in hooks.failures] == ["fine.on_done"]

    async def test_ten_thousand_tasks_leave_nothing_behind(self, supervisor: Supervisor) -> None:
        ended = 0

        def on_done(task: asyncio.Task[None]) -> None:
            nonlocal ended
            ended += 1

        before = asyncio.all_tasks()
        for number in range(10_000):
            supervisor.spawn(asyncio.sleep(0), name="short", on_done=on_done)
            if number % 100 == 0:
                await asyncio.sleep(0)
        await let_all_run()
        assert ended == 10_000
        assert supervisor.tasks == ()
        assert asyncio.all_tasks() == before

    async def test_a_closed_supervisor_refuses_and_closes_the_coroutine(
        self, supervisor: Supervisor
    ) -> None:
        await supervisor.stop()
        with warnings.catch_warnings(record=True) as caught:
            with pytest.raises(SupervisorClosedError, match="'root' has been stopped"):
                supervisor.spawn(crash(), name="late")
            gc.collect()
        assert caught == []
        with pytest.raises(SupervisorClosedError):
            supervisor.start(Recorder(), name="late")
        with pytest.raises(SupervisorClosedError):
            supervisor.child("late")

    async def test_another_thread_cannot_spawn(self, supervisor: Supervisor) -> None:
        errors: list[BaseException] = []

        def spawn() -> None:
            try:
                supervisor.spawn(crash(), name="foreign")
            except WrongLoopError as error:
                errors.append(error)

        thread = threading.Thread(target=spawn)
        thread.start()
        thread.join()
        assert "was used on None" in str(errors[0])

    async def test_it_belongs_to_the_loop_that_first_used_it(self) -> None:
        supervisor = Supervisor()
        with pytest.raises(WrongLoopError, match="belongs to no event loop yet"):
            _ = supervisor.loop
        supervisor.spawn(asyncio.sleep(0), name="first")
        assert supervisor.loop is asyncio.get_running_loop()
        await supervisor.stop()

    async def test_a_child_belongs_to_the_loop_of_its_parent(self) -> None:
        parent = Supervisor()
        child = parent.child("child")
        parent.spawn(asyncio.sleep(0), name="first")

        def elsewhere() -> None:
            asyncio.run(child.__aenter__())

        with pytest.raises(WrongLoopError):
            await asyncio.to_thread(elsewhere)
        await parent.stop()


class TestCancel:
    async def test_it_reaches_a_task_once(self, supervisor: Supervisor) -> None:
        stubborn = Stubborn()
        task = supervisor.spawn(stubborn.run(), name="stubborn")
        await let_all_run()
        assert supervisor.cancel(task) is True
        await let_all_run()
        assert supervisor.cancel(task) is False
        await let_all_run()
        assert stubborn.cancels == 1
        stubborn.gate.set()
        await task

    async def test_it_is_not_lost_in_a_timeout_of_the_task(self, supervisor: Supervisor) -> None:
        async def with_timeout() -> None:
            try:
                async with asyncio.timeout(0):
                    await forever()
            except TimeoutError:
                await forever()

        task = supervisor.spawn(with_timeout(), name="timeout")
        await until(task.cancelling)
        assert supervisor.cancel(task) is True
        await asyncio.wait([task])
        assert task.cancelled()

    async def test_a_foreign_or_ended_task_is_left_alone(self, supervisor: Supervisor) -> None:
        foreign = asyncio.create_task(forever())
        ended = supervisor.spawn(asyncio.sleep(0), name="ended")
        await let_all_run()
        assert supervisor.cancel(foreign) is False
        assert supervisor.cancel(ended) is False
        foreign.cancel()
        await asyncio.wait([foreign])


class TestStop:
    async def test_cleanup_that_awaits_works(self, supervisor: Supervisor) -> None:
        steps: list[str] = []

        async def careful() -> None:
            try:
                await forever()
            finally:
                await let_all_run()
                steps.append("cleaned up")

        supervisor.spawn(careful(), name="careful")
        await let_all_run()
        assert await supervisor.stop() == ()
        assert steps == ["cleaned up"]

    async def test_what_outlives_the_grace_is_named_and_counted_once(
        self, supervisor: Supervisor
    ) -> None:
        stubborn = Stubborn()
        supervisor.spawn(stubborn.run(), name="stubborn")
        await let_all_run()
        assert await supervisor.stop(grace=0) == ("stubborn",)
        assert await supervisor.stop(grace=0) == ("stubborn",)
        assert stubborn.cancels == 1
        assert supervisor.stats().leftovers == 1
        stubborn.gate.set()
        assert await supervisor.stop() == ()
        assert supervisor.tasks == ()

    async def test_a_message_in_the_hands_of_a_leftover_is_settled_once(
        self, supervisor: Supervisor, hooks: Hooks
    ) -> None:
        stubborn = Stubborn()

        class Deaf(Recorder):
            async def receive(self, message: Any) -> None:
                await stubborn.run()

        supervisor.start(Deaf(), name="deaf").tell_nowait("told")
        await let_all_run()
        assert await supervisor.stop(grace=0) == ("deaf",)
        assert hooks.dead == [("told", "stopped")]
        stubborn.gate.set()
        await supervisor.stop()
        assert hooks.dead == [("told", "stopped")]

    async def test_it_may_be_called_by_several_at_once(self, supervisor: Supervisor) -> None:
        stubborn = Stubborn()
        supervisor.spawn(stubborn.run(), name="stubborn")
        await let_all_run()
        stops = [asyncio.create_task(supervisor.stop()) for _ in range(3)]
        await let_all_run()
        stubborn.gate.set()
        assert await asyncio.gather(*stops) == [()] * 3
        assert stubborn.cancels == 1

    async def test_an_idle_one_is_stopped_without_waiting(self, supervisor: Supervisor) -> None:
        task = supervisor.spawn(forever(), name="forever")
        assert not supervisor.stop_idle()
        assert not supervisor.closed
        task.cancel()
        await let_all_run()
        assert supervisor.stop_idle()
        assert supervisor.closed

    async def test_one_that_runs_an_actor_is_not_idle(self, supervisor: Supervisor) -> None:
        supervisor.start(Recorder(), name="recorder")
        await let_all_run()
        assert not supervisor.stop_idle()

    async def test_a_cancelled_stop_can_be_waited_for_again(self, supervisor: Supervisor) -> None:
        stubborn = Stubborn()
        supervisor.spawn(stubborn.run(), name="stubborn")
        await let_all_run()
        stop = asyncio.create_task(supervisor.stop())
        await let_all_run()
        stop.cancel()
        await asyncio.wait([stop])
        assert supervisor.closed
        stubborn.gate.set()
        assert await supervisor.stop() == ()

    async def test_a_task_cannot_stop_what_it_belongs_to(self, supervisor: Supervisor) -> None:
        child = supervisor.child("child")
        task = child.spawn(supervisor.stop(), name="inside")
        with pytest.raises(OwnTaskError, match="task 'inside' would stop supervisor 'root'"):
            await task
        assert not supervisor.closed

    async def test_a_parents_task_may_stop_a_child(self, supervisor: Supervisor) -> None:
        child = supervisor.child("child")
        child.spawn(forever(), name="forever")
        assert await supervisor.spawn(child.stop(), name="outside") == ()

    async def test_an_actor_cannot_wait_for_its_own_stop(self, supervisor: Supervisor) -> None:
        class Suicidal(Recorder):
            async def receive(self, message: Any) -> None:
                await supervisor.stop_actor(self.ref)

        with pytest.raises(OwnTaskError, match="stop actor 'lemming'"):
            await supervisor.start(Suicidal(), name="lemming").ask("jump")

    async def test_nowait_closes_at_once_and_can_be_waited_for(
        self, supervisor: Supervisor
    ) -> None:
        task = supervisor.spawn(forever(), name="forever")
        ref = supervisor.start(Recorder(), name="recorder")
        supervisor.stop_nowait()
        assert supervisor.closed
        assert ref.closed
        assert not task.done()
        await supervisor.stop()
        assert task.cancelled()

    @pytest.mark.parametrize("grace", [-1, float("nan")])
    async def test_a_grace_that_is_no_time_is_refused(
        self, supervisor: Supervisor, grace: float
    ) -> None:
        with pytest.raises(ConfigError, match="grace="):
            await supervisor.stop(grace)
        with pytest.raises(ConfigError, match="grace="):
            Supervisor(grace=grace)
        assert not supervisor.closed

    async def test_leaving_the_block_stops_it_whatever_happened(self) -> None:
        tasks: list[asyncio.Task[None]] = []

        async def fail_inside() -> None:
            async with Supervisor() as supervisor:
                tasks.append(supervisor.spawn(forever(), name="forever"))
                raise CrashError

        with pytest.raises(CrashError):
            await fail_inside()
        assert tasks[0].cancelled()

    async def test_leaving_the_block_waits_however_often_that_is_cancelled(self) -> None:
        stubborn = Stubborn()

        async def leave() -> None:
            with anyio.CancelScope() as scope:
                async with Supervisor() as supervisor:
                    supervisor.spawn(stubborn.run(), name="stubborn")
                    await let_all_run()
                    scope.cancel()

        leaving = asyncio.create_task(leave())
        await until(lambda: stubborn.cancels == 1)
        for _ in range(3):
            leaving.cancel()
            await let_all_run()
        early = leaving.done()
        stubborn.gate.set()
        await asyncio.wait([leaving])
        assert (early, leaving.cancelled(), stubborn.cancels) == (False, True, 1)

    async def test_work_started_while_stopping_is_refused(self, supervisor: Supervisor) -> None:
        refused: list[bool] = []

        async def late() -> None:
            try:
                await forever()
            finally:
                with pytest.raises(SupervisorClosedError):
                    supervisor.spawn(forever(), name="too late")
                refused.append(True)

        supervisor.spawn(late(), name="late")
        await let_all_run()
        await supervisor.stop()
        assert refused == [True]

    def test_the_end_of_the_loop_ends_actors_that_nobody_stopped(self) -> None:
        actor = Recorder()

        async def forget() -> None:
            await Supervisor().start(actor, name="forgotten").ask("hello")

        asyncio.run(forget())
        assert actor.log == ["start", "hello", "stop"]


class TestTree:
    async def test_children_are_stopped_with_their_parent(self, supervisor: Supervisor) -> None:
        child = supervisor.child("child")
        grandchild = child.child("grandchild")
        tasks = [each.spawn(forever(), name="forever") for each in (supervisor, child, grandchild)]
        ref = grandchild.start(Recorder(), name="recorder")
        await supervisor.stop()
        assert all(task.cancelled() for task in tasks)
        assert child.closed
        assert grandchild.closed
        with pytest.raises(MailboxClosedError):
            ref.tell_nowait(1)

    async def test_a_stopped_child_leaves_the_tree_and_its_parent_goes_on(
        self, supervisor: Supervisor
    ) -> None:
        task = supervisor.spawn(forever(), name="forever")
        for number in range(100):
            async with supervisor.child(f"run-{number}") as child:
                child.spawn(forever(), name="forever")
        assert supervisor.stats().children == 0
        assert not task.done()

    async def test_those_that_ran_tasks_only_leave_the_collector_nothing(
        self, supervisor: Supervisor
    ) -> None:
        gone = list[weakref.ref[Supervisor]]()
        gc.disable()
        try:
            for parent in (supervisor, None):
                child = supervisor.child("run") if parent else Supervisor()
                child.spawn(let_all_run(), name="short")
                await child.stop()
                gone.append(weakref.ref(child))
                del child
            await let_all_run()
            assert [each() for each in gone] == [None, None]
        finally:
            gc.enable()

    async def test_a_child_with_a_leftover_stays_until_that_has_ended(
        self, supervisor: Supervisor
    ) -> None:
        stubborn = Stubborn()
        child = supervisor.child("child")
        child.spawn(stubborn.run(), name="stubborn")
        await let_all_run()
        await child.stop(grace=0)
        assert supervisor.stats().children == 1
        assert await supervisor.stop(grace=0) == ("stubborn",)
        assert supervisor.stats().leftovers == 1
        stubborn.gate.set()
        await let_all_run()
        assert supervisor.stats().children == 0

    async def test_children_inherit_what_they_are_not_given(self, hooks: Hooks) -> None:
        async with Supervisor("app", on_failure=hooks.failure, grace=7.0) as parent:
            child = parent.child("db").child("pool")
            assert child.name == "app/db/pool"
            assert child.grace == 7.0
            child.spawn(crash(), name="crash")
            await let_all_run()
        assert [name for name, _ in hooks.failures] == ["crash"]

    async def test_the_statistics_cover_everything_below(
        self, supervisor: Supervisor, hooks: Hooks
    ) -> None:
        child = supervisor.child("child")
        child.spawn(crash(), name="crash")
        child.spawn(forever(), name="forever")
        ref = child.start(Recorder(), name="recorder")
        ref.tell_nowait("block")
        await let_all_run()
        assert supervisor.stats() == SupervisorStats(
            name="root",
            tasks=2,
            actors=1,
            children=1,
            failures=1,
            restarts=0,
            escalations=0,
            dead_letters=0,
            leftovers=0,
        )
        await child.stop()
        stats = supervisor.stats()
        assert (stats.tasks, stats.actors, stats.children) == (0, 0, 0)
        assert (stats.failures, stats.dead_letters) == (1, 1)
