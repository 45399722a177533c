"""The log of a run that was killed, read by a new process and held against what was seen of it."""

from __future__ import annotations

from typing import Any

from tests.faults.forks import ForkServer

PER_EVENT = 8
"""Chunk ids per event id."""


def check_log(server: ForkServer, job: dict[str, Any], received: list[Any]) -> list[Any]:
    """Check that all that was received is in the log, under growing ids without a gap; gives what
    the log has after it."""
    ids, *chunks = answer_of(server, job)
    assert ids == list(range(1, len(ids) + 1))
    numbers = [chunk[0] for chunk in chunks]
    assert numbers == sorted(set(numbers))
    assert received == chunks[: len(received)]
    last = received[-1][0] if received else 0
    assert last // PER_EVENT <= len(ids)
    _, *rest = answer_of(server, job, after=last)
    assert rest == chunks[len(received) :]
    return rest


def answer_of(server: ForkServer, job: dict[str, Any], **more: Any) -> list[Any]:
    """What a new process reads."""
    job = {key: value for key, value in job.items() if key != "fault"}
    reader = server.start("read", **job, **more)
    assert reader.end() == 0
    return reader.lines
