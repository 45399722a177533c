"""What the server counts, and how it is read."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from prometheus_client.parser import text_string_to_metric_families

from agent_server.app import create_app
from agent_server.metrics import SECONDS, Histogram, Metrics, Reading, as_json, as_text
from agent_server.tally import Tally
from streaming import HubStats
from tests.agent_server.harness.graphs import agent
from tests.agent_server.harness.local import local_client


def counted(method: str, path: str, status: int, seconds: float) -> Metrics:
    metrics = Metrics()
    metrics.told({"method": method, "route": SimpleNamespace(path=path)}, status, seconds)
    return metrics


def samples(text: bytes) -> dict[tuple[str, str], float]:
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_a_histogram_counts_what_is_not_above_each_bound() -> None:
    histogram = Histogram()
    for seconds in (0.0005, 0.001, 0.3, 100.0):
        histogram.observe(seconds)
    below = dict(histogram.buckets())
    assert (below["0.001"], below["0.25"], below["0.5"]) == (2, 2, 3)
    assert (below[str(SECONDS[-1])], below["+Inf"]) == (3, 4)
    assert histogram.total == 100.3015


def test_requests_are_counted_by_route_so_that_ids_make_no_new_counts() -> None:
    metrics = counted("GET", "/threads/{thread_id}", 200, 0.01)
    assert metrics.requests == {("GET", "/threads/{thread_id}", 200): 1}
    assert metrics.request_seconds.total == 0.01


def test_unknown_paths_and_methods_share_a_count() -> None:
    metrics = Metrics()
    for method, path in [("GET", "/a"), ("GET", "/b"), ("BREW", "/c")]:
        metrics.told({"method": method, "path": path}, 404, 0)
    assert metrics.requests == {("GET", "", 404): 2, ("OTHER", "", 404): 1}


def test_how_long_a_stream_was_open_is_no_time_to_answer() -> None:
    assert counted("POST", "/runs/stream", 200, 60).request_seconds.total == 0


def busy() -> Metrics:
    metrics = counted("GET", "/ok", 200, 0.01)
    metrics.step_seconds.observe(0.0003)
    return metrics


def tally() -> Tally:
    made = Tally()
    made.ended["success"] = 5
    made.queue_seconds.observe(0.003)
    made.run_seconds.observe(0.3)
    return made


READING = Reading(
    counted=busy(),
    pending=2,
    running=3,
    tally=tally(),
    streams=4,
    hub=HubStats(
        live=2,
        finished=4,
        evicted=0,
        published=100,
        dropped=0,
        refused=0,
        subscribers=7,
        events=90,
        bytes=12_345,
    ),
    ended=8,
    ended_bytes=9_000,
    commits=1234,
    commits_per_second=0.5,
)


def test_prometheus_reads_every_number() -> None:
    found = samples(as_text(READING))
    assert found["understudy_http_requests_total", "GET,/ok,200"] == 1
    assert found["understudy_http_request_seconds_bucket", "0.01"] == 1
    assert found["understudy_runs", "pending"] == 2
    assert found["understudy_runs", "running"] == 3
    assert found["understudy_runs_ended_total", "success"] == 5
    assert found["understudy_runs_ended_total", "timeout"] == 0
    assert found["understudy_run_queue_seconds_bucket", "0.005"] == 1
    assert found["understudy_run_seconds_bucket", "0.25"] == 0
    assert found["understudy_run_seconds_bucket", "0.5"] == 1
    assert found["understudy_streams", ""] == 4
    assert found["understudy_subscribers", ""] == 7
    assert found["understudy_run_logs", ""] == 6
    assert found["understudy_ring_events", ""] == 90
    assert found["understudy_ring_bytes", ""] == 12_345
    assert found["understudy_ended_runs", ""] == 8
    assert found["understudy_ended_bytes", ""] == 9_000
    assert found["understudy_commits_total", ""] == 1234
    assert found["understudy_commits_per_second", ""] == 0.5
    assert found["understudy_step_seconds_bucket", "0.00025"] == 0
    assert found["understudy_step_seconds_bucket", "0.0005"] == 1
    assert "process_resident_memory_bytes" in {name for name, _ in found}


def test_json_has_the_form_that_is_known() -> None:
    assert as_json(READING, 10) == {
        "queue": {"n_pending": 2, "n_running": 3},
        "api": {
            "http_requests_total": [{"method": "GET", "path": "/ok", "status": 200, "count": 1}]
        },
        "streams": {"open": 4},
        "workers": {"max": 10, "active": 3, "available": 7},
    }


async def test_a_server_counts_its_runs_and_requests(tmp_path: Path) -> None:
    app = create_app({"agent": agent}, database=tmp_path / "server.db")
    async with app.router.lifespan_context(app), local_client(app) as client:
        asked = {"assistant_id": "agent", "input": {"topic": "x"}}
        await client.post("/runs/wait", json=asked)
        thread = (await client.post("/threads", json={})).json()
        await client.post(f"/threads/{thread['thread_id']}/runs/wait", json=asked)
        await client.get("/threads/no-id")
        found = samples((await client.get("/metrics")).content)
        told = (await client.get("/metrics", params={"format": "json"})).json()
    assert found["understudy_runs_ended_total", "success"] == 2
    assert found["understudy_run_queue_seconds_count", ""] == 2
    assert found["understudy_step_seconds_count", ""] == 4  # two runs of two nodes
    assert found["understudy_step_seconds_sum", ""] > 0
    assert found["understudy_ended_runs", ""] == 1  # the other one is on a thread
    assert found["understudy_ended_bytes", ""] > 0
    assert found["understudy_commits_total", ""] >= 5  # assistants, thread, run, its steps, its end
    assert found["understudy_http_requests_total", "POST,/runs/wait,200"] == 1
    assert found["understudy_http_requests_total", "GET,/threads/{thread_id},422"] == 1
    assert told["queue"] == {"n_pending": 0, "n_running": 0}
