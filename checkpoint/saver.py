"""The saver protocol: what the engine asks of anything that stores checkpoints.

Guarantees an implementation gives (checked by `checkpoint.testing`):

* `commit` is all or nothing, and returns only when the batch survives the death of the process.
  A batch that fails raises, changes nothing, and leaves other batches of the same group alone.
* Commits of one thread become visible in the order they were asked for.
* After `synced` returned, everything whose commit had returned before the call survives power loss.
* `commit` with an epoch older than the thread's raises `StaleClaimError` and changes nothing.
* `rewind` is all or nothing too, and returns only when it survives the death of the process.  From
  the call on, its claim stores nothing more: what comes late under it is refused as stale.
* `commit`, cancelled while it waits, either happened wholly or not at all.
* A saver is bound to no event loop: any loop in any thread may call it, at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from .record import Batch, Claim, Loaded
from .rewind import RewindPoint
from .serde import Serializer

Commit = TypeVar("Commit", bound=Callable[..., Any])


def instant(commit: Commit) -> Commit:
    """Marks a `commit` that waits for nothing: it is done without giving up its turn of the loop.

    A cancel cannot come in between, so the engine needs no task of its own to see it through.  The
    mark belongs to the method: a subclass with a `commit` of its own has not inherited it, nor has
    a wrapper that took the method's attributes over, as `functools.wraps` does.

        @instant
        async def commit(self, batch: Batch) -> None: ...
    """
    vars(commit)[_INSTANT] = commit
    return commit


def is_instant(saver: Saver) -> bool:
    """True if the saver's `commit` is marked as one that waits for nothing."""
    commit = saver.commit
    marked = getattr(commit, _INSTANT, None)
    return marked is not None and marked is getattr(commit, "__func__", commit)


_INSTANT = "instant"


class Saver(Protocol):
    """Stores checkpoints, blobs, pending writes and events of threads."""

    @property
    def serializer(self) -> Serializer:
        """Turns channel values into bytes and back."""
        ...

    async def claim(self, thread_id: str, owner: str, *, timeout: float | None) -> Claim:
        """Take the right to write to a thread, waiting up to `timeout` seconds (None: for ever,
        0: not at all).  Raises ThreadBusyError, which names the owner."""
        ...

    def release(self, claim: Claim) -> None:
        """Give a claim back; never waits, harmless when repeated."""
        ...

    async def commit(self, batch: Batch) -> None:
        """Store the batch; returns when it is committed."""
        ...

    async def rewind(self, claim: Claim, points: Mapping[str, RewindPoint | None]) -> None:
        """Forget what was stored under a claim: make each scope of its thread, by ns, again what
        it was at its point (`rewind_point`; None: nothing was there).

        Newer checkpoints go, with their pending writes and blobs; the pending writes of the point's
        `base` are again those it had.  Scopes that are not named and run events stay.  The claim
        can only be released then, or, when this failed, rewound again.

        Raises StaleClaimError, and CheckpointConflictError for a point of another thread.
        """
        ...

    async def synced(self) -> None:
        """Wait until everything committed so far is flushed to the disk."""
        ...

    async def load(
        self, thread_id: str, ns: str = "", checkpoint_id: str | None = None
    ) -> Loaded | None:
        """The newest checkpoint of a scope, or the one asked for; None when there is none."""
        ...

    async def history(
        self,
        thread_id: str,
        ns: str = "",
        *,
        before: str | None = None,
        limit: int = 100,
        match: Mapping[str, Any] | None = None,
    ) -> Sequence[Loaded]:
        """Up to `limit` checkpoints of a scope, newest first, older than the id `before`, whose
        metadata (source, step, run_id, parents or a key of extra) equals every item of `match`."""
        ...
