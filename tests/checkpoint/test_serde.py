"""The serializer: every kind of value comes back with its type; equal values give equal bytes."""

from __future__ import annotations

import io
import math
import struct
import threading
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import PosixPath, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgpack
import numpy as np
import pytest

from checkpoint.errors import DeserializationError, SerializationError
from checkpoint.serde import MsgpackSerializer
from tests.checkpoint.alike import alike

BERLIN = ZoneInfo("Europe/Berlin")


def _zone_without_key() -> ZoneInfo:
    one_type = struct.pack(">4s16x6l", b"TZif", 0, 0, 0, 0, 1, 4) + struct.pack(
        ">lbb4s", 0, 0, 0, b"UTC"
    )
    return ZoneInfo.from_file(io.BytesIO(one_type))


VALUES: dict[str, Any] = {
    "nothing": None,
    "true, which is no 1": [True, 1, False, 0],
    "the largest int of msgpack": 2**64 - 1,
    "an int beyond 64 bits": 2**64,
    "a negative int beyond 64 bits": -(2**63) - 1,
    "a huge int": -(3**5_000),
    "not a number": math.nan,
    "infinities": [math.inf, -math.inf],
    "negative zero": -0.0,
    "a complex number": complex(-0.0, math.nan),
    "text": "žluťoučký kůň 🐎",
    "a lone surrogate": ["\ud800", {"\udfff": ("\ud800",)}],
    "bytes": b"\x00\xc4\xff",
    "a bytearray": bytearray(b"abc"),
    "an empty bytearray": bytearray(),
    "bytearrays in plain containers": {"a": [bytearray(b"1"), {"b": bytearray(b"2")}], "c": b"3"},
    "a bytearray in a tuple": [(bytearray(b"1"), [bytearray(b"2")]), "x"],
    "a bytearray beside a lone surrogate": [bytearray(b"1"), "\ud800"],
    "a dict with many kinds of keys": {1: "int", "1": "str", (1, (2,)): "tuple", None: 0, 1.5: 0},
    "a dict keeps its order": {"b": 1, "a": 2},
    "tuples": (1, (2, [3, (4,)]), ()),
    "a set": {1, "a", (2, 3), frozenset({4})},
    "an empty set": set[int](),
    "a frozenset": frozenset({b"x", None}),
    "a large set": set(range(70_000)),
    "a naive datetime": datetime.fromisoformat("2024-02-29T12:30:15.123456"),
    "a datetime in UTC": datetime(2024, 2, 29, tzinfo=UTC),
    "a datetime with an offset": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=-3, seconds=7))),
    "the first of two equal hours": datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN),
    "the second of two equal hours": datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1),
    "a date": date.max,
    "a time": time(23, 59, 59, 999999, fold=1),
    "a time with a zone": time(1, tzinfo=BERLIN),
    "a timedelta": timedelta(days=-999999999, seconds=86399, microseconds=999999),
    "a time zone": BERLIN,
    "an offset with a name": timezone(timedelta(hours=1), "CET"),
    "a UUID": UUID(int=2**128 - 1),
    "a Decimal": Decimal("-0.00"),
    "a huge Decimal": Decimal("1E+999999"),
    "a fraction": Fraction(-(2**70), 3),
    "a pure path": PurePosixPath("/a/../b"),
    "a path": PosixPath("a b"),
    "a path of undecodable bytes": PosixPath("\udcff"),
    "a Windows path": PureWindowsPath("c:\\x"),
    "an OrderedDict": OrderedDict(b=1, a=OrderedDict()),
    "a Counter": Counter({"a": -2, "b": 0}),
    "a bounded deque": deque([1, (2,)], maxlen=3),
    "a range": range(3, -9, -2),
    "a timestamp of msgpack": msgpack.Timestamp(5, 6),
    "an extension of another application": msgpack.ExtType(7, b"theirs"),
    "a numpy float, which is a float": [np.float64(1.5), 1.5],
    "numpy scalars": [np.int8(-1), np.bool_(True), np.complex64(1j), np.datetime64("2024-02", "M")],
    "a numpy text, which is a str": [np.str_("ab"), np.str_(""), np.bytes_(b"")],
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_a_value_comes_back_with_its_type(value: Any) -> None:
    serde = MsgpackSerializer()
    data = serde.dumps(value)
    back = serde.loads(data)
    assert alike(back, value)
    assert serde.dumps(back) == data


def test_a_zone_comes_back_as_the_one_that_its_key_gives() -> None:
    serde = MsgpackSerializer()
    assert serde.loads(serde.dumps(BERLIN)) is BERLIN
    assert serde.loads(serde.dumps(datetime(2024, 1, 1, tzinfo=UTC))).tzinfo is UTC


def test_the_name_of_an_offset_comes_back() -> None:
    serde = MsgpackSerializer()
    named, plain = timezone(timedelta(hours=1), "CET"), timezone(timedelta(hours=1))
    assert serde.loads(serde.dumps(named)).tzname(None) == "CET"
    assert serde.loads(serde.dumps(plain)).tzname(None) == "UTC+01:00"


