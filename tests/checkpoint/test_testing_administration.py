"""Both savers pass the suites about administration, encrypted or not."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from checkpoint import EncryptedSerializer, MemorySaver, SqliteSaver
from checkpoint.tales import AdministeredSaver
from checkpoint.testing import EventTableSuite, SaverSuite
from checkpoint.testing_administration import AdminSuite
from checkpoint.testing_rewind import RewindSuite


@pytest.mark.parametrize("kind", ["memory", "file", "private"])
class TestAdministration(AdminSuite):
    @pytest.fixture
    async def saver(self, kind: str, tmp_path: Path) -> AsyncIterator[AdministeredSaver]:
        if kind == "memory":
            yield MemorySaver()
        else:
            path = tmp_path / "threads.db" if kind == "file" else ":memory:"
            async with SqliteSaver(path) as saver:
                yield saver


@pytest.mark.parametrize("kind", ["memory", "private"])
class TestEncrypted(SaverSuite, EventTableSuite, RewindSuite, AdminSuite):
    @pytest.fixture
    async def saver(self, kind: str) -> AsyncIterator[AdministeredSaver]:
        serializer = EncryptedSerializer(os.urandom(32))
        if kind == "memory":
            yield MemorySaver(serializer)
        else:
            async with SqliteSaver(":memory:", serializer=serializer) as saver:
                yield saver
