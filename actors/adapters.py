"""Adapters to libraries that the engine never imports by itself."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import cache
from typing import TYPE_CHECKING, Any

from .errors import LangChainVersionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from . import langchain
    from .context import TaskContext
    from .langchain_callbacks import Listeners

OLDEST_LANGCHAIN = (1, 0)


def loaded_langchain() -> type[langchain.Adapter] | None:
    """The adapter to LangChain, if this process has loaded a langchain_core that it fits."""
    return None if not _is_loaded() or langchain_is_too_old() else _langchain()


def _is_loaded() -> bool:
    return sys.modules.get("langchain_core") is not None  # None keeps a module from being imported


@cache
def _langchain() -> type[langchain.Adapter]:
    from .langchain import Adapter

    return Adapter


@cache
def langchain_is_too_old() -> bool:
    """True if the version that is loaded is older than the adapter knows."""
    parts = (re.match(r"\d*", part) for part in _version().split(".")[:2])  # it may be "2.0rc1"
    return tuple(int((part and part[0]) or 0) for part in parts) < OLDEST_LANGCHAIN


@cache
def _version() -> str:
    return sys.modules["langchain_core"].__version__


def check_langchain() -> None:
    """Raise LangChainVersionError if tokens of LangChain's models would be missed for its age."""
    if _is_loaded() and langchain_is_too_old():
        needed = ".".join(map(str, OLDEST_LANGCHAIN))
        raise LangChainVersionError(
            f"langchain-core {_version()} is loaded, whose models cannot be streamed from here; "
            f"install langchain-core {needed} or newer, or leave out the stream modes 'messages' "
            "and 'events'"
        )


def run_context(current: Callable[[], TaskContext | None]) -> Context:
    """The caller's context variables, as the tasks of a run are to see them.

    `current` gives the task that asks.
    """
    context = copy_context()
    adapter = loaded_langchain()
    if adapter is not None:
        context.run(adapter.attach, current)
    return context


def ambient_config(*, inside: bool) -> Mapping[str, Any] | None:
    """What a graph that is called in the code of a LangChain runnable inherits from it.

    `inside`: that code is part of a task, which knows the thread.
    """
    adapter = loaded_langchain()
    config = None if adapter is None else adapter.ambient()
    if not config:
        return None
    kept = {key: config[key] for key in ("tags", "metadata", "callbacks") if config.get(key)}
    if not inside:
        configurable: Mapping[str, Any] = config.get("configurable") or {}
        kept["configurable"] = {
            key: value
            for key, value in configurable.items()
            if not key.startswith(("__", "checkpoint_"))
        }
    return kept


def listening(callbacks: Any, caller: TaskContext | None, *, inline: bool) -> Listeners | None:
    """Who is to be told of a graph that is called with these callbacks, by a task or not.

    `inline`: the caller's own thread drives the run.
    """
    adapter = loaded_langchain()
    return None if adapter is None else adapter.listeners(callbacks, caller, inline=inline)


def joined_callbacks(callbacks: Any, more: Any) -> Any:
    """The callbacks of two configs: lists of them, or LangChain's managers."""
    if not callbacks or not more or callbacks is more:
        return callbacks or more
    adapter = loaded_langchain()
    return more if adapter is None else adapter.joined(callbacks, more)
