"""The savers' tables of event rows keep what `streaming` asks of a durable log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from checkpoint import MemorySaver, SqliteSaver
from streaming import EventLog
from streaming.testing import EventLogSuite


class TestEventsOfTheMemorySaver(EventLogSuite):
    @pytest.fixture
    def event_log(self) -> EventLog:
        return MemorySaver().events


class TestEventsOfTheSqliteSaver(EventLogSuite):
    @pytest.fixture
    def event_log(self, tmp_path: Path) -> Iterator[EventLog]:
        with SqliteSaver.from_conn_string(tmp_path / "runs.db") as saver:
            yield saver.events


class TestEventsOfTheSqliteSaverInMemory(EventLogSuite):
    @pytest.fixture
    def event_log(self) -> Iterator[EventLog]:
        with SqliteSaver.from_conn_string(":memory:") as saver:
            yield saver.events
