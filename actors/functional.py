"""Graphs written as functions: `entrypoint` makes one of a function, `task` what it calls.

An entrypoint is a graph of one node.  Its channels hold the run's input, what the function
returned, and what it saved for the next run on the thread.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, ParamSpec, TypeVar, cast, get_args, get_origin, overload

from checkpoint import Cache, Saver, Store, register_type

from .calls import TaskFuture, call, expect_calls
from .channels import EphemeralValue, LastValue, Topic
from .compiled import CompiledGraph
from .errors import GeneratorFunctionError, GraphBuildError
from .fingerprint import cache_namespace
from .fittings import Fittings, cached_by, stored_by
from .hints import function_of, parameter_hint, types_in
from .params import callee_of, injected_into
from .policies import CachePolicy, RetryOption, TimeoutOption, caching_of, limits_of, retries_of
from .spec import (
    INPUT,
    INPUT_ONLY,
    KEPT,
    PREVIOUS,
    RETURN,
    RETURNED,
    TASKS,
    GraphSpec,
    NodeSpec,
    Sources,
    Writes,
    kept_channel,
)
from .values import START, Send

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")
S = TypeVar("S")


class TaskFunction(Generic[P, T]):
    """A function whose calls are tasks of the run they are made in; made by `task`."""

    def __init__(self, function: Callable[P, Any], node: NodeSpec) -> None:
        functools.update_wrapper(self, function)
        self.func = function
        self.node = node
        self.__name__ = node.name
        expect_calls()

    def __repr__(self) -> str:
        return f"<task {self.node.name!r}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> TaskFuture[T]:
        """Start it, and give its result to come: `await` it, or ask for `.result()` in sync code.

        Raises NoTaskError (a RuntimeError) outside of a run.
        """
        return call(self.node, (args, kwargs))

    def clear_cache(self, cache: Cache) -> None:
        """Forget the results that are kept of it."""
        from .doors import call as wait_for

        wait_for(self.aclear_cache(cache))

    async def aclear_cache(self, cache: Cache) -> None:
        """Forget the results that are kept of it."""
        if self.node.cache is not None:
            await cache.clear([self.node.cache_ns])


@overload
def task(function: Callable[P, Awaitable[T]], /) -> TaskFunction[P, T]: ...
@overload
def task(function: Callable[P, T], /) -> TaskFunction[P, T]: ...
@overload
def task(
    *,
    name: str | None = None,
    retry_policy: RetryOption = None,
    cache_policy: CachePolicy | None = None,
    timeout: TimeoutOption = None,
) -> _Decorator: ...
def task(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    retry_policy: RetryOption = None,
    cache_policy: CachePolicy | None = None,
    timeout: TimeoutOption = None,
) -> Any:
    """Make a function, sync or async, a task: a call gives a future at once, and runs beside the
    caller.

    It is called from an entrypoint, another task, or a node.  Tasks of one caller run at the same
    time.  Their results are kept as they come, so that a caller that runs again after an interrupt,
    an error or a crash gets them without a second run.  Arguments may be anything; results must be
    storable where the run is stored.  An error of the task is raised where its result is asked for.

    Args:
        function: The function; it may ask for `config`, `writer`, `runtime`, `store` by name.
        name: Shown in streams; by default the function's.
        retry_policy: When it runs again after an error: a RetryPolicy or several.
        cache_policy: That results are kept for equal arguments, also in other runs.
        timeout: Seconds (or a timedelta) that one attempt may take, or a TimeoutPolicy.

    Raises:
        GraphBuildError: The function or a policy cannot be used so.

    Example:
        >>> @task
        ... def count(text: str) -> int:
        ...     return len(text.split())
        >>> @entrypoint()
        ... def total(texts: list[str]) -> int:
        ...     return sum(future.result() for future in [count(text) for text in texts])
    """

    def decorate(function: Callable[..., Any]) -> TaskFunction[Any, Any]:
        node = _task_node(function, name)
        who = f"Task {node.name!r}"
        node = replace(
            node,
            retry=retries_of(retry_policy, who),
            cache=caching_of(cache_policy, who),
            timeout=limits_of(timeout, who),
        )
        return TaskFunction(function, _with_cache_ns(node))

    return decorate if function is None else decorate(function)


class _Decorator:
    """For type checkers: what `task(…)` gives."""

    @overload
    def __call__(self, function: Callable[P, Awaitable[T]], /) -> TaskFunction[P, T]: ...
    @overload
    def __call__(self, function: Callable[P, T], /) -> TaskFunction[P, T]: ...
    def __call__(self, function: Callable[..., Any], /) -> Any:
        """The task."""


def _task_node(function: Any, name: str | None) -> NodeSpec:
    name = name or _name_of(function)
    if not callable(function):
        raise GraphBuildError(
            f"task({function!r}) cannot be: it cannot be called; give a function, sync or async"
        )
    called = function if inspect.isroutine(function) else _call_of(function)
    _refuse_generators(called, f"Task {name!r}")
    plain = function_of(function)
    try:
        signature = inspect.signature(function)
    except ValueError:  # a builtin that tells nothing of its parameters
        signature = inspect.Signature()
    for cls in types_in([parameter_hint(plain, signature.return_annotation, {})]):
        register_type(cls)
    parameters = signature.parameters.values()
    positions = [p.name for p in parameters if p.kind in _POSITIONAL]
    is_async = inspect.iscoroutinefunction(called)
    return NodeSpec(
        name=name,
        call=(_spread_async if is_async else _spread)(function, positions),
        is_async=is_async,
        params=injected_into(parameters),
        triggers=(),
        reads=(),
        coerce=None,
        writes=frozenset(),
        targets=(),
        branches=(),
        put=_return,
    )


def _spread(function: Callable[..., Any], positions: list[str]) -> Callable[..., Any]:
    def run(given: tuple[tuple[Any, ...], dict[str, Any]], **injected: Any) -> Any:
        args, kwargs = given
        for name in positions[: len(args)]:
            injected.pop(name, None)
        return function(*args, **{**injected, **kwargs})

    return _tells_of(function, run)


def _spread_async(function: Callable[..., Any], positions: list[str]) -> Callable[..., Any]:
    spread = _spread(function, positions)

    async def run(given: tuple[tuple[Any, ...], dict[str, Any]], **injected: Any) -> Any:
        return await spread(given, **injected)

    return _tells_of(function, run)


def _tells_of(function: Callable[..., Any], run: Callable[..., Any]) -> Callable[..., Any]:
    """`run`, whose signature is that of the function, for those who show its arguments."""
    return functools.wraps(function, assigned=(), updated=())(run)


def _return(result: Any) -> Writes:
    return [(RETURN, result)]


@dataclass(frozen=True)  # slots would forbid final[int, str](value=…, save=…)
class _Final(Generic[R, S]):
    """A value for the caller, and another to save: `entrypoint.final(value=…, save=…)`."""

    value: R
    """What the run gives."""
    save: S
    """What the next run on the thread finds as `previous`."""


class entrypoint:  # noqa: N801 - the name users know
    """Make a function of one input a graph: with all its ways to run, to stream and to look back.

    The function, sync or async, may also ask for `config`, `writer`, `store`, `runtime`, and
    `previous`: what it returned when its thread last ran (or saved: see `entrypoint.final`).  It
    may call tasks.  When a run goes on after an interrupt or an error it runs again from its top,
    and gets the results of the tasks that had finished.

    Args:
        checkpointer: A saver, which keeps threads.
        store: What the function finds as `store`.
        cache: Where results of tasks with a cache policy are kept.
        context_schema: What `runtime.context` is.
        cache_policy: That the result is kept for equal inputs.
        retry_policy: When the function runs again after an error.
        timeout: Seconds (or a timedelta) that one attempt may take, or a TimeoutPolicy.

    Raises:
        GraphBuildError: The function takes no input, or cannot be used so.
        GeneratorFunctionError: It is a generator function.

    Example:
        >>> @entrypoint(checkpointer=MemorySaver())
        ... def add(number: int, *, previous: int | None = None) -> int:
        ...     return number + (previous or 0)
        >>> add.invoke(3, {"configurable": {"thread_id": "1"}})
        3
    """

    final = _Final

    def __init__(
        self,
        checkpointer: Saver | bool | None = None,
        store: Store | None = None,
        cache: Cache | None = None,
        context_schema: Any = None,
        cache_policy: CachePolicy | None = None,
        retry_policy: RetryOption = None,
        timeout: TimeoutOption = None,
    ) -> None:
        self._fittings = Fittings(checkpointer, cache=cached_by(cache), store=stored_by(store))
        self._context = context_schema
        who = "An entrypoint"
        self._cache = caching_of(cache_policy, who)
        self._retry = retries_of(retry_policy, who)
        self._timeout = limits_of(timeout, who)

    def __call__(self, function: Callable[..., Any]) -> CompiledGraph:
        """The graph."""
        name = _name_of(function)
        role = f"Entrypoint {name!r}"
        _refuse_generators(function, role)
        if not inspect.signature(function).parameters:
            raise GraphBuildError(
                f"Entrypoint function must have at least one parameter: {name!r} has none, and "
                "would not get the run's input. Add a parameter for it"
            )
        callee = callee_of(function, role, {})
        output, saved = _outputs(callee.returns)
        node = NodeSpec(
            name=name,
            call=callee.call,
            is_async=callee.is_async,
            params=callee.params,
            triggers=INPUT_ONLY,
            reads=INPUT_ONLY,
            coerce=None,
            writes=frozenset({RETURNED, PREVIOUS}),
            targets=(),
            branches=(),
            put=_returned,
            retry=self._retry,
            timeout=self._timeout,
            cache=self._cache,
        )
        spec = GraphSpec(
            name=name,
            channels={
                RETURNED: LastValue[Any](Any).named(RETURNED),
                INPUT: EphemeralValue[Any](Any).named(INPUT),
                PREVIOUS: LastValue[Any](Any).named(PREVIOUS),
                TASKS: Topic[Send](Send).named(TASKS),
                KEPT: kept_channel(),
            },
            nodes={name: _with_cache_ns(node)},
            start=_START,
            triggers={INPUT: (name,)},
            input_keys=INPUT_ONLY,
            output_keys=_OUTPUT,
            state_keys=_OUTPUT,
            coerce_input=_input_writes,
            types=types_in([callee.reads, output, saved]),
            sources=Sources(callee.reads, output, self._context),
            direct=True,
            bare=RETURNED,
        )
        return CompiledGraph(spec, self._fittings)


def _outputs(returns: Any) -> tuple[Any, Any]:
    """What the caller gets and what is saved, as annotated."""
    if returns is _Final:
        return None, None
    if get_origin(returns) is _Final:
        output, saved = get_args(returns)
        return output, saved
    return returns, returns


def _returned(result: Any) -> Writes:
    if isinstance(result, _Final):
        final = cast("_Final[Any, Any]", result)
        return [(RETURNED, final.value), (PREVIOUS, final.save)]
    return [(RETURNED, result), (PREVIOUS, result)]


def _input_writes(value: Any) -> dict[str, Any]:
    return {INPUT: value}


def _with_cache_ns(node: NodeSpec) -> NodeSpec:
    return node if node.cache is None else replace(node, cache_ns=cache_namespace(node))


def _name_of(function: Any) -> str:
    name = getattr(function, "__name__", None) or getattr(function_of(function), "__name__", None)
    if name == "__call__" or name is None:
        name = type(function).__name__
    return name


def _call_of(function: Any) -> Any:
    return function if hasattr(function, "func") else type(function).__call__


def _refuse_generators(function: Any, who: str) -> None:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise GeneratorFunctionError(
            "Generators are not supported in the Functional API. "
            f"{who} is {function!r}: return the value, and stream to a `writer` on the way"
        )


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_OUTPUT = (RETURNED,)
_START = NodeSpec(
    name=START,
    call=None,
    is_async=False,
    params={},
    triggers=(),
    reads=INPUT_ONLY,
    coerce=None,
    writes=frozenset(INPUT_ONLY),
    targets=(),
    branches=(),
    put=lambda value: [(INPUT, value)],
)
"""Who writes the input: nobody, but `update_state` may write in its name."""
