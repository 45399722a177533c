"""A recorded run, cut anywhere: what the disk may hold then, and what must be there."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
from collections.abc import Collection, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from actors import CompiledGraph
from checkpoint import SqliteSaver, SqliteStore
from tests.agent_server.stage import stage
from tests.faults.cut_disk import CUTS, Disk, Entry, Image, entries, kept
from tests.faults.recorded import PARTS, SERVED
from tests.faults.witness import Received, Reference, find, points_of
from tests.faults.work import INPUT, Effects, build, keys_of

NAME = "threads.db"
THREADS = [f"{part} {durability}" for part, all_of in enumerate(PARTS) for durability in all_of]
FRAME_HEAD = 24
"""Bytes before each page in the log; the second four are not zero at the end of a transaction."""

Fact = tuple[str, str, Any]
"""A task that is over, an event, an item: (kind, of what, which)."""


def digest(connection: sqlite3.Connection) -> str:
    """All rows of all tables that have any."""
    found = hashlib.sha256()
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    for (table,) in tables.fetchall():
        rows = connection.execute(f'SELECT * FROM "{table}"').fetchall()
        found.update(repr((table, sorted(map(repr, rows)))).encode() if rows else b"")
    return found.hexdigest()


def server_runs(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Ids and statuses of a server's runs."""
    there = "SELECT count(*) FROM sqlite_master WHERE name = 'server_run'"
    if connection.execute(there).fetchone() == (0,):
        return []
    return connection.execute("SELECT id, status FROM server_run").fetchall()


def rank(key: str) -> tuple[int, int]:
    """In which step a task is: those of lower rank are over when it begins."""
    number, name = key.split("/")
    return int(number), {"plan": 0, "join": 2, "inner.think": 3, "inner.say": 4}.get(name, 1)


@dataclass
class Known:
    """What the process knew to be committed, and to be synced, at a moment of the record."""

    tasks: frozenset[str]
    """All there are in a thread."""
    committed: list[Fact] = field(default_factory=list[Fact])
    synced: set[Fact] = field(default_factory=set[Fact])
    _syncing: dict[int, int] = field(default_factory=dict[int, int])

    def note(self, data: bytes) -> None:
        """Take a mark of the record, see `recorded.py`."""
        match json.loads(data):
            case ["begins", thread, key]:
                before = (each for each in self.tasks if rank(each) < rank(key))
                self.synced.update(("task", thread, each) for each in before)
            case ["returned", thread]:
                self.synced.update(("task", thread, key) for key in self.tasks)
            case ["accepted" | "settled" as what, run]:
                self.synced.add(("run", run, what))
            case ["syncing", number]:
                self._syncing[number] = len(self.committed)
            case ["synced", number]:
                self.synced.update(self.committed[: self._syncing.pop(number)])
            case [kind, of, which]:
                self.committed.append((kind, of, which))
            case other:
                raise ValueError(other)


@dataclass
class States:
    """What the database held after each transaction."""

    numbers: dict[str, set[int]] = field(default_factory=dict[str, set[int]])
    """By digest: a transaction may bring back what was before."""
    count: int = 0
    since: dict[Fact, int] = field(default_factory=dict[Fact, int])
    """The first state that holds a fact."""

    def add(self, found: str, facts: set[Fact]) -> None:
        """One more."""
        self.numbers.setdefault(found, set()).add(self.count)
        for fact in facts - self.since.keys():
            self.since[fact] = self.count
        self.count += 1

    def first_with(self, facts: Iterable[Fact]) -> int:
        """The first state that holds all these."""
        return max((self.since[fact] for fact in facts), default=0)


class Recording:
    """What a process did to its disk, and what a reader would have found after each transaction."""

    def __init__(self, record: bytes, live: Path, work: Path, reference: Reference) -> None:
        self._entries = list(entries(record))
        self._live = str(live)
        self._place = Place(work, reference)
        self._reference = reference
        self.states = States()
        self._newest = list[int]()
        """The newest state after each entry."""
        self._look()

    def cuts(self) -> list[int]:
        """Entries after which the power may fail.  Neighbouring writes are one: they are torn
        anyway, and so are marks."""
        pairs = enumerate(pairwise(self._entries))
        return [n for n, pair in pairs if not _is_one(*pair)] + [len(self._entries) - 1]

    @property
    def logs_begun(self) -> int:
        """How often the log was written from its start."""
        return sum(e.op == "w" and e.at == 0 and e.path.endswith("-wal") for e in self._entries)

    def images(self, cuts: Collection[int], seed: int) -> Iterator[tuple[Image, range]]:
        """What the disk may hold at these cuts, and in which states it may be found."""
        disk, known = Disk(self._live), Known(self._reference.tasks)
        for number, entry in enumerate(self._entries):
            self._happens(entry, disk, known)
            if number in cuts:
                floor, newest = self.states.first_with(known.synced), self._newest[number]
                dice = Random(f"{seed} {number}")
                for cut in CUTS:
                    yield disk.left(cut(dice)), range(floor, newest + 1)

    def check(self, image: Image, allowed: range, *, go_on: bool) -> None:
        """The database opens, is sound, and is as it was after one of those transactions."""
        self._place.lay(image)
        assert self.states.numbers[asyncio.run(self._place.sound())] & {*allowed}
        if go_on:
            self._place.go_on()

    def _look(self) -> None:
        """Look at the database after each transaction, as if the process alone had died."""
        disk, known = Disk(self._live), Known(self._reference.tasks)
        self._place.lay({})
        self.states.add(asyncio.run(self._place.sound()), set())
        head: Entry | None = None
        """What was written to the log last; other threads' marks may stand in between."""
        for entry in self._entries:
            self._happens(entry, disk, known)
            is_commit = head is not None and _is_commit(head, entry)
            if entry.op == "w" and entry.path.endswith("-wal"):
                head = entry
            if is_commit:
                self._place.lay(disk.left(kept()))
                found = asyncio.run(self._place.sound())
                self.states.add(found, self._place.facts(self.states.since.keys()))
            lost = set(known.committed) - self.states.since.keys()
            assert not lost, f"what was told is there: {sorted(lost)}"
            self._newest.append(self.states.count - 1)

    def _happens(self, entry: Entry, disk: Disk, known: Known) -> None:
        if entry.op == "m":
            known.note(entry.data)
        else:
            disk.happens(entry)


