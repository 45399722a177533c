"""Real servers in processes of their own, one for each module of tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from langgraph_sdk.client import LangGraphClient

from tests.agent_server.harness.server import CHAT_CONFIG, ServerProcess


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServerProcess]:
    """A server of the graphs that need no LangChain."""
    folder = tmp_path_factory.mktemp("server")
    async with ServerProcess(folder / "server.db", heartbeat="0.2") as process:
        yield process


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chat_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServerProcess]:
    """A server of the graphs that need it."""
    folder = tmp_path_factory.mktemp("chat")
    async with ServerProcess(folder / "server.db", config=CHAT_CONFIG) as process:
        yield process


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(server: ServerProcess) -> AsyncIterator[LangGraphClient]:
    """The real client, at the first of them."""
    async with server.client() as client:
        yield client
