"""What does a start cost when much is stored, or when a killed process has left much to do?

The bare figure is that of a database with one thread.
"""

from __future__ import annotations

import statistics
from contextlib import AbstractContextManager
from time import perf_counter

from benchmarks.contenders import OURS
from benchmarks.served.client import one_after_the_other, request
from benchmarks.served.left import GATE, counting, fill, leave_runs, thread_id
from benchmarks.served.server import Server, Servers
from benchmarks.workload import Stage, Target, Workload

THREADS, CHECKPOINTS, RUNS = 10_000, 100_000, 1_000
NEXT = 20
"""Requests after the first one."""
FIRST = f"/threads/{thread_id(0)}/state"
FULL = f"{THREADS:,} threads with {CHECKPOINTS:,} checkpoints"
LEFT = f"the same, after SIGKILL with {RUNS:,} runs going on, which go on"


async def first_answer(servers: Servers, stage: Stage) -> float:
    await fill(stage.folder, stage.size(THREADS, THREADS // 10))
    return _started(servers, stage).answered_in * 1e3


async def first_answer_of_one(stage: Stage) -> float:
    await fill(stage.folder, 1)
    return _started(Servers(OURS), stage).answered_in * 1e3


async def launch(servers: Servers, stage: Stage) -> float:
    await fill(stage.folder, stage.size(THREADS, THREADS // 10))
    return _started(servers, stage).started_in * 1e3


async def launch_of_one(stage: Stage) -> float:
    await fill(stage.folder, 1)
    return _started(Servers(OURS), stage).started_in * 1e3


def _started(servers: Servers, stage: Stage) -> Server:
    """The times of a server's second start: the first one compiles the modules."""
    with servers.start(stage.folder, FIRST):
        pass
    with servers.start(stage.folder, FIRST) as server:
        return server


async def first_answer_after_a_kill(servers: Servers, stage: Stage) -> float:
    with await _killed(servers, stage) as server:
        return server.answered_in * 1e3


async def slowest_answer_after_a_kill(servers: Servers, stage: Stage) -> float:
    with await _killed(servers, stage) as server, server.connect() as client:
        return max(one_after_the_other(client, request("GET", FIRST), NEXT)) * 1e3


async def _killed(servers: Servers, stage: Stage) -> AbstractContextManager[Server]:
    """A server that finds the runs of a killed one, which have nothing to wait for any more."""
    await fill(stage.folder, stage.size(THREADS, THREADS // 10))
    with servers.start(stage.folder) as server:
        leave_runs(server, stage.size(RUNS, RUNS // 10))
        server.kill()
    (stage.folder / GATE).touch()
    return servers.start(stage.folder, FIRST)


async def state(_: object, stage: Stage) -> float:
    return await _state_of(stage, stage.size(THREADS, THREADS // 10))


async def state_of_one(stage: Stage) -> float:
    return await _state_of(stage, 1)


async def _state_of(stage: Stage, threads: int) -> float:
    """Milliseconds to open the saver and read the state of a thread, with warm modules."""
    from checkpoint import SqliteSaver

    path, times = await fill(stage.folder, threads), list[float]()
    graph = counting(stage.folder)
    for number in range(20):
        config = {"configurable": {"thread_id": thread_id(number % threads)}}
        began = perf_counter()
        async with SqliteSaver(path) as saver:
            found = await graph.compile(checkpointer=saver).aget_state(config)
            times.append(perf_counter() - began)
        assert len(found.values["lines"]) == 9
    return statistics.median(times) * 1e3


WORKLOADS = [
    Workload(
        "recovery",
        f"a server's first answer, of one of {FULL}, once it takes connections",
        "ms",
        first_answer,
        first_answer_of_one,
        Target(limit=300),
        rounds=3,
        load=Servers,
        engines=[OURS],
    ),
    Workload(
        "recovery-killed",
        LEFT,
        "ms",
        first_answer_after_a_kill,
        target=Target(limit=300),
        rounds=3,
        load=Servers,
        engines=[OURS],
    ),
    Workload(
        "recovery-next",
        f"the slowest of the next {NEXT} answers then",
        "ms",
        slowest_answer_after_a_kill,
        target=Target(limit=300),
        rounds=3,
        load=Servers,
        engines=[OURS],
    ),
    Workload(
        "recovery-launch",
        f"the first answer, of one of {FULL}, since the process was launched",
        "ms",
        launch,
        launch_of_one,
        rounds=3,
        load=Servers,
        engines=[OURS],
    ),
    Workload(
        "recovery-library",
        f"opening a saver and reading a thread of {FULL}",
        "ms",
        state,
        state_of_one,
        rounds=3,
        load=Servers,
        engines=[OURS],
    ),
]
