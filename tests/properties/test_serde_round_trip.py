"""For any value: it comes back the same, as the same bytes; for any bytes: a value or one error."""

from __future__ import annotations

import enum
import zoneinfo
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass
from datetime import timedelta, timezone
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple

import numpy as np
import pydantic
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoint.errors import DeserializationError
from checkpoint.registry import TypeRegistry
from checkpoint.serde import MsgpackSerializer
from tests.checkpoint.alike import alike

SERDE = settings(max_examples=200, deadline=None)


@dataclass
class Node:
    left: Any
    right: Any


@dataclass(frozen=True, slots=True)
class Key:
    number: int
    word: str


class Row(NamedTuple):
    one: Any
    two: Any


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Model(pydantic.BaseModel):
    content: Any


REGISTRY = TypeRegistry()
for cls in (Node, Key, Row, Level, Rights, Model):
    REGISTRY.register(cls)

texts = st.text(st.characters(), max_size=20)  # lone surrogates included
offsets = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(timezone)
zones = st.sampled_from(["Europe/Berlin", "America/New_York", "UTC"]).map(zoneinfo.ZoneInfo)
tzinfos = st.none() | offsets | zones
paths = st.text(st.characters(exclude_characters="\0"), max_size=10)

hashables = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**80), 2**80),
    st.floats(allow_nan=False),
    texts,
    st.binary(max_size=20),
    st.decimals(allow_nan=False),
    st.fractions(),
    st.uuids(),
    st.dates(),
    st.times(timezones=st.none() | offsets),
    st.datetimes(timezones=tzinfos, allow_imaginary=True),
    st.timedeltas(),
    offsets,
    zones,
    paths.map(PurePosixPath),
    paths.map(PureWindowsPath),
    st.complex_numbers(allow_nan=False),
    st.builds(range, st.integers(), st.integers()),
    st.sampled_from(list(Level)),
    st.sampled_from([Rights(0), Rights.READ, Rights.READ | Rights.WRITE]),
    st.builds(Key, st.integers(), texts),
)
keys = st.recursive(
    hashables,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)
arrays = st.builds(
    lambda kind, shape: np.arange(int(np.prod(shape))).astype(kind).reshape(shape),
    st.sampled_from(["i1", ">i8", "f4", "c16", "U3", "S2", "?", "M8[s]"]),
    st.lists(st.integers(0, 3), max_size=3),
)
leaves = st.one_of(
    keys,
    st.floats(),
    st.binary(max_size=20).map(bytearray),
    st.sampled_from([np.float64(1.5), np.int16(-3), np.bool_(True), np.str_("x")]),
    arrays,
    st.builds(ValueError, texts),
    st.dictionaries(texts, st.integers(), max_size=3).map(Counter),
)


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.lists(inner, max_size=4).map(deque),
        st.dictionaries(texts, inner, max_size=4),
        st.dictionaries(keys, inner, max_size=3),
        st.dictionaries(texts, inner, max_size=3).map(OrderedDict),
        st.sets(keys, max_size=4),
        st.builds(Node, inner, inner),
        st.builds(Row, inner, inner),
        inner.map(lambda content: Model.model_construct(content=content)),
        inner.map(lambda content: ExceptionGroup("group", [ValueError(content)])),
    )


values = st.recursive(leaves, containers, max_leaves=12)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@SERDE
@given(values)
def test_any_value_comes_back_with_its_type_and_as_the_same_bytes(value: Any) -> None:
    serde = MsgpackSerializer(REGISTRY)
    data = serde.dumps(value)
    back = serde.loads(data)
    assert alike(back, value)
    assert serde.dumps(back) == data


@SERDE
@given(plain)
def test_any_plain_value_comes_back(value: Any) -> None:
    serde = MsgpackSerializer(REGISTRY)
    assert alike(serde.loads(serde.dumps(value)), value)


@SERDE
@given(st.lists(values, max_size=5))
def test_any_items_are_packed_split_and_unpacked_one_by_one(items: list[Any]) -> None:
    serde = MsgpackSerializer(REGISTRY)
    packed = serde.pack_items(items)
    assert packed == [serde.dumps(item) for item in items]
    assert serde.split_items(b"".join(packed)) == packed
    assert alike(serde.unpack_items(b"".join(packed)), items)


@SERDE
@given(values)
def test_a_tool_without_the_classes_writes_back_the_same_bytes(value: Any) -> None:
    data = MsgpackSerializer(REGISTRY).dumps(value)
    tool = MsgpackSerializer(TypeRegistry(), opaque=True)
    assert tool.dumps(tool.loads(data)) == data


@SERDE
@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_one_error(data: bytes) -> None:
    serde = MsgpackSerializer(REGISTRY)
    for read in (serde.loads, serde.unpack_items, serde.split_items):
        try:
            read(data)
        except DeserializationError:
            continue


@SERDE
@given(values, st.data())
def test_damaged_bytes_are_a_value_or_one_error(value: Any, draw: st.DataObject) -> None:
    serde = MsgpackSerializer(REGISTRY)
    damaged = bytearray(serde.dumps(value))
    for _ in range(draw.draw(st.integers(1, 3))):
        place = draw.draw(st.integers(0, len(damaged) - 1))
        damaged[place] = draw.draw(st.integers(0, 255))
    try:
        serde.loads(bytes(damaged))
    except DeserializationError:
        return
