"""What a server's tables are asked, and all that they answer: for tests that damage a file."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

from agent_server.assistant_rows import (
    AssistantQuery,
    add_version,
    find_assistant,
    find_assistants,
    versions_of,
)
from agent_server.cron_rows import CronQuery, find_cron, find_crons, put_cron
from agent_server.left_rows import find_answer, find_webhook, keep_answer, keep_webhook
from agent_server.paging import Page
from agent_server.records import Assistant, Cron, Order, Run, Thread
from agent_server.run_rows import add_run, find_run, list_runs
from agent_server.tables import server_tables
from agent_server.thread_rows import add_thread, find_thread
from agent_server.thread_search import ThreadQuery, find_threads
from checkpoint import SqliteTables
from tests.faults.answers import Name, Subject

Question: TypeAlias = Callable[[sqlite3.Connection], Any]


def _ids(kind: int, count: int) -> list[str]:
    return [str(UUID(int=kind << 100 | number * 0x9E3779B97F4A7C15)) for number in range(count)]


ASSISTANTS, THREADS, RUNS, CRONS = _ids(1, 6), _ids(2, 20), _ids(3, 40), _ids(4, 8)
LOOKED_UP: dict[str, tuple[list[str], Callable[[sqlite3.Connection, str], Any]]] = {
    "assistant": (ASSISTANTS, find_assistant),
    "thread": (THREADS, find_thread),
    "run": (RUNS, lambda db, id_: find_run(db, None, id_)),
    "cron": (CRONS, find_cron),
}
LEFT: dict[str, tuple[list[str], Callable[[sqlite3.Connection, str], Any]]] = {
    "answer": (RUNS, find_answer),
    "webhook": (RUNS, find_webhook),
    "versions": (ASSISTANTS, lambda db, id_: versions_of(db, id_, {}, 10, 0)),
    "runs": (
        THREADS,
        lambda db, id_: list_runs(db, id_, status=None, limit=10, offset=0),
    ),
}
SEARCHES: dict[str, Question] = {
    "assistants": lambda db: find_assistants(db, AssistantQuery(limit=100)),
    "threads": lambda db: find_threads(db, ThreadQuery(limit=100)),
    "crons": lambda db: find_crons(db, CronQuery(limit=100)),
}


async def fill_served(path: Path) -> None:
    """Put a server's rows into the file."""
    async with server_tables(path) as tables:
        await tables.write(_fill)


def _fill(db: sqlite3.Connection) -> None:
    for number, id_ in enumerate(ASSISTANTS):
        for version in range(1, number + 2):
            said = {"number": number, "text": f"{version}" * 40}
            made = Assistant(id_, "agent", f"name {number}", said, said, said, version, 1.0, 2.5)
            add_version(db, made)
    for number, id_ in enumerate(THREADS):
        metadata = {"number": number, "graph_id": "agent"}
        values = {"log": [f"{number}/{item}" for item in range(number)]}
        add_thread(db, Thread(id_, 1.5 + number, 2.5, 3.5, metadata, "idle", {}, values))
    for number, id_ in enumerate(RUNS):
        order = Order(input={"text": f"{number}" * 50}, metadata={"number": number})
        thread_id = THREADS[number % 10]
        run = Run(id_, thread_id, ASSISTANTS[0], "agent", order, "success", 1.5 + number, 2.0)
        add_run(db, run)
        keep_answer(db, id_, b'{"number":%d}' % number)
        if number % 4 == 0:
            keep_webhook(db, id_, "https://host.example/told", b'{"number":%d}' % number)
    for number, id_ in enumerate(CRONS):
        put_cron(db, Cron(id_, ASSISTANTS[1], None, "* * * * *", {}, 1.5 + number, 2.5, 60.0))


def _questions() -> Mapping[Name, Callable[[SqliteTables], Awaitable[Any]]]:
    found: dict[Name, Question] = {
        (kind, id_): partial(_of, ask, id_)
        for kind, (ids, ask) in {**LOOKED_UP, **LEFT}.items()
        for id_ in ids
    }
    found |= {(name,): search for name, search in SEARCHES.items()}
    return {name: partial(_read, question) for name, question in found.items()}


def _read(question: Question, tables: SqliteTables) -> Awaitable[Any]:
    return tables.read(question)


def _of(ask: Callable[[sqlite3.Connection, str], Any], id_: str, db: sqlite3.Connection) -> Any:
    return ask(db, id_)


def listed(answer: Any) -> list[Any]:
    """What stands in a list of a server's, or on a page of one."""
    return list(answer.items if isinstance(answer, Page) else answer)


SERVED = Subject(fill_served, server_tables, _questions())
"""The tables of a server."""
