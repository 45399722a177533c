"""What the suites of `testing.py` tell their stories with."""
# ruff: noqa: S101 - what a suite expects, it asserts

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from .decoder import Decoder
from .encoder import ScopeEncoder
from .errors import CheckpointError
from .events import EventTable
from .ids import new_id
from .record import (
    Batch,
    CheckpointMetadata,
    CheckpointRecord,
    Claim,
    Entry,
    Loaded,
    Source,
    TaskWrites,
)
from .saver import Saver


class SaverWithEvents(Saver, Protocol):
    """A saver that also keeps run events."""

    @property
    def events(self) -> EventTable:
        """The log of run events."""
        ...


class Story:
    """One scheduler at work on a scope: encodes values, makes records, commits them."""

    def __init__(self, saver: Saver, claim: Claim, ns: str, loaded: Loaded | None) -> None:
        self._saver = saver
        self.claim = claim
        self.ns = ns
        self.encoder = ScopeEncoder(saver.serializer, ns, loaded)
        self.head = loaded.record if loaded else None

    @classmethod
    async def begin(cls, saver: Saver, thread_id: str = "thread", ns: str = "") -> Story:
        """Claim a thread and go on from its newest checkpoint."""
        claim = await saver.claim(thread_id, "a story", timeout=1)
        return cls(saver, claim, ns, await saver.load(thread_id, ns))

    def batch(
        self,
        values: Mapping[str, Any],
        *,
        dropped: Sequence[str] = (),
        source: Source = "loop",
        run_id: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Batch:
        """The commit of one more step that writes `values` and empties the channels `dropped`."""
        version = self.head.version + 1 if self.head else 1
        encoded = self.encoder.encode(values, version)
        old: Mapping[str, Entry] = self.head.entries if self.head else {}
        entries = {name: entry for name, entry in old.items() if name not in dropped}
        record = CheckpointRecord(
            id=new_id(self.head.id if self.head else None),
            thread_id=self.claim.thread_id,
            ns=self.ns,
            parent_id=self.head.id if self.head else None,
            created_at=1_700_000_000.25 + version,
            metadata=CheckpointMetadata(source, version - 2, run_id, {}, extra or {}),
            entries={**entries, **encoded.entries},
            changed=frozenset({*values, *dropped}),
            version=version,
            wrote=("node",),
        )
        return Batch(self.claim.thread_id, self.claim.epoch, (record,), encoded.rows)

    async def commit(self, batch: Batch) -> CheckpointRecord:
        """Commit a batch of this story and go on from its checkpoint."""
        await self._saver.commit(batch)
        self.encoder.accept()
        self.head = batch.checkpoints[-1]
        return self.head

    async def step(self, values: Mapping[str, Any], **details: Any) -> CheckpointRecord:
        """Commit one more step."""
        return await self.commit(self.batch(values, **details))

    async def write(self, task_id: str, writes: Sequence[tuple[str, Any]]) -> TaskWrites:
        """Commit the pending writes of a task after the newest checkpoint."""
        encoded = self.encoder.encode_writes(writes)
        head = self.head.id if self.head else ""
        kept = TaskWrites(self.ns, head, task_id, encoded.writes)
        batch = Batch(self.claim.thread_id, self.claim.epoch, (), encoded.rows, (kept,))
        await self._saver.commit(batch)
        return kept

    def end(self) -> None:
        """Give the claim back."""
        self._saver.release(self.claim)


@contextmanager
def refused(error: type[CheckpointError], *words: str) -> Generator[None]:
    """The block must raise `error` with a message that holds `words`."""
    try:
        yield
    except error as raised:
        message = str(raised)
    else:
        raise AssertionError(f"{error.__name__} was not raised")
    missing = [word for word in words if word not in message]
    assert not missing, f"{message!r} does not say {missing}"


async def values_of(saver: Saver, thread_id: str = "thread", ns: str = "") -> dict[str, Any] | None:
    """The channel values of a scope's newest checkpoint."""
    loaded = await saver.load(thread_id, ns)
    return Decoder(saver.serializer).values(loaded) if loaded else None


LONG = "long " * 50
"""Too long to ride inline."""
