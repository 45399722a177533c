"""Tasks that other tasks stand by for."""

from __future__ import annotations

import asyncio
from typing import Any


def seen(task: asyncio.Task[Any]) -> None:
    """For `on_done`: its error is no failure by itself.

    Somebody waits for the task and raises it, or it says that a client is gone, which whoever
    serves the client finds out by itself.
    """
    if not task.cancelled():
        task.exception()
