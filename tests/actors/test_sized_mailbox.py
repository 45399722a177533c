"""Mailboxes with a budget of bytes: what they hold, and who waits, is refused or dropped."""

from __future__ import annotations

import asyncio
import random
import tracemalloc
from dataclasses import dataclass

import pytest

from actors import Actor, Dispatcher, Supervisor
from actors.errors import ConfigError, MailboxClosedError, MailboxFullError
from actors.ledger import DeadLetter
from actors.mailbox import Mailbox, Overflow
from actors.sized_mailbox import SizedMailbox
from tests.actors.kernel import Recorder
from tests.waiting import let_all_run

KIB = 1 << 10


def sized(overflow: Overflow = "wait", max_bytes: int = 10) -> SizedMailbox[str]:
    return SizedMailbox(100, overflow, max_bytes=max_bytes, size_of=len)


@pytest.mark.parametrize("overflow", ["wait", "reject"])
def test_a_message_beyond_the_budget_is_refused_with_the_bytes_there_are(
    overflow: Overflow,
) -> None:
    box = sized(overflow)
    box.put_nowait("a" * 9)
    box.put_nowait("b" * 9)  # the one that fills it may go over
    with pytest.raises(MailboxFullError, match=r"'ccc' does not fit.*take 18 bytes of 10"):
        box.put_nowait("ccc")
    assert box.stats().refused == 1
    assert box.stats().size == 18
    box.get_nowait()
    box.put_nowait("ccc")
    assert box.stats().size == 12


def test_a_capacity_that_is_used_up_is_told_as_ever() -> None:
    box = SizedMailbox[str](1, max_bytes=100, size_of=len)
    box.put_nowait("a")
    with pytest.raises(MailboxFullError, match="all 1 places"):
        box.put_nowait("b")


def test_drop_oldest_drops_as_many_as_it_must() -> None:
    dropped: list[str] = []
    box = SizedMailbox[str](100, "drop_oldest", max_bytes=10, size_of=len, on_drop=dropped.append)
    for text in ("aa", "bb", "cccccc", "dddddddddddd"):
        box.put_nowait(text)
    assert dropped == ["aa"]
    box.put_nowait("e")
    assert dropped == ["aa", "bb", "cccccc", "dddddddddddd"]
    assert box.stats().size == 1


async def test_writers_wait_for_bytes_first_come_first_served() -> None:
    box = sized()
    box.put_nowait("x" * 10)
    writers = [asyncio.create_task(box.put(letter * 6)) for letter in "abcd"]
    await let_all_run()
    assert len(box) == 1
    got = [await box.get()]
    await let_all_run()
    assert box.stats().size == 12, "two of them, and no third"
    while len(got) < 5:
        got.append(await box.get())
        await let_all_run()
        assert box.stats().size < 10 + 6
    await asyncio.gather(*writers)
    assert got == ["x" * 10, "a" * 6, "b" * 6, "c" * 6, "d" * 6]


async def test_a_writer_that_was_cancelled_on_its_way_hands_the_room_on() -> None:
    box = sized()
    box.put_nowait("x" * 10)
    first, second = (asyncio.create_task(box.put(text)) for text in ("a", "b"))
    await let_all_run()
    box.get_nowait()  # wakes the first, which is cancelled before its turn
    first.cancel()
    await second
    assert first.cancelled()
    assert box.get_nowait() == "b"


