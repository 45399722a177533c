"""A compiled graph: every way to run it and to look at its threads.

Sync methods are doors to the async ones (`doors.py`); the keyword arguments stand once, in
`request.py`.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Literal

from typing_extensions import Unpack

from checkpoint import Saver, register_type

from .batch import Invoke, completed, concurrency_of, configs_for, gathered
from .child import Child
from .config import Config, merge_configs, parse_config
from .context import TaskContext, current
from .doors import call, iterate
from .errors import CheckpointerTypeError, ConfigError
from .fittings import Fittings
from .layout import Layout
from .private import Call, GraphStream, Look, run_privately, stream_privately
from .request import (
    InvokeOptions,
    Modes,
    Request,
    StreamOptions,
    check_keys,
    layout_for,
    narrowed,
    parse_look,
)
from .snapshots import Scope, before_id, history_of, scope_of, state_of
from .spec import GraphSpec
from .traces import show_user_frames
from .updates import update_thread
from .values import Command, Interrupt, Overwrite, Send, StateSnapshot

for _cls in (Send, Overwrite, Interrupt, Command):
    register_type(_cls, name=f"understudy.{_cls.__name__}")


class CompiledGraph:
    """A graph ready to run; immutable, shared by all its runs.  Made by `StateGraph.compile`."""

    def __init__(
        self,
        spec: GraphSpec,
        fittings: Fittings,
        *,
        bound: Config | None = None,
    ) -> None:
        self.spec = spec
        self.fittings = fittings
        """What it was compiled with, beside its parts."""
        self.checkpointer = _checked(fittings.checkpointer)
        self.bound = bound
        """Config that `with_config` put under every call's."""
        called = {name: _graphs_of(node.call) for name, node in spec.nodes.items()}
        self.layout = Layout.of(
            spec,
            graphs=frozenset(n for n, d in spec.nodes.items() if isinstance(d.call, CompiledGraph)),
            subgraphs={
                name: graphs[0].layout
                for name, graphs in called.items()
                if graphs and graphs[0].checkpointer is not False
            },
            pauses=fittings.pauses,
        )
        for cls in spec.types:
            register_type(cls)

    def __repr__(self) -> str:
        return f"<CompiledGraph {self.name!r} nodes={list(self.spec.nodes)}>"

    @property
    def name(self) -> str:
        """The graph's name."""
        return self.spec.name

    def with_config(self, config: Config | None = None, **more: Any) -> CompiledGraph:
        """The same graph with a config under that of every call.  Raises ConfigError."""
        bound = merge_configs(self.bound, {**(config or {}), **more})
        parse_config(bound)
        return CompiledGraph(self.spec, self.fittings, bound=bound)

    # --- running -------------------------------------------------------------------------------

    async def ainvoke(
        self,
        input: Any,  # noqa: A002 - the name users know
        config: Config | None = None,
        **options: Unpack[InvokeOptions],
    ) -> Any:
        """Run to the end; gives the last state, or, in another stream mode, its chunks as a list.

        `input`: a dict of state keys, or None to go on with the thread where it stopped.  Raises
        what a node raised, GraphRecursionError, EmptyInputError, InvalidUpdateError, ConfigError.

            state = await graph.ainvoke({"topic": "cats"}, {"configurable": {"thread_id": "1"}})
        """
        try:
            return await self._invoke(input, config, options, inline=False)
        except BaseException as error:
            show_user_frames(error)
            raise

    def invoke(
        self,
        input: Any,  # noqa: A002 - the name users know
        config: Config | None = None,
        **options: Unpack[InvokeOptions],
    ) -> Any:
        """The same as `ainvoke`, for sync code."""
        return call(self._invoke(input, config, options, inline=True))

    def astream(
        self,
        input: Any,  # noqa: A002 - the name users know
        config: Config | None = None,
        **options: Unpack[StreamOptions],
    ) -> GraphStream:
        """Run, and give what happens as it happens; see `StreamOptions` for what is shown.

        The run is in lockstep with its reader, and leaving the loop cancels it.  Raises as
        `ainvoke` does, wrong arguments at once.

            async for chunk in graph.astream({"topic": "cats"}, stream_mode="updates"):
                print(chunk)
        """
        return self._stream(input, config, options, inline=False)

    def stream(
        self,
        input: Any,  # noqa: A002 - the name users know
        config: Config | None = None,
        **options: Unpack[StreamOptions],
    ) -> Iterator[Any]:
        """The same as `astream`, for sync code."""
        stream = self._stream(input, config, options, inline=True)
        return iterate(lambda: stream)

    async def _invoke(
        self, value: Any, config: Config | None, options: InvokeOptions, *, inline: bool
    ) -> Any:
        mode = _or_default(options.get("stream_mode"), "values")
        if mode != "values":
            stream = self._stream(value, config, {**options, "stream_mode": mode}, inline=inline)
            return [chunk async for chunk in stream]
        request = Request.parse(config, self.bound, options, known=InvokeOptions)
        keys = check_keys(self.spec, request.output_keys)
        caller = self._caller(request)
        if caller is None:
            return await run_privately(self._call(value, request, inline=inline))
        return narrowed(self.spec, await self._child(value, request, caller).run(), keys)

    def _stream(
        self, value: Any, config: Config | None, options: StreamOptions, *, inline: bool
    ) -> GraphStream:
        modes = _or_default(options.get("stream_mode"), "updates")
        look = Look(
            modes=parse_look(modes),
            single=isinstance(modes, str),
            subgraphs=bool(options.get("subgraphs")),
            output_keys=check_keys(self.spec, options.get("output_keys")),
        )
        request = Request.parse(config, self.bound, options, known=StreamOptions)
        caller = self._caller(request)
        if caller is None:
            return stream_privately(self._call(value, request, inline=inline), look)
        return self._child(value, request, caller).stream(look)

    def _call(self, value: Any, request: Request, *, inline: bool) -> Call:
        layout = layout_for(self.layout, request)
        return Call(layout, self.saver_for(request), value, request, current(), inline)

    def _caller(self, request: Request) -> TaskContext | None:
        """The task whose run this call becomes part of, if it is made inside one."""
        caller = current()
        if caller is not None and caller.over:
            return None
        if caller is None or self.checkpointer is None or isinstance(self.checkpointer, bool):
            return caller
        thread_id = request.config.thread_id
        if thread_id is None or thread_id == caller.scheduler.facts.thread_id:
            return caller
        return None  # a graph with a saver of its own, on a thread of its own

    def _child(self, value: Any, request: Request, caller: TaskContext) -> Child:
        stored = self.checkpointer is not False and not request.stateless
        return Child(layout_for(self.layout, request), value, request, caller, stored=stored)

    # --- many inputs -----------------------------------------------------------------------------

    async def abatch(
        self,
        inputs: Sequence[Any],
        config: Config | Sequence[Config] | None = None,
        *,
        return_exceptions: bool = False,
        **options: Unpack[InvokeOptions],
    ) -> list[Any]:
        """Run all inputs, as many at a time as config's max_concurrency says (default 64).

        Gives the results in input order.  The first error cancels the rest and is raised, or,
        with `return_exceptions`, stands in its result's place.
        """
        return await gathered(
            self._with(options),
            inputs,
            configs_for(len(inputs), config),
            concurrency_of(self.bound, config),
            return_exceptions=return_exceptions,
        )

    def batch(
        self,
        inputs: Sequence[Any],
        config: Config | Sequence[Config] | None = None,
        *,
        return_exceptions: bool = False,
        **options: Unpack[InvokeOptions],
    ) -> list[Any]:
        """The same as `abatch`, for sync code."""
        return call(self.abatch(inputs, config, return_exceptions=return_exceptions, **options))

    async def abatch_as_completed(
        self,
        inputs: Sequence[Any],
        config: Config | Sequence[Config] | None = None,
        *,
        return_exceptions: bool = False,
        **options: Unpack[InvokeOptions],
    ) -> AsyncIterator[tuple[int, Any]]:
        """(index of the input, result) as runs end; keeps no more results than run at a time."""
        configs = configs_for(len(inputs), config)
        concurrency = concurrency_of(self.bound, config)
        stream = completed(self._with(options), inputs, configs, concurrency)
        async with contextlib.aclosing(stream):
            async for index, result, error in stream:
                if error is not None and not return_exceptions:
                    raise error
                yield index, result if error is None else error

    def _with(self, options: InvokeOptions) -> Invoke:
        async def invoke(value: Any, config: Config | None) -> Any:
            return await self.ainvoke(value, config, **options)

        return invoke

    # --- threads -------------------------------------------------------------------------------

    async def aget_state(self, config: Config, *, subgraphs: bool = False) -> StateSnapshot:
        """A thread's state at its newest checkpoint, or at config's checkpoint_id.

        An unknown thread gives an empty snapshot.  Raises ConfigError without saver or thread_id.
        """
        request = Request.parse(config, self.bound, {})
        return await state_of(
            self._scope(request), request.config.checkpoint_id, subgraphs=subgraphs
        )

    def get_state(self, config: Config, *, subgraphs: bool = False) -> StateSnapshot:
        """The same as `aget_state`, for sync code."""
        return call(self.aget_state(config, subgraphs=subgraphs))

    def aget_state_history(
        self,
        config: Config,
        *,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the name users know
        before: Mapping[str, Any] | str | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[StateSnapshot]:
        """A thread's snapshots, newest first.

        `filter`: metadata that must be equal; `before`: only checkpoints older than this one.
        Snapshots share values that did not change; treat them as read-only.
        """
        if limit is not None and limit < 0:
            raise ConfigError(f"limit={limit} cannot be; give 0 or more, or None for all")
        scope = self._scope(Request.parse(config, self.bound, {}))
        return history_of(scope, match=filter, before=before_id(before), limit=limit)

    def get_state_history(
        self,
        config: Config,
        *,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the name users know
        before: Mapping[str, Any] | str | None = None,
        limit: int | None = None,
    ) -> Iterator[StateSnapshot]:
        """The same as `aget_state_history`, for sync code."""
        history = self.aget_state_history(config, filter=filter, before=before, limit=limit)
        return iterate(lambda: history)

    async def aupdate_state(
        self, config: Config, values: Any, as_node: str | None = None
    ) -> dict[str, Any]:
        """Write to a thread as one of its nodes (default: the one that wrote last).

        Adds a checkpoint and gives its config.  Waits while a run holds the thread.  Raises
        InvalidUpdateError when `values` is no update, the node is unknown, or two wrote last.
        """
        request = Request.parse(config, self.bound, {})
        return await update_thread(self._scope(request), request, values, as_node)

    def update_state(
        self, config: Config, values: Any, as_node: str | None = None
    ) -> dict[str, Any]:
        """The same as `aupdate_state`, for sync code."""
        return call(self.aupdate_state(config, values, as_node))

    def _scope(self, request: Request) -> Scope:
        saver = self.checkpointer if not isinstance(self.checkpointer, bool) else None
        caller = current()
        if saver is None and caller is not None and caller.scheduler.recorder is not None:
            saver = caller.scheduler.recorder.saver
        return scope_of(self.layout, saver, request.config)

    def saver_for(self, request: Request) -> Saver | None:
        """Where a run of its own keeps its thread; None for a stateless run.

        Raises ConfigError when there is a saver and no thread_id.
        """
        saver = self.checkpointer
        if request.stateless or saver is None or isinstance(saver, bool):
            return None
        if request.config.thread_id is None:
            raise ConfigError(
                "Checkpointer requires one or more of the following 'configurable' keys: "
                "thread_id. Without it a run has no thread to store: give "
                '{"configurable": {"thread_id": "…"}}, or stateless=True to store nothing'
            )
        return saver


def _or_default(modes: Modes | None, default: Modes) -> Modes:
    return default if modes is None else modes


def _graphs_of(code: Any) -> list[CompiledGraph]:
    """The graph that a node is, or those that its function mentions: it may call them."""
    if isinstance(code, CompiledGraph):
        return [code]
    function = inspect.unwrap(getattr(code, "__func__", code))
    names = getattr(getattr(function, "__code__", None), "co_names", ())
    module: Mapping[str, Any] = getattr(function, "__globals__", {})
    cells = getattr(function, "__closure__", None) or ()
    mentioned = [module.get(name) for name in names]
    for cell in cells:
        with contextlib.suppress(ValueError):  # a variable that is not bound yet
            mentioned.append(cell.cell_contents)
    return [value for value in mentioned if isinstance(value, CompiledGraph)]


def _checked(checkpointer: Any) -> Saver | Literal[False] | None:
    if checkpointer is None or checkpointer is False:
        return checkpointer
    methods = (getattr(checkpointer, name, None) for name in _SAVER_METHODS)
    if not isinstance(checkpointer, type) and all(map(callable, methods)):
        return checkpointer
    raise CheckpointerTypeError(
        f"checkpointer={checkpointer!r} is no saver; give a MemorySaver, a SqliteSaver, "
        "None, or False"
    )


_SAVER_METHODS = ("claim", "release", "commit", "synced", "load", "history", "rewind")
