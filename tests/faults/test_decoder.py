"""Hostile bytes: every decoder gives a value or a typed error, does nothing else, and stays small.

FAULT_INPUTS says how many inputs are tried; `python -m tests.faults.decoder` tries any number.
"""

from __future__ import annotations

import contextlib
import inspect
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from checkpoint import DeserializationError, MsgpackSerializer, TypeRegistry
from checkpoint.errors import CorruptDataError
from checkpoint.packing import unpack_checkpoint, unpack_writes
from tests.faults.decoder import CODES, HEADERS, VALUES, Hostile, Trial
from tests.faults.scale import INPUTS, numbers

ROOT = Path(__file__).parents[2]
SHARD = 25_000
"""Inputs of one test: some ten seconds."""
SHARDS = numbers(INPUTS, SHARD)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("shard", SHARDS)
def test_decoding_hostile_bytes_gives_values_or_typed_errors_and_does_nothing_else(
    shard: int, record_property: Callable[[str, object], None]
) -> None:
    count = min(INPUTS, SHARD)
    args = [sys.executable, "-m", "tests.faults.decoder", str(count), str(shard)]
    tried = subprocess.run(args, cwd=ROOT, capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert "nothing else" in tried.stdout
    record_property("hostile inputs for decoders", count)


def ext(code: int, payload: bytes) -> bytes:
    return b"\xc9" + struct.pack(">Ib", len(payload), code) + payload


def headed(parts: tuple[bytes, list[bytes]]) -> bytes:
    return parts[0] + b"".join(parts[1])


LEAVES = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(HEADERS),
    st.sampled_from([MsgpackSerializer().dumps(v) for v in VALUES[:13]]),
    st.integers(0, 2**64 - 1).map(msgpack.packb),
    st.floats().map(msgpack.packb),
)
BYTES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(CODES), inner).map(lambda pair: ext(*pair)),
        st.lists(inner, max_size=4).map(lambda some: bytes((0x90 | len(some),)) + b"".join(some)),
        st.lists(inner, max_size=4).map(lambda some: bytes((0x82,)) + b"".join(some)),
        st.tuples(st.sampled_from(HEADERS), st.lists(inner, max_size=3)).map(headed),
    ),
    max_leaves=8,
)
TRIAL = Trial()


@given(BYTES)
def test_whatever_structure_the_bytes_have_decoding_gives_a_value_or_a_typed_error(
    data: bytes,
) -> None:
    assert TRIAL.failure(data) is None


def test_the_same_seed_makes_the_same_inputs() -> None:
    one, other = (Hostile(7, TRIAL.plain, TRIAL.key) for _ in range(2))
    made = [one.next() for _ in range(50)]
    assert made[:20] != made[20:40]
    assert [len(data) for data in made] == [len(other.next()) for _ in range(50)]


# --- inputs that decoders once failed at ----------------------------------------------------------


def test_an_error_whose_text_is_refused_is_told_all_the_same() -> None:
    """A whole number of more than 4,300 digits has no text, nor has the KeyError that names it."""
    huge = ext(-9, b"\x7f" + bytes(2000))
    with pytest.raises(DeserializationError, match="KeyError"):
        MsgpackSerializer().loads(ext(-25, b"\x92" + huge + b"\x80"))


def peak_of(data: bytes) -> int:
    tracemalloc.start()
    try:
        with pytest.raises((DeserializationError, CorruptDataError)):
            MsgpackSerializer().loads(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_lengths_that_claim_more_than_there_is_take_no_memory_at_any_depth() -> None:
    """Sixty typed values inside each other, and before each of them a thousand lists that claim to
    be long: each was given room for what it claimed."""
    data = bytes(16_000)
    for _ in range(20):
        data = ext(-6, b"\xdc\x3e\x80" * 1000 + data)
    assert peak_of(data) < 100 * len(data)


def test_an_array_of_endlessly_many_items_of_no_size_is_refused_at_once() -> None:
    """To copy 2 ** 62 times nothing takes years."""
    payload = MsgpackSerializer().dumps(["|V0", [2**62], "C", b""])
    with pytest.raises(DeserializationError, match="items"):
        MsgpackSerializer().loads(ext(-2, b"\x0bnumpy.array" + payload))


class Loud:
    """Notes when its repr is asked for."""

    asked: ClassVar[list[str]] = []

    def __init__(self, said: str) -> None:
        self.said = said

    def __repr__(self) -> str:
        self.asked.append(self.said)
        return self.said


@pytest.mark.parametrize("code", [-5, -8, -18, -23, -25, -26, -27])
def test_an_error_tells_a_value_without_running_code_of_its_class(code: int) -> None:
    registry = TypeRegistry()
    registry.register(Loud, name="Loud", encode=lambda value: value.said, decode=Loud)
    serializer = MsgpackSerializer(registry)
    inner = serializer.dumps(Loud("x"))
    for payload in (inner, b"\x92" + inner + b"\x80", b"\x92\x01" + inner):
        with contextlib.suppress(DeserializationError):
            serializer.loads(ext(code, payload))
    assert Loud.asked == []


def test_a_new_field_gets_its_default_without_a_look_at_signatures() -> None:
    class Old(BaseModel):
        a: int = 0

    class New(BaseModel):
        a: int = 0
        items: list[Any] = Field(default_factory=list)

    before, after = TypeRegistry(), TypeRegistry()
    before.register(Old, name="M")
    after.register(New, name="M")
    data = MsgpackSerializer(before).dumps(Old(a=3))
    looked: list[str] = []
    original = inspect.signature.__code__

    def note(frame: Any, event: str, arg: Any) -> None:
        if event == "call" and frame.f_code is original:
            looked.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        made = MsgpackSerializer(after).loads(data)
    finally:
        sys.setprofile(None)
    assert made == New(a=3, items=[])
    assert looked == []


@pytest.mark.parametrize("data", [b"", b"\x01", b"\xc1", b"\x91\xc4\x01", b"\x91\x90", b"\x80"])
def test_rows_whose_checksum_fits_and_that_are_no_rows_are_corrupt(data: bytes) -> None:
    for read in (unpack_checkpoint, unpack_writes):
        with contextlib.suppress(CorruptDataError):  # some are rows of the other kind
            read(data)
    with pytest.raises(CorruptDataError):
        unpack_checkpoint(b"\x91\x01\x02")
