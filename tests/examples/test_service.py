"""The service example: its own check, and what it answers to requests that cannot be."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from examples.service import app

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def start(client: TestClient, **book: object) -> str:
    return f"/runs/{client.post('/runs', json={'topic': 'cats', **book}).json()['run_id']}"


def test_its_check_talks_to_a_real_server(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "examples.service", "--check"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    gone = lines.index("the reader is gone, another comes back after that")
    assert lines[gone - 1 : gone + 2 : 2] == [
        'custom "chapter 2 of cats"',
        'custom "chapter 3 of cats"',
    ]
    assert 'end {"status": "success", "error": null}' in lines
    assert "an endless run: running, then cancelled" in lines


def test_a_reader_of_a_finished_run_gets_all_of_it_in_the_modes_it_asks_for(
    client: TestClient,
) -> None:
    path = start(client, chapters=1)
    first = client.get(f"{path}/stream").text
    again = client.get(f"{path}/stream").text
    values = client.get(f"{path}/stream", params={"mode": "values"}).text
    assert first == again
    assert "event: custom" in first
    assert [line for line in values.splitlines() if line.startswith("event")] == [
        "event: values",
        "event: values",
        "event: end",
    ]


def test_a_cancelled_run_says_so_at_the_end_of_its_stream(client: TestClient) -> None:
    path = start(client, chapters=10**9)
    assert client.delete(path).json()["status"] == "cancelled"
    assert '"status": "cancelled"' in client.get(f"{path}/stream").text
    assert client.delete(path).json()["status"] == "cancelled"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'"cats"', b'{"chapters": 3}', b'{"topic": "a", "chapters": "x"}']
)
def test_a_body_that_cannot_be_is_refused(client: TestClient, body: bytes) -> None:
    answer = client.post("/runs", content=body)
    assert (answer.status_code, answer.text) == (400, 'send {"topic": "…", "chapters": 3}')


def test_a_place_or_a_mode_that_cannot_be_is_refused(client: TestClient) -> None:
    path = start(client, chapters=1)
    for headers, params in (({"Last-Event-ID": "x"}, {}), ({}, {"mode": "nonsense"})):
        answer = client.get(f"{path}/stream", headers=headers, params=params)
        assert answer.status_code == 400
    assert "use one of values" in answer.text


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_run_that_is_not_there_is_not_found(client: TestClient, method: str) -> None:
    assert client.request(method, "/runs/none").status_code == 404
    assert client.get("/runs/none/stream").status_code == 404
