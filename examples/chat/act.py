"""One process of the demo: asks questions, or goes on with a thread, and tells what it does.

Where the demo wants to kill it, it holds: some tasks never end, or an answer stops after a few
words. So what is done by then, and what is not, does not depend on luck.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from checkpoint import Saver, SqliteSaver

from .answer import Answerer, Extractive, Message
from .documents import Passage
from .graph import Desk, Reading, chat_graph, question
from .search import Found, Library

THREAD = "demo"
Hold = Literal["nothing", "reading", "answering"]
READ_BEFORE = 2
"""Documents that are read to the end when reading is held."""
SAID_BEFORE = 8
"""Words that are said when answering is held."""


@dataclass(frozen=True, slots=True)
class Act:
    """What one process does."""

    process: int
    questions: tuple[str, ...]
    """To be asked one after the other; none: go on with the thread."""
    hold: Hold
    """Where to hold in the last of them."""
    folder: Path
    database: Path
    journal: Path
    """A file that gets a line for each question and each task that starts."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a process tells while it works."""

    kind: Literal["asks", "finds", "starts", "reads", "keeps", "says", "ends"]
    text: str = ""


Tell = Callable[[Notice], None]


class Teller:
    """Tells the parent process; what is begun is written down first, where no kill reaches it."""

    def __init__(self, pipe: Connection, journal: Path) -> None:
        self._pipe = pipe
        self._journal = journal
        self._lock = threading.Lock()  # tasks tell from their worker threads

    def __call__(self, notice: Notice) -> None:
        with self._lock:
            if notice.kind in {"asks", "starts"}:
                with self._journal.open("a", encoding="utf-8") as journal:
                    journal.write(f"{notice.kind} {notice.text}\n")
            self._pipe.send(notice)


@dataclass(frozen=True)
class WatchedDesk(Desk):
    """Tells what it is asked to do; holds where it is told to."""

    tell: Tell
    hold: Hold
    through: list[str] = field(default_factory=list[str])

    def find(self, question: str, earlier: Sequence[str]) -> Found:
        self.tell(Notice("starts", "retrieve"))
        found = super().find(question, earlier)
        self.through.extend(found.paths[:READ_BEFORE])
        return found

    def read(self, reading: Reading) -> list[Passage]:
        self.tell(Notice("starts", f"read {reading['path']}"))
        if self.hold == "reading" and reading["path"] not in self.through:
            threading.Event().wait()  # until the process is killed
        return super().read(reading)

    def answer(
        self, messages: Sequence[Message], passages: Sequence[Passage]
    ) -> AsyncGenerator[str, None]:
        self.tell(Notice("starts", "answer"))
        return super().answer(messages, passages)


@dataclass(frozen=True, slots=True)
class Held:
    """Says a few words of an answer, and never the rest."""

    answerer: Answerer

    async def __call__(
        self, messages: Sequence[Message], passages: Sequence[Passage], /
    ) -> AsyncGenerator[str, None]:
        said = 0
        async for token in self.answerer(messages, passages):
            if said == SAID_BEFORE:
                await asyncio.Event().wait()  # until the process is killed
            yield token
            said += 1


def perform(act: Act, pipe: Connection) -> None:
    """Do it all; runs in a process of its own."""
    tell = Teller(pipe, act.journal)
    library = Library.of(act.folder)
    with SqliteSaver.from_conn_string(act.database) as saver:
        *before, last = act.questions or (None,)
        for text in before:
            _run(act.process, saver, _desk(library, tell, "nothing"), text)
        _run(act.process, saver, _desk(library, tell, act.hold), last)


def _desk(library: Library, tell: Tell, hold: Hold) -> WatchedDesk:
    answerer = Extractive(pace=0.01)
    return WatchedDesk(library, Held(answerer) if hold == "answering" else answerer, tell, hold)


def _run(process: int, saver: Saver, desk: WatchedDesk, text: str | None) -> None:
    if text is not None:
        desk.tell(Notice("asks", text))
    stream = chat_graph(saver).stream(
        None if text is None else question(text),
        {"configurable": {"thread_id": THREAD}, "metadata": {"process": process}},
        context=desk,
        stream_mode=["updates", "custom"],
    )
    for mode, chunk in stream:
        desk.tell(Notice("says", chunk) if mode == "custom" else _of_update(chunk))


def _of_update(chunk: dict[str, Any]) -> Notice:
    """A cached update is one whose task ran in an earlier process: its writes were kept."""
    match chunk:
        case {"retrieve": {"found": found}}:
            return Notice("finds", "\n".join(found.paths))
        case {"read": {"passages": [Passage(path), *_]}, "__metadata__": {"cached": True}}:
            return Notice("keeps", path)
        case {"read": {"passages": [Passage(path), *_]}}:
            return Notice("reads", path)
        case _:
            return Notice("ends")
