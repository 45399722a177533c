"""How an engine's run ended, as its row, its thread and whoever waits for it are told; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import actors
from actors import CompiledGraph, GraphDrained, Interrupt, StateSnapshot

from .answers import interrupts_of
from .failures import failure_of
from .records import CancelAction, Json, RunStatus, ThreadStatus

_CANCEL_PATH = "requested via POST /threads/{thread_id}/runs/{run_id}/cancel"
STOPPED: Mapping[CancelAction, dict[str, str]] = {
    "interrupt": {"error": "UserInterrupt", "message": f"interrupt {_CANCEL_PATH}"},
    "rollback": {"error": "UserRollback", "message": f"rollback {_CANCEL_PATH}"},
}
"""What a thread says of the run that was cancelled last."""
_TIMEOUTS = frozenset({"TimeoutError", "StepTimeoutError", "NodeTimeoutError", "AskTimeoutError"})
"""Errors of a run that took too long: its super-step, its node, or what a node waited for."""


@dataclass(frozen=True, slots=True)
class Rest:
    """How a thread stands when a run of it has ended."""

    waits: bool
    """True if something would run next."""
    values: Any
    """None: nothing is stored of it."""
    interrupts: Mapping[str, Sequence[Any]] = field(default_factory=dict[str, Sequence[Any]])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to."""

    status: RunStatus
    """ "pending": it goes on with the next process."""
    values: Any
    """What `wait` and `join` answer, as JSON will show it."""
    error: dict[str, str] | None = None
    rest: Rest | None = None
    """None: it has no thread, or nobody can tell."""

    @property
    def is_suspended(self) -> bool:
        """True if it goes on with the next process."""
        return self.status == "pending"


SUSPENDED = Outcome("pending", None)


def rest_of(snapshot: StateSnapshot) -> Rest:
    """How a thread stands."""
    values = None if snapshot.created_at is None else snapshot.values
    return Rest(bool(snapshot.next), values, interrupts_of(snapshot))


def failed(error: BaseException, rest: Rest | None = None) -> Outcome:
    """It raised, or could not begin."""
    return failed_as(failure_of(error), rest)


def failed_as(error: dict[str, str], rest: Rest | None = None) -> Outcome:
    """It failed with this; the class alone tells a timeout, as it is all that a log knows of it."""
    status = "timeout" if error["error"] in _TIMEOUTS else "error"
    return Outcome(status, {"__error__": error}, error, rest)


def stopped(rest: Rest | None) -> Outcome:
    """It was cancelled: what it has done so far is its answer."""
    return Outcome("interrupted", (rest and rest.values) or {}, None, rest)


def ended(run: actors.Run, result: Any, rest: Rest | None) -> Outcome:
    """How an engine's run ended; `result`: its final values, if it has any."""
    error = run.error
    if isinstance(error, GraphDrained):
        return SUSPENDED
    if run.status == "cancelled":
        return stopped(rest)
    if error is not None:
        return failed(error, rest)
    return Outcome("success", result, None, rest)


def left_by(graph: CompiledGraph, snapshot: StateSnapshot) -> Any:
    """The final values of a run that left this state: the graph's output, with what it asks."""
    values: Any = snapshot.values
    keys = graph.spec.output_keys
    if isinstance(values, dict) and keys != graph.spec.state_keys:
        state = cast("dict[str, Any]", values)
        values = {key: state[key] for key in keys if key in state}
    return with_questions(values, snapshot.interrupts)


def with_questions(values: Any, interrupts: Sequence[Interrupt]) -> Any:
    """Final values with what the run asks."""
    if not interrupts or not isinstance(values, dict):
        return values
    asked = [
        {"value": each.value, "id": each.id, "response_schema": each.response_schema}
        for each in interrupts
    ]
    return {**cast("dict[str, Any]", values), "__interrupt__": asked}


def thread_status(outcome: Outcome) -> ThreadStatus:
    """What the thread is when no other run of it is open."""
    if outcome.status in ("error", "timeout"):
        return "error"
    return "interrupted" if outcome.rest is not None and outcome.rest.waits else "idle"


def thread_error(outcome: Outcome, stop: CancelAction | None, *, began: bool) -> Json | None:
    """What the thread says went wrong with the run; nothing did with one that never began."""
    if outcome.error is not None:
        return outcome.error
    return STOPPED[stop] if stop is not None and began else None
