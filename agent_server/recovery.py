"""What becomes of the runs that an earlier process left open; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .records import Run
from .run_rows import OpenRun


@dataclass(frozen=True, slots=True)
class Recovery:
    """Runs by what is done with them, each in the order in which they are to run."""

    crashed: tuple[str, ...]
    """Ids of those that ran when the process died."""
    undone: tuple[Run, ...]
    """They were being rolled back."""
    given_up: tuple[Run, ...]
    """They took the process down with them as often as is allowed."""
    going_on: tuple[Run, ...]


def recovery(left: Sequence[OpenRun], max_attempts: int) -> Recovery:
    """Decide for each run that was left."""
    crashed = [each for each in left if each.status == "running"]
    undone = {each.run.run_id for each in left if each.status == "rollback"}
    # One that waits was counted by a process that died before it had given the run up.
    hopeless = {
        each.run.run_id
        for each in left
        if each.crashes + (each.status == "running") >= max_attempts
    } - undone
    return Recovery(
        crashed=tuple(each.run.run_id for each in crashed),
        undone=tuple(each.run for each in left if each.run.run_id in undone),
        given_up=tuple(each.run for each in left if each.run.run_id in hopeless),
        going_on=tuple(each.run for each in left if each.run.run_id not in undone | hopeless),
    )


def gave_up(attempts: int) -> dict[str, str]:
    """The error of a run that is not tried again."""
    return {
        "error": "RuntimeError",
        "message": (
            f"the server died {attempts} times while this run was running, so it is not tried "
            "again; look for what its nodes do to the process"
        ),
    }
