"""Where user code around models and tools runs: async code here, sync code in a worker thread."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from actors.runnables import in_worker


async def called(code: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What sync or async code gives."""
    call: Any = code
    if inspect.iscoroutinefunction(code) or inspect.iscoroutinefunction(call.__call__):
        return await code(*args, **kwargs)
    result = await in_worker("wrapper", code, *args, **kwargs)
    return await result if inspect.isawaitable(result) else result
