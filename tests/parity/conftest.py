"""The two engines and a fresh database file for each observation."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from . import lib


@pytest.fixture(scope="session")
def ours() -> lib.Engine:
    return lib.ours()


@pytest.fixture(scope="session")
def theirs() -> lib.Engine:
    return lib.theirs()


@pytest.fixture
def database(tmp_path: Path) -> Callable[[], Path]:
    """A new path for every call."""
    numbers = count()
    return lambda: tmp_path / f"{next(numbers)}.db"
