"""What a run stores: batches by durability, values once, and nothing once it was given up."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from actors.channels import MISSING
from actors.commands import PULL, Snapshot, Task
from actors.recorder import Recorder
from actors.values import Durability
from checkpoint import (
    CheckpointMetadata,
    Decoder,
    MemorySaver,
    Saver,
    SerializationError,
    SqliteSaver,
    StaleClaimError,
    new_id,
)
from checkpoint.testing_faults import FaultPlan
from tests.actors.engine import chain, says
from tests.waiting import let_all_run

NODE = chain(a=says("a")).compile().spec.nodes["a"]


class Recording(MemorySaver):
    """Writes down what it was given; may refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[Any] = []
        self.broken = False

    async def commit(self, batch: Any) -> None:
        if self.broken:
            raise OSError("disk full")
        await super().commit(batch)
        self.batches.append(batch)


async def recorder(
    saver: Saver, durability: Durability = "async", unstored: frozenset[str] = frozenset()
) -> Recorder:
    claim = await saver.claim("t", "test", timeout=0)
    metadata = CheckpointMetadata(source="loop", step=0, run_id="r", extra={"m": 1})
    loaded = await saver.load("t")
    return Recorder(
        saver, claim, "", loaded, durability=durability, metadata=metadata, unstored=unstored
    )


def snapshot(parent: str | None, step: int, **changed: Any) -> Snapshot:
    return Snapshot(
        id=new_id(parent),
        parent_id=parent,
        created_at=7.0,
        source="loop",
        step=step,
        version=step + 2,
        changed=changed,
        wrote=("a",),
    )


def task(number: int, *writes: tuple[str, Any], error: str | None = None) -> Task:
    done = Task(NODE, (PULL, "a"), ())
    done.id, done.error = f"task{number}", error
    done.writes = list(writes)
    return done


async def stored(saver: MemorySaver, checkpoint_id: str | None = None) -> Any:
    loaded = await saver.load("t", "", checkpoint_id)
    assert loaded is not None
    return Decoder(saver.serializer).values(loaded)


async def pending(saver: MemorySaver) -> list[tuple[str, str, Any]]:
    loaded = await saver.load("t")
    assert loaded is not None
    writes = Decoder(saver.serializer).writes(loaded)
    return [(write.task_id, write.channel, write.value) for write in writes]


@pytest.mark.parametrize("durability", ["async", "sync"])
async def test_what_was_taken_goes_into_one_batch(durability: Durability) -> None:
    saver = Recording()
    target = await recorder(saver, durability)
    first = snapshot(None, -1, x=1)
    second = snapshot(first.id, 0, x=2, y=[1, 2])
    target.save(first)
    target.save(second)
    assert target.pending
    await target.commit()
    assert not target.pending
    assert [len(batch.checkpoints) for batch in saver.batches] == [2]
    assert await stored(saver, first.id) == {"x": 1}
    assert await stored(saver) == {"x": 2, "y": [1, 2]}


async def test_the_metadata_says_what_the_run_said_and_what_the_step_is() -> None:
    saver = MemorySaver()
    target = await recorder(saver)
    target.save(snapshot(None, 5, x=1))
    await target.commit()
    loaded = await saver.load("t")
    assert loaded is not None
    metadata = loaded.record.metadata
    assert (metadata.source, metadata.step, metadata.run_id) == ("loop", 5, "r")
    assert (metadata.extra, loaded.record.wrote) == ({"m": 1}, ("a",))


async def test_a_channel_that_became_empty_is_stored_as_none() -> None:
    saver = MemorySaver()
    target = await recorder(saver)
    first = snapshot(None, 0, x=1, y=2)
    target.save(first)
    target.save(snapshot(first.id, 1, x=MISSING))
    await target.commit()
    assert await stored(saver) == {"y": 2}
    assert await stored(saver, first.id) == {"x": 1, "y": 2}


