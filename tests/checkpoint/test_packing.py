"""Rows of checkpoints and pending writes: small, and read back as they were."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from checkpoint import (
    CheckpointMetadata,
    CheckpointRecord,
    Composed,
    Entry,
    Inline,
    Span,
    Spanned,
    Whole,
    new_id,
)
from checkpoint.packing import (
    Origin,
    checksum,
    pack_checkpoint,
    pack_writes,
    unpack_checkpoint,
    unpack_writes,
)

NUMBERS = st.integers(0, 1 << 40)
SPANS = st.builds(Span, NUMBERS, NUMBERS, NUMBERS)
LISTS = st.lists(
    st.tuples(st.text(max_size=5), st.lists(SPANS, min_size=1, max_size=3).map(tuple)),
    min_size=1,
    max_size=3,
).map(tuple)
ENTRIES: st.SearchStrategy[Entry] = st.one_of(
    st.builds(Inline, NUMBERS, st.binary(max_size=100)),
    st.builds(Whole, NUMBERS, NUMBERS),
    st.builds(Spanned, NUMBERS, st.lists(SPANS, max_size=4).map(tuple)),
    st.builds(Composed, NUMBERS, st.binary(max_size=100), LISTS),
)
NAMES = st.text(max_size=5)
RECORDS = st.builds(
    CheckpointRecord,
    id=st.just("id"),
    thread_id=st.just("t"),
    ns=st.just(""),
    parent_id=st.none(),
    created_at=st.floats(0, 1e12),
    metadata=st.builds(
        CheckpointMetadata,
        source=st.sampled_from(["input", "loop", "update", "fork"]),
        step=st.integers(-1, 1 << 40),
    ),
    entries=st.dictionaries(NAMES, ENTRIES, max_size=5),
    changed=st.frozensets(NAMES, max_size=5),
    version=NUMBERS,
    wrote=st.lists(NAMES, max_size=3).map(tuple),
)
ORIGINS = st.builds(
    Origin,
    run_id=st.one_of(st.none(), st.text(max_size=40), st.uuids().map(str)),
    parents=st.dictionaries(NAMES, st.one_of(NAMES, st.uuids().map(str)), max_size=3),
    extra=st.binary(max_size=5),
)


@given(record=RECORDS, origin=st.one_of(st.none(), ORIGINS))
def test_a_full_row_holds_the_whole_record(record: CheckpointRecord, origin: Origin | None) -> None:
    row = unpack_checkpoint(pack_checkpoint(record, origin, full=True))
    assert row.entries == record.entries
    assert row.changed == record.changed
    assert (row.version, row.wrote, row.created_at) == (
        record.version,
        record.wrote,
        record.created_at,
    )
    assert (row.source, row.step) == (record.metadata.source, record.metadata.step)
    assert row.origin == origin


@given(record=RECORDS)
def test_a_short_row_holds_what_changed(record: CheckpointRecord) -> None:
    row = unpack_checkpoint(pack_checkpoint(record, None, full=False))
    assert row.entries == {n: e for n, e in record.entries.items() if n in record.changed}
    assert set(row.dropped) == record.changed - record.entries.keys()
    assert row.changed == record.changed


def test_a_short_row_does_not_grow_with_the_number_of_channels() -> None:
    entries: dict[str, Entry] = {f"c{n}": Inline(n, b"x" * 50) for n in range(1000)}
    record = CheckpointRecord(
        "id", "t", "", None, 0.5, CheckpointMetadata("loop", 7), entries, frozenset({"c1"}), 1000
    )
    few = replace(record, entries={"c1": entries["c1"]})
    assert pack_checkpoint(record, None, full=False) == pack_checkpoint(few, None, full=False)


def test_ids_are_stored_as_sixteen_bytes() -> None:
    record = CheckpointRecord(
        "id", "t", "", None, 0.0, CheckpointMetadata("input", 0), {}, frozenset(), 0
    )
    without = pack_checkpoint(record, Origin("", {}, b""), full=True)
    with_id = pack_checkpoint(record, Origin(new_id(), {}, b""), full=True)
    assert len(with_id) - len(without) <= 18


@given(
    writes=st.lists(
        st.tuples(NAMES, ENTRIES),
        max_size=4,
    ).map(tuple)
)
def test_pending_writes_come_back_in_order_without_their_versions(
    writes: tuple[tuple[str, Entry], ...],
) -> None:
    found = unpack_writes(pack_writes(writes))
    assert found == tuple((name, replace(entry, version=0)) for name, entry in writes)


@given(data=st.binary(min_size=1, max_size=50), bit=st.integers(0, 7))
def test_a_checksum_fits_four_bytes_and_notices_a_flipped_bit(data: bytes, bit: int) -> None:
    assert -(1 << 31) <= checksum(data) < 1 << 31
    assert checksum(data) != checksum(bytes([data[0] ^ 1 << bit]) + data[1:])
