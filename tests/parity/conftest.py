"""The two engines and a fresh database file for each observation."""

import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from . import lib

IN_MEMORY = Path("/dev/shm")
"""Where there is such a file system, databases lie in it: what is compared is not the disk."""


@pytest.fixture(scope="session")
def ours() -> lib.Engine:
    return lib.ours()


@pytest.fixture(scope="session")
def theirs() -> lib.Engine:
    return lib.theirs()


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    place = IN_MEMORY if IN_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="parity-", dir=place) as name:
        yield Path(name)


@pytest.fixture(scope="session")
def database(folder: Path) -> Callable[[], Path]:
    """A new path for every call."""
    numbers = count()
    return lambda: folder / f"{next(numbers)}.db"
