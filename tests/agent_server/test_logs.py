"""Lines of the log."""

from __future__ import annotations

import contextlib
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

import pytest

from actors import START, StateGraph
from agent_server import create_app, logs
from tests.agent_server.harness.graphs import fail
from tests.agent_server.harness.local import local_client
from tests.agent_server.stage import stage


class Empty(TypedDict, total=False):
    pass


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def written(form: Any, message: str, *, level: str = "info", **extra: Any) -> str:
    stream = io.StringIO()
    logs.configure(level, form, stream)
    try:
        raise ValueError("boom") if extra.pop("fails", False) else LookupError
    except LookupError:
        logging.getLogger("agent_server.x").info(message, extra=extra)
    except ValueError:
        logging.getLogger("agent_server.x").exception(message, extra=extra)
    return stream.getvalue()


def test_a_line_says_when_how_bad_what_and_of_which_run() -> None:
    line = written("text", "run began", run_id="r1", thread_id="t1", other="no")
    moment, rest = line.split(" ", 1)
    assert moment.endswith("+00:00")
    assert rest == "INFO  run began run_id=r1 thread_id=t1\n"


def test_what_users_say_cannot_look_like_a_line_of_its_own() -> None:
    line = written("text", "a\n2026 ERROR forged", request_id="x\r\ny")
    assert line.count("\n") == 1
    assert "a\\n2026 ERROR forged request_id=x\\r\\ny" in line


UNSEEN = "\x1b[31m\0\x7f\x85\x9b\u2028\u2029\u202e\ud800\U000e0001"


def test_what_nobody_sees_is_written_as_an_escape() -> None:
    line = written("text", f"GET /{UNSEEN}", request_id="x\x1b")
    assert line.rstrip("\n").isprintable()
    assert r"/\x1b[31m\x00\x7f\x85\x9b\u2028\u2029\u202e\ud800\U000e0001 req" in line
    assert line.endswith("request_id=x\\x1b\n")


def test_what_can_be_read_stays_as_it_is() -> None:
    assert "naïve ☃ 日本 😀 'a' \\\\n" in written("text", "naïve ☃ 日本 😀 'a' \\n")
    assert "naïve ☃ 日本 😀 'a'" in written("json", "naïve ☃ 日本 😀 'a'")


def test_an_error_brings_no_more_than_can_be_seen() -> None:
    stream = io.StringIO()
    logs.configure("info", "text", stream)
    try:
        raise ValueError(f"no {UNSEEN}\nsecond")
    except ValueError:
        logging.getLogger("agent_server.x").exception("failed")
    assert all(line.isprintable() for line in stream.getvalue().split("\n"))
    assert stream.getvalue().endswith("\nsecond\n")


def test_machines_get_escapes_of_what_nobody_sees() -> None:
    line = written("json", f"GET /{UNSEEN}")
    assert line.rstrip("\n").isprintable()
    assert json.loads(line)["message"] == f"GET /{UNSEEN}".replace("\ud800", "\ufffd")


def test_an_error_brings_its_traceback() -> None:
    lines = written("text", "failed", fails=True).splitlines()
    assert "ERROR failed" in lines[0]
    assert lines[-1] == "ValueError: boom"


def test_machines_get_one_object_per_line() -> None:
    line = json.loads(written("json", "failed\nhere", fails=True, run_id="r1", ms=1.5))
    assert line["message"] == "failed\nhere"
    assert (line["level"], line["logger"]) == ("error", "agent_server.x")
    assert (line["run_id"], line["ms"]) == ("r1", 1.5)
    assert line["traceback"].endswith("ValueError: boom")


def test_levels_below_the_chosen_one_are_not_written() -> None:
    assert written("text", "quiet", level="warning") == ""


# --- where a line is written -------------------------------------------------------------------


@contextlib.contextmanager
def lines(form: Any = "json") -> Iterator[list[Any]]:
    """What is written inside of the block, as it stands there at its end."""
    stream, found = io.StringIO(), list[Any]()
    logs.configure("info", form, stream)
    yield found
    written = stream.getvalue().splitlines()
    found += [json.loads(line) for line in written] if form == "json" else written


def ids(line: dict[str, Any]) -> tuple[Any, Any]:
    return line.get("run_id"), line.get("thread_id")


async def says(state: Empty) -> Empty:
    logging.getLogger("users.own").warning("in a coroutine")
    return {}


def says_in_a_thread(state: Empty) -> Empty:
    logging.getLogger("users.own").warning("in a thread")
    return {}


TALKING = StateGraph(Empty).add_sequence([says, says_in_a_thread]).add_edge(START, "says").compile()


async def test_what_the_code_of_a_graph_logs_names_its_run_and_thread(tmp_path: Path) -> None:
    with lines() as found:
        async with stage(tmp_path / "db", {"talking": TALKING}) as at:
            first, second = await at.thread(), await at.thread()
            runs = [await at.start("talking", {}, thread) for thread in (first, second, first)]
            for live in runs:
                await live.settled()
    for message in ("in a coroutine", "in a thread", "run ended as success"):
        told = sorted(ids(line) for line in found if line["message"] == message)
        assert told == sorted((live.run.run_id, live.run.thread_id) for live in runs)


async def test_a_line_of_a_run_has_both_ids_in_both_forms(tmp_path: Path) -> None:
    for form in ("json", "text"):
        with lines(form) as found:
            async with stage(tmp_path / form, {"fail": fail, "gone": factory}) as at:
                live = await at.end("fail", {"topic": "x"}, await at.thread())
                unmade = await at.end("gone", {}, await at.thread())
        # The end of each, and of the second why it never ran and why its thread is not shown.
        for run, line in zip((live.run, *[unmade.run] * 3), found, strict=True):
            if form == "json":
                assert ids(line) == (run.run_id, run.thread_id)
            else:
                assert f" run_id={run.run_id} thread_id={run.thread_id} " in line
        assert "run ended as error: ValueError" in str(found[0])


def factory() -> Any:
    raise LookupError("no model")


async def test_a_request_that_asks_for_a_run_names_it(tmp_path: Path) -> None:
    app = create_app({"talking": TALKING}, database=tmp_path / "db")
    body = {"assistant_id": "talking", "input": {}}
    with lines() as found:
        async with app.router.lifespan_context(app), local_client(app) as client:
            thread = (await client.post("/threads", json={})).json()["thread_id"]
            run = (await client.post(f"/threads/{thread}/runs", json=body)).json()["run_id"]
            await client.get(f"/threads/{thread}/runs/{run}/join")
            await client.post("/runs/batch", json=[body, body])
            await client.get("/ok")
    requests = {line["message"].split()[1]: line for line in found if "request_id" in line}
    assert ids(requests[f"/threads/{thread}/runs"]) == (run, thread)
    assert ids(requests[f"/threads/{thread}/runs/{run}/join"]) == (run, thread)
    assert ids(requests["/runs/batch"]) == ("several", "several")
    assert ids(requests["/ok"]) == (None, None)
    of_run = [line for line in found if line.get("run_id") == run and "request_id" not in line]
    assert {line["message"] for line in of_run} >= {"in a coroutine", "run ended as success"}
