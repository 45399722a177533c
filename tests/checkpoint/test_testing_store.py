"""Both stores pass the suites."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from checkpoint import MemoryStore, SqliteStore, Store
from checkpoint.testing_cache import ManualClock
from checkpoint.testing_filters import FilterSuite
from checkpoint.testing_store import OpenStore, StoreSuite
from checkpoint.testing_vectors import TTLSuite, VectorSuite


@pytest.mark.parametrize("kind", ["memory", "file", "private"])
class TestStores(StoreSuite, FilterSuite, TTLSuite, VectorSuite):
    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def open_store(self, kind: str, clock: ManualClock, tmp_path: Path) -> Iterator[OpenStore]:
        numbers = count()
        with ExitStack() as opened:

            def open_store(*, index: Any = None, ttl: Any = None) -> Store:
                if kind == "memory":
                    return MemoryStore(index=index, ttl=ttl, clock=clock)
                path = tmp_path / f"{next(numbers)}.db" if kind == "file" else ":memory:"
                store = SqliteStore(path, index=index, ttl=ttl, clock=clock)
                return opened.enter_context(store)

            yield open_store
