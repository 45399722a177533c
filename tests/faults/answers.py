"""What a database is asked, and all that it answers: for tests that damage it."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path
from typing import Any

from checkpoint import Batch, CheckpointError, EventRow, SqliteSaver, TaskWrites
from checkpoint.decoder import Decoder
from checkpoint.story import Story

THREADS = ("one", "two", "three")
NAMESPACES = ("", "sub:1")

Answers = dict[tuple[str, ...], Any]
"""By question; an error is answered by its class."""


async def fill(path: Path) -> None:
    """Make a database with everything in it: lines of checkpoints, lists that grow, large values,
    pending writes, events."""
    async with SqliteSaver(path) as saver:
        for length, thread in enumerate(THREADS, start=14):
            for ns in NAMESPACES:
                story = await Story.begin(saver, thread, ns)
                for number in range(1, length):
                    await _step(story, number, f"run {thread} {ns}")
                await _pending(saver, story)
                story.end()


async def _step(story: Story, number: int, run_id: str) -> None:
    items = [f"{number}/{item} " * 9 for item in range(number)]
    values = {"n": number, "list": items, "big": f"{number}" * 200}
    batch = story.batch(values, run_id=run_id)
    event = EventRow(run_id, number, b"event %d" % number * 4)
    await story.commit(replace(batch, events=(event,)))


async def _pending(saver: SqliteSaver, story: Story) -> None:
    assert story.head is not None
    for number in range(3):
        writes = story.encoder.encode_writes([("list", [f"pending {number}" * 30]), ("n", 7)])
        task = TaskWrites(story.ns, story.head.id, f"task {number}", writes.writes)
        claim = story.claim
        await saver.commit(Batch(claim.thread_id, claim.epoch, blobs=writes.rows, writes=(task,)))


async def ask(path: Path) -> Answers:
    """What the database answers; only `open` if it cannot be opened."""
    answers: Answers = {}

    async def question(name: tuple[str, ...], answer: Awaitable[Any]) -> None:
        try:
            answers[name] = await answer
        except CheckpointError as error:
            answers[name] = type(error)

    try:
        async with SqliteSaver(path) as saver:
            for thread in THREADS:
                for ns in NAMESPACES:
                    run_id = f"run {thread} {ns}"
                    await question(("newest", thread, ns), _newest(saver, thread, ns))
                    await question(("history", thread, ns), _history(saver, thread, ns))
                    await question(("events", run_id), saver.events.read(run_id, 0, 100))
                    await question(("last event", run_id), saver.events.last(run_id))
            await question(("threads",), saver.athreads())
            await question(("sound",), _sound(saver))
    except CheckpointError as error:
        return {("open",): type(error)}
    return answers


async def _newest(saver: SqliteSaver, thread: str, ns: str) -> str | None:
    loaded = await saver.load(thread, ns)
    return None if loaded is None else repr(Decoder(saver.serializer).tuple(loaded))


async def _history(saver: SqliteSaver, thread: str, ns: str) -> list[str]:
    decoder = Decoder(saver.serializer)
    return [repr(decoder.tuple(loaded)) for loaded in await saver.history(thread, ns)]


async def _sound(saver: SqliteSaver) -> bool:
    return (await saver.averify()).ok


def is_error(answer: Any) -> bool:
    """True for what stands for a typed error."""
    return isinstance(answer, type)
