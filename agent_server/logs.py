"""Lines of the log: when, how bad, what, and then which run, thread and request as key=value.

What a line is about comes from its logger (`extra`), or else from where it is written: in a run,
which says so once (`about`), or in a request.  So lines of a graph's own code have ids, too.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TextIO

from .jsontext import to_json

if TYPE_CHECKING:
    from .records import Run

FIELDS = ("run_id", "thread_id", "graph_id", "assistant_id", "attempt", "request_id", "ms")
"""What loggers give as `extra` and a line shows."""


_around: ContextVar[dict[str, object] | None] = ContextVar("around", default=None)
"""What is told of everything that is logged here."""


def about(facts: dict[str, object] | None) -> Token[dict[str, object] | None]:
    """Say what lines are about that are written in this task, and in those that it starts."""
    return _around.set(facts)


def done(token: Token[dict[str, object] | None]) -> None:
    """Lines are about what they were about before."""
    _around.reset(token)


def run_facts(run: Run) -> dict[str, object]:
    """What a line about a run says of it."""
    return {
        "run_id": run.run_id,
        "thread_id": run.thread_id,
        "graph_id": run.graph_id,
        "assistant_id": run.assistant_id,
        "attempt": run.attempt or None,
    }


def note(run: Run) -> None:
    """The request that is served here asks for this run; of several none is named."""
    facts = _around.get()
    if facts is not None and "request_id" in facts:
        asked = run_facts(run) if facts.get("run_id") in (None, run.run_id) else _SEVERAL
        facts.update(asked)


_SEVERAL: Mapping[str, object] = dict.fromkeys(("run_id", "thread_id", "graph_id"), "several")


def facts_of(record: logging.LogRecord) -> dict[str, object]:
    """The fields that the record has, or what is around it."""
    told, around = vars(record), _around.get() or {}
    found = {name: told.get(name, around.get(name)) for name in FIELDS}
    return {name: value for name, value in found.items() if value is not None}


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _one_line(text: str) -> str:
    """What users say must not look like a line of ours, nor tell a terminal what to do."""
    return _visible(text.replace("\\", "\\\\"), repr)


def _visible(text: str, told: Callable[[str], str]) -> str:
    """With an escape, from between the quotes of `told`, for each character that nobody sees."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else told(char)[1:-1] for char in text)


class TextLines(logging.Formatter):
    """For people: `2026-11-21T10:00:00.000+00:00 INFO  POST /runs 200 request_id=… ms=3.1`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the traceback of an error below it."""
        facts = " ".join(
            f"{name}={_one_line(str(value))}" for name, value in facts_of(record).items()
        )
        line = f"{_moment(record)} {record.levelname:<5} {_one_line(record.getMessage())} {facts}"
        return "\n".join([line.rstrip(), *self._traceback(record)])

    def _traceback(self, record: logging.LogRecord) -> list[str]:
        if not record.exc_info:
            return []
        return [_visible(line, repr) for line in self.formatException(record.exc_info).split("\n")]


class JsonLines(logging.Formatter):
    """For machines: one object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, object] = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **facts_of(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _visible(to_json(line).decode(), json.dumps)


def configure(
    level: str, form: Literal["text", "json"] = "text", stream: TextIO | None = None
) -> None:
    """Write the log of this process to a stream (standard error)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(TextLines() if form == "text" else JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("httpx", "httpcore", "uvicorn.error", "watchfiles.main"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLogger().level))
