"""Code in the asyncio task of who awaits it: its context, and what a cancel does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextvars import Context, ContextVar, copy_context
from typing import Any

import anyio
import pytest

from actors.carried import run_as_guest, visit
from actors.errors import WrongLoopError
from tests.actors.engine import DEADLINE, Gated, chain, fan, saying
from tests.waiting import let_all_run

word: ContextVar[str] = ContextVar("word", default="none")


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE):
        yield


class Stubborn:
    """Code that waits, and takes its time to end when it is cancelled."""

    def __init__(self) -> None:
        self.waits, self.ends, self.may_end = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.cancels = 0
        self.task: asyncio.Task[Any] | None = None

    async def __call__(self) -> str:
        try:
            self.waits.set()
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            self.cancels += 1
            self.task = asyncio.current_task()
            self.ends.set()
            await self.may_end.wait()
        return "ended"


def guest(code: Any) -> asyncio.Task[Any]:
    return asyncio.create_task(run_as_guest(code, copy_context()))


# --- where it runs -------------------------------------------------------------------------------


@pytest.mark.parametrize("turns", [0, 1, 3])
async def test_code_runs_in_the_task_of_who_awaits_it_and_in_its_own_context(turns: int) -> None:
    async def code() -> tuple[Any, str]:
        word.set("the code's")
        await let_all_run(turns)
        return asyncio.current_task(), word.get()

    word.set("the host's")
    context = copy_context()
    assert await run_as_guest(code(), context) == (asyncio.current_task(), "the code's")
    assert (word.get(), context[word]) == ("the host's", "the code's")


async def test_what_code_raises_is_raised() -> None:
    async def code(turns: int) -> None:
        await let_all_run(turns)
        raise LookupError(turns)

    for turns in range(3):
        with pytest.raises(LookupError):
            await run_as_guest(code(turns), copy_context())


async def test_an_awaited_error_comes_up_in_the_code() -> None:
    broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def code() -> str:
        try:
            await broken
        except LookupError:
            return "met"
        return "not met"

    asyncio.get_running_loop().call_soon(broken.set_exception, LookupError())
    assert await run_as_guest(code(), copy_context()) == "met"


async def test_a_cancel_of_what_the_code_awaits_is_no_cancel_of_its_host() -> None:
    awaited: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def code() -> asyncio.Task[Any] | None:
        with pytest.raises(asyncio.CancelledError):
            await awaited
        return asyncio.current_task()

    asyncio.get_running_loop().call_soon(awaited.cancel)
    assert await run_as_guest(code(), copy_context()) is asyncio.current_task()


@pytest.mark.parametrize("turns", [0, 1])
async def test_code_may_raise_the_error_of_a_cancel_itself(turns: int) -> None:
    async def code() -> None:
        await let_all_run(turns)
        raise asyncio.CancelledError("its own")

    with pytest.raises(asyncio.CancelledError, match="its own"):
        await run_as_guest(code(), copy_context())


# --- cancels -------------------------------------------------------------------------------------


async def test_a_cancel_arrives_when_the_code_has_ended_in_a_task_of_its_own() -> None:
    code = Stubborn()
    host = guest(code())
    await code.waits.wait()
    host.cancel()
    await code.ends.wait()
    assert not host.done()
    code.may_end.set()
    await asyncio.wait({host})
    assert host.cancelled()
    assert code.task is not host


async def test_further_cancels_do_not_cut_the_end_short() -> None:
    code = Stubborn()
    host = guest(code())
    await code.waits.wait()
    host.cancel()
    await code.ends.wait()
    for _ in range(5):
        host.cancel()
        await asyncio.sleep(0)
    assert not host.done()
    code.may_end.set()
    await asyncio.wait({host})
    assert (host.cancelled(), code.cancels) == (True, 1)


async def test_a_cancel_that_is_to_come_up_does_so_before_the_code_begins() -> None:
    begun = list[bool]()

    async def code() -> None:
        begun.append(True)

    async def host() -> None:
        own = asyncio.current_task()
        assert own is not None
        own.cancel("before")
        await run_as_guest(code(), copy_context())

    with pytest.raises(asyncio.CancelledError, match="before"):
        await asyncio.create_task(host())
    assert not begun


async def test_a_cancel_from_the_code_before_its_first_wait_is_one_of_its_host() -> None:
    met = list[asyncio.Task[Any] | None]()

    async def code() -> None:
        own = asyncio.current_task()
        assert own is not None
        own.cancel()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            met.append(asyncio.current_task())

    host = guest(code())
    await asyncio.wait({host})
    assert host.cancelled()
    assert len(met) == 1
    assert host not in met


async def test_a_host_that_went_on_after_a_cancel_can_have_guests() -> None:
    code = Stubborn()

    async def host() -> Any:
        own = asyncio.current_task()
        assert own is not None
        own.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(0)
        return await run_as_guest(code(), copy_context())

    hosted = asyncio.create_task(host())
    await code.waits.wait()
    hosted.cancel()
    await code.ends.wait()
    code.may_end.set()
    await asyncio.wait({hosted})
    assert (hosted.cancelled(), code.cancels) == (True, 1)


async def test_a_time_limit_of_the_code_is_met_by_the_code_alone() -> None:
    async def code() -> str:
        try:
            async with asyncio.timeout(0):
                await asyncio.get_running_loop().create_future()
        except TimeoutError:
            return "out of time"
        return "in time"

    assert await run_as_guest(code(), copy_context()) == "out of time"


async def test_code_that_is_thrown_away_is_closed() -> None:
    closed = list[bool]()

    async def code() -> None:
        try:
            await asyncio.sleep(0)
        finally:
            closed.append(True)

    host = run_as_guest(code(), copy_context())
    host.send(None)
    host.close()
    assert closed == [True]


# --- runs that are guests ------------------------------------------------------------------------


async def test_a_call_that_stores_nothing_has_no_task_but_those_of_its_nodes() -> None:
    gated = Gated()
    call = asyncio.create_task(chain(a=gated).compile().ainvoke({"log": []}), name="call")
    await gated.started.wait()
    known = {call, asyncio.current_task()}
    assert [task.get_name() for task in asyncio.all_tasks() - known] == ["a"]
    gated.gate.set()
    assert await call == {"log": ["gated"]}


def test_a_call_without_an_event_loop_is_refused() -> None:
    call = chain(a=saying("a")).compile().ainvoke({"log": []})
    with pytest.raises(WrongLoopError, match=r"asyncio\.run"):
        call.send(None)


async def test_a_limit_of_anyio_around_a_call_sees_the_nodes_end_first() -> None:
    gated = Gated()  # anyio repeats its cancel at each turn of the loop
    with anyio.move_on_after(0.01) as scope:
        await chain(a=gated).compile().ainvoke({"log": []})
    assert scope.cancelled_caught
    assert (gated.cancelled, gated.cleaned) == (1, 1)


@pytest.mark.parametrize("turns", range(6))
async def test_a_call_that_stores_nothing_can_be_cancelled_at_any_turn(turns: int) -> None:
    gated = Gated()
    before = asyncio.all_tasks()
    call = asyncio.create_task(chain(a=gated).compile().ainvoke({"log": []}))
    await let_all_run(turns)
    call.cancel()
    await asyncio.wait({call})
    assert call.cancelled()
    assert gated.cancelled == gated.cleaned == gated.calls
    assert asyncio.all_tasks() == before


async def test_a_call_whose_task_was_cancelled_before_it_is_cancelled_and_runs_nothing() -> None:
    gated = Gated()

    async def host() -> Any:
        own = asyncio.current_task()
        assert own is not None
        own.cancel()
        return await chain(a=gated).compile().ainvoke({"log": []})

    call = asyncio.create_task(host())
    await asyncio.wait({call})
    assert (call.cancelled(), gated.calls) == (True, 0)


async def test_a_call_in_the_clean_up_of_a_cancelled_task_runs_to_its_end() -> None:
    async def host() -> Any:
        own = asyncio.current_task()
        assert own is not None
        own.cancel()
        try:
            await asyncio.sleep(0)
        finally:
            ended.append(await chain(a=saying("a")).compile().ainvoke({"log": []}))

    ended = list[Any]()
    call = asyncio.create_task(host())
    await asyncio.wait({call})
    assert (call.cancelled(), ended) == (True, [{"log": ["a"]}])


async def test_a_cancel_while_a_failed_call_ends_sees_its_nodes_end_all_the_same() -> None:
    code = Stubborn()

    async def cleans_up(state: Any) -> None:
        await code()

    async def fails(state: Any) -> None:
        await code.waits.wait()
        raise LookupError

    call = asyncio.create_task(fan(a=cleans_up, b=fails).compile().ainvoke({"log": []}))
    await code.ends.wait()
    call.cancel()
    await let_all_run()
    early = call.done()
    code.may_end.set()
    await asyncio.wait({call})
    assert (early, call.cancelled(), code.task in asyncio.all_tasks()) == (False, True, False)


# --- begun in the task of another ----------------------------------------------------------------


class Left:
    """Takes code that goes on, and gives it a task."""

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None

    def __call__(self, code: Any, context: Context) -> None:
        assert self.task is None
        self.task = asyncio.get_running_loop().create_task(code, context=context)


async def test_visiting_code_runs_in_the_task_of_who_calls_up_to_where_it_waits() -> None:
    ran: list[Any] = []

    async def code() -> None:
        word.set("the code's")
        ran.append(asyncio.current_task())
        await may_go_on
        ran.append((asyncio.current_task(), word.get()))

    may_go_on, left = asyncio.get_running_loop().create_future(), Left()
    assert visit(code(), copy_context(), left) is not None
    assert (ran, word.get()) == ([asyncio.current_task()], "none")
    await let_all_run()
    assert left.task is None
    may_go_on.set_result(None)
    await let_all_run()
    assert left.task is not None
    assert left.task.done()
    assert ran[1:] == [(left.task, "the code's")]


async def test_code_that_waits_for_nothing_is_over_when_its_visit_begins() -> None:
    async def code() -> None:
        word.set("the code's")

    left = Left()
    assert visit(code(), copy_context(), left) is None
    assert left.task is None


async def test_what_visiting_code_raises_is_raised() -> None:
    async def code() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        visit(code(), copy_context(), Left())


@pytest.mark.parametrize("is_there", [False, True])
async def test_the_end_of_a_visit_cancels_what_the_code_waits_for_unless_that_is_there(
    is_there: bool,
) -> None:
    met: list[str] = []

    async def code() -> None:
        try:
            met.append(await waited)
        except asyncio.CancelledError:
            met.append("cancelled")

    waited, left = asyncio.get_running_loop().create_future(), Left()
    visited = visit(code(), copy_context(), left)
    assert visited is not None
    if is_there:
        waited.set_result("it")
    visited.end()
    assert left.task is not None
    await left.task
    assert met == ["it" if is_there else "cancelled"]


async def test_a_cancel_before_it_goes_on_comes_up_where_visiting_code_waits() -> None:
    met: list[str] = []

    async def code() -> None:
        try:
            await waited
        except asyncio.CancelledError:
            met.append("cancelled")

    waited, left = asyncio.get_running_loop().create_future(), Left()
    visited = visit(code(), copy_context(), left)
    waited.set_result(None)
    assert visited is not None
    visited.end()
    assert left.task is not None
    left.task.cancel()
    await left.task
    assert met == ["cancelled"]
