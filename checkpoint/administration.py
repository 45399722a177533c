"""The second protocol of a saver: what the owner of a database does to threads, between runs.

Guarantees an implementation gives (checked by `checkpoint.testing_administration`):

* An operation is all or nothing, for all threads it is given, also when the process dies; what
  it returned from survives power loss.
* It waits for a thread that a run holds, up to `timeout` seconds (None: for ever), and raises
  ThreadBusyError then, which names the owner.  Nothing is changed in that case, nor when an
  argument cannot be (InvalidArgumentError).
* A checkpoint that stays loads to the values and pending writes that it had.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .limits import Age, Strategy
from .reports import Removed, ThreadInfo, Verification


class Administration(Protocol):
    """Copies, deletes, prunes, checks and lists threads."""

    async def acopy_thread(
        self, source_thread_id: str, target_thread_id: str, *, timeout: float | None = ...
    ) -> None:
        """Copy a thread as it is committed now: all namespaces, with checkpoint ids as they are,
        and pending writes.  Run events belong to runs and are not copied.

        The source may be in use.  Raises UnknownThreadError for a source that holds nothing,
        ThreadNotEmptyError for a target that does.
        """
        ...

    async def adelete_thread(self, thread_id: str, *, timeout: float | None = ...) -> Removed:
        """Delete all there is of a thread, with the events of its runs; nothing, if there is
        none."""
        ...

    async def adelete_for_runs(
        self, run_ids: Sequence[str], *, timeout: float | None = ...
    ) -> Removed:
        """Delete the checkpoints that runs wrote, in any thread, with their pending writes, and
        the runs' events.

        What other runs wrote stays, with all that it needs; one that went on from a deleted
        checkpoint is linked to the nearest one above that stays (`prune.without_runs`).
        """
        ...

    async def aprune(
        self,
        thread_ids: Sequence[str],
        *,
        strategy: Strategy = "keep_latest",
        keep_last: int | None = None,
        older_than: Age | None = None,
        timeout: float | None = ...,
    ) -> Removed:
        """Delete old checkpoints of threads (`prune.pruned` says which); unknown threads are
        passed over.

        Of each namespace stay the newest checkpoint, or the newest `keep_last`, and those not
        `older_than` some seconds, a timedelta or a moment; the end of every branch and the
        checkpoints where branches part; pending interrupts; the subgraphs of what stays.
        `strategy="delete"` is `adelete_thread` for each.

        Raises InvalidLimitError.
        """
        ...

    async def averify(self, thread_id: str | None = None) -> Verification:
        """Read all that is stored, of one thread or of all, and tell what is damaged; repairs
        nothing."""
        ...

    async def athreads(self, *, limit: int | None = None) -> Sequence[ThreadInfo]:
        """The threads that hold checkpoints, the one written last first."""
        ...
