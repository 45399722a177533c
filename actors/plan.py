"""What a run is to do, as whoever starts it says."""

from __future__ import annotations

from contextvars import Context
from dataclasses import dataclass
from typing import Any

from checkpoint import Saver

from .context import TaskContext
from .layout import Layout
from .report import Watch
from .request import Request


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Plan:
    """What a run is to do."""

    layout: Layout
    input: Any
    request: Request
    saver: Saver | None
    """None: a stateless run."""
    watch: Watch
    child_watch: Watch
    context: Context
    """The caller's context variables."""
    owned: bool = False
    """See Setting.owned."""
    inline: bool = False
    """See Setting.inline."""
    caller: TaskContext | None = None
    """The task that started this run, if one did."""
