"""Limits and hostile bytes: typed errors only, and nothing happens but decoding."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import msgpack
import pytest

from checkpoint.errors import DeserializationError, SerializationError
from checkpoint.registry import Opaque, TypeRegistry
from checkpoint.serde import MsgpackSerializer
from tests.checkpoint.test_serde import VALUES

Wrap = Callable[[Any], Any]


def nested(times: int, wrap: Wrap, inner: Any = 1) -> Any:
    for _ in range(times):
        inner = wrap(inner)
    return inner


WRAPS: dict[str, Wrap] = {
    "lists": lambda inner: [inner],
    "dicts": lambda inner: {"a": inner},
    "tuples": lambda inner: (inner,),
    "frozensets": lambda inner: frozenset({inner}),
    "mixed": lambda inner: [({"a": inner},)],
}


@pytest.mark.parametrize("wrap", [WRAPS["lists"], WRAPS["dicts"]], ids=["lists", "dicts"])
def test_plain_containers_may_nest_five_hundred_deep(wrap: Wrap) -> None:
    serde = MsgpackSerializer()
    assert serde.dumps(serde.loads(serde.dumps(nested(500, wrap)))) == serde.dumps(
        nested(500, wrap)
    )


def test_typed_values_may_nest_to_the_limit_and_no_further() -> None:
    serde = MsgpackSerializer(max_depth=10)
    assert serde.loads(serde.dumps(nested(10, WRAPS["tuples"]))) == nested(10, WRAPS["tuples"])
    with pytest.raises(SerializationError, match="max_depth"):
        serde.dumps(nested(11, WRAPS["tuples"]))
    with pytest.raises(DeserializationError, match="max_depth"):
        serde.loads(MsgpackSerializer().dumps(nested(11, WRAPS["tuples"])))


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS.keys())
@pytest.mark.parametrize("times", [1_100, 20_000])
def test_what_is_too_deep_is_refused(wrap: Wrap, times: int) -> None:
    value = nested(times, wrap, frozenset())
    with pytest.raises(SerializationError):
        MsgpackSerializer().dumps(value)
    with pytest.raises(SerializationError):
        MsgpackSerializer().pack_items([value])


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS.keys())
def test_whatever_can_be_written_can_be_read(wrap: Wrap) -> None:
    serde = MsgpackSerializer()
    for times in [*range(20, 70), *range(500, 515), *range(1_015, 1_030)]:
        try:
            data = serde.dumps(nested(times, wrap))
        except SerializationError:
            continue
        assert serde.dumps(serde.loads(data)) == data


def cyclic_list() -> Any:
    value: list[Any] = []
    value += [value, value]
    return value


def cyclic_dict() -> Any:
    value: dict[str, Any] = {}
    value["self"] = [{"again": value}, {"again": value}]
    return value


def cyclic_tuple() -> Any:
    inner: list[Any] = []
    inner += [(inner,), (inner,)]
    return inner


@pytest.mark.parametrize("make", [cyclic_list, cyclic_dict, cyclic_tuple])
def test_what_contains_itself_is_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(SerializationError):
        MsgpackSerializer().dumps(make())


def test_a_refusal_needs_no_repr_of_the_value() -> None:
    class Shy:
        def __repr__(self) -> str:
            raise OSError("no")

    cyclic: list[Any] = [10**5_000]
    cyclic.append(cyclic)
    for value in (Shy(), [Shy()], cyclic):
        with pytest.raises(SerializationError):
            MsgpackSerializer().dumps(value)


def test_the_deepest_values_fit_a_small_stack() -> None:
    serde = MsgpackSerializer()
    core = nested(61, lambda inner: (nested(20, WRAPS["lists"], inner),))
    value = nested(1_000, WRAPS["lists"], (nested(1_000, WRAPS["lists"], (core,)),))
    done: list[bool] = []

    def work() -> None:
        data = serde.dumps(value)
        done.append(serde.dumps(serde.loads(data)) == data)

    before = threading.stack_size(2 << 20)
    try:
        thread = threading.Thread(target=work)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    assert done == [True]


def test_a_failed_write_leaves_the_serializer_as_it_was() -> None:
    serde = MsgpackSerializer()
    for bad in (object(), [1, (2, [3, object()])], cyclic_tuple(), nested(3_000, WRAPS["lists"])):
        with pytest.raises(SerializationError):
            serde.dumps(bad)
        assert serde.loads(serde.dumps([1, (2, {3})])) == [1, (2, {3})]


def test_a_value_that_is_too_long_is_refused_on_both_sides() -> None:
    narrow, wide = MsgpackSerializer(max_bytes=100), MsgpackSerializer()
    assert narrow.loads(narrow.dumps("x" * 98)) == "x" * 98
    with pytest.raises(SerializationError, match="max_bytes"):
        narrow.dumps("x" * 99)
    with pytest.raises(SerializationError, match="max_bytes"):
        narrow.pack_items(["x", "x" * 99])
    for read in (narrow.loads, narrow.unpack_items, narrow.split_items):
        with pytest.raises(DeserializationError, match="max_bytes"):
            read(wide.dumps("x" * 99))


# ------------------------------------------------------------------------------- hostile bytes


def extension(code: int, payload: bytes) -> bytes:
    return bytes((0xC7, len(payload), code & 0xFF)) + payload


def array(*state: Any) -> bytes:
    return extension(-2, b"\x0bnumpy.array" + msgpack.packb(state))


CRAFTED = {
    "nothing": b"",
    "the unused mark": b"\xc1",
    "two values": b"\x01\x02",
    "a list of four thousand million": b"\xdd\xff\xff\xff\xff",
    "a dict of four thousand million": b"\xdf\xff\xff\xff\xff",
    "a text of four thousand million": b"\xdb\xff\xff\xff\xff",
    "lists without end": b"\x91" * 100_000,
    "dicts without end": b"\x81\xa1a" * 100_000,
    "large lists inside each other": b"\xdc\xff\xff" * 20_000,
    "a text that is no UTF-8": b"\xa1\xff",
    "a list as a key": b"\x81\x90\x01",
    "a list in a set": extension(-7, b"\x91\x90"),
    "a tuple of a text": extension(-6, b"\xa3abc"),
    "an unknown extension": extension(-100, b""),
    "an impossible timestamp": b"\xd7\xff" + b"\xff" * 8,
    "a date that never was": extension(-12, b"\x07\xd0\x0d\x01"),
    "a short datetime": extension(-11, b"\x00"),
    "a datetime in no zone": extension(-11, b"\x07\xd0\x01\x01" + bytes(8) + b"\x05"),
    "a zone outside": extension(-5, msgpack.packb("../../../etc/passwd")),
    "a zone that is a module": extension(-5, msgpack.packb("os/path")),
    "a fraction of nothing": extension(-18, b"\x92\x01\x00"),
    "a Decimal of words": extension(-17, b"many"),
    "a short UUID": extension(-16, b"x"),
    "a registered class without a name": extension(-2, b""),
    "a name that is cut off": extension(-2, b"\xffname"),
    "a function as a class": extension(-2, b"\x0bos.systemxx" + msgpack.packb(["true"])),
    "a built-in that is no exception": extension(-2, b"\x0dbuiltins.eval" + msgpack.packb("1")),
    "an exception without args": extension(-2, b"\x13builtins.ValueError" + b"\x90"),
    "a remote error of numbers": extension(-3, b"\x93\x01\x02\x03"),
    "an array of objects": array("|O", [1], "C", b"x" * 8),
    "an array of commas": array("i4,O", [1], "C", b"x" * 8),
    "an array that is too short": array("<i8", [9], "C", b""),
    "an array of negative size": array("<i8", [-1], "C", b""),
    "an array of negative size of items without one": array("<U0", [-1], "C", b"x"),
    "an array whose shape is a number": array("<i8", 1, "C", b"x" * 8),
    "an array whose shape holds no number": array("<i8", [True], "C", b"x" * 8),
    "a defaultdict of exit": extension(-25, msgpack.packb(["exit", {}])),
}  # fmt: skip


@pytest.mark.parametrize("data", CRAFTED.values(), ids=CRAFTED.keys())
def test_crafted_bytes_give_a_typed_error(data: bytes) -> None:
    with pytest.raises(DeserializationError):
        MsgpackSerializer(TypeRegistry()).loads(data)


@pytest.mark.parametrize("data", CRAFTED.values(), ids=CRAFTED.keys())
def test_to_a_tool_crafted_bytes_are_an_error_or_opaque(data: bytes) -> None:
    tool = MsgpackSerializer(TypeRegistry(), opaque=True)
    try:
        value = tool.loads(data)
    except DeserializationError:
        return
    assert type(value) is Opaque
    assert tool.loads(tool.dumps(value)) == value


def test_lists_that_claim_more_items_than_there_are_take_no_room() -> None:
    serde, claim = MsgpackSerializer(), b"\xdd" + (2_000).to_bytes(4, "big")
    tracemalloc.start()
    try:
        with pytest.raises(DeserializationError, match="cannot be read"):
            serde.loads(claim * 400)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 1 << 20  # room for all that is claimed would be 6 MiB


def test_tuples_without_end_give_a_typed_error() -> None:
    data = b"\x90"
    for _ in range(5_000):
        head = b"\xc9" + len(data).to_bytes(4, "big") + b"\xfa"
        data = b"\x91" + head + data if len(data) < 60_000 else data
    with pytest.raises(DeserializationError, match="max_depth"):
        MsgpackSerializer().loads(data)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_bytes_that_are_cut_off_give_a_typed_error(value: Any) -> None:
    serde = MsgpackSerializer()
    data = serde.dumps(value)
    lengths = range(len(data)) if len(data) < 200 else range(0, len(data), len(data) // 50)
    for length in lengths:
        with pytest.raises(DeserializationError):
            serde.loads(data[:length])


def test_flipped_bits_give_a_value_or_a_typed_error() -> None:
    serde, dice = MsgpackSerializer(), random.Random(1)
    samples = [serde.dumps(value) for value in VALUES.values()]
    for data in [data for data in samples if len(data) < 500] * 20:
        damaged = bytearray(data)
        damaged[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        try:
            serde.loads(bytes(damaged))
        except DeserializationError:
            continue


WATCHER = """
import random, sys
import numpy, zoneinfo
from checkpoint.errors import DeserializationError
from checkpoint.serde import MsgpackSerializer

