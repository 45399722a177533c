from __future__ import annotations

from typing import Any

import pytest

from streaming import Hub, LogSetupError, RunLog, RunLogExistsError
from streaming.testing import JsonCodec, MemoryEventLog
from tests.streaming.lib import data_of, publish


def finish(hub: Hub, run_id: str, events: int = 1) -> RunLog:
    log = hub.open(run_id)
    publish(log, *range(events))
    log.close()
    return log


async def test_a_log_is_found_by_its_run_id_live_and_finished() -> None:
    hub = Hub()
    log = hub.open("run")
    assert hub.get("run") is log
    publish(log, 1)
    log.close()
    found = hub.get("run")
    assert found is log
    assert await data_of(found.subscribe("custom")) == [1]
    assert hub.get("other") is None


def test_a_run_has_one_live_log() -> None:
    hub = Hub()
    hub.open("run")
    with pytest.raises(RunLogExistsError, match="'run'"):
        hub.open("run")
    assert hub.stats().live == 1


def test_options_that_do_not_fit_leave_the_finished_log_in_place() -> None:
    hub = Hub()
    finished = finish(hub, "run")
    with pytest.raises(LogSetupError):
        hub.open("run", max_events=0)
    assert hub.get("run") is finished


def test_a_new_log_takes_the_place_of_a_finished_one() -> None:
    hub = Hub()
    finish(hub, "run")
    log = hub.open("run", keep=False)
    assert hub.get("run") is log
    assert hub.stats().finished == 0


def test_a_finished_log_that_no_one_can_join_is_not_kept() -> None:
    hub = Hub()
    hub.open("run", keep=False).close()
    assert hub.get("run") is None


def test_the_oldest_finished_logs_go_first() -> None:
    hub = Hub(max_finished=2)
    for run_id in "abc":
        finish(hub, run_id)
    assert [hub.get(run_id) is None for run_id in "abc"] == [True, False, False]
    assert hub.stats().evicted == 1


def test_finished_logs_are_bounded_by_their_events() -> None:
    hub = Hub(max_events=10)
    finish(hub, "a", 6)
    finish(hub, "b", 4)
    assert hub.get("a") is not None
    finish(hub, "c", 1)
    assert [hub.get(run_id) is None for run_id in "abc"] == [True, False, False]


async def test_finished_logs_are_bounded_by_their_bytes() -> None:
    hub = Hub(max_bytes=1_500)
    for run_id in "abc":
        log = hub.open(run_id, event_log=MemoryEventLog(), codec=JsonCodec())
        publish(log, "x" * 500)
        await log.flush()
        log.close()
    assert [hub.get(run_id) is None for run_id in "abc"] == [True, False, False]


async def test_a_dropped_log_is_closed_and_who_reads_it_reads_to_its_end() -> None:
    hub = Hub()
    log = hub.open("run")
    reader = log.subscribe("custom")
    publish(log, 1)
    hub.drop("run")
    assert hub.get("run") is None
    assert await data_of(reader) == [1]
    hub.drop("run")


async def test_a_live_log_is_never_evicted() -> None:
    hub = Hub(max_finished=0, max_events=0)
    log = hub.open("run")
    publish(log, *range(100))
    finish(hub, "other")
    assert hub.get("run") is log
    assert hub.get("other") is None


def test_stats_count_over_all_logs() -> None:
    hub = Hub()
    finish(hub, "a", 3)
    log = hub.open("b", max_events=2)
    reader = log.subscribe("custom")
    publish(log, *range(5))
    stats = hub.stats()
    assert (stats.live, stats.finished, stats.published) == (1, 1, 8)
    assert (stats.dropped, stats.refused, stats.subscribers) == (3, 0, 1)
    assert (stats.events, stats.bytes) == (5, sum(each.held[1] for each in (log, hub.get("a"))))
    reader.close()


@pytest.mark.parametrize("bounds", [{"max_finished": -1}, {"max_events": -1}, {"max_bytes": -1}])
def test_negative_bounds_are_refused(bounds: Any) -> None:
    with pytest.raises(LogSetupError):
        Hub(**bounds)
