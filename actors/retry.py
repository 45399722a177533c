"""Whether a node that raised runs again, and when; pure: the dice are passed in."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from .errors import GraphBubbleUp, GraphInterrupt, NodeCancelledError

if TYPE_CHECKING:
    from .policies import RetryPolicy

_FINAL = (
    ValueError,
    TypeError,
    ArithmeticError,
    ImportError,
    LookupError,
    NameError,
    SyntaxError,
    RuntimeError,
    ReferenceError,
    StopIteration,
    StopAsyncIteration,
    OSError,
)
"""What the code itself is to blame for: it would only be raised again."""


def default_retry_on(error: Exception) -> bool:
    """True for what may go well the next time: a lost connection, a server's own failure (HTTP
    status 5xx of httpx or requests), and whatever is no ordinary mistake of a program.
    """
    if isinstance(error, ConnectionError):
        return True
    status = _http_status(error)
    if status is not None:
        return 500 <= status < 600
    return not isinstance(error, _FINAL)


def retry_delay(
    policies: Sequence[RetryPolicy],
    error: BaseException,
    failures: int,
    dice: Callable[[], float],
) -> float | None:
    """Seconds until a task that has failed `failures` times runs again; None: it does not.

    The first policy that covers the error decides.  Pauses, commands to a parent and cancellations
    are no failures.  `dice` gives a number from 0 to 1.  Raises what a `retry_on` function raises.
    """
    if not isinstance(error, Exception) or isinstance(error, GraphBubbleUp | NodeCancelledError):
        return None
    if GraphInterrupt.alone_in(error) is not None:
        return None
    for policy in policies:
        if _covers(policy, error):
            if failures >= policy.max_attempts:
                return None
            return _wait(policy, failures) + (dice() if policy.jitter else 0.0)
    return None


def _wait(policy: RetryPolicy, failures: int) -> float:
    try:
        grown = policy.initial_interval * policy.backoff_factor ** (failures - 1)
    except OverflowError:
        return policy.max_interval if policy.initial_interval else 0.0
    return min(policy.max_interval, grown)


def _covers(policy: RetryPolicy, error: Exception) -> bool:
    condition = policy.retry_on
    if isinstance(condition, type):
        return isinstance(error, condition)
    if isinstance(condition, Sequence):
        return isinstance(error, tuple(cast("Sequence[type[BaseException]]", condition)))
    return bool(condition(error))


def _http_status(error: Exception) -> int | None:
    """The status an HTTP client's error carries; no client is imported to look."""
    for module, name in (("httpx", "HTTPStatusError"), ("requests", "HTTPError")):
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(error, kind):
            response: Any = getattr(error, "response", None)
            return 500 if response is None else response.status_code
    return None
