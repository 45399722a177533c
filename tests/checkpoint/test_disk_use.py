"""How much disk a conversation takes, against the bytes of its messages."""

from pathlib import Path
from typing import Any

from checkpoint import (
    Batch,
    CheckpointMetadata,
    CheckpointRecord,
    Claim,
    Entry,
    Loaded,
    Saver,
    ScopeEncoder,
    SqliteSaver,
    TaskWrites,
    new_id,
)

TURNS = 200
MESSAGE_BYTES = 380


def message(kind: str, turn: int) -> dict[str, Any]:
    words = f"{kind} {turn} ".encode().hex()
    return {"type": kind, "id": new_id(), "content": (words * 40)[:MESSAGE_BYTES]}


class Chat:
    """One run per turn, as the engine saves it: the input, step 0, and step 1 with its task."""

    def __init__(self, saver: Saver) -> None:
        self.saver = saver
        self.messages: list[Any] = []
        self.version = 0
        self.entries: dict[str, Entry] = {}
        self.parent: str | None = None

    async def turn(self, number: int) -> None:
        claim = await self.saver.claim("chat", f"run {number}", timeout=0)
        loaded = await self.saver.load("chat")
        self.encoder = ScopeEncoder(self.saver.serializer, "", loaded)
        self.metadata = {"run_id": new_id(), "extra": {"user": "u-42"}}
        await self.run(claim, loaded, number)
        await self.saver.synced()
        self.saver.release(claim)

    async def run(self, claim: Claim, loaded: Loaded | None, number: int) -> None:
        step = loaded.record.metadata.step + 1 if loaded else -1
        question, answer = message("human", number), message("ai", number)
        await self.save(claim, "input", step, {"__start__": {"messages": [question]}}, ())
        self.messages.append(question)
        changed = {"messages": self.messages, "branch:to:model": None}
        await self.save(claim, "loop", step + 1, changed, ("__start__",))
        self.messages.append(answer)
        writes = [("messages", [answer])]
        await self.save(
            claim, "loop", step + 2, {"messages": self.messages}, ("branch:to:model",), writes
        )

    async def save(
        self,
        claim: Claim,
        source: Any,
        step: int,
        values: dict[str, Any],
        dropped: tuple[str, ...],
        writes: list[tuple[str, Any]] | None = None,
    ) -> None:
        self.version += 1
        encoded = self.encoder.encode(values, self.version)
        kept = self.encoder.encode_writes(writes or [])
        entries = {name: e for name, e in self.entries.items() if name not in dropped}
        self.entries = {**entries, **encoded.entries}
        record = CheckpointRecord(
            id=new_id(self.parent),
            thread_id="chat",
            ns="",
            parent_id=self.parent,
            created_at=1_700_000_000.123456 + step,
            metadata=CheckpointMetadata(source, step, **self.metadata),
            entries=self.entries,
            changed=frozenset({*values, *dropped}),
            version=self.version,
            wrote=("model",) if writes else (),
        )
        tasks = (TaskWrites("", self.parent or "", new_id(), kept.writes),) if writes else ()
        rows = encoded.rows + kept.rows
        await self.saver.commit(Batch("chat", claim.epoch, (record,), rows, tasks))
        self.encoder.accept()
        self.parent = record.id


async def test_a_long_chat_takes_at_most_two_and_a_half_times_the_bytes_of_its_messages(
    tmp_path: Path,
) -> None:
    path = tmp_path / "chat.db"
    async with SqliteSaver(path) as saver:
        chat = Chat(saver)
        for number in range(TURNS):
            await chat.turn(number)
        payload = len(saver.serializer.dumps(chat.messages))
    ratio = path.stat().st_size / payload
    print(f"chat of {TURNS} turns, {payload / TURNS:.0f} bytes each: {ratio:.2f} times on disk")
    assert round(ratio, 1) <= 2.5
