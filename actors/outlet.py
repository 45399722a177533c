"""What leaves a scheduler: stored first, then published."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextvars import copy_context

from checkpoint import Begun, EventRow
from streaming import Event, RunLog

from .commands import Emit, MachineCommand, RunTasks, SaveCheckpoint, SaveWrites
from .doors import undivided
from .patience import see_through, seen
from .recorder import Recorder
from .setting import Setting
from .supervisor import Supervisor


def taken(commands: Iterable[MachineCommand], recorder: Recorder | None) -> list[Event]:
    """Give the recorder what is to be stored; what is to be published after that."""
    events: list[Event] = []
    for command in commands:
        if isinstance(command, Emit):
            events.append(command.event)
        elif recorder is not None:
            if isinstance(command, SaveWrites):
                recorder.keep(command.task, command.checkpoint_id)
            elif isinstance(command, SaveCheckpoint):
                recorder.save(command.snapshot)
    return events


def waits_for_nothing(recorder: Recorder | None, setting: Setting) -> bool:
    """True if nothing that a run stores before its end has to be waited for."""
    if recorder is None or recorder.durability == "exit":
        return True
    return _is_instant(recorder, setting.log)


def can_store(recorder: Recorder | None, setting: Setting) -> bool:
    """True if `store` may be asked."""
    return recorder is not None and recorder.begins and setting.log.durable is None


def store(
    run: RunTasks,
    commands: Iterable[MachineCommand],
    log: RunLog,
    recorder: Recorder,
    then: Callable[[RunTasks, Exception | None], object],
) -> None:
    """Begin to commit what commands say of that; `then` is called when it is published, or has
    gone wrong, with what is to run next.

    No asyncio task waits for the commit: that would go on two turns of the loop later.
    """
    context = copy_context()
    try:
        events = taken(commands, recorder)
        begun = recorder.begin(synced=recorder.durability == "sync")
    except Exception as error:  # noqa: BLE001 - not every task that reports could raise it
        then(run, error)
        return

    def stored() -> None:
        try:
            if recorder.settle(begun):
                log.publish_all(events)
            begun.result()
            then(run, None)
        except Exception as error:  # noqa: BLE001 - nobody awaits this
            then(run, error)

    begun.when_over(lambda: context.run(stored))


async def send_out(
    commands: Iterable[MachineCommand],
    log: RunLog,
    recorder: Recorder | None,
    supervisor: Supervisor,
    *,
    sync: bool,
) -> None:
    """Store, then publish, what commands say of that; see `let_out`."""
    events = taken(commands, recorder)
    if recorder is not None and recorder.pending:
        await let_out(events, log, recorder, supervisor, sync=sync)
    else:
        log.publish_all(events)


async def let_out(
    events: Sequence[Event],
    log: RunLog,
    recorder: Recorder,
    supervisor: Supervisor,
    *,
    sync: bool,
) -> None:
    """Commit, then publish what was waiting for that; with a durable log in one transaction.

    `sync`: wait until it is synced, if the durability is that.  A cancelled run still learns how
    the commit ended: one that cannot be begun by itself runs in a supervised task of its own.
    """
    synced = sync and recorder.durability == "sync"
    if recorder.begins and log.durable is None:
        await _publish_when_made(recorder.begin(synced=synced), events, log, recorder)
        return
    work = _commit_and_publish(events, log, recorder)
    if _is_instant(recorder, log):
        await work
    else:
        task = supervisor.spawn(work, name="commit", on_done=seen)
        await see_through(task)
        task.result()
    if synced:
        await recorder.synced()


def _is_instant(recorder: Recorder, log: RunLog) -> bool:
    """True if a commit has nothing to wait for: neither a file nor a durable log."""
    return recorder.instant and log.durable is None


async def _publish_when_made(
    begun: Begun, events: Sequence[Event], log: RunLog, recorder: Recorder
) -> None:
    try:
        await begun
    finally:
        if recorder.settle(begun):
            log.publish_all(events)


async def _commit_and_publish(events: Sequence[Event], log: RunLog, recorder: Recorder) -> None:
    if log.durable is None:
        await recorder.commit()
        log.publish_all(events)
        return
    async with undivided():  # other tasks' rows wait for these
        staged = await log.stage_in_turn(events)  # ids of appends asked for earlier come first
        try:
            await recorder.commit([EventRow(log.run_id, number, data) for number, data in staged])
        except BaseException:
            await log.withdraw(staged)
            raise
        log.release(staged)
