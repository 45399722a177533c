"""What the server counts, and how Prometheus and people read it.

Counting is a few additions per request; `prometheus_client` is loaded when somebody asks.
"""

from __future__ import annotations

import bisect
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .records import ENDED

if TYPE_CHECKING:
    from prometheus_client import Metric
    from starlette.types import Scope

    from streaming import HubStats

    from .services import Services
    from .tally import Tally

SECONDS = (
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
)
"""Upper bounds of the histograms' buckets."""
PREFIX = "understudy"
METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
"""Counted by their names; clients may send any word."""


class Histogram:
    """How many values fell below each bound, and their sum."""

    __slots__ = ("_counts", "total")

    def __init__(self) -> None:
        self._counts = [0] * (len(SECONDS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Count a value."""
        self._counts[bisect.bisect_left(SECONDS, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """(bound, how many are not above it), the last one with all of them."""
        below, found = 0, list[tuple[str, float]]()
        for bound, count in zip((*map(str, SECONDS), "+Inf"), self._counts, strict=True):
            below += count
            found.append((bound, below))
        return found


@dataclass(slots=True)
class Metrics:
    """Counts since the process began; the loop that serves is their only writer."""

    requests: Counter[tuple[str, str, int]] = field(default_factory=Counter[tuple[str, str, int]])
    """(method, route, status) -> how many."""
    request_seconds: Histogram = field(default_factory=Histogram)
    """From the first byte of a request to the last of its answer; streams are not in it."""

    step_seconds: Histogram = field(default_factory=Histogram)
    """Of each super-step of a run, its commit among them."""

    def told(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        route = getattr(scope.get("route"), "path", "")
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        self.requests[method, route, status] += 1
        if not route.endswith(("/stream", "/events")):
            self.request_seconds.observe(seconds)


@dataclass(frozen=True, slots=True)
class Reading:
    """All numbers of one moment."""

    counted: Metrics
    pending: int
    running: int
    tally: Tally
    """How runs ended, and how long they waited and ran."""
    streams: int
    """Open streams."""
    hub: HubStats
    """The logs of runs that are in memory."""
    ended: int
    """Runs without a thread that have ended and can still be read."""
    ended_bytes: int
    """What those take, about."""
    commits: int
    commits_per_second: float


def read(counted: Metrics, services: Services) -> Reading:
    """The numbers, now."""
    runs = services.dispatcher.stats()
    commits = services.tables.commits
    return Reading(
        counted=counted,
        pending=runs.pending,
        running=runs.running,
        tally=runs.tally,
        streams=services.streams.count,
        hub=services.system.stats(),
        ended=len(services.dispatcher.ended),
        ended_bytes=services.dispatcher.ended.size,
        commits=commits.total,
        commits_per_second=commits.per_second(time.monotonic()),
    )


def as_json(reading: Reading, most_runs: int) -> dict[str, Any]:
    """The numbers as LangGraph's server gives them for `format=json`."""
    return {
        "queue": {"n_pending": reading.pending, "n_running": reading.running},
        "api": {
            "http_requests_total": [
                {"method": method, "path": route, "status": status, "count": count}
                for (method, route, status), count in reading.counted.requests.items()
            ]
        },
        "streams": {"open": reading.streams},
        "workers": {
            "max": most_runs,
            "active": reading.running,
            "available": max(0, most_runs - reading.running),
        },
    }


def as_text(reading: Reading) -> bytes:
    """The numbers in Prometheus' text format, with those of the process and of Python."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.gc_collector import GCCollector
    from prometheus_client.platform_collector import PlatformCollector
    from prometheus_client.process_collector import ProcessCollector

    registry = CollectorRegistry()
    registry.register(_Collector(reading))
    for collector in (GCCollector, PlatformCollector, ProcessCollector):
        collector(registry=registry)
    return generate_latest(registry)


class _Collector:
    """Gives the numbers to Prometheus' client."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def collect(self) -> Iterator[Metric]:
        """Every number, under its name."""
        from prometheus_client.core import CounterMetricFamily

        yield from self._requests()
        yield from self._runs()
        reading, hub = self._reading, self._reading.hub
        yield from _gauges(
            ("streams", "Open streams", reading.streams),
            ("subscribers", "Readers of runs' events", hub.subscribers),
            ("run_logs", "Runs whose events are in memory", hub.live + hub.finished),
            ("ring_events", "Events in memory", hub.events),
            ("ring_bytes", "Bytes of the events in memory", hub.bytes),
            ("ended_runs", "Ended runs without a thread that are kept", reading.ended),
            ("ended_bytes", "Bytes of those, about", reading.ended_bytes),
            (
                "commits_per_second",
                "Transactions committed to the database, over ten seconds",
                reading.commits_per_second,
            ),
        )
        yield CounterMetricFamily(
            f"{PREFIX}_commits", "Transactions committed to the database", reading.commits
        )

    def _requests(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

        counted = self._reading.counted
        requests = CounterMetricFamily(
            f"{PREFIX}_http_requests", "Answers", labels=["method", "route", "status"]
        )
        for (method, route, status), count in counted.requests.items():
            requests.add_metric([method, route, str(status)], count)
        yield requests
        seconds = HistogramMetricFamily(
            f"{PREFIX}_http_request_seconds", "Time to answer; streams are not in it"
        )
        seconds.add_metric([], counted.request_seconds.buckets(), counted.request_seconds.total)
        yield seconds

    def _runs(self) -> Iterator[Metric]:
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        reading = self._reading
        now = GaugeMetricFamily(f"{PREFIX}_runs", "Runs that wait or run", labels=["status"])
        now.add_metric(["pending"], reading.pending)
        now.add_metric(["running"], reading.running)
        yield now
        ended = CounterMetricFamily(f"{PREFIX}_runs_ended", "Runs that ended", labels=["status"])
        for status in sorted(ENDED):
            ended.add_metric([status], reading.tally.ended[status])
        yield ended
        for name, text, seconds in (
            ("run_queue_seconds", "From asking for a run to its turn", reading.tally.queue_seconds),
            ("run_seconds", "From a run's turn to its end", reading.tally.run_seconds),
            ("step_seconds", "A super-step, with its commit", reading.counted.step_seconds),
        ):
            family = HistogramMetricFamily(f"{PREFIX}_{name}", text)
            family.add_metric([], seconds.buckets(), seconds.total)
            yield family


def _gauges(*given: tuple[str, str, float]) -> Iterable[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    for name, text, value in given:
        yield GaugeMetricFamily(f"{PREFIX}_{name}", text, value)
