"""Both caches pass the suite."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from checkpoint import Cache, MemoryCache, SqliteCache
from checkpoint.testing_cache import CacheSuite, ManualClock


@pytest.mark.parametrize("kind", ["memory", "bounded", "file", "private"])
class TestCaches(CacheSuite):
    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    async def cache(self, kind: str, clock: ManualClock, tmp_path: Path) -> AsyncIterator[Cache]:
        if kind in {"memory", "bounded"}:
            yield MemoryCache(max_entries=1000 if kind == "bounded" else None, clock=clock)
        else:
            path = tmp_path / "cache.db" if kind == "file" else ":memory:"
            async with SqliteCache(path, clock=clock) as cache:
                yield cache
