"""What a graph is compiled with, beside its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from checkpoint import Cache, Saver, Store

from .errors import GraphBuildError, StoreTypeError
from .layout import NO_PAUSES, Pauses
from .migrations import Migration


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Fittings:
    """The arguments of `StateGraph.compile`."""

    checkpointer: Saver | bool | None = None
    pauses: Pauses = NO_PAUSES
    cache: Cache | None = None
    debug: bool = False
    """True: every call prints `updates` and `values`."""
    store: Store | None = None
    step_timeout: float | None = None
    """Not of `compile`, but set later: seconds that a super-step may take."""
    migrations: tuple[Migration[Any, Any], ...] = ()


def cached_by(cache: Any) -> Cache | None:
    """The cache itself.  Raises GraphBuildError for what is none."""
    methods = (getattr(cache, name, None) for name in ("get", "set", "clear"))
    if cache is None or (not isinstance(cache, type) and all(map(callable, methods))):
        return cache
    raise GraphBuildError(
        f"cache={cache!r} keeps no results; give a MemoryCache, a SqliteCache, or None"
    )


def stored_by(store: Any) -> Store | None:
    """The store itself.  Raises StoreTypeError for what is none."""
    methods = (getattr(store, name, None) for name in _STORE_METHODS)
    if store is None or (not isinstance(store, type) and all(map(callable, methods))):
        return store
    raise StoreTypeError(
        f"store={store!r} is no store; give a MemoryStore, a SqliteStore, another class with the "
        "methods of checkpoint.Store, or None"
    )


_STORE_METHODS = ("batch", "abatch", "get", "aget", "put", "aput", "search", "asearch")
