"""Clients of one process that ask at the same time see what some order of their questions gives."""

from __future__ import annotations

import itertools
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from actors import ActorSystem
from checkpoint import (
    Claim,
    Loaded,
    MemorySaver,
    MemoryStore,
    Op,
    PutOp,
    Result,
    RewindPoint,
    SqliteSaver,
    SqliteStore,
    Store,
)
from tests.histories.clients import Served, history_of, scripts_of, work
from tests.histories.linear import Operation
from tests.histories.models import unexplained
from tests.histories.operations import Operations
from tests.histories.threads import GRAPH

CLIENTS = ("ann", "ben", "cyd", "dan")
LENGTH = 8
"""Questions of each client."""


class Stale(MemorySaver):
    """Now and then its readers see a thread as it was when they last looked."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, str], Loaded | None] = {}
        self._loads = 0

    async def load(
        self, thread_id: str, ns: str = "", checkpoint_id: str | None = None
    ) -> Loaded | None:
        found = await super().load(thread_id, ns, checkpoint_id)
        seen = self._seen.get((thread_id, ns), found)
        self._seen[thread_id, ns] = found
        self._loads += 1
        is_held = self._claims.writer(thread_id) is not None
        return found if is_held or self._loads % 3 else seen


class Forgetful(MemorySaver):
    """Its rollbacks leave everything as it is."""

    async def rewind(self, claim: Claim, points: Mapping[str, RewindPoint | None]) -> None:
        """Do nothing."""


class Hasty(MemoryStore):
    """Says that something is put before it is: that comes with the second call after it."""

    def __init__(self) -> None:
        super().__init__()
        self._late: list[list[Op]] = [[], []]

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        asked = list(ops)
        is_put = isinstance(asked[0], PutOp)
        self._late.append(asked if is_put else [])
        self.batch(self._late.pop(0))
        return [None] if is_put else self.batch(asked)


@asynccontextmanager
async def on_disk(path: Path) -> AsyncIterator[tuple[SqliteSaver, SqliteStore]]:
    async with SqliteSaver(path / "a.db") as saver, SqliteStore(path / "a.db") as store:
        yield saver, store


async def seen(saver: MemorySaver | SqliteSaver, store: Store, seed: int) -> list[Operation]:
    """What clients of one process see, whose questions a seed decides."""
    lines: list[Any] = []
    scripts = scripts_of(random.Random(seed), CLIENTS, threads=("a", "b"), length=LENGTH)
    async with ActorSystem(event_log=saver.events) as system:
        operations = Operations(GRAPH.stored_in(saver), saver, system, lambda _: None)
        await work(Served(operations, store), scripts, lines.append)
    history = history_of(scripts, lines, time.monotonic())
    assert len(history) == LENGTH * len(CLIENTS)
    return history


@pytest.mark.parametrize("seed", range(8))
async def test_what_clients_see_in_memory_is_explained_by_one_order(seed: int) -> None:
    history = await seen(MemorySaver(), MemoryStore(), seed)
    assert (found := unexplained(history)) is None, str(found)


@pytest.mark.parametrize("seed", range(8))
async def test_what_clients_see_of_a_file_is_explained_by_one_order(
    seed: int, tmp_path: Path
) -> None:
    async with on_disk(tmp_path) as (saver, store):
        history = await seen(saver, store, seed)
    assert (found := unexplained(history)) is None, str(found)


@pytest.mark.parametrize(
    ("saver", "store"), [(Stale, MemoryStore), (Forgetful, MemoryStore), (MemorySaver, Hasty)]
)
async def test_what_a_broken_one_shows_is_refused(
    saver: type[MemorySaver], store: type[MemoryStore]
) -> None:
    histories = [await seen(saver(), store(), seed) for seed in range(6)]
    violations = [found for history in histories if (found := unexplained(history))]
    names = {found.operation.name for found in violations}
    is_of_store = names <= {"get", "search"}
    assert violations
    assert is_of_store == (store is Hasty), names


async def test_clients_come_to_all_that_can_happen() -> None:
    """Or their histories would show little."""
    histories = [await seen(MemorySaver(), MemoryStore(), seed) for seed in range(8)]
    operations = list(itertools.chain.from_iterable(histories))
    results = Counter((each.name, each.result) for each in operations)
    names = Counter(each.name for each in operations)
    assert min(names[name] for name in ("invoke", "state", "history", "update", "delete")) > 0
    assert min(names[name] for name in ("put", "get", "remove", "search")) > 0
    assert min(results["run_and_cancel", status] for status in ("cancelled", "interrupted")) > 0
    assert results["get", None] < names["get"]


@pytest.mark.parametrize(("word", "is_right"), [("old", True), ("new", False)])
def test_an_answer_that_a_cancelled_run_has_left_is_the_one_that_counts(
    word: str, is_right: bool
) -> None:
    """Seeds 136 and 304, twice in some 4,000 histories: what is answered after it answers
    nothing, as the node does not ask any more."""

    def asked(moment: float, name: str, *given: Any, result: Any) -> Operation:
        return Operation("a client", "thread", name, given, moment, moment + 1, result)

    begun = ("w", "first")
    history = [
        asked(0, "invoke", ("input", "w"), result=(begun, True)),
        asked(2, "run_and_cancel", ("answer", "old"), "interrupt", 1, 1, result="cancelled"),
        asked(4, "state", result=(begun, ("ask",), False)),
        asked(6, "invoke", ("answer", "new"), result=((*begun, f"asked {word}", "last"), False)),
    ]
    assert (unexplained(history) is None) == is_right
