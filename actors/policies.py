"""What is done about a node that fails, hangs, or has run before: values that users give; pure.

Their fields are checked when they are made; what is no policy at all is refused by `retries_of`,
`caching_of` and `limits_of`, which also bring what users may give into one form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeAlias, cast

from .cache_keys import default_cache_key
from .errors import GraphBuildError
from .retry import default_retry_on

RetryOn: TypeAlias = (
    type[BaseException] | Sequence[type[BaseException]] | Callable[[Exception], bool]
)
Seconds: TypeAlias = float | timedelta
RefreshOn: TypeAlias = Literal["auto", "heartbeat"]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When and how often a node that raised runs again.

    The first wait is `initial_interval` seconds, each later one `backoff_factor` times as long, up
    to `max_interval`; with `jitter` up to a second more.  Raises GraphBuildError for what cannot
    be.

    Example:
        >>> builder.add_node("fetch", fetch, retry_policy=RetryPolicy(max_attempts=5))
    """

    initial_interval: float = 0.5
    backoff_factor: float = 2.0
    max_interval: float = 128.0
    max_attempts: int = 3
    """Attempts in all, the first one too."""
    jitter: bool = True
    retry_on: RetryOn = default_retry_on
    """Exception classes, or a function that is asked with the exception."""

    def __post_init__(self) -> None:
        for name in ("initial_interval", "max_interval"):
            if not _is_number(getattr(self, name), least=0.0):
                raise _refused(self, name, "it is no time to wait", "seconds, 0 or more")
        if self.initial_interval == math.inf:
            raise _refused(self, "initial_interval", "no second attempt would come", "seconds")
        if not _is_number(self.backoff_factor, least=0.0):
            raise _refused(self, "backoff_factor", "no wait is so many times another", "1 or more")
        if type(self.max_attempts) is not int or self.max_attempts < 1:
            raise _refused(
                self, "max_attempts", "the first attempt counts too", "a whole number, 1 or more"
            )
        if not _is_condition(self.retry_on):
            raise _refused(
                self,
                "retry_on",
                "nothing raised is one of it",
                "an exception class, a list of them, or a function of the exception",
            )


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """That a node's result is kept, and given again for the same input instead of a run.

    It takes effect where the graph was compiled with a cache.  Raises GraphBuildError for what
    cannot be.

    Example:
        >>> builder.add_node("embed", embed, cache_policy=CachePolicy(ttl=3600))
        >>> graph = builder.compile(cache=MemoryCache())
    """

    key_func: Callable[..., str | bytes] = default_cache_key
    """Given the node's input: a key, equal for inputs that have the same result."""
    ttl: float | None = None
    """Seconds a result is kept; None: until it is cleared."""

    def __post_init__(self) -> None:
        if not callable(self.key_func):
            raise _refused(self, "key_func", "it cannot be called", "a function of the input")
        if self.ttl is not None and not (
            _is_number(self.ttl, least=0.0) and 0 < self.ttl < math.inf
        ):
            raise _refused(
                self, "ttl", "nothing is kept so long", "seconds above 0, or None for ever"
            )


@dataclass(frozen=True, slots=True)
class TimeoutPolicy:
    """How long one attempt of a node may take.

    Both times may be seconds or a timedelta.  Raises GraphBuildError for what cannot be.

    Example:
        >>> builder.add_node("crawl", crawl, timeout=TimeoutPolicy(idle_timeout=30))
    """

    run_timeout: Seconds | None = None
    """From the attempt's start to its end, whatever it does."""
    idle_timeout: Seconds | None = None
    """Without a sign of progress."""
    refresh_on: RefreshOn = "auto"
    """What is progress: "auto": what it streams, what graphs it calls do, and heartbeats;
    "heartbeat": calls of `runtime.heartbeat()` alone."""

    def __post_init__(self) -> None:
        for name in ("run_timeout", "idle_timeout"):
            value = getattr(self, name)
            if value is not None and not 0 < _seconds(value) < math.inf:
                raise GraphBuildError(
                    f"{name} must be greater than 0: TimeoutPolicy({name}={value!r}) leaves no "
                    "time to run; give seconds or a timedelta, or None for no limit"
                )
        if self.refresh_on not in ("auto", "heartbeat"):
            raise _refused(
                self, "refresh_on", "nothing is known to be that", "'auto' or 'heartbeat'"
            )

    @property
    def run_seconds(self) -> float:
        """`run_timeout` in seconds; inf if there is none."""
        return math.inf if self.run_timeout is None else _seconds(self.run_timeout)

    @property
    def idle_seconds(self) -> float:
        """`idle_timeout` in seconds; inf if there is none."""
        return math.inf if self.idle_timeout is None else _seconds(self.idle_timeout)


@dataclass(frozen=True, slots=True, eq=False)
class NodeError:
    """What an error handler is told: which node failed, and with what.

    Example:
        >>> def apologise(state: State, error: NodeError):
        ...     return {"answer": f"{error.node} did not work: {error.error}"}
        >>> builder.add_node("answer", answer, error_handler=apologise)
    """

    node: str
    error: BaseException
    """What it raised; after a restart of the process as it was stored."""


RetryOption: TypeAlias = RetryPolicy | Sequence[RetryPolicy] | None
TimeoutOption: TypeAlias = Seconds | TimeoutPolicy | None


def retries_of(given: Any, who: str) -> tuple[RetryPolicy, ...]:
    """One policy or several, as a tuple.  Raises GraphBuildError for what is none."""
    if given is None or isinstance(given, RetryPolicy):
        return () if given is None else (given,)
    policies = tuple(cast("Sequence[Any]", given)) if isinstance(given, list | tuple) else (given,)
    for policy in policies:
        if not isinstance(policy, RetryPolicy):
            raise GraphBuildError(
                f"{who} has retry_policy={given!r}, and {policy!r} says nothing of retries: give a "
                "RetryPolicy or a list of them"
            )
    return policies


def caching_of(given: Any, who: str) -> CachePolicy | None:
    """The policy itself.  Raises GraphBuildError for what is none."""
    if given is None or isinstance(given, CachePolicy):
        return given
    raise GraphBuildError(
        f"{who} has cache_policy={given!r}, which says nothing of a cache: give a CachePolicy"
    )


def limits_of(given: Any, who: str) -> TimeoutPolicy | None:
    """Seconds or a timedelta as a policy; None when nothing is limited.

    Raises GraphBuildError for what is no limit.
    """
    if given is None or isinstance(given, TimeoutPolicy):
        policy = given
    elif _is_number(given) or isinstance(given, timedelta):
        policy = TimeoutPolicy(run_timeout=given)
    else:
        raise GraphBuildError(
            f"{who} has timeout={given!r}, which is no time: give seconds, a timedelta or a "
            "TimeoutPolicy"
        )
    if policy is None or (policy.run_timeout is None and policy.idle_timeout is None):
        return None
    return policy


def _is_number(value: Any, least: float = -math.inf) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= least


def _seconds(value: Any) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value if _is_number(value) else math.nan


def _is_condition(value: Any) -> bool:
    if isinstance(value, type):
        return issubclass(value, BaseException)
    if isinstance(value, list | tuple):
        kinds = cast("Sequence[Any]", value)
        return all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds)
    return callable(value)


def _refused(policy: Any, name: str, why: str, mend: str) -> GraphBuildError:
    kind = type(policy).__name__
    return GraphBuildError(
        f"{kind}({name}={getattr(policy, name)!r}) cannot be: {why}; give {mend}"
    )
