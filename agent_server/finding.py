"""Where a run's events are: with this process, or in the event log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakValueDictionary

from actors import ActorSystem, RunUnknownError
from streaming import RunLog

from .ended import PastRun
from .errors import ElsewhereError, RequestError
from .live import LiveRun
from .records import Run

if TYPE_CHECKING:
    from .services import Services

_MOST_RUNS = 1_000
_past: WeakKeyDictionary[ActorSystem, WeakValueDictionary[str, RunLog]] = WeakKeyDictionary()
"""Logs of ended runs that somebody reads."""


async def find_run(services: Services, thread_id: str | None, run_id: str) -> LiveRun | PastRun:
    """A run at hand, or one of before with its events, if they are kept.  Raises NotFoundError."""
    known = services.dispatcher.live(run_id) or services.dispatcher.ended.get(run_id)
    if known is not None and thread_id in (None, known.run.thread_id):
        return known
    run = await services.runs.get(thread_id, run_id)
    check_ours(services, run)
    log = await _past_log(services, run)
    await services.runs.get(thread_id, run_id)  # it may have been deleted before the log was found
    return PastRun(run, log, lost=log is None and await _has_lost_events(services, run))


def check_ours(services: Services, run: Run) -> None:
    """Raise ElsewhereError for an open run that this process does not have: another server's."""
    if services.settings.shared and not run.ended:
        raise ElsewhereError(run.run_id)


async def runs_so_far(services: Services, thread_id: str) -> Sequence[Run]:
    """A thread's latest runs that have begun, in their order."""
    runs = await services.runs.list(thread_id, limit=_MOST_RUNS)
    return sorted((run for run in runs if run.status != "pending"), key=began)


def began(run: Run) -> int:
    """A moment in microseconds that orders a thread's runs as they ran."""
    return int(max(run.created_at, run.due_at) * 1_000_000)


async def _past_log(services: Services, run: Run) -> RunLog | None:
    """One for all who read it at the same time, and so one cache of frames."""
    shared = _past.setdefault(services.system, WeakValueDictionary())
    log = shared.get(run.run_id) if run.ended else None
    if log is None:
        log = await _open_log(services, run)
        if log is not None and run.ended:
            shared[run.run_id] = log
    return log


async def _has_lost_events(services: Services, run: Run) -> bool:
    """True for an ended run without a log that had one: it is forgotten, or cannot be read."""
    if not run.ended or not run.attempt:
        return False
    if run.status == "success" or not await services.runs.keeps_events(run.run_id):
        return True
    return await services.saver.events.last(run.run_id) > 0


async def _open_log(services: Services, run: Run) -> RunLog | None:
    config = {"configurable": {"thread_id": run.thread_id}}
    try:
        async with services.graphs.open(run.graph_id, config) as graph:
            return await services.system.find_log(graph, run.run_id, config)
    except (RunUnknownError, RequestError):  # forgotten, or its graph is not served any more
        return None
