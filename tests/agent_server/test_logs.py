"""Lines of the log."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from agent_server import logs


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
