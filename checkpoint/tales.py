"""What the suites about administration tell of: threads with branches and subgraphs."""
# ruff: noqa: S101 - what a suite expects, it asserts

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from .administration import Administration
from .decoder import Decoder
from .ids import new_id
from .record import CheckpointRecord
from .story import LONG, SaverWithEvents, Story


class AdministeredSaver(SaverWithEvents, Administration, Protocol):
    """A saver with events and administration."""


Picture = dict[tuple[str, str], tuple[Any, ...]]
"""What each checkpoint holds, by ns and id."""


async def picture_of(saver: AdministeredSaver, thread: str, *spaces: str) -> Picture:
    """Values, pending writes and facts of all checkpoints of a thread's namespaces."""
    decoder, found = Decoder(saver.serializer), Picture()
    for ns in spaces or ("",):
        decoder = Decoder(saver.serializer)
        for loaded in await saver.history(thread, ns, limit=1000):
            record = loaded.record
            facts = (record.metadata, record.created_at, record.version, record.wrote)
            versions = {name: entry.version for name, entry in record.entries.items()}
            values, writes = decoder.values(loaded), decoder.writes(loaded)
            found[ns, record.id] = (values, versions, writes, *facts)
    return found


async def parents_of(saver: AdministeredSaver, thread: str = "thread") -> dict[str, str | None]:
    """The parent of each checkpoint of a thread's root."""
    page = await saver.history(thread, limit=1000)
    return {loaded.record.id: loaded.record.parent_id for loaded in page}


async def told(
    saver: AdministeredSaver, steps: int, thread: str = "thread", **details: Any
) -> list[CheckpointRecord]:
    """A finished story of some steps, each of which adds to a list."""
    story = await Story.begin(saver, thread)
    records: list[CheckpointRecord] = []
    for _ in range(steps):
        items = [f"{n} {LONG}" for n in range(story.head.version + 1 if story.head else 1)]
        records.append(await story.step({"n": len(items), "items": items}, **details))
    story.end()
    return records


async def branch(
    saver: AdministeredSaver, at: CheckpointRecord, values: Mapping[str, Any]
) -> CheckpointRecord:
    """One step from an older checkpoint."""
    claim = await saver.claim(at.thread_id, "a branch", timeout=1)
    loaded = await saver.load(at.thread_id, at.ns, at.id)
    assert loaded is not None
    story = Story(saver, claim, at.ns, loaded)
    batch = story.batch(values, source="fork")
    record = replace(batch.checkpoints[0], id=new_id(loaded.newest_id))
    await saver.commit(replace(batch, checkpoints=(record,)))
    story.end()
    return record


async def child_step(
    saver: AdministeredSaver, ns: str, of: CheckpointRecord, values: Mapping[str, Any]
) -> CheckpointRecord:
    """One step of a subgraph, in the step after a checkpoint of the graph around it."""
    claim = await saver.claim(of.thread_id, "a child", timeout=1)
    story = Story(saver, claim, ns, await saver.load(of.thread_id, ns))
    batch = story.batch(values)
    record = batch.checkpoints[0]
    parents = {**of.metadata.parents, of.ns: of.id}
    record = replace(record, metadata=replace(record.metadata, parents=parents))
    await saver.commit(replace(batch, checkpoints=(record,)))
    story.end()
    return record


def ids(records: Sequence[CheckpointRecord]) -> list[str]:
    """Newest first, as a history gives them."""
    return [record.id for record in reversed(records)]
