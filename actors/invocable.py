"""Every way to run a compiled graph.

Sync methods are doors to the async ones (`doors.py`); the keyword arguments stand once, in
`request.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any, Unpack

from checkpoint import Saver

from .adapters import ambient_config
from .batch import Invoke, completed, concurrency_of, configs_for, gathered
from .child import Child
from .config import Config, merge_configs
from .context import TaskContext, current
from .depth import check_depth
from .doors import call, iterate
from .errors import ConfigError, RootGraphError
from .event_look import EventsOptions, event_look
from .inspection import Inspectable
from .look import Look, look_of
from .private import Call, GraphStream, run_privately, stream_privately
from .request import InvokeOptions, Request, RunOptions, StreamOptions, layout_for
from .traces import show_user_frames


class Invocable(Inspectable):
    """A graph that can be run."""

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

    def astream_events(
        self,
        input: Any,  # noqa: A002 - the name users know
        config: Config | None = None,
        **options: Unpack[EventsOptions],
    ) -> GraphStream:
        """Run, and give what begins, streams and ends in it, however deep: graphs, nodes, models,
        tools.  See `EventsOptions` for what is shown; the form of an event is that of LangChain.

        Raises as `astream` does.

            async for event in graph.astream_events({"topic": "cats"}, include_types=["tool"]):
                print(event["event"], event["name"], event["data"])
        """
        return self._events(input, config, options, inline=False)

    def stream_events(
        self,
        input: Any,  # noqa: A002 - the name users know
        config: Config | None = None,
        **options: Unpack[EventsOptions],
    ) -> Iterator[Any]:
        """The same as `astream_events`, for sync code."""
        events = self._events(input, config, options, inline=True)
        return iterate(lambda: events)

    def _events(
        self, value: Any, config: Config | None, options: EventsOptions, *, inline: bool
    ) -> GraphStream:
        look = event_look(self.spec, options, self.spec.shows)
        request = self._request(config, options, EventsOptions, current())
        return self._shown(value, request, look, inline=inline)

    async def _invoke(
        self, value: Any, config: Config | None, options: InvokeOptions, *, inline: bool
    ) -> Any:
        look, task = look_of(self.spec, options, "values", debug=self.fittings.debug), current()
        request = self._request(config, options, InvokeOptions, task)
        if not (look.single and look.modes == ("values",)):
            return [chunk async for chunk in self._shown(value, request, look, inline=inline)]
        if look.printed:
            printing = self._shown(value, request, replace(look, modes=()), inline=inline)
            return look.result(await printing.output())
        caller = None if task is None else self._caller(request, task)
        if caller is None:
            call = self._call(value, request, task, inline=inline)
            return look.result(await run_privately(call))
        return look.result(await self._child(value, request, caller).output())

    def _stream(
        self, value: Any, config: Config | None, options: StreamOptions, *, inline: bool
    ) -> GraphStream:
        look = look_of(self.spec, options, self.spec.shows, debug=self.fittings.debug)
        request = self._request(config, options, StreamOptions, current())
        return self._shown(value, request, look, inline=inline)

    def _shown(self, value: Any, request: Request, look: Look, *, inline: bool) -> GraphStream:
        task = current()
        caller = None if task is None else self._caller(request, task)
        if caller is None:
            return stream_privately(self._call(value, request, task, inline=inline), look)
        return self._child(value, request, caller).stream(look)

    def _request(
        self,
        config: Config | None,
        options: RunOptions,
        known: type[RunOptions],
        task: TaskContext | None,
    ) -> Request:
        """`task`: the one this call is made in."""
        bound, ambient = self.bound, ambient_config(inside=task is not None)
        if ambient is not None:
            bound = merge_configs(ambient, bound)
        schema = self.spec.sources.context
        return Request.parse(config, bound, options, known=known, context_schema=schema)

    def _call(
        self, value: Any, request: Request, task: TaskContext | None, *, inline: bool
    ) -> Call:
        layout = layout_for(self.layout, request)
        return Call(layout, self.saver_for(request), value, request, task, inline)

    def _caller(self, request: Request, task: TaskContext) -> TaskContext | None:
        """The task that this call is made in, if the call becomes part of its run."""
        if task.over:
            return None
        if self.checkpointer is None or isinstance(self.checkpointer, bool):
            return task
        thread_id = request.config.thread_id
        if thread_id is None or thread_id == task.scheduler.facts.thread_id:
            return task
        return None  # a graph with a saver of its own, on a thread of its own

    def _child(self, value: Any, request: Request, caller: TaskContext) -> Child:
        check_depth(self.name, caller)
        stored = self.checkpointer is not False and not request.stateless
        return Child(layout_for(self.layout, request), value, request, caller, stored=stored)

    # --- its cache -------------------------------------------------------------------------------

    async def aclear_cache(self, nodes: Collection[str] | None = None) -> None:
        """Forget the results kept of these nodes, or of all nodes of the graph.

        Raises ConfigError for a node that the graph does not have, and what the cache raises.
        """
        known = self.spec.nodes
        names = (nodes,) if isinstance(nodes, str) else known if nodes is None else nodes
        for name in names:
            if name not in known:
                raise ConfigError(
                    f"nodes={nodes!r}: {name!r} is no node of the graph, so nothing of it is kept; "
                    f"give some of {sorted(known)}, or None for all"
                )
        if self.layout.cache is not None:
            await self.layout.cache.clear([known[name].cache_ns for name in names])

    def clear_cache(self, nodes: Collection[str] | None = None) -> None:
        """The same as `aclear_cache`, for sync code."""
        return call(self.aclear_cache(nodes))

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

    def batch_as_completed(
        self,
        inputs: Sequence[Any],
        config: Config | Sequence[Config] | None = None,
        *,
        return_exceptions: bool = False,
        **options: Unpack[InvokeOptions],
    ) -> Iterator[tuple[int, Any]]:
        """The same as `abatch_as_completed`, for sync code; runs go on while it is iterated."""
        results = self.abatch_as_completed(
            inputs, config, return_exceptions=return_exceptions, **options
        )
        return iterate(lambda: results)

    def _with(self, options: InvokeOptions) -> Invoke:
        async def invoke(value: Any, config: Config | None) -> Any:
            return await self.ainvoke(value, config, **options)

        return invoke

    def saver_for(self, request: Request) -> Saver | None:
        """Where a run of its own keeps its thread; None for a stateless run.

        Raises ConfigError when there is a saver and no thread_id, RootGraphError for a graph that
        keeps its state where its callers keep theirs.
        """
        saver = self.checkpointer
        if request.stateless or saver is None or saver is False:
            return None
        if saver is True:
            raise root_graph(self.name)
        if request.config.thread_id is None:
            raise ConfigError(
                "Checkpointer requires one or more of the following 'configurable' keys: "
                "thread_id. Without it a run has no thread to store: give "
                '{"configurable": {"thread_id": "…"}}, or stateless=True to store nothing'
            )
        return saver


def root_graph(name: str) -> RootGraphError:
    """The error that says where a graph that keeps its state for its callers can be used."""
    return RootGraphError(
        "checkpointer=True cannot be used for root graphs. Graph "
        f"{name!r} keeps its state on the thread of the graph that calls it, and nothing called "
        "it: compile it with a saver to run it by itself, or make it a node"
    )
