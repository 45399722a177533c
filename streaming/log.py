"""The log of a run: append-only, one order for all, read through cursors.

Publishing never waits: it gives the event the next id, puts it into the ring and wakes the readers
that wait (once, however much is published until they run).  Any thread may publish.  An owner that
has read all before it is handed the chunks at once if no one else can see them, without the way
through the ring: those of a step's events, and what nodes say, of which no event is made at all.

*Visible* is the highest id that readers may see.  Without a durable log that is the last id; with
one it is the last id whose row is committed.  Rows get there in two ways: `pump` commits what was
published, and `stage` hands out rows for a transaction of the caller's own, `release` shows them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from . import sources
from .committer import Committer, DurableRun
from .errors import LogClosedError, LogSetupError, StagedError
from .events import Event, Namespace, Withdrawn
from .fence import Fence
from .modes import SKIP, StreamMode
from .options import LogOptions
from .readable import ReadableLog
from .sizes import event_bytes
from .staged import Staged
from .waiting import finish

if TYPE_CHECKING:
    from .stand_in import StandIn


class RunLog(ReadableLog):
    """The events of one run.

    log = hub.open(run_id)
    log.publish(RunStarted(run_id=run_id))
    async for chunk in log.subscribe("updates"): ...
    """

    def __init__(
        self,
        run_id: str,
        on_close: Callable[[RunLog], None] | None = None,
        **options: Unpack[LogOptions],
    ) -> None:
        super().__init__(run_id, **options)
        self._on_close = on_close
        self._staged: list[Staged] = []
        self._held: tuple[Event, ...] = ()
        self._committer = self._make_committer(options)

    def _make_committer(self, options: LogOptions) -> Committer | None:
        event_log, codec = options.get("event_log"), options.get("codec")
        if event_log is None and codec is None:
            return None
        if event_log is None or codec is None:
            raise LogSetupError(
                f"event_log={event_log!r} with codec={codec!r}: a durable log needs both; "
                "give the other one too, or none"
            )
        return Committer(
            DurableRun(self.run_id, event_log, codec),
            self._lock,
            self._show_committed,
            visible=self._visible,
            max_rows=options.get("max_events", 65_536),
            max_size=options.get("max_bytes", 1 << 26),
            faults=options.get("faults"),
        )

    # --- publishing -----------------------------------------------------------------------------

    def publish(self, event: Event, fence: Fence | None = None) -> int:
        """Append an event; gives its id, or 0 if the fence is raised.  Never waits.

        Raises LogClosedError after `close`, LogBackedUpError when the durable log does not keep
        up, and what the codec raises; nothing was appended then.
        """
        if self._alone is not None and self._hand_all((event,), fence):
            return event.id
        if not event.time:
            event.time = sources.now()
        if self._faults is not None:
            self._faults("publish")
        if self._committer is not None:
            return self._publish_row(self._committer, event, fence)
        with self._lock:
            if self._closed or (fence is not None and fence.raised):
                return self._refuse(event, fence)
            event.id = self._last = self._visible = self._last + 1
            if self.keep:
                self._ring.append_sized(event, event_bytes(event))
            elif self._cursors:
                self._ring.append(event)
            waiters = self._unpark_all() if self._parked else ()
        if self._faults is not None:
            self._faults("published")
        for waiter in waiters:
            finish(waiter)
        return event.id

    def publish_all(self, events: Sequence[Event]) -> None:
        """Append events that come together; who waits for them is woken once.

        The owner is handed their chunks if nobody else can see them.  Raises as `publish` does;
        those before the one that was refused were appended then.
        """
        if self._alone is not None and self._hand_all(events):
            return
        for event in events:
            self.publish(event)

    def _hand_all(self, events: Sequence[Event], fence: Fence | None = None) -> bool:
        with self._lock:
            owner, last = self._alone, self._last
            if owner is None or owner.position != last or (fence is not None and fence.raised):
                return False
            if len(owner.chunks) + len(events) > owner.room:
                return False
            now = sources.now()
            for event in events:
                last += 1
                event.id, event.time = last, event.time or now
            if owner.view.lacks_some_values(events, 0):  # the reader loads them
                return False
            chunks = owner.view.chunks(events, 0)
            self._last = self._visible = owner.position = last
            owner.chunks.extend(chunks)
            waiter = owner.waiter
            if waiter is None or not chunks:
                return True
            owner.waiter = None
            self._parked.clear()
        finish(waiter)
        return True

    def hand(self, ns: Namespace, mode: StreamMode, data: Any, fence: Fence) -> bool:
        """Publish what one mode shows without an event, as a chunk for the owner; False if that
        cannot be: others see it too, the owner has not read all before it, or it is refused.

        For what is said inside of nodes, which comes often and is quickly shown.
        """
        owner = self._alone  # before the lock is taken, as most have none
        if owner is None:
            return False
        with self._lock:
            owner, before = self._alone, self._last
            if owner is None or owner.position != before or fence.raised:
                return False
            chunks = owner.chunks
            if len(chunks) >= owner.room and not self._may_hand_more(owner):
                return False
            chunk = owner.view.chunk(before + 1, ns, mode, data)
            self._last = self._visible = owner.position = before + 1
            if chunk is SKIP:
                return True
            chunks.append(chunk)
            waiter = owner.waiter
            if waiter is None:
                return True
            owner.waiter = None
            self._parked.clear()
        finish(waiter)
        return True

    def _publish_row(self, committer: Committer, event: Event, fence: Fence | None) -> int:
        data = committer.durable.codec.encode(event)
        with self._lock:
            if self._closed or (fence is not None and fence.raised):
                return self._refuse(event, fence)
            committer.make_room(1, len(data))
            self._append_row(committer, event, data)
        if self._faults is not None:
            self._faults("published")
        committer.progress.pulse()
        return event.id

    def _append_row(self, committer: Committer, event: Event, data: bytes) -> None:
        event.id = self._last = self._last + 1
        if self.keep or self._cursors:
            self._ring.append_sized(event, len(data))
        committer.add((event.id, data))

    def _refuse(self, event: Event, fence: Fence | None) -> int:
        if fence is not None:
            self._refused += 1
            return 0
        raise LogClosedError(
            f"{type(event).__name__} cannot be published: the log of run {self.run_id!r} is "
            "closed, as the run has ended; publish before the run's last event"
        )

    def fence(self, fence: Fence) -> None:
        """Raise a fence: when this returns, nothing more gets in under it."""
        with self._lock:
            fence.raised = True
        self._room.pulse()

    def close(self, error: BaseException | None = None) -> None:
        """Say that nothing follows: readers end when they have read all that is visible.

        With an error they then raise LogFailedError from it, and rows that are not committed stay
        unseen.  An error may still be given after a close without one.
        """
        with self._lock:
            first, self._closed = not self._closed, True
            self._alone = None
            if error is not None and self._error is None:
                self._error = error
            waiters = self._unpark_all()
        for waiter in waiters:
            finish(waiter)
        if self._committer is not None:
            self._committer.stop(failed=self._error is not None)
        self._room.pulse()
        if first and self._on_close is not None:
            self._on_close(self)

    # --- committing -----------------------------------------------------------------------------

    def stage(self, events: Sequence[Event]) -> Staged:
        """Give events their ids and rows, and hand out all rows not yet sent, for a transaction.

        Commit the rows, then `release` them; if that failed, `unstage` to try again or `withdraw`.
        The transaction must commit after appends asked for earlier: `stage_in_turn` if the saver
        and the event log do not queue for the same writer.  Raises as `publish` does.
        """
        data = self._encoded(events)
        with self._lock:
            return self._hand_out(events, data)

    async def stage_in_turn(self, events: Sequence[Event]) -> Staged:
        """The same once it is `settled`, whose errors it raises, too."""
        data = self._encoded(events)
        while True:
            await self.settled()
            with self._lock:  # whoever sends on another loop may have been faster
                if self._committer is None or self._committer.is_settled:
                    return self._hand_out(events, data)

    def _encoded(self, events: Sequence[Event]) -> list[bytes]:
        now = sources.now()
        for event in events:
            event.time = event.time or now
        if self._committer is None:
            return []
        encode = self._committer.durable.codec.encode
        return [encode(event) for event in events]

    def _hand_out(self, events: Sequence[Event], data: Sequence[bytes]) -> Staged:
        committer = self._committer
        if self._closed and events:
            self._refuse(events[0], None)
        if committer is None:
            staged = Staged((*self._held, *events), ())
            self._held = ()
        else:
            committer.make_room(len(data), sum(map(len, data)))
            for event, encoded in zip(events, data, strict=True):
                self._append_row(committer, event, encoded)
            staged = Staged(tuple(events), committer.take())
        self._staged.append(staged)
        return staged

    def release(self, staged: Staged) -> None:
        """The transaction is committed: show its events (each in its turn)."""
        self._unlist(staged)
        if self._committer is not None:
            self._committer.confirm(staged.rows)
        else:
            for event in staged.events:
                self.publish(event)

    def unstage(self, staged: Staged) -> None:
        """The transaction failed: its rows come first in the next `stage` (or `pump`)."""
        self._unlist(staged)
        if self._committer is not None:
            self._committer.give_back(staged.rows)
        else:
            with self._lock:
                self._held = (*staged.events, *self._held)

    async def withdraw(self, staged: Staged) -> None:
        """The transaction failed for good: what its events report did not happen.

        Their ids are kept by `Withdrawn` events; other rows it carried are sent by `pump`.
        """
        self._unlist(staged)
        if self._committer is None:
            return
        blanks = [
            Withdrawn(id=event.id, ns=event.ns, step=event.step, time=event.time)
            for event in staged.events
        ]
        last = await self._committer.withdraw(staged.rows, blanks)
        with self._lock:
            for blank in blanks:
                if blank.id > last:
                    self._ring.replace(blank)

    def _unlist(self, staged: Staged) -> None:
        with self._lock:
            for at, other in enumerate(self._staged):
                if other is staged:
                    del self._staged[at]
                    return
        raise StagedError(
            f"{len(staged.events)} events of run {self.run_id!r} are not staged (any more); "
            "release, unstage or withdraw what `stage` gave exactly once"
        )

    async def pump(self) -> None:
        """Commit rows as they are published, many at once; ends when the log is closed and all
        are committed.  Run it as one task.  Raises what the event log raises: rows are kept."""
        if self._committer is not None:
            await self._committer.pump()

    def stand_in(self, patience: float = 30.0) -> StandIn | None:
        """Who does on another loop what those that are to do it cannot, while sync code holds them
        up; None without a durable log."""
        if self._committer is None:
            return None
        from .stand_in import StandIn  # only where a graph is called by its sync twin

        return StandIn(self._committer, patience)

    async def flush(self) -> None:
        """Return when everything published before the call is visible."""
        if self._committer is not None:
            await self._committer.flush(self._last)

    async def settled(self) -> None:
        """Return when no append is in flight and no row's commit is in doubt.

        Raises LogBackedUpError if an append is on its way on a loop that sync code holds up, and
        a stand-in on this loop has waited for that in vain; LogFailedError if one is when the log
        was closed with an error.
        """
        if self._committer is not None:
            await self._committer.settled()

    def _show_committed(self) -> None:
        committer = self._committer
        if committer is None:
            return
        with self._lock:
            self._visible = committer.outbox.visible
            waiters = self._unpark_all()
        if self._faults is not None:
            self._faults("shown")
        for waiter in waiters:
            finish(waiter)
        self._pulse_room()
