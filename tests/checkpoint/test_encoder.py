"""Channel values become entries and rows; only what is new is stored."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoint import (
    BlobRow,
    CheckpointMetadata,
    CheckpointRecord,
    Composed,
    CorruptDataError,
    Decoder,
    Encoded,
    Entry,
    Inline,
    Loaded,
    MsgpackSerializer,
    ScopeEncoder,
    SerializationError,
    Span,
    Spanned,
    TaskWrites,
    UnregisteredTypeError,
    Whole,
)
from tests.checkpoint.counting import Counting

SERIALIZER = MsgpackSerializer()
LONG = "long " * 50


class Disk:
    """Rows that were stored, and what a saver would load of them."""

    def __init__(self) -> None:
        self.rows: list[BlobRow] = []
        self.entries: dict[str, Entry] = {}

    def store(self, encoded: Encoded) -> int:
        """Store what was encoded; returns the bytes of it."""
        places = {(row.key, row.start) for row in self.rows}
        assert not places & {(row.key, row.start) for row in encoded.rows}
        self.rows += encoded.rows
        self.entries.update(encoded.entries)
        return sum(len(row.data) for row in encoded.rows)

    def load(
        self,
        entries: Mapping[str, Entry] | None = None,
        *,
        newest: bool = True,
        writes: tuple[TaskWrites, ...] = (),
    ) -> Loaded:
        record = CheckpointRecord(
            "id", "thread", "", None, 0.0, CheckpointMetadata("loop", 0),
            dict(self.entries if entries is None else entries), frozenset(), 1,
        )  # fmt: skip
        keys = {row.key for row in self.rows}
        blobs = {
            key: tuple(sorted((r for r in self.rows if r.key == key), key=lambda r: r.start))
            for key in keys
        }
        newest_id = record.id if newest else "newer"
        return Loaded(record, blobs, writes, newest_id, max(keys, default=-1) + 1)

    def value(self, name: str = "c") -> Any:
        return Decoder(SERIALIZER).values(self.load())[name]


def fresh() -> ScopeEncoder:
    return ScopeEncoder(SERIALIZER, "", None)


def test_a_small_value_rides_in_the_checkpoint() -> None:
    encoded = fresh().encode({"c": 7, "list": [1, 2]}, 3)
    assert encoded.rows == ()
    assert encoded.entries == {"c": Inline(3, b"\x07"), "list": Inline(3, b"\x92\x01\x02")}


def test_a_large_value_is_one_blob_and_is_stored_once() -> None:
    encoder = fresh()
    first = encoder.encode({"c": LONG}, 1)
    again = encoder.encode({"c": LONG}, 2)
    other = encoder.encode({"c": LONG + "!"}, 3)
    assert [row.key for row in first.rows] == [0]
    assert (again.entries["c"], again.rows) == (Whole(2, 0), ())
    assert other.entries["c"] == Whole(3, 1)


def test_a_longer_list_adds_its_tail_to_the_run() -> None:
    encoder, disk = fresh(), Disk()
    messages = [f"{n} {LONG}" for n in range(3)]
    disk.store(encoder.encode({"c": messages}, 1))
    messages.append("last " + LONG)
    encoded = encoder.encode({"c": messages}, 2)
    stored = disk.store(encoded)
    assert [(row.key, row.start, row.count) for row in encoded.rows] == [(0, 3, 1)]
    assert encoded.entries["c"] == Spanned(2, (Span(0, 0, 4),))
    assert stored < 2 * len(LONG)
    assert disk.value() == messages


def test_an_unchanged_list_keeps_its_place() -> None:
    encoder = fresh()
    encoder.encode({"c": [LONG, LONG]}, 1)
    again = encoder.encode({"c": [LONG, LONG]}, 2)
    assert (again.entries["c"], again.rows) == (Spanned(2, (Span(0, 0, 2),)), ())


def test_an_older_item_that_was_changed_in_place_is_stored_anew() -> None:
    encoder, disk = fresh(), Disk()
    messages = [{"n": n, "text": LONG} for n in range(10)]
    disk.store(encoder.encode({"c": messages}, 1))
    messages[4]["text"] = "changed " + LONG
    encoded = encoder.encode({"c": messages}, 2)
    disk.store(encoded)
    assert encoded.entries["c"] == Spanned(2, (Span(0, 0, 4), Span(1, 0, 1), Span(0, 5, 10)))
    assert disk.value() == messages


def test_a_list_in_too_many_pieces_is_written_as_one() -> None:
    encoder, disk = fresh(), Disk()
    messages = [f"{n} {LONG}" for n in range(100)]
    disk.store(encoder.encode({"c": messages}, 1))
    counts: list[int] = []
    for version, at in enumerate(range(1, 99, 2), 2):
        messages[at] = f"changed {at} {LONG}"
        encoded = encoder.encode({"c": messages}, version)
        disk.store(encoded)
        entry = encoded.entries["c"]
        assert isinstance(entry, Spanned)
        counts.append(len(entry.spans))
        assert disk.value() == messages
    assert max(counts) <= 32
    assert 1 in counts


def test_a_session_that_loaded_the_newest_checkpoint_extends_its_runs() -> None:
    disk = Disk()
    disk.store(fresh().encode({"c": [LONG, LONG]}, 1))
    resumed = ScopeEncoder(SERIALIZER, "", disk.load())
    encoded = resumed.encode({"c": [LONG, LONG, LONG]}, 2)
    assert [(row.key, row.start) for row in encoded.rows] == [(0, 2)]


def test_a_session_on_an_old_checkpoint_starts_a_run_of_its_own() -> None:
    disk, encoder = Disk(), fresh()
    disk.store(encoder.encode({"c": [LONG]}, 1))
    old = dict(disk.entries)
    disk.store(encoder.encode({"c": [LONG, "main " + LONG]}, 2))
    branch = ScopeEncoder(SERIALIZER, "", disk.load(old, newest=False))
    first = branch.encode({"c": [LONG, "branch " + LONG]}, 3)
    disk.store(first)
    then = branch.encode({"c": [LONG, "branch " + LONG, LONG]}, 4)
    disk.store(then)
    assert first.entries["c"] == Spanned(3, (Span(0, 0, 1), Span(1, 0, 1)))
    assert then.entries["c"] == Spanned(4, (Span(0, 0, 1), Span(1, 0, 2)))
    assert disk.value() == [LONG, "branch " + LONG, LONG]


def test_a_list_that_shrank_does_not_write_over_the_rest_of_its_run() -> None:
    encoder, disk = fresh(), Disk()
    disk.store(encoder.encode({"c": [LONG, "a" + LONG, "b" + LONG]}, 1))
    disk.store(encoder.encode({"c": [LONG]}, 2))
    disk.store(encoder.encode({"c": [LONG, "c" + LONG]}, 3))
    assert disk.value() == [LONG, "c" + LONG]


def test_a_write_points_to_the_items_that_the_step_appended() -> None:
    encoder = fresh()
    encoder.encode({"c": ["old " + LONG]}, 1)
    encoder.encode({"c": ["old " + LONG, "a" + LONG, "b" + LONG]}, 2)
    encoded = encoder.encode_writes([("c", ["a" + LONG]), ("c", ["b" + LONG]), ("d", 1)])
    assert encoded.rows == ()
    assert encoded.writes == (
        ("c", Spanned(0, (Span(0, 1, 2),))),
        ("c", Spanned(0, (Span(0, 2, 3),))),
        ("d", Inline(0, b"\x01")),
    )


def test_a_dict_points_to_the_items_of_it_that_channels_took() -> None:
    encoder, disk = fresh(), Disk()
    given = {"a": [LONG, "2" + LONG], "n": 7, "b": [LONG], "short": [1]}
    first = encoder.encode({"given": given}, 1)
    disk.store(encoder.encode({"a": ["0" + LONG, *given["a"]], "b": [LONG], "n": 7}, 2))
    entry = encoder.compose("given", given, 1)
    rest = {"a": None, "n": 7, "b": None, "short": [1]}
    lists = (("a", (Span(1, 1, 3),)), ("b", (Span(2, 0, 1),)))
    assert entry == Composed(1, SERIALIZER.dumps(rest), lists)
    assert [row.key for row in first.rows] == [0]
    assert isinstance(entry, Composed)
    disk.entries["given"] = entry
    assert disk.value("given") == given
    assert list(disk.value("given")) == list(given)


@pytest.mark.parametrize(
    "given",
    [
        {"a": ["other " + LONG]},  # a reducer has made something else of it
        {"a": (LONG,)},  # comes back as what it is
        {1: [LONG]},
        {"b": [LONG]},  # no such channel
        {"a": [LONG], "text": LONG},  # what is left is large
        {},
        [LONG],
    ],
    ids=str,
)
def test_what_no_channel_took_is_stored_as_what_it_is(given: Any) -> None:
    encoder = fresh()
    encoder.encode({"given": given}, 1)
    encoder.encode({"a": [LONG], "text": LONG}, 2)
    assert encoder.compose("given", given, 1) is None


def test_a_value_that_was_composed_is_stored_when_it_comes_again() -> None:
    encoder, disk = fresh(), Disk()
    encoder.encode({"given": {"a": [LONG]}}, 1)
    disk.store(encoder.encode({"a": [LONG]}, 2))
    assert encoder.compose("given", {"a": [LONG]}, 1) is not None
    disk.store(encoder.encode({"given": {"a": [LONG]}}, 3))
    assert disk.value("given") == {"a": [LONG]}


def test_an_encoder_goes_on_from_a_dict_that_points_to_items() -> None:
    encoder, disk = fresh(), Disk()
    encoder.encode({"given": {"a": [LONG]}}, 1)
    disk.store(encoder.encode({"a": [LONG]}, 2))
    disk.entries["given"] = encoder.compose("given", {"a": [LONG]}, 1) or Inline(0, b"")
    again = ScopeEncoder(SERIALIZER, "", disk.load())
    disk.store(again.encode({"given": {"a": [LONG], "n": 1}, "a": [LONG, LONG]}, 3))
    assert (disk.value("given"), disk.value("a")) == ({"a": [LONG], "n": 1}, [LONG, LONG])


def test_a_write_that_a_channel_took_as_it_is_points_to_what_is_stored_there() -> None:
    serializer = Counting()
    encoder, disk = ScopeEncoder(serializer, "", None), Disk()
    values: dict[str, Any] = {"small": 7, "text": LONG, "list": [LONG, LONG]}
    encoded = encoder.encode(values, 3)
    disk.store(encoded)
    before = serializer.dumped, serializer.packed
    kept = encoder.encode_writes([*values.items(), ("other", LONG)], encoded)
    disk.rows += kept.rows
    # the last one, of a channel that has not taken it
    assert (serializer.dumped, serializer.packed) == (before[0] + 1, before[1])
    assert kept.writes[:3] == (
        ("small", Inline(3, b"\x07")),
        ("text", Whole(3, 0)),
        ("list", Spanned(3, (Span(1, 0, 2),))),
    )
    writes = Decoder(SERIALIZER).writes(disk.load(writes=(TaskWrites("", "id", "t", kept.writes),)))
    assert [(w.channel, w.value) for w in writes] == [*values.items(), ("other", LONG)]


def test_a_write_that_only_equals_what_a_channel_has_is_encoded_as_what_it_is() -> None:
    encoder = fresh()
    encoded = encoder.encode({"c": 1, "gone": 5}, 1)
    kept = encoder.encode_writes([("c", True), ("c", 1.0), ("new", None)], encoded)
    assert [entry for _, entry in kept.writes] == [
        Inline(0, b"\xc3"),
        Inline(0, SERIALIZER.dumps(1.0)),
        Inline(0, b"\xc0"),
    ]


def test_a_value_that_got_small_and_large_again_is_stored_again() -> None:
    encoder, disk = fresh(), Disk()
    for version, value in enumerate([LONG, "short", LONG, [LONG], [], [LONG], [LONG, LONG]], 1):
        disk.store(encoder.encode({"c": value}, version))
        encoder.accept()
        assert disk.value() == value
    assert [(row.key, row.start) for row in disk.rows] == [(0, 0), (1, 0), (2, 0), (3, 0), (3, 1)]
    resumed = ScopeEncoder(SERIALIZER, "", disk.load())
    resumed.encode({"c": 1}, 8)
    resumed.accept()
    assert len(resumed.encode({"c": [LONG, LONG]}, 9).rows) == 1


def test_a_write_of_anything_else_is_stored() -> None:
    encoder, disk = fresh(), Disk()
    disk.store(encoder.encode({"c": ["a" + LONG]}, 1))
    encoded = encoder.encode_writes([("c", ["other " + LONG]), ("c", LONG), ("d", ["a" + LONG])])
    disk.rows += encoded.rows
    task = TaskWrites("", "id", "task", encoded.writes)
    writes = Decoder(SERIALIZER).writes(disk.load(writes=(task,)))
    assert [w.value for w in writes] == [["other " + LONG], LONG, ["a" + LONG]]
    assert [(row.key, row.start) for row in encoded.rows] == [(1, 0), (2, 0), (3, 0)]


def test_rows_of_a_failed_commit_are_not_taken_for_stored() -> None:
    encoder, disk = fresh(), Disk()
    disk.store(encoder.encode({"c": [LONG]}, 1))
    encoder.accept()
    encoder.encode({"c": [LONG, "lost " + LONG]}, 2)
    encoder.rewind()
    write = encoder.encode_writes([("c", ["lost " + LONG])])
    assert len(write.rows) == 1
    disk.store(encoder.encode({"c": [LONG, "kept " + LONG]}, 2))
    assert disk.value() == [LONG, "kept " + LONG]


def test_steps_can_be_encoded_one_after_the_other_before_one_commit() -> None:
    encoder, disk = fresh(), Disk()
    for version in range(1, 5):
        disk.store(encoder.encode({"c": [LONG] * version}, version))
    encoder.accept()
    assert disk.entries["c"] == Spanned(4, (Span(0, 0, 4),))
    assert disk.value() == [LONG] * 4


class Unknown:
    """A class that is not registered."""


def test_an_error_names_the_channel_and_changes_nothing() -> None:
    encoder = fresh()
    encoder.encode({"good": [LONG]}, 1)
    with pytest.raises(UnregisteredTypeError, match=r"channel 'bad': .*register_type"):
        encoder.encode({"good": [LONG, LONG], "bad": [LONG, Unknown()]}, 2)
    with pytest.raises(SerializationError, match="channel 'worse'"):
        encoder.encode_writes([("worse", Unknown())])
    encoded = encoder.encode({"good": [LONG, LONG]}, 2)
    assert [(row.key, row.start) for row in encoded.rows] == [(0, 1)]


def chat(turns: int, encoder: ScopeEncoder | None = None) -> Disk:
    """A list that was stored message by message."""
    disk, encoder = Disk(), encoder or fresh()
    for turn in range(1, turns + 1):
        disk.store(encoder.encode({"c": [f"{LONG}{i}" for i in range(turn)]}, turn))
    return disk


def test_rows_of_a_list_are_read_together_and_read_once_for_all_checkpoints_of_a_page() -> None:
    disk, serializer = chat(50), Counting()
    decoder, loaded = Decoder(serializer), disk.load()
    first = decoder.values(loaded)["c"]
    page = [decoder.values(disk.load())["c"] for _ in range(100)]
    assert (serializer.read, serializer.cut) == (1, 0)
    assert all(a is b for other in page for a, b in zip(first, other, strict=True))
    ScopeEncoder(serializer, "", loaded).encode({"c": ["another", *first[1:]]}, 51)
    assert (serializer.read, serializer.cut) == (1, 1)


@pytest.mark.parametrize("stop", [1, 7, 10])
def test_what_was_loaded_is_not_taken_apart_where_the_list_goes_on(stop: int) -> None:
    disk, serializer = Disk(), Counting()
    values = [f"{LONG}{i}" for i in range(10)]
    disk.store(fresh().encode({"c": values}, 10))
    loaded = disk.load({"c": Spanned(10, (Span(0, 0, stop),))}, newest=stop == 10)
    encoder = ScopeEncoder(serializer, "", loaded)
    encoded = encoder.encode({"c": [*values[:stop], "new " + LONG]}, 11)
    disk.store(encoded)
    assert serializer.cut == (stop < 10)  # a branch's last row may hold more than its list
    assert [row.count for row in encoded.rows] == [1]
    assert disk.value() == [*values[:stop], "new " + LONG]


@pytest.mark.parametrize("most", [1 << 30, 2 * len(LONG)])
def test_rows_that_are_too_much_to_be_read_at_once_are_read_one_after_the_other(most: int) -> None:
    """The bound of a value is no bound of a list."""
    serializer = MsgpackSerializer(max_bytes=most)
    disk = chat(20)
    values = Decoder(serializer).values(disk.load())
    assert values == {"c": [f"{LONG}{i}" for i in range(20)]}
    encoded = ScopeEncoder(serializer, "", disk.load()).encode({"c": [LONG, *values["c"][1:]]}, 21)
    assert [(row.key, row.start, row.count) for row in encoded.rows] == [(1, 0, 1)]


def test_a_long_list_is_read_in_several_parts() -> None:
    disk, serializer = Disk(), Counting()
    big = ["x" * 100_000 + str(i) for i in range(9)]
    encoder = fresh()
    for turn in range(1, 10):
        disk.store(encoder.encode({"c": big[:turn]}, turn))
    assert Decoder(serializer).values(disk.load()) == {"c": big}
    assert 1 < serializer.read < 9


@pytest.mark.parametrize("lost", [0, 4, 9])
def test_a_row_that_is_missing_anywhere_in_a_run_is_noticed(lost: int) -> None:
    disk = chat(10)
    del disk.rows[lost]
    with pytest.raises(CorruptDataError, match="not all there"):
        disk.value()


def test_a_row_that_holds_another_number_of_items_than_it_says_is_noticed() -> None:
    disk = chat(10)
    row = disk.rows[4]
    disk.rows[4] = BlobRow(row.ns, row.key, row.start, row.count, row.data * 2)
    with pytest.raises(CorruptDataError, match="not all there"):
        disk.value()


def test_missing_rows_are_noticed() -> None:
    disk = Disk()
    disk.store(fresh().encode({"c": [LONG] * 3, "w": LONG}, 1))
    loaded = disk.load()
    disk.rows.clear()
    with pytest.raises(CorruptDataError, match="missing"):
        Decoder(SERIALIZER).values(disk.load(loaded.record.entries))
    longer = {"c": Spanned(1, (Span(0, 0, 5),))}
    disk.rows += loaded.blobs[0]
    with pytest.raises(CorruptDataError, match="not all there"):
        Decoder(SERIALIZER).values(disk.load(longer))


ITEMS = st.one_of(st.integers(0, 3), st.sampled_from(["a" * 90, "b" * 90, "c" * 200]))
ACTIONS = st.one_of(
    st.tuples(st.just("append"), st.lists(ITEMS, min_size=1, max_size=3)),
    st.tuples(st.just("delete"), st.integers(0, 50)),
    st.tuples(st.just("change"), st.tuples(st.integers(0, 50), ITEMS)),
    st.tuples(st.just("window"), st.integers(1, 4)),
    st.tuples(st.just("replace"), st.one_of(ITEMS, st.lists(ITEMS, max_size=5))),
    st.tuples(st.just("resume"), st.integers(0, 50)),
    st.tuples(st.just("fail"), st.lists(ITEMS, max_size=3)),
)


@settings(max_examples=150, deadline=None)
@given(actions=st.lists(ACTIONS, max_size=25))
def test_every_version_of_a_channel_can_be_read_whatever_happened_to_it(
    actions: list[tuple[str, Any]],
) -> None:
    encoder, disk = fresh(), Disk()
    value: Any = []
    past: list[tuple[dict[str, Entry], Any]] = []
    for version, (action, detail) in enumerate(actions, 1):
        if action == "resume" and past:
            at = detail % len(past)
            entries, value = past[at][0], copy.deepcopy(past[at][1])
            disk.entries = dict(entries)
            newest = at == len(past) - 1
            encoder = ScopeEncoder(SERIALIZER, "", disk.load(entries, newest=newest))
        elif action == "fail":
            encoder.encode({"c": [*(value if type(value) is list else []), *detail]}, version)
            encoder.rewind()
            continue
        else:
            value = changed(value, action, detail)
        disk.store(encoder.encode({"c": value}, version))
        encoder.accept()
        past.append((dict(disk.entries), copy.deepcopy(value)))
    for entries, expected in past:
        assert Decoder(SERIALIZER).values(disk.load(entries)) == {"c": expected}


def changed(value: Any, action: str, detail: Any) -> Any:
    if action == "replace":
        return detail
    if type(value) is not list:
        return value
    if action == "append":
        return [*value, *detail]
    if action == "window":
        return [*value[detail:], "a" * 90]
    if action == "delete" and value:
        del value[detail % len(value)]
    if action == "change" and value:
        value[detail[0] % len(value)] = detail[1]
    return value