async def test_a_writer_whose_message_cannot_be_weighed_hands_the_room_on() -> None:
    box = SizedMailbox[str](100, max_bytes=10, size_of=lambda text: 10 // len(text))
    box.put_nowait("x")
    broken, other = (asyncio.create_task(box.put(text)) for text in ("", "bb"))
    await let_all_run()
    box.get_nowait()
    await other
    with pytest.raises(ZeroDivisionError):
        await broken
    assert box.stats().size == 5


async def test_a_message_that_was_put_back_counts_again() -> None:
    box = sized()
    box.put_nowait("a" * 10)
    box.put_back(box.get_nowait())
    with pytest.raises(MailboxFullError):
        box.put_nowait("b")
    assert box.get_nowait() == "a" * 10


async def test_a_woken_writer_waits_on_if_a_message_was_put_back_before_its_turn() -> None:
    for box in (Mailbox[str](1), sized()):
        box.put_nowait("x" * 10)
        writer = asyncio.create_task(box.put("y"))
        await let_all_run()
        box.put_back(box.get_nowait())
        await let_all_run()
        assert box.get_nowait() == "x" * 10
        await writer
        assert box.get_nowait() == "y"


async def test_closing_hands_over_what_waits_and_refuses_the_writers() -> None:
    box = sized()
    box.put_nowait("a" * 10)
    writer = asyncio.create_task(box.put("b"))
    await let_all_run()
    assert box.close() == ["a" * 10]
    with pytest.raises(MailboxClosedError):
        await writer
    with pytest.raises(MailboxClosedError):
        box.put_nowait("c")
    assert box.stats().size == 0


@pytest.mark.parametrize("max_bytes", [0, -5])
def test_a_budget_below_one_is_refused(max_bytes: int) -> None:
    with pytest.raises(ConfigError, match=f"max_bytes={max_bytes}"):
        sized(max_bytes=max_bytes)


@pytest.mark.parametrize("overflow", ["wait", "drop_oldest"])
@pytest.mark.parametrize("seed", range(5))
async def test_whoever_comes_and_goes_bytes_stay_below_budget_and_message(
    overflow: Overflow, seed: int
) -> None:
    chance = random.Random(seed)
    box = sized(overflow, 50)
    writers = [asyncio.create_task(box.put("m" * chance.randrange(1, 40))) for _ in range(60)]
    for _ in range(300):
        if chance.random() < 0.2:
            chance.choice(writers).cancel()
        if chance.random() < 0.6 and len(box):
            box.get_nowait()
        await asyncio.sleep(0)
        assert box.stats().size < 50 + 40
    while not all(writer.done() for writer in writers):
        await box.get()
        await asyncio.sleep(0)
    while len(box):
        box.get_nowait()
    assert box.stats().size == 0


# --- as an actor's --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Page:
    """A message as users write them."""

    text: str


def flood(max_bytes: int | None) -> int:
    """Bytes that the mailbox of an actor that is stuck comes to hold."""

    async def run() -> int:
        async with Supervisor(on_dead_letter=lambda _: None, grace=0) as supervisor:
            stuck = supervisor.start(
                Recorder(), name="stuck", overflow="reject", max_bytes=max_bytes
            )
            tracemalloc.start()
            try:
                for number in range(500):
                    stuck.tell_nowait(Page(f"{number} " * KIB))
            except MailboxFullError:
                pass
            finally:
                held = tracemalloc.get_traced_memory()[0]
                tracemalloc.stop()
            return held

    return asyncio.run(run())


def test_an_actor_that_is_stuck_holds_its_budget_and_without_one_everything() -> None:
    assert flood(None) > 1_500 * KIB
    assert flood(200 * KIB) < 300 * KIB


async def test_a_sender_waits_until_the_actor_has_handled_as_many_bytes() -> None:
    async with Supervisor(on_dead_letter=lambda _: None) as supervisor:
        actor = Recorder()
        ref = supervisor.start(actor, name="busy", max_bytes=2 * KIB, size_of=len)
        await ref.tell("block")
        await actor.started.wait()
        await ref.tell("a" * 2 * KIB)
        sender = asyncio.create_task(ref.tell("b"))
        asker = asyncio.create_task(ref.ask("c"))
        await let_all_run()
        assert ref.stats().length == 1
        actor.gate.set()
        await sender
        assert await asker == "c"


async def test_what_pushes_older_messages_out_makes_dead_letters_of_them() -> None:
    letters: list[DeadLetter] = []
    async with Supervisor(on_dead_letter=letters.append) as supervisor:
        display = supervisor.start(
            Recorder(), name="display", overflow="drop_oldest", max_bytes=4, size_of=len
        )
        question = asyncio.create_task(display.ask("old?"))
        await asyncio.sleep(0)
        display.tell_nowait("new!")
        display.tell_nowait("newer")
        with pytest.raises(MailboxFullError, match="pushed it out"):
            await question
        assert [letter.message for letter in letters] == ["new!"]


class Holding(Dispatcher[str, str]):
    slots = 1

    def __init__(self) -> None:
        self.gate = asyncio.Event()

    async def handle(self, message: str) -> str:
        await self.gate.wait()
        return message


async def test_a_dispatcher_weighs_only_what_has_to_wait() -> None:
    async with Supervisor() as supervisor:
        holding = Holding()
        ref = supervisor.start(holding, name="holding", overflow="reject", max_bytes=4, size_of=len)
        asks = [asyncio.create_task(ref.ask(text)) for text in ("x" * 100, "next", "last")]
        await let_all_run()
        assert ref.stats().size == 4
        with pytest.raises(MailboxFullError):
            await asks[2]
        holding.gate.set()
        assert await asks[0] == "x" * 100
        assert await asks[1] == "next"


def test_the_default_weight_sees_into_slotted_messages() -> None:
    box = SizedMailbox[Page](100, max_bytes=10 * KIB)
    box.put_nowait(Page("x" * 5 * KIB))
    assert 5 * KIB < box.stats().size < 6 * KIB


class Slow(Actor[int, None]):
    async def receive(self, message: int) -> None:
        """Only takes it."""


async def test_a_supervisor_without_budgets_makes_plain_mailboxes() -> None:
    async with Supervisor() as supervisor:
        supervisor.start(Slow(), name="slow").tell_nowait(1)
        [cell] = supervisor._lives.cells.values()
        assert type(cell.mailbox) is Mailbox
