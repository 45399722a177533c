"""What a run came to that ended before this process knew of it, or long ago."""

from __future__ import annotations

from typing import Any

from .graphs import Graphs
from .records import Run
from .threads import Threads


class Endings:
    """Answers who joins a run that nobody runs any more."""

    def __init__(self, graphs: Graphs, threads: Threads) -> None:
        self._graphs = graphs
        self._threads = threads

    async def of(self, run: Run) -> Any:
        """What `join` answers: the state that the run left, or its error.

        The thread's present values, if nothing is stored of that state any more.
        """
        if run.error is not None:
            return {"__error__": run.error}
        config = {"configurable": {"thread_id": run.thread_id}}
        async with self._graphs.open(run.graph_id, access="threads.read") as graph:
            history = graph.aget_state_history(config, filter={"run_id": run.run_id}, limit=1)
            async for snapshot in history:
                return snapshot.values
        return (await self._threads.get(run.thread_id)).values or {}
