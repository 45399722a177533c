"""Publishing messages of models: pieces and wholes, each once to every reader."""

from __future__ import annotations

from typing import Any

import pytest

from streaming import Event, MessageChunk, RunLog, ShownMessages, Token, TokenWriter, View
from tests.streaming.lib import take

TASK = {"langgraph_node": "joker", "langgraph_step": 1}
ROOT: tuple[str, ...] = ()
SUB = ("sub:1",)
DEEP = ("sub:1", "deep:2")


def tokens_of(log: RunLog, shown: ShownMessages | None = None, ns: Any = ()) -> TokenWriter:
    return TokenWriter(log, metadata=lambda: TASK, shown=shown or ShownMessages(), ns=ns)


async def test_a_whole_message_is_shown_unless_any_of_it_was() -> None:
    log = RunLog("run")
    tokens = tokens_of(log)
    tokens.piece(MessageChunk("a", "m1"), TASK)
    tokens.know(["m2"])
    for known in ("m1", "m2", "m3", "m3"):
        tokens.whole(MessageChunk("whole", known), known, TASK)
    shown = await take(log.subscribe("messages"), 2)
    assert [chunk.id for chunk, _ in shown] == ["m1", "m3"]


async def test_a_fenced_task_says_nothing_more() -> None:
    log = RunLog("run")
    tokens = tokens_of(log)
    tokens.fence()
    tokens.piece(MessageChunk("late", "m1"), TASK)
    tokens.whole(MessageChunk("late", "m2"), "m2", TASK)
    assert (log.last, log.stats().refused) == (0, 2)


async def test_nothing_is_published_while_no_one_reads_messages() -> None:
    log = RunLog("run", keep=False)
    reader = log.subscribe("updates")
    tokens_of(log).piece(MessageChunk("a", "m1"), TASK)
    assert log.last == 0
    reader.close()


async def test_what_is_known_of_a_task_is_asked_for_once() -> None:
    asked: list[int] = []

    def metadata() -> dict[str, Any]:
        asked.append(1)
        return TASK

    tokens = TokenWriter(RunLog("run"), metadata=metadata, shown=ShownMessages())
    assert tokens.metadata is tokens.metadata is TASK
    assert len(asked) == 1


def test_a_message_is_noted_once_under_each_namespace() -> None:
    shown = ShownMessages()
    assert shown.add("m", SUB) == ()
    assert shown.add("m", SUB) is None
    assert shown.add("m", ROOT) == (SUB,)
    assert shown.add("m", ROOT) is None
    assert shown.add("m", DEEP) == (SUB, ROOT)
    assert shown.add("other", ROOT) == ()


def test_a_message_without_an_id_has_a_name_of_its_own_for_the_run() -> None:
    shown, message = ShownMessages(), {"role": "user"}
    name = shown.name_of(message)
    assert shown.name_of(message) == name
    assert len({name, *(shown.name_of({"role": "user"}) for _ in range(20))}) == 21
    assert message == {"role": "user"}


async def test_who_reads_the_root_alone_sees_the_whole_of_what_was_streamed_below() -> None:
    log, shown = RunLog("run"), ShownMessages()
    tokens_of(log, shown, SUB).piece(MessageChunk("par", "m"), TASK)
    tokens_of(log, shown).whole(MessageChunk("part", "m"), "m", TASK)
    log.close()
    texts = {
        subgraphs: [chunk.data[0].content async for chunk in log.subscribe("messages", **options)]
        for subgraphs, options in ((False, {}), (True, {"subgraphs": True}))
    }
    assert texts == {False: ["part"], True: ["par"]}


def below(ns: tuple[str, ...], *, deep: bool) -> Any:
    """A filter as who reads a subgraph has it."""
    return lambda event: event.ns == ns or (deep and event.ns[: len(ns)] == ns)


@pytest.mark.parametrize(
    ("seen_in", "deep", "shown"),
    [
        ((), False, True),
        ((DEEP,), False, True),
        ((DEEP,), True, False),
        ((ROOT,), True, True),
        ((ROOT, DEEP), True, False),
    ],
)
def test_a_reader_of_a_subgraph_sees_a_whole_message_unless_it_saw_it_there(
    seen_in: tuple[tuple[str, ...], ...], deep: bool, shown: bool
) -> None:
    view = View(("messages",), subgraphs=True, where=below(SUB, deep=deep))
    events: list[Event] = [Token(id=1, ns=SUB, chunk="m", metadata=TASK, seen_in=seen_in)]
    assert bool(view.chunks(events, 0)) is shown
