"""The server's app in the test's own process, and a client that asks it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from agent_server.app import create_app
from agent_server.services import Services


@dataclass(frozen=True, slots=True)
class Serving:
    services: Services
    http: httpx.AsyncClient

    async def ask(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        """The answer's JSON; its status must be the one expected."""
        answer = await self.http.request(method, path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def refused(self, method: str, path: str, body: Any, status: int) -> str:
        """Why it is refused."""
        return (await self.ask(method, path, body, status))["detail"]

    async def invoke(self, thread_id: str, graph_id: str, value: Any) -> None:
        """Run a graph on a thread, as a run of the server would."""
        names = {"thread_id": thread_id, "graph_id": graph_id}
        async with self.services.graphs.open(graph_id) as graph:
            await graph.ainvoke(value, {"configurable": names})


@asynccontextmanager
async def serving(path: Path, graphs: Mapping[str, Any]) -> AsyncIterator[Serving]:
    app = create_app(graphs, database=path / "server.db")
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://server"
        ) as client,
    ):
        yield Serving(app.state.services, client)
