"""Both savers pass the suites."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from checkpoint import MemorySaver, SqliteSaver
from checkpoint.story import SaverWithEvents
from checkpoint.testing import EventTableSuite, SaverSuite
from checkpoint.testing_concurrency import ClaimSuite, ConcurrencySuite
from checkpoint.testing_rewind import RewindSuite


@pytest.mark.parametrize("kind", ["memory", "file", "private"])
class TestSavers(SaverSuite, EventTableSuite, ConcurrencySuite, ClaimSuite, RewindSuite):
    @pytest.fixture
    async def saver(self, kind: str, tmp_path: Path) -> AsyncIterator[SaverWithEvents]:
        if kind == "memory":
            yield MemorySaver()
        else:
            path = tmp_path / "threads.db" if kind == "file" else ":memory:"
            async with SqliteSaver(path) as saver:
                yield saver
