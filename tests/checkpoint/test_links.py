"""What checkpoints need of other scopes."""

from __future__ import annotations

from checkpoint import LINKS, EncryptedSerializer, Inline, MsgpackSerializer, TaskWrites, Whole
from checkpoint.links import LinkReader
from tests.checkpoint.forest import record

SERIALIZER = MsgpackSerializer()
BLOBS = {7: SERIALIZER.dumps({"a": "01", "b": "02"})}


def inline(**links: str) -> Inline:
    return Inline(1, SERIALIZER.dumps(links))


def test_links_stand_in_a_channel_and_in_the_writes_to_it() -> None:
    reader = LinkReader(SERIALIZER, BLOBS.__getitem__)
    writes = (("other", inline(c="05")), (LINKS, inline(a="03")), (LINKS, Whole(0, 7)))
    task = TaskWrites("", "09", "task", writes)
    assert reader.of(record("09", None, entries={LINKS: inline(a="01")}), ()) == {("a", "01")}
    assert reader.of(record("09", None), (task,)) == {("a", "03"), ("a", "01"), ("b", "02")}
    assert reader.of(record("09", None, entries={"other": inline(a="01")}), ()) == frozenset()


def test_a_value_that_many_checkpoints_share_is_decoded_once() -> None:
    asked: list[int] = []

    def whole(key: int) -> bytes:
        asked.append(key)
        return BLOBS[key]

    reader = LinkReader(SERIALIZER, whole)
    for name in ("01", "02", "03"):
        found = reader.of(record(name, None, entries={LINKS: Whole(1, 7)}), ())
        assert found == {("a", "01"), ("b", "02")}
    assert asked == [7]


def test_encrypted_links_are_read() -> None:
    serializer = EncryptedSerializer(bytes(16))
    entry = Inline(1, serializer.dumps({"a": "01"}))
    reader = LinkReader(serializer, BLOBS.__getitem__)
    assert reader.of(record("09", None, entries={LINKS: entry}), ()) == {("a", "01")}
