"""A real server for the tests in node, and how many of them there were."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.agent_server.harness.server import ServerProcess

HERE = Path(__file__).parent
PASSED = pytest.StashKey[dict[str, int]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[PASSED] = defaultdict(int)


@pytest.fixture
def passed(request: pytest.FixtureRequest) -> dict[str, int]:
    """How many tests passed in node, by the client's version."""
    return request.config.stash[PASSED]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for version, count in sorted(config.stash[PASSED].items()):
        terminalreporter.write_line(f"client {version}: {count} tests passed in node")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServerProcess]:
    """One server for all that leave it running."""
    database = tmp_path_factory.mktemp("server") / "server.db"
    async with ServerProcess(database, config=HERE / "langgraph.json", heartbeat="0.2") as process:
        yield process
