"""Rows of long lists that were read lately, so that the next run on a thread reads what is new.

Rows of blobs are never changed, and stay as long as a checkpoint needs them.  What is kept of a
scope is what one of its checkpoints needs: as long as that one is in the file, all of it is what
the file holds.  Whoever reads makes sure of that in the same view of the file.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from .record import BlobRow

Blobs: TypeAlias = Mapping[int, tuple[BlobRow, ...]]

LEAST_ITEMS = 16
"""Fewer of a scope are read as fast as they are looked up."""
MOST_BYTES = 16 << 20
"""Of all scopes; those that were read longest ago go first."""


@dataclass(frozen=True, slots=True, eq=False)
class HotScope:
    """What a checkpoint of a scope needs, by key, without a row missing in between."""

    checkpoint: bytes
    blobs: Blobs
    size: int


class HotRows:
    """The rows that are kept of one database; safe to use from any thread."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._scopes: dict[int, HotScope] = {}
        self._size = 0

    def of(self, scope: int) -> HotScope | None:
        """What is kept of a scope: worth nothing when its checkpoint is gone."""
        return self._scopes.get(scope)

    def keep(self, scope: int, checkpoint: bytes, blobs: Blobs) -> None:
        """Keep what a checkpoint needs, in place of what was kept of its scope."""
        few = sum([row.count for rows in blobs.values() for row in rows]) < LEAST_ITEMS
        size = 0 if few else sum([len(row.data) for rows in blobs.values() for row in rows])
        with self._lock:
            self._drop(scope)
            if few or size > self._most_bytes:
                return
            self._scopes[scope] = HotScope(checkpoint, blobs, size)
            self._size += size
            while self._size > self._most_bytes:
                self._drop(next(iter(self._scopes)))

    def _drop(self, scope: int) -> None:
        if (kept := self._scopes.pop(scope, None)) is not None:
            self._size -= kept.size
