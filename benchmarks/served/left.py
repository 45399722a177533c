"""What a server finds when it starts: a database that is full, and what a killed one left in it.

The engine is imported where it is used: every contender's process imports all workloads.
"""

from __future__ import annotations

import asyncio
import runpy
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.contenders import OURS

from .client import check, request
from .server import Server
from .source import write_project

if TYPE_CHECKING:
    from actors import StateGraph

DATABASE = "understudy.db"
"""Where a server keeps everything by itself, in the folder that it is started in."""
GATE = "gate"
"""A file in that folder: without it, a run that names it waits in its first node for ever."""
AT_ONCE = 250
"""Threads that are copied at the same time, so that they share transactions."""


def thread_id(number: int) -> str:
    """The id of a thread of a full database."""
    return str(uuid.UUID(int=number))


def counting(folder: Path) -> StateGraph:
    """The graph `count` of the project in a folder, to be compiled."""
    graph: StateGraph = runpy.run_path(str(folder / "graphs.py"))["counting"]
    return graph


async def fill(folder: Path, threads: int) -> Path:
    """Make the database of a project: so many threads with ten checkpoints each."""
    from checkpoint import SqliteSaver

    write_project(folder, OURS)
    path = folder / DATABASE
    ids = [thread_id(number) for number in range(threads)]
    async with SqliteSaver(path) as saver:
        config: Any = {"configurable": {"thread_id": ids[0]}}
        graph = counting(folder).compile(checkpointer=saver)
        values = await graph.ainvoke({"lines": ["line 0"]}, config)
        for first in range(1, threads, AT_ONCE):
            copies = (saver.acopy_thread(ids[0], each) for each in ids[first : first + AT_ONCE])
            await asyncio.gather(*copies)
        await _add_rows(path, ids, values)
    return path


async def _add_rows(path: Path, ids: Sequence[str], values: Any) -> None:
    """What a server knows of its threads beside their checkpoints."""
    from agent_server.records import Thread
    from agent_server.tables import server_tables
    from agent_server.thread_rows import add_thread

    now = time.time()

    def unit(db: Any) -> None:
        for each in ids:
            add_thread(db, Thread(each, now, now, now, {}, "idle", values=values))

    async with server_tables(path) as tables:
        await tables.write(unit)


def leave_runs(server: Server, runs: int) -> None:
    """Have so many runs wait in a node, one on each thread."""
    order = {"assistant_id": "count", "input": {"lines": ["line 0"], "gate": GATE}}
    with server.connect() as client:
        for number in range(runs):
            check(client.ask(request("POST", f"/threads/{thread_id(number)}/runs", order)))
