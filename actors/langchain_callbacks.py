"""LangChain's callbacks that a run's caller gave, told of its graphs, nodes and paths.

This module imports langchain_core; the engine loads it only in a process that has done so already.
For callbacks each of these is a chain inside of another one: it starts, and then it ends or fails.
What models and tools in nodes do, LangChain tells them itself; `langchain.py` says whose parts
those are.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from inspect import iscoroutinefunction
from os import environ
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from langchain_core.callbacks import BaseCallbackHandler, BaseCallbackManager, CallbackManager

from streaming import Span

from .threads import Threads, in_place, in_thread

_log = logging.getLogger(__name__)


class Listeners:
    """Who is told of a graph that is called with these callbacks: those, and what LangChain adds
    to them, which are its tracers, and collectors around the call.

    `inline`: call sync handlers right here, for the caller's own thread drives the run; else they
    are called in threads, so that none holds up the loop.  Async ones are awaited.  One at a time,
    in the order in which they were given.
    """

    __slots__ = ("_inline", "_threads", "manager")

    def __init__(self, callbacks: Any, *, inline: bool) -> None:
        self.manager = CallbackManager.configure(callbacks)
        self._inline = inline
        self._threads = Threads()

    def told(self, graph: Span) -> Told:
        """Tells them of the graph."""
        manager = self.manager
        known = (manager.handlers, manager.tags, manager.metadata)
        return Told(self, graph, manager.parent_run_id, *known)

    async def tell(self, handler: Any, event: str, about: Any, known: Mapping[str, Any]) -> None:
        """Tell one of them.  What it raises is logged, and raised if its `raise_error` says so."""
        try:
            if handler.ignore_chain:
                return
            call = getattr(handler, event)
            if iscoroutinefunction(call):
                await call(*about, **known)
            elif self._inline:
                in_place(call, *about, **known)
            elif handler.run_inline:
                call(*about, **known)
            else:
                await in_thread(self._threads.at(0), call, *about, **known)
        except Exception as error:
            _log.warning("Error in %s.%s callback: %r", type(handler).__name__, event, error)
            if handler.raise_error:
                raise


class Told:
    """A span as callbacks are told of it.  Who was told that it began is told once how it went."""

    __slots__ = ("_handlers", "_hear", "_id", "_known", "_listeners", "_metadata", "_name")

    def __init__(
        self,
        listeners: Listeners,
        span: Span,
        parent: UUID | None,
        handlers: Sequence[BaseCallbackHandler],
        tags: Sequence[str],
        metadata: Mapping[str, Any],
    ) -> None:
        self._listeners = listeners
        self._handlers = handlers
        self._hear: list[BaseCallbackHandler] = []
        self._name = span.name
        self._metadata = {**metadata, **span.metadata}
        self._id = as_uuid(span.id)
        self._known = {
            "run_id": self._id,
            "parent_run_id": parent,
            "tags": [*(tag for tag in tags if tag not in span.tags), *span.tags],
        }

    async def started(self, value: Any) -> None:
        """It begins, with this input."""
        known = {**self._known, "metadata": self._metadata, "name": self._name}
        for handler in self._handlers:
            self._hear.append(handler)
            await self._listeners.tell(handler, "on_chain_start", (None, value), known)

    async def ended(self, output: Any) -> None:
        """It ended well."""
        await self._over("on_chain_end", output)

    async def failed(self, error: BaseException) -> None:
        """It raised; nothing happens if it never began, or had ended."""
        await self._over("on_chain_error", error)

    async def _over(self, event: str, result: Any) -> None:
        while self._hear:
            await self._listeners.tell(self._hear.pop(0), event, (result,), self._known)

    def inner(self, span: Span) -> Told:
        """A span right inside of it."""
        manager = self._listeners.manager
        known = (manager.inheritable_tags, manager.inheritable_metadata)
        return Told(self._listeners, span, self._id, manager.inheritable_handlers, *known)

    def handed(self) -> CallbackManager:
        """What is called inside of it gets these."""
        manager = self._listeners.manager
        handed = CallbackManager([], parent_run_id=self._id)
        handed.set_handlers(manager.inheritable_handlers)
        handed.add_tags(manager.inheritable_tags)
        handed.add_metadata(manager.inheritable_metadata)
        return handed


def is_traced() -> bool:
    """True if what is called now is traced whatever callbacks it is given: in a `with` block of
    LangChain or LangSmith, or as the environment says.

    Imports neither, as long as nothing says that one of them traces.
    """
    blocks = sys.modules.get("langchain_core.tracers.context")
    if blocks is not None and (
        blocks.tracing_v2_callback_var.get() or blocks.run_collector_var.get()
    ):
        return True
    if "langsmith.run_helpers" not in sys.modules and not any(map(environ.__contains__, _SWITCHES)):
        return False
    from langsmith.utils import (
        tracing_is_enabled,  # pyright: ignore[reportUnknownVariableType]
    )

    return bool(tracing_is_enabled())


_SWITCHES = (
    "LANGSMITH_TRACING",
    "LANGSMITH_TRACING_V2",
    "LANGCHAIN_TRACING",
    "LANGCHAIN_TRACING_V2",
)
"""Variables of the environment that turn LangSmith on."""


def parent_of(callbacks: Any) -> UUID | None:
    """The run that what is called with these callbacks is a part of, if they say so."""
    return callbacks.parent_run_id if isinstance(callbacks, BaseCallbackManager) else None


def as_uuid(run_id: str) -> UUID:
    """A run's id as callbacks know it: one made of it, if it is of another form."""
    try:
        return UUID(run_id)
    except ValueError:
        return uuid5(NAMESPACE_OID, run_id)
