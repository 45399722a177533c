"""The process that children are forked from, once for all crash tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.forks import ForkServer


@pytest.fixture(scope="session")
def server() -> Iterator[ForkServer]:
    with ForkServer() as server:
        yield server