async def test_a_channel_that_did_not_change_is_not_stored_again() -> None:
    saver = Recording()
    target = await recorder(saver)
    large = "x" * 10_000
    first = snapshot(None, 0, large=large, n=1)
    target.save(first)
    await target.commit()
    target.save(snapshot(first.id, 1, n=2))
    await target.commit()
    assert (len(saver.batches[0].blobs), len(saver.batches[1].blobs)) == (1, 0)
    assert await stored(saver) == {"large": large, "n": 2}


async def test_writes_are_kept_beside_the_checkpoint_they_came_after() -> None:
    saver = MemorySaver()
    target = await recorder(saver)
    first = snapshot(None, 0, x=1)
    target.save(first)
    await target.commit()
    target.keep(task(1, ("x", 2), ("x", 3)), first.id)
    target.keep(task(2), first.id)
    await target.commit()
    loaded = await saver.load("t")
    assert loaded is not None
    assert sorted(writes.task_id for writes in loaded.writes) == ["task1", "task2"]
    assert await pending(saver) == [("task1", "x", 2), ("task1", "x", 3)]


async def test_what_a_step_wrote_and_a_channel_took_is_stored_once() -> None:
    saver = Recording()
    target = await recorder(saver)
    first = snapshot(None, 0)
    text = "long " * 50
    second = snapshot(first.id, 1, x=text)
    target.save(first)
    target.keep(task(1, ("x", text), ("y", 2)), first.id)
    target.save(second)
    await target.commit()
    assert [len(batch.blobs) for batch in saver.batches] == [1]
    loaded = await saver.load("t", "", first.id)
    assert loaded is not None
    writes = Decoder(saver.serializer).writes(loaded)
    assert [(write.channel, write.value) for write in writes] == [("x", text), ("y", 2)]
    assert await stored(saver) == {"x": text}


async def test_of_a_failed_task_the_error_is_kept() -> None:
    saver = MemorySaver()
    target = await recorder(saver)
    first = snapshot(None, 0, x=1)
    target.save(first)
    target.keep(task(1, ("x", 2), error="LookupError('no')"), first.id)
    await target.commit()
    assert await pending(saver) == [("task1", "__error__", "LookupError('no')")]


async def test_exit_stores_the_last_checkpoint_only_and_all_that_changed() -> None:
    saver = Recording()
    target = await recorder(saver, "exit")
    first = snapshot(None, -1, x=1)
    second = snapshot(first.id, 0, y=2)
    third = snapshot(second.id, 1, x=3)
    for each in (first, second, third):
        target.save(each)
        assert not target.pending
    await target.flush()
    assert [len(batch.checkpoints) for batch in saver.batches] == [1]
    [record] = saver.batches[0].checkpoints
    assert (record.id, record.parent_id) == (third.id, None)
    assert await stored(saver) == {"x": 3, "y": 2}


async def versions(saver: MemorySaver) -> dict[str, int]:
    loaded = await saver.load("t")
    assert loaded is not None
    return {name: entry.version for name, entry in loaded.record.entries.items()}


async def test_exit_remembers_in_which_step_each_channel_changed() -> None:
    saver = MemorySaver()
    target = await recorder(saver, "exit")
    first = snapshot(None, -1, a=1, b=1)
    target.save(first)
    target.save(snapshot(first.id, 0, b=2))
    await target.flush()
    assert await versions(saver) == {"a": 1, "b": 2}


async def test_what_a_command_changed_before_a_step_belongs_to_the_step_before() -> None:
    saver = MemorySaver()
    target = await recorder(saver)
    given = snapshot(None, 0, b=2)
    given.before = {"a": 1}
    target.save(given)
    await target.commit()
    assert await versions(saver) == {"a": 1, "b": 2}


