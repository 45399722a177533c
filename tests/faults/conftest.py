"""What all crash tests share: the process that children are forked from, a run without a crash."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.forks import ForkServer
from tests.faults.witness import Reference


@pytest.fixture(scope="session")
def server() -> Iterator[ForkServer]:
    with ForkServer() as server:
        yield server


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return Reference.of(tmp_path_factory.mktemp("reference"))
