"""A server's database, its threads and the clock they go by."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent_server.threads import Threads
from tests.agent_server.database import Clock, Database, opened


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with opened(tmp_path) as database:
        yield database


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def threads(database: Database, clock: Clock) -> Threads:
    return Threads(database.tables, database.saver, clock)
