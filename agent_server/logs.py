"""Lines of the log: when, how bad, what, and then which run, thread and request as key=value."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Literal, TextIO

from .jsontext import to_json

FIELDS = ("run_id", "thread_id", "graph_id", "assistant_id", "attempt", "request_id", "ms")
"""What loggers give as `extra` and a line shows."""


def facts_of(record: logging.LogRecord) -> dict[str, object]:
    """The fields that the record has."""
    told = vars(record)
    return {name: told[name] for name in FIELDS if told.get(name) is not None}


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _one_line(text: str) -> str:
    """What users say must not look like a line of ours."""
    return text.replace("\\", "\\\\").replace("\r", "\\r").replace("\n", "\\n")


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
        return [self.formatException(record.exc_info)] if record.exc_info else []


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
        return to_json(line).decode()


def configure(
    level: str, form: Literal["text", "json"] = "text", stream: TextIO | None = None
) -> None:
    """Write the log of this process to a stream (standard error)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(TextLines() if form == "text" else JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("httpx", "httpcore", "uvicorn.error", "watchfiles.main"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLogger().level))