samples = [bytes.fromhex(line) for line in sys.stdin.read().split()]
serde, tool, dice = MsgpackSerializer(), MsgpackSerializer(opaque=True), random.Random(5)
seen = set()
watching = False

def watch(event, args):
    if watching:
        seen.add(event)

def read(data):
    for loads in (serde.loads, tool.loads, serde.unpack_items, serde.split_items):
        try:
            loads(data)
        except DeserializationError:
            pass

sys.addaudithook(watch)
watching = True
for data in samples:
    read(data)
    for _ in range(30):
        damaged = bytearray(data)
        for _ in range(dice.randint(1, 3)):
            damaged[dice.randrange(len(data))] = dice.randrange(256)
        read(bytes(damaged))
for _ in range(5_000):
    read(dice.randbytes(dice.randrange(60)))
watching = False
print(sorted(seen))
"""


def test_reading_imports_opens_and_runs_nothing() -> None:
    serde = MsgpackSerializer()
    samples = [serde.dumps(value) for value in VALUES.values()]
    samples += [serde.dumps(ValueError("x")), serde.dumps(FileNotFoundError(2, "x", "y"))]
    samples = [data for data in [*samples, *CRAFTED.values()] if 0 < len(data) < 1_000]
    done = subprocess.run(
        [sys.executable, "-c", WATCHER],
        input="\n".join(data.hex() for data in samples),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_a_zone_is_read_in_a_process_that_has_only_imported_zoneinfo() -> None:
    script = """