@pytest.mark.parametrize("factory", [None, list, dict, int, set])
def test_a_defaultdict_keeps_its_factory(factory: Any) -> None:
    serde = MsgpackSerializer()
    back = serde.loads(serde.dumps(defaultdict(factory, {1: "x"})))
    assert (type(back), back, back.default_factory) == (defaultdict, {1: "x"}, factory)


def test_slices_come_back() -> None:
    serde = MsgpackSerializer()
    assert serde.loads(serde.dumps(slice(1, None, -2))) == slice(1, None, -2)


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.arange(6, dtype=">i2").reshape(2, 3), id="big-endian"),
        pytest.param(np.zeros((0, 3)), id="empty"),
        pytest.param(np.array(5.0), id="without dimensions"),
        pytest.param(np.arange(10)[::-2], id="a view"),
        pytest.param(np.array([["a", "bcd"]]), id="texts"),
        pytest.param(np.array([""]), id="empty texts"),
        pytest.param(np.array([b"x\0y"]), id="bytes"),
        pytest.param(np.array(["2024-01-01", "NaT"], "M8[ns]"), id="datetimes"),
        pytest.param(np.array([7], "m8[25s]"), id="timedeltas"),
        pytest.param(np.array([True, False]), id="booleans"),
    ],
)
def test_an_array_comes_back_writable_and_in_memory_of_its_own(array: Any) -> None:
    serde = MsgpackSerializer()
    back = serde.loads(serde.dumps({"array": array}))["array"]
    assert alike(back, array)
    assert back.flags.writeable
    assert back.flags.owndata


def test_an_array_keeps_its_memory_order() -> None:
    serde = MsgpackSerializer()
    back = serde.loads(serde.dumps(np.asfortranarray(np.arange(6).reshape(2, 3))))
    assert back.flags.f_contiguous
    assert back.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (np.array([object()]), "dtype"),
        (np.zeros(2, [("a", "i4")]), "dtype"),
        (memoryview(b"x"), "bytes(view)"),
        ([{"deep": [memoryview(b"x")]}], "bytes(view)"),
        (defaultdict(lambda: 5), "factory"),
        (_zone_without_key(), "time zone database"),
    ],
    ids=["objects", "structured", "memoryview", "inner memoryview", "factory", "zone without key"],
)
def test_what_would_not_come_back_is_refused(value: Any, hint: str) -> None:
    with pytest.raises(SerializationError) as caught:
        MsgpackSerializer().dumps(value)
    assert hint in str(caught.value)


def test_equal_sets_give_equal_bytes_whatever_their_history() -> None:
    serde = MsgpackSerializer()
    words = [f"word {number}" for number in range(100)]
    grown: set[Any] = set(range(10_000))
    grown.clear()
    for word in reversed(words):
        grown.add(word)
    assert serde.dumps(set(words)) == serde.dumps(grown)
    assert serde.dumps(frozenset(words)) != serde.dumps(set(words))


def test_a_value_is_not_changed_by_writing_it() -> None:
    inner = [bytearray(b"x")]
    value = {"inner": inner}
    MsgpackSerializer().dumps(value)
    assert value["inner"] is inner
    assert type(inner[0]) is bytearray


def test_plain_values_are_plain_msgpack() -> None:
    plain = {
        "messages": [{"role": "user", "content": "hi", "n": 1, "x": None, "y": 0.5, "b": b"z"}]
    }
    assert MsgpackSerializer().dumps(plain) == msgpack.packb(plain)


def test_items_are_packed_as_if_each_stood_alone() -> None:
    serde = MsgpackSerializer()
    values = [{"a": 1}, (2,), bytearray(b"3"), b"4", "\ud800", [], None]
    items = serde.pack_items(values)
    assert items == [serde.dumps(value) for value in values]
    data = b"".join(items)
    assert alike(serde.unpack_items(data), values)
    assert serde.split_items(data) == items


def test_no_items_are_no_bytes() -> None:
    serde = MsgpackSerializer()
    assert serde.pack_items([]) == []
    assert serde.unpack_items(b"") == []
    assert serde.split_items(b"") == []


def test_items_may_be_of_any_size() -> None:
    serde = MsgpackSerializer()
    values = ["x" * size for size in (0, 1, 300, 70_000, 3_000_000)]
    data = b"".join(serde.pack_items(values))
    assert serde.unpack_items(data) == values
    assert b"".join(serde.split_items(data)) == data


@pytest.mark.parametrize("cut", [1, 5, 7])
def test_items_that_are_cut_off_are_refused(cut: int) -> None:
    serde = MsgpackSerializer()
    data = b"".join(serde.pack_items(["hello", "world"]))[:-cut]
    for read in (serde.unpack_items, serde.split_items):
        with pytest.raises(DeserializationError):
            read(data)


def test_one_serializer_serves_many_threads() -> None:
    serde = MsgpackSerializer()
    start = threading.Barrier(6)
    failures: list[object] = []

    def work(number: int) -> None:
        value = [(number, {"k": (i, {number})}, f"{number}" * i) for i in range(60)]
        start.wait()
        for _ in range(30):
            back = serde.loads(serde.dumps(value))
            if not alike(back, value):
                failures.append(back)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
