"""What a run came to that ended before this process knew of it, or long ago."""

from __future__ import annotations

from typing import Any

from checkpoint import SqliteTables

from .graphs import Graphs
from .jsontext import to_json
from .left_rows import find_answer
from .outcome import left_by
from .records import Run
from .threads import Threads


class Endings:
    """Answers who joins a run that nobody runs any more."""

    def __init__(self, tables: SqliteTables, graphs: Graphs, threads: Threads) -> None:
        self._tables = tables
        self._graphs = graphs
        self._threads = threads

    async def of(self, run: Run) -> bytes:
        """What `join` answers, as JSON: what `wait` did, as long as that is kept.

        After that the state that the run left, with what it asks, or its error; the thread's
        present values, if nothing is stored of that state any more.
        """
        answer = await self._tables.read(lambda db: find_answer(db, run.run_id))
        if answer is not None:
            return answer
        if run.error is not None:
            return to_json({"__error__": run.error})
        return to_json(await self._state(run))

    async def _state(self, run: Run) -> Any:
        config = {"configurable": {"thread_id": run.thread_id}}
        async with self._graphs.open(run.graph_id, access="threads.read") as graph:
            history = graph.aget_state_history(config, filter={"run_id": run.run_id}, limit=1)
            async for snapshot in history:
                return left_by(graph, snapshot)
        return (await self._threads.get(run.thread_id)).values or {}