import sys, zoneinfo
from checkpoint.serde import MsgpackSerializer
opened = []
serde = MsgpackSerializer()
sys.addaudithook(lambda event, args: opened.append(args) if event in ("open", "import") else None)
back = serde.loads(bytes.fromhex(sys.argv[1]))
print(back.isoformat(), back.tzinfo.key, opened)
"""
    data = MsgpackSerializer().dumps(VALUES["the second of two equal hours"])
    done = subprocess.run(
        [sys.executable, "-c", script, data.hex()], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "2024-10-27T02:30:00+01:00 Europe/Berlin []"


def test_a_zone_in_a_process_without_zoneinfo_is_an_error_that_says_what_to_do() -> None:
    script = """
import sys
from checkpoint.errors import DeserializationError
from checkpoint.serde import MsgpackSerializer
from checkpoint import load_zones
try:
    MsgpackSerializer().loads(bytes.fromhex(sys.argv[1]))
except DeserializationError as error:
    print(error)
load_zones()
print(MsgpackSerializer().loads(bytes.fromhex(sys.argv[1])))
"""
    data = MsgpackSerializer().dumps(VALUES["a time zone"])
    done = subprocess.run(
        [sys.executable, "-c", script, data.hex()], capture_output=True, text=True, check=True
    )
    assert "load_zones()" in done.stdout
    assert done.stdout.endswith("Europe/Berlin\n")


def test_importing_the_serializer_loads_nothing_heavy() -> None:
    script = (
        "import sys, checkpoint.serde\n"
        "print(sorted({'numpy', 'pydantic', 'zoneinfo', 'msgspec'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
