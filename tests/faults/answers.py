"""What a database is asked, and all that it answers: for tests that damage it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

from checkpoint import Batch, CheckpointError, EventRow, SqliteSaver, TaskWrites
from checkpoint.decoder import Decoder
from checkpoint.story import Story

THREADS = ("one", "two", "three")
NAMESPACES = ("", "sub:1")

T = TypeVar("T")
Name: TypeAlias = tuple[str, ...]
"""Of a question."""
Answers: TypeAlias = dict[Name, Any]
"""By question; an error is answered by its class."""


@dataclass(frozen=True, slots=True)
class Subject(Generic[T]):
    """One use of a database file: what fills it, how it is opened, and what it can be asked."""

    fill: Callable[[Path], Coroutine[Any, Any, None]]
    opened: Callable[[Path], AbstractAsyncContextManager[T]]
    questions: Mapping[Name, Callable[[T], Awaitable[Any]]]

    async def ask(self, path: Path, names: Iterable[Name] | None = None) -> Answers:
        """What it answers to some questions, or to all; only `open` if it cannot be opened."""
        try:
            async with self.opened(path) as one:
                return await self.answers(one, names)
        except CheckpointError as error:
            return {("open",): type(error)}

    async def answers(self, one: T, names: Iterable[Name] | None = None) -> Answers:
        """What it answers as it is open."""
        return {
            name: await _answer(self.questions[name](one))
            for name in (self.questions if names is None else names)
        }


async def _answer(asked: Awaitable[Any]) -> Any:
    try:
        return await asked
    except CheckpointError as error:
        return type(error)


def is_error(answer: Any) -> bool:
    """True for what stands for a typed error."""
    return isinstance(answer, type)


async def verified(path: Path) -> bool:
    """True for a file that nothing is said against."""
    try:
        with SqliteSaver(path) as saver:
            return (await saver.averify()).ok
    except CheckpointError:
        return False


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


def _questions() -> Mapping[Name, Callable[[SqliteSaver], Awaitable[Any]]]:
    found: dict[Name, Callable[[SqliteSaver], Awaitable[Any]]] = {}
    for thread in THREADS:
        for ns in NAMESPACES:
            run_id = f"run {thread} {ns}"
            found["newest", thread, ns] = partial(_newest, thread, ns)
            found["history", thread, ns] = partial(_history, thread, ns)
            found["events", run_id] = partial(_events, run_id)
            found["last event", run_id] = partial(_last_event, run_id)
    found["threads",] = lambda saver: saver.athreads()
    return found


async def _newest(thread: str, ns: str, saver: SqliteSaver) -> str | None:
    loaded = await saver.load(thread, ns)
    return None if loaded is None else repr(Decoder(saver.serializer).tuple(loaded))


async def _history(thread: str, ns: str, saver: SqliteSaver) -> list[str]:
    decoder = Decoder(saver.serializer)
    return [repr(decoder.tuple(loaded)) for loaded in await saver.history(thread, ns)]


async def _events(run_id: str, saver: SqliteSaver) -> Any:
    return await saver.events.read(run_id, 0, 100)


async def _last_event(run_id: str, saver: SqliteSaver) -> int:
    return await saver.events.last(run_id)


STORED = Subject(fill, SqliteSaver, _questions())
"""Threads of a saver, with their events."""


async def ask(path: Path) -> Answers:
    """What a saver's database answers, and whether it is sound; only `open` if it cannot be
    opened."""
    answers = await STORED.ask(path)
    return answers if ("open",) in answers else {**answers, ("sound",): await verified(path)}
