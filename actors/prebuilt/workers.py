"""Where user code around models and tools runs: async code here, sync code in a worker thread."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from actors.context import current
from actors.threads import Threads, Use, in_thread


async def in_worker(use: Use, code: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Run sync code in a worker thread; in a task, within the bounds of its run."""
    context = current()
    if context is None:
        return await in_thread(Threads().at(0, use), code, *args, **kwargs)
    limiter = context.scheduler.threads.for_task(context.task, use)
    return await in_thread(limiter, code, *args, **kwargs)


async def called(code: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What sync or async code gives."""
    call: Any = code
    if inspect.iscoroutinefunction(code) or inspect.iscoroutinefunction(call.__call__):
        return await code(*args, **kwargs)
    result = await in_worker("wrapper", code, *args, **kwargs)
    return await result if inspect.isawaitable(result) else result
