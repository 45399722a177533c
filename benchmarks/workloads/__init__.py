"""All workloads, one file per question."""

from __future__ import annotations

from benchmarks.workload import Workload

from . import (
    bare_steps,
    batches,
    chat_turn,
    disk,
    fan_out,
    first_chunk,
    history,
    imports,
    memory,
    memory_saver,
    messaging,
    recovery,
    server,
    server_sdk,
    sqlite_many,
    sqlite_one,
    streams,
    subgraph,
    subscribers,
    threads,
    token_latency,
    tokens,
    wide_state,
)

WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for module in (
        bare_steps,
        fan_out,
        batches,
        subgraph,
        wide_state,
        memory_saver,
        sqlite_one,
        sqlite_many,
        threads,
        chat_turn,
        disk,
        history,
        streams,
        subscribers,
        tokens,
        token_latency,
        first_chunk,
        imports,
        memory,
        messaging,
        server,
        server_sdk,
        recovery,
    )
    for workload in module.WORKLOADS
}
