"""Concurrency has owners: tasks and threads are made in named places and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.architecture.source import Module, package_modules

MAKES_TASKS = frozenset(
    {
        "TaskGroup",
        "create_task",
        "create_task_group",
        "ensure_future",
        "gather",
        "run_coroutine_threadsafe",
        "run_until_complete",
        "start_blocking_portal",
        "start_soon",
    }
)
MAKES_THREADS = frozenset(
    {"Thread", "ThreadPoolExecutor", "run_in_executor", "run_sync", "start_new_thread", "to_thread"}
)

OWNERS: Mapping[str, tuple[frozenset[str], str]] = {
    "agent_server/graphs.py": (
        frozenset({"to_thread"}),
        "a factory that is not async must not hold up the loop",
    ),
    "actors/doors.py": (frozenset({"ThreadPoolExecutor"}), "a door inside a running loop"),
    "actors/threads.py": (
        frozenset({"run_sync"}),
        "sync code runs in worker threads, within a limit",
    ),
    "actors/supervisor.py": (frozenset({"create_task"}), "the one place where tasks are made"),
    "actors/testing/loop.py": (
        frozenset({"create_task", "run_in_executor", "run_until_complete"}),
        "it is a loop: it makes the main task, and has no threads but a door to none",
    ),
    "agent_server/thread_rows.py": (
        frozenset({"Thread"}),
        "a record: a thread of runs, not of code",
    ),
    "agent_server/threads.py": (frozenset({"Thread"}), "the same record"),
    "checkpoint/doors.py": (frozenset({"ThreadPoolExecutor"}), "a door inside a running loop"),
    "checkpoint/embedding.py": (
        frozenset({"to_thread"}),
        "an embedding function that is not async must not hold up the loop",
    ),
    "checkpoint/flush.py": (frozenset({"Thread"}), "one flush of the log serves all who wait"),
    "checkpoint/handle.py": (frozenset({"run_in_executor"}), "opening a file waits for its locks"),
    "checkpoint/parked.py": (frozenset({"Thread"}), "a connection has a thread and no event loop"),
    "checkpoint/store_sqlite.py": (frozenset({"to_thread"}), "a sweep may take a while to end"),
    "checkpoint/store_ttl.py": (frozenset({"Thread"}), "a store that sweeps has one sweeper"),
    "checkpoint/testing_concurrency.py": (
        frozenset({"create_task", "gather", "to_thread"}),
        "a suite acts as users do: they start tasks and threads of their own",
    ),
    "checkpoint/testing_store.py": (
        frozenset({"Thread", "to_thread"}),
        "a suite acts as users do: they use a store in threads of their own",
    ),
    "checkpoint/testing_vectors.py": (
        frozenset({"to_thread"}),
        "a suite acts as users do: they use a store in threads of their own",
    ),
}
"""Path -> (what it may call, why)."""


def _made(module: Module) -> dict[str, str]:
    return {module.place(call): name for name, call in module.calls(MAKES_TASKS | MAKES_THREADS)}


@pytest.mark.parametrize("module", package_modules(), ids=lambda module: module.label)
def test_no_task_and_no_thread_is_made_outside_its_owner(module: Module) -> None:
    allowed, _why = OWNERS.get(module.label, (frozenset[str](), ""))
    ownerless = {place: name for place, name in _made(module).items() if name not in allowed}
    assert ownerless == {}


@pytest.mark.parametrize("label", OWNERS)
def test_every_listed_owner_makes_what_it_is_listed_for(label: str) -> None:
    (module,) = (module for module in package_modules() if module.label == label)
    assert set(_made(module).values()) == OWNERS[label][0]
