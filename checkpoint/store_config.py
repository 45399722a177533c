"""How a store is configured: which texts it indexes, and how long its items live."""

from __future__ import annotations

from typing import Any, TypedDict

MAX_DEPTH = 100
"""How deep lists and dicts of a value, and of a filter, may stand inside each other."""


class IndexConfig(TypedDict, total=False):
    """How a store indexes texts; `dims` and `embed` must be given."""

    dims: int
    """Numbers in a vector."""
    embed: Any
    """A function (async or not) from a list of texts to a list of vectors, or an object with
    `embed_documents` and `embed_query`, or `aembed_documents` and `aembed_query`, or all four."""
    fields: list[str] | None
    """Paths of the texts to embed ("$", "title", "a.b", "tags[*]"); by default the whole value."""


class TTLConfig(TypedDict, total=False):
    """What a store does about times to live, all in minutes."""

    default_ttl: float | None
    """Of an item that is put without `ttl=`; None: it does not expire."""
    refresh_on_read: bool
    """Whether a time to live begins anew when the item is read (True)."""
    omit_expired: bool
    """Always so here: an expired item is never shown.  May be left out or True."""
    sweep_interval_minutes: float | None
    """How often the sweeper deletes what has expired, once it is started."""
