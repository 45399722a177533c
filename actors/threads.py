"""Worker threads, where sync user code runs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anyio import CapacityLimiter


async def in_thread(limiter: CapacityLimiter, call: Any, *args: Any, **kwargs: Any) -> Any:
    """Run sync code in a worker thread, in the caller's context.

    Cancelled, it lets go of the thread, which Python cannot stop; the task is fenced by then.
    """
    from anyio import to_thread

    job = partial(call, *args, **kwargs)
    return await to_thread.run_sync(job, limiter=limiter, abandon_on_cancel=True)
