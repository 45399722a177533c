"""Why a run ends before its last step, as errors; pure."""

from __future__ import annotations

from collections.abc import Iterable

from streaming import LogFailedError, RunStatus

from .commands import Cancelled, StepTimedOut, StopAsked, Task
from .errors import (
    EmptyInputError,
    GraphDrained,
    GraphRecursionError,
    RunCancelledError,
    StepTimeoutError,
)
from .handlers import is_handled


def no_input() -> EmptyInputError:
    """There is nothing to go on with."""
    return EmptyInputError(
        "Received no input for __start__: the thread has no checkpoint to go on from; give an input"
    )


def stopped(
    event: StepTimedOut | StopAsked | Cancelled,
    run_id: str,
    limit: float | None,
    tasks: Iterable[Task],
) -> RunCancelledError | StepTimeoutError | GraphDrained:
    """Somebody stopped it, or a step of these tasks took longer than it may."""
    if isinstance(event, StepTimedOut):
        return _out_of_time(limit, tasks)
    if isinstance(event, StopAsked):
        return GraphDrained(event.reason)
    return cancelled(run_id)


def cancelled(run_id: str) -> RunCancelledError:
    """It was asked to end."""
    return RunCancelledError(
        f"run {run_id!r} was cancelled, so it has no result; read its thread's state or run it "
        "again"
    )


def status_after(error: BaseException) -> RunStatus:
    """The status of a run that this ended."""
    if isinstance(error, GraphDrained):
        return "interrupted"
    return "cancelled" if isinstance(error, RunCancelledError) else "error"


def rolled_back(run_id: str) -> RunCancelledError:
    """It was asked to end as if it had not been."""
    return RunCancelledError(
        f"run {run_id!r} was rolled back, so it has no result and its thread is as it was before; "
        "start a new run"
    )


def log_broke(run_id: str, cause: BaseException) -> LogFailedError:
    """What it tells of itself can be kept no more."""
    error = LogFailedError(
        f"the durable log of run {run_id!r} broke ({cause!r}), which ended the run; "
        "mend the cause and run the thread again with None as input"
    )
    error.__cause__ = cause
    return error


def out_of_steps(limit: int) -> GraphRecursionError:
    """So many steps did not reach the end."""
    return GraphRecursionError(
        f"Recursion limit of {limit} reached without hitting a stop condition. "
        "You can increase the limit by setting the `recursion_limit` config key."
    )


def _out_of_time(seconds: float | None, tasks: Iterable[Task]) -> StepTimeoutError:
    running = [task.node.name for task in tasks if task.writes is None and not is_handled(task)]
    return StepTimeoutError(
        f"Timed out: after step_timeout={seconds} seconds {running} still ran; what the others "
        "wrote is kept. Raise step_timeout, or run the thread again with None as input"
    )