async def test_exit_keeps_the_writes_after_the_last_checkpoint_only() -> None:
    saver = MemorySaver()
    target = await recorder(saver, "exit")
    first = snapshot(None, 0, x=1)
    target.save(first)
    target.keep(task(1, ("x", 2)), first.id)
    second = snapshot(first.id, 1, x=2)
    target.save(second)
    target.keep(task(2, ("x", 3)), second.id)
    await target.flush()
    assert await pending(saver) == [("task2", "x", 3)]


async def test_flushing_nothing_commits_nothing() -> None:
    saver = Recording()
    for durability in ("async", "exit"):
        target = await recorder(saver, durability)
        await target.flush()
        saver.release(target.claim)
    assert saver.batches == []


async def test_flushing_waits_for_a_commit_that_was_begun(tmp_path: Path) -> None:
    plan = FaultPlan()
    hold = plan.hold("checkpoint applied")
    async with SqliteSaver(tmp_path / "db", faults=plan) as saver:
        target = await recorder(saver)
        target.save(snapshot(None, 0, x=1))
        begun = target.begin(synced=False)
        assert await asyncio.to_thread(hold.wait)
        flushing = asyncio.create_task(target.flush())
        await let_all_run()
        early = flushing.done()
        hold.let_go()
        await flushing
        assert (early, begun.made) == (False, True)


async def test_a_given_up_recorder_stores_nothing_more() -> None:
    saver = Recording()
    target = await recorder(saver)
    target.save(snapshot(None, 0, x=1))
    target.fenced = True
    with pytest.raises(StaleClaimError):
        await target.commit()
    assert saver.batches == []


async def test_a_value_that_cannot_be_stored_is_named_and_nothing_is_stored() -> None:
    saver = Recording()
    target = await recorder(saver)
    with pytest.raises(SerializationError, match="odd"):
        target.save(snapshot(None, 0, odd=object()))
    assert saver.batches == []


async def test_the_writes_of_a_task_that_cannot_be_stored_give_way_to_its_error() -> None:
    saver = MemorySaver()
    target = await recorder(saver)
    first = snapshot(None, 0, x=1)
    target.save(first)
    await target.commit()
    fine, odd = task(1, ("x", 2)), task(2, ("x", object()))
    target.keep(fine, first.id)
    target.keep(odd, first.id)
    with pytest.raises(SerializationError) as refused:
        await target.commit()
    target.drop_refused(refused.value)
    await target.flush()
    kept = {task_id: channel for task_id, channel, _ in await pending(saver)}
    assert kept == {"task1": "x", "task2": "__error__"}


async def test_at_exit_a_refused_task_gives_way_to_its_error_beside_the_last_step() -> None:
    saver = MemorySaver()
    target = await recorder(saver, "exit")
    first = snapshot(None, 0, x=1)
    target.save(first)
    target.keep(task(1, ("x", 2)), first.id)
    target.keep(task(2, ("x", object())), first.id)
    with pytest.raises(SerializationError) as refused:
        await target.flush()
    assert refused.value.__notes__ == ["During task with name 'a', whose writes are not stored"]
    assert await stored(saver) == {"x": 1}
    kept = {task_id: channel for task_id, channel, _ in await pending(saver)}
    assert kept == {"task1": "x", "task2": "__error__"}


async def test_a_recorder_goes_on_where_another_one_stopped() -> None:
    saver = MemorySaver()
    first = await recorder(saver)
    one = snapshot(None, 0, items=list(range(100)), other="o" * 5000)
    first.save(one)
    await first.commit()
    saver.release(first.claim)
    second = await recorder(saver)
    second.save(snapshot(one.id, 1, items=list(range(110))))
    await second.commit()
    assert await stored(saver) == {"items": list(range(110)), "other": "o" * 5000}
    assert await stored(saver, one.id) == {"items": list(range(100)), "other": "o" * 5000}


async def test_a_released_claim_stores_nothing() -> None:
    saver = MemorySaver()
    target = await recorder(saver)
    saver.release(target.claim)
    target.save(snapshot(None, 0, x=1))
    with pytest.raises(StaleClaimError):
        await target.commit()
    assert await saver.load("t") is None
