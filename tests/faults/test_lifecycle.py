"""Histories of threads on a real file, in processes that are killed, held against the model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.forks import ForkServer
from tests.faults.living import RealHost
from tests.faults.scale import histories
from tests.histories.lifecycle import Host, Lifecycle

BATCHES, EACH = histories()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("batch", BATCHES)
def test_threads_in_processes_that_are_killed_are_as_the_model_says(
    batch: int,
    server: ForkServer,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    hosts: list[RealHost] = []

    @seed(batch)
    class RealLifecycle(Lifecycle):
        def open(self, seed: int) -> Host:
            hosts.append(RealHost(server, tmp_path / f"{len(hosts)}.db"))
            return hosts[-1]

    run_state_machine_as_test(
        RealLifecycle,
        settings=settings(
            max_examples=EACH,
            stateful_step_count=15,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
    assert len(hosts) >= EACH
    record_property("histories", len(hosts))
    record_property("kills in histories", sum(host.kills for host in hosts))
