"""Mailboxes: bounds, policies, and what a cancel in the worst moment leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest

from actors.errors import (
    ConfigError,
    MailboxClosedError,
    MailboxEmptyError,
    MailboxFullError,
    MailboxReaderError,
)
from actors.mailbox import Mailbox, MailboxStats, Overflow
from tests.waiting import let_all_run


async def test_messages_come_out_in_the_order_they_went_in() -> None:
    box = Mailbox[int](10)
    for number in range(5):
        box.put_nowait(number)
    assert [await box.get() for _ in range(5)] == [0, 1, 2, 3, 4]


async def test_none_is_a_message_like_any_other() -> None:
    box = Mailbox[None](1)
    box.put_nowait(None)
    assert len(box) == 1
    assert await box.get() is None


async def test_a_reader_waits_for_the_first_message() -> None:
    box = Mailbox[str](1)
    reader = asyncio.create_task(box.get())
    await let_all_run()
    box.put_nowait("hello")
    assert await reader == "hello"


def test_get_nowait_of_nothing_says_so() -> None:
    with pytest.raises(MailboxEmptyError, match="'letters' holds no message; wait with `get`"):
        Mailbox[int](1, name="letters").get_nowait()


@pytest.mark.parametrize("capacity", [0, -1])
def test_a_capacity_below_one_is_refused(capacity: int) -> None:
    with pytest.raises(ConfigError, match=f"capacity={capacity}"):
        Mailbox[int](capacity)


def test_an_unknown_policy_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'drop_newest'.*'wait', 'reject', 'drop_oldest'"):
        Mailbox[int](1, "drop_newest")  # type: ignore[arg-type]


@pytest.mark.parametrize("overflow", ["wait", "reject"])
def test_put_nowait_into_a_full_mailbox_is_refused_and_counted(overflow: Overflow) -> None:
    box = Mailbox[str](1, overflow)
    box.put_nowait("first")
    with pytest.raises(MailboxFullError, match=r"'second' does not fit.*all 1 places"):
        box.put_nowait("second")
    assert box.stats().refused == 1
    assert box.get_nowait() == "first"


async def test_reject_refuses_the_put_that_could_wait_too() -> None:
    box = Mailbox[int](1, "reject")
    await box.put(1)
    with pytest.raises(MailboxFullError):
        await box.put(2)


async def test_drop_oldest_throws_out_the_oldest_and_shows_it() -> None:
    dropped: list[int] = []
    box = Mailbox[int](2, "drop_oldest", on_drop=dropped.append)
    for number in range(4):
        await box.put(number)
    assert dropped == [0, 1]
    assert [box.get_nowait(), box.get_nowait()] == [2, 3]
    assert box.stats().dropped == 2


async def test_what_comes_into_a_mailbox_that_on_drop_closes_is_refused() -> None:
    left: list[int] = []
    box = Mailbox[int](2, "drop_oldest", on_drop=lambda _: left.extend(box.close()))
    box.put_nowait(0)
    box.put_nowait(1)
    with pytest.raises(MailboxClosedError, match="2 cannot go into"):
        box.put_nowait(2)
    assert left == [1]


async def test_waiting_writers_get_room_first_come_first_served() -> None:
    box = Mailbox[int](1)
    box.put_nowait(0)
    writers = [asyncio.create_task(box.put(number)) for number in (1, 2, 3)]
    await let_all_run()
    got = [await box.get() for _ in range(4)]
    await asyncio.wait(writers)
    assert got == [0, 1, 2, 3]


async def test_room_for_a_woken_writer_cannot_be_stolen() -> None:
    box = Mailbox[str](1)
    box.put_nowait("first")
    writer = asyncio.create_task(box.put("waited"))
    await let_all_run()
    box.get_nowait()
    with pytest.raises(MailboxFullError):
        box.put_nowait("thief")
    await writer
    assert box.get_nowait() == "waited"


async def test_the_statistics_tell_what_happened() -> None:
    box = Mailbox[int](3, "drop_oldest")
    for number in range(5):
        box.put_nowait(number)
    box.get_nowait()
    assert box.stats() == MailboxStats(
        capacity=3, length=2, received=5, dropped=2, refused=0, high_water=3
    )


async def test_a_second_reader_is_refused() -> None:
    box = Mailbox[int](1)
    first = asyncio.create_task(box.get())
    await let_all_run()
    with pytest.raises(MailboxReaderError, match="one reader"):
        await box.get()
    box.put_nowait(1)
    assert await first == 1


async def test_an_arrival_hook_is_called_in_place_after_each_message() -> None:
    lengths: list[int] = []
    box = Mailbox[int](5, on_arrival=lambda: lengths.append(len(box)))
    box.put_nowait(1)
    box.put_nowait(2)
    assert lengths == [1, 2]


async def test_a_taken_message_never_waits_and_counts_as_received() -> None:
    taken: list[int] = []

    def take(message: int) -> bool:
        if message == 3:
            return False
        taken.append(message)
        return True

    box = Mailbox[int](2, take=take)
    for message in (1, 2, 3, 4):  # 4 is not offered: 3 waits in front of it
        box.put_nowait(message)
    assert taken == [1, 2]
    assert [box.get_nowait(), box.get_nowait()] == [3, 4]
    assert (box.stats().received, box.stats().high_water) == (4, 2)


async def test_a_message_whose_taker_raises_stays_with_its_sender() -> None:
    def take(_: int) -> bool:
        raise RuntimeError("no")

    box = Mailbox[int](2, take=take)
    with pytest.raises(RuntimeError, match="no"):
        box.put_nowait(1)
    assert len(box) == 0


class TestClose:
    async def test_it_hands_over_what_waits_once(self) -> None:
        box = Mailbox[int](5)
        box.put_nowait(1)
        box.put_nowait(2)
        assert box.close() == [1, 2]
        assert box.close() == []
        assert box.closed

    async def test_nothing_comes_in_any_more(self) -> None:
        box = Mailbox[str](1, name="letters")
        box.close()
        with pytest.raises(MailboxClosedError, match="'late' cannot go into mailbox 'letters'"):
            box.put_nowait("late")
        with pytest.raises(MailboxClosedError):
            await box.put("late")
        with pytest.raises(MailboxClosedError):
            box.put_back("late")
        with pytest.raises(MailboxClosedError):
            await box.get()

    async def test_it_ends_the_wait_of_reader_and_writers(self) -> None:
        empty, full = Mailbox[int](1), Mailbox[int](1)
        full.put_nowait(0)
        waiting = [asyncio.create_task(empty.get())]
        waiting += [asyncio.create_task(full.put(number)) for number in (1, 2)]  # type: ignore[arg-type]
        await let_all_run()
        empty.close()
        assert full.close() == [0]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [MailboxClosedError] * 3


class TestCancel:
    async def test_a_cancelled_get_has_taken_nothing(self) -> None:
        box = Mailbox[str](1)
        reader = asyncio.create_task(box.get())
        await let_all_run()
        box.put_nowait("kept")
        reader.cancel()  # in the turn in which the message came
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert await box.get() == "kept"

    async def test_a_cancelled_put_has_put_nothing(self) -> None:
        box = Mailbox[int](1)
        box.put_nowait(0)
        writer = asyncio.create_task(box.put(1))
        await let_all_run()
        writer.cancel()
        await asyncio.wait([writer])
        assert box.get_nowait() == 0
        assert len(box) == 0
        assert not box.full

    async def test_a_writer_cancelled_with_room_in_hand_hands_it_on(self) -> None:
        box = Mailbox[int](1)
        box.put_nowait(0)
        first, second = (asyncio.create_task(box.put(number)) for number in (1, 2))
        await let_all_run()
        box.get_nowait()  # gives the room to the first writer …
        first.cancel()  # … which is cancelled before it can use it
        await asyncio.wait([first, second])
        assert first.cancelled()
        assert box.get_nowait() == 2

    async def test_cancelled_writers_leave_no_trace_in_a_stuck_mailbox(self) -> None:
        box = Mailbox[int](1)
        box.put_nowait(0)
        writers = [asyncio.create_task(box.put(number)) for number in range(100)]
        await let_all_run()
        for writer in writers:
            writer.cancel()
        await asyncio.wait(writers)
        assert not box._writers
        assert not box.full or len(box) == 1

    async def test_a_message_put_back_is_the_next_one_again(self) -> None:
        box = Mailbox[int](2)
        box.put_nowait(1)
        box.put_nowait(2)
        box.put_back(box.get_nowait())
        assert [box.get_nowait(), box.get_nowait()] == [1, 2]
        assert box.stats().received == 2

    @pytest.mark.parametrize("seed", range(20))
    async def test_no_message_is_lost_or_doubled_whatever_is_cancelled(self, seed: int) -> None:
        dice = random.Random(seed)
        box = Mailbox[int](3)
        got: list[int] = []

        async def read() -> None:
            got.append(await box.get())

        writers = {number: asyncio.create_task(box.put(number)) for number in range(40)}
        reader = asyncio.create_task(read())
        while any(not writer.done() for writer in writers.values()):
            if dice.random() < 0.5:
                dice.choice(list(writers.values())).cancel()
            if dice.random() < 0.3:
                reader.cancel()
            for _ in range(dice.randrange(3)):
                await asyncio.sleep(0)
            if reader.done():
                reader = asyncio.create_task(read())
        reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reader
        put = [number for number, writer in writers.items() if not writer.cancelled()]
        assert sorted(got + box.close()) == put
        assert got == sorted(got)
