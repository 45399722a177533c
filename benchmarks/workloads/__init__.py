"""All workloads, one file per question."""

from __future__ import annotations

from benchmarks.workload import Workload

from . import (
    bare_steps,
    disk,
    fan_out,
    first_chunk,
    imports,
    memory,
    memory_saver,
    server,
    server_sdk,
    sqlite_many,
    sqlite_one,
    streams,
    subgraph,
    token_latency,
    tokens,
    wide_state,
)

WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for module in (
        bare_steps,
        fan_out,
        subgraph,
        wide_state,
        memory_saver,
        sqlite_one,
        sqlite_many,
        disk,
        streams,
        tokens,
        token_latency,
        first_chunk,
        imports,
        memory,
        server,
        server_sdk,
    )
    for workload in module.WORKLOADS
}