def _is_one(one: Entry, other: Entry) -> bool:
    if one.op == other.op == "w":
        return one.path == other.path and other.at == one.at + len(one.data)
    return one.op == other.op == "m"


def _is_commit(head: Entry, page: Entry) -> bool:
    """True if these two writes end a transaction in the log."""
    is_frame = len(head.data) == FRAME_HEAD and any(head.data[4:8])
    follows = page.op == "w" and page.path == head.path and page.at == head.at + FRAME_HEAD
    return is_frame and follows


class Place:
    """A folder where images of the disk are opened."""

    def __init__(self, folder: Path, reference: Reference) -> None:
        self._folder = folder
        self._path = folder / NAME
        self._reference = reference

    def lay(self, image: Image) -> None:
        """Put these files there, and no others."""
        for left in self._folder.iterdir():
            left.unlink()
        for path, content in image.items():
            (self._folder / Path(path).name).write_bytes(content)

    async def sound(self) -> str:
        """The digest of the database, which opens and is sound."""
        async with SqliteSaver(self._path) as saver:
            assert (await saver.averify()).ok
            return await saver.lease.read(digest)

    def facts(self, known: Collection[Fact]) -> set[Fact]:
        """What it holds; threads that are known to be over are taken as read."""
        return set(known) | asyncio.run(self._counted()) | self._tasks(known) | self._runs()

    async def _counted(self) -> set[Fact]:
        facts = set[Fact]()
        async with SqliteSaver(self._path) as saver, SqliteStore(self._path) as store:
            for thread in THREADS:
                ids = [number for number, _ in await saver.events.read(thread, 0, 1_000_000)]
                assert ids == list(range(1, len(ids) + 1)), "without a gap"
                facts.update(("event", thread, number) for number in ids)
            items = await store.asearch(("items",), limit=1_000)
            keys = sorted(int(item.key) for item in items)
            assert keys == list(range(len(keys)))
            return facts | {("put", "", number + 1) for number in keys}

    def _runs(self) -> set[Fact]:
        """What a server knows of its runs."""
        facts = set[Fact]()
        with SqliteSaver(self._path) as saver:
            for run, status in saver.lease.run_read(server_runs):
                facts.add(("run", run, "accepted"))
                facts.update({("run", run, "settled")} if status == "success" else ())
        return facts

    def _tasks(self, known: Collection[Fact]) -> set[Fact]:
        facts = set[Fact]()
        with self._graph() as graph:
            for thread in THREADS:
                if any(("task", thread, key) not in known for key in self._reference.tasks):
                    found = self._found(graph, thread)
                    facts.update(("task", thread, key) for key in found)
        return facts

    def _found(self, graph: CompiledGraph, thread: str) -> set[str]:
        """The tasks that are over."""
        config = _config(thread)
        if not thread.endswith("exit"):
            return find(graph, config, Received([]), self._reference).tasks
        values = graph.get_state(config).values
        assert values in ({}, self._reference.final)
        return keys_of(values)

    def go_on(self) -> None:
        """Run each thread to its end, as if nothing had been."""
        with self._graph() as graph:
            for thread in THREADS:
                state = graph.get_state(_config(thread))
                begun = state.metadata is not None
                if state.next or not begun:
                    final = graph.invoke(None if begun else INPUT, _config(thread))
                    assert final == self._reference.final
                if not thread.endswith("exit"):
                    assert points_of(graph, _config(thread)) == self._reference.points
        asyncio.run(self._serve())
        assert asyncio.run(self.sound())

    async def _serve(self) -> None:
        """Be the server again: its runs come to their end."""
        async with stage(self._path, SERVED) as at:
            for run, _ in await at.saver.lease.read(server_runs):
                live = at.dispatcher.live(run)
                if live is not None:
                    await live.settled()
            found = await at.saver.lease.read(server_runs)
            assert {status for _, status in found} <= {"success"}

    @contextmanager
    def _graph(self) -> Generator[CompiledGraph]:
        effects = Effects(self._folder / "effects", 2)
        with SqliteSaver(self._path) as saver:
            yield build(effects, saver)
        effects.close()


def _config(thread: str) -> dict[str, Any]:
    return {"configurable": {"thread_id": thread}}
