"""Hostile bytes for the decoders: `python -m tests.faults.decoder 100000 [seed]`.

Each input is made from a seed: a valid value that was cut, flipped, spliced or filled with headers
that claim too much; a random payload under a code of the closed table, under the name of a
registered class, or in an encrypted envelope; a bomb.  Whatever the bytes are, a decoder gives a
value or a DeserializationError.  While it does, nothing is imported, opened, compiled, executed,
called or connected (an audit hook notes it), and memory stays within what the input may cost: of
one in a hundred inputs, and of each that is large, it is counted; for all of them the process gets
no more than ROOM on top of what it has.
"""

from __future__ import annotations

import decimal
import fractions
import pathlib
import random
import struct
import sys
import time
import tracemalloc
import uuid
import zoneinfo
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from enum import Enum
from typing import Any, NamedTuple, cast

import msgpack
import msgspec
import numpy as np
from langchain_core.messages import AIMessage
from pydantic import BaseModel

from actors import Interrupt, Send, StateGraph
from actors.codec import SerializedEvents
from checkpoint import EncryptedSerializer, MsgpackSerializer, TypeRegistry
from checkpoint.errors import CorruptDataError, DeserializationError, RemoteError
from checkpoint.packing import unpack_checkpoint, unpack_writes
from checkpoint.registry import DEFAULT_REGISTRY

packb: Callable[[Any], bytes] = cast(Any, msgpack).packb
PER_BYTE, AT_LEAST = 512, 6 << 20
"""What decoding may cost in bytes: per byte of the input, and at least.  An empty set of three
bytes takes 216, a copy of each level's payload stands beside the others."""
ROOM = 256 << 20
"""Bytes that the process may come to hold beside the decoders themselves."""
WATCHED = ("import", "open", "exec", "compile", "os.", "subprocess.", "socket.", "ctypes.")
WATCHED += ("pickle.", "marshal.", "shutil.", "tempfile.", "code.")


@dataclass
class Point:
    x: int = 0
    y: Any = None


class Pair(NamedTuple):
    left: Any
    right: Any = 2


class Color(Enum):
    RED = 1


class Model(BaseModel):
    a: int = 0
    b: list[Any] = []


class Struct(msgspec.Struct):
    a: int = 0


CLASSES: tuple[type[Any], ...] = (Point, Pair, Color, Model, Struct)
NAMES = [f"tests.{cls.__name__}" for cls in CLASSES]


def registry() -> TypeRegistry:
    """All that the process has registered, and a class of each kind."""
    DEFAULT_REGISTRY.of_class(AIMessage)
    DEFAULT_REGISTRY.of_class(Send)
    table = TypeRegistry()
    table._by_class |= DEFAULT_REGISTRY._by_class
    table._by_name |= DEFAULT_REGISTRY._by_name
    for cls, name in zip(CLASSES, NAMES, strict=True):
        table.register(cls, name=name)
    return table


VALUES: list[Any] = [
    None, True, 2**70, -(2**500), 1.5, float("nan"), "text", "\ud800", b"bytes", bytearray(b"b"),
    [1, [2, [3]]], {"a": {"b": [1.5]}}, {1: 2, (1, 2): 3}, (1, "a"), {1, 2}, frozenset({"a"}),
    1 + 2j, datetime(2030, 1, 2, 3, 4, 5, 6, UTC), date(2030, 1, 2), timedelta(1, 2, 3),
    datetime(2030, 1, 2, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")), timezone(timedelta(hours=1)),
    uuid.UUID(int=7), decimal.Decimal("1.50"), fractions.Fraction(1, 3), pathlib.PosixPath("/a/b"),
    OrderedDict(a=1), Counter("aab"), defaultdict(list, a=[1]), deque([1, 2], 3), range(3),
    slice(1, 2), Point(1, Point()), Pair(1), Color.RED, Model(b=[(1,)]), Struct(3),
    ValueError("no", 1), KeyError("k"), RemoteError("a.B", "m"), ExceptionGroup("g", [OSError(2)]),
    np.arange(6.0).reshape(2, 3), np.float32(1.5), np.array(["ab", "c"]), Send("n", {"a": 1}),
    Interrupt("q", "0" * 32), AIMessage("hello", id="1"), [Point(n) for n in range(30)],
]  # fmt: skip

HEADERS = [
    b"\xdd", b"\xdc", b"\xdf", b"\xde", b"\xdb", b"\xda", b"\xc6", b"\xc5", b"\xc9", b"\xc8",
    b"\xc7", b"\xd4", b"\xd8", b"\x9f", b"\x8f", b"\xbf", b"\xcf", b"\xcb", b"\xca", b"\xc1",
]  # fmt: skip
LENGTHS = [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x00\x0f\xff\xff", b"\x00\x00\x10\x00"]
CODES = [*range(-70, -60), *range(-30, 2), 5, 127]


class Hostile:
    """Makes inputs; the same seed makes the same ones."""

    def __init__(self, seed: int, serializer: MsgpackSerializer, key: bytes) -> None:
        self._random = random.Random(seed)
        self._serializer = serializer
        self._valid = [serializer.dumps(value) for value in VALUES]
        sealed = EncryptedSerializer(key, serializer)
        self._sealed = [sealed.dumps(value) for value in VALUES[:8]]
        self._kinds: Sequence[Callable[[], bytes]] = (
            self.flipped, self.flipped, self.cut, self.spliced, self.headed, self.typed, self.typed,
            self.registered, self.registered, self.sealed, self.noise, self.mapped, self.nested,
        )  # fmt: skip

    def next(self) -> bytes:
        """The next input; one in a thousand is a bomb."""
        if self._random.random() < 0.001:
            return self.bomb()
        return self._random.choice(self._kinds)()

    def valid(self) -> bytes:
        return self._random.choice(self._valid)

    def flipped(self) -> bytes:
        data = bytearray(self.valid())
        for _ in range(self._random.choice((1, 1, 2, 8))):
            data[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)
        return bytes(data)

    def cut(self) -> bytes:
        data = self.valid()
        return data[: self._random.randrange(len(data) + 1)]

    def spliced(self) -> bytes:
        one, other = self.valid(), self.valid()
        at, start = self._random.randrange(len(one) + 1), self._random.randrange(len(other) + 1)
        return one[:at] + other[start:] + one[self._random.randrange(at, len(one) + 1) :]

    def headed(self) -> bytes:
        head = self._random.choice(HEADERS) + self._random.choice(LENGTHS)
        data = self.valid()
        at = self._random.randrange(len(data) + 1)
        return data[:at] + head + data[at:]

    def noise(self) -> bytes:
        return self._random.randbytes(self._random.choice((1, 3, 9, 40)))

    def inner(self) -> bytes:
        """A payload: mostly of the wrong type."""
        return self._random.choice((self.valid, self.flipped, self.scalar, self.noise))()

    def scalar(self) -> bytes:
        choice = self._random.choice
        number = choice([0, -1, 2**31, 2**63 - 1, -(2**63), 2**64 - 1])
        values = [number, choice([float("nan"), float("inf"), -0.0]), "1E+999999999999", "sNaN", ""]
        huge = self._ext(-9, b"\x7f" + bytes(choice((8, 2000))))
        return choice([*map(packb, values), huge, b"\x91" + huge, b"\xa3\xed\xa0\x80"])

    def listed(self) -> bytes:
        """A short list of anything, as most payloads are."""
        items = [self.scalar() for _ in range(self._random.randrange(1, 5))]
        return bytes((0x90 | len(items),)) + b"".join(items)

    def typed(self) -> bytes:
        payload = self._random.choice((self.inner, self.listed, self.noise))()
        return self._ext(self._random.choice(CODES), payload)

    def registered(self) -> bytes:
        known = sorted(DEFAULT_REGISTRY._by_name)
        name = self._random.choice([*(text.encode() for text in NAMES), b"numpy.array", *known])
        payload = self._random.choice((self.inner, self.listed, self.mapped, self.array))()
        length = self._random.choice((len(name), len(name), len(name), 255, 0))
        return self._ext(-2, bytes((length,)) + name + payload)

    def array(self) -> bytes:
        choice = self._random.choice
        shape = [choice((0, 1, 2, -1, 2**40, 2**62)) for _ in range(choice((0, 1, 2, 40)))]
        dtype = choice(("<f8", "<U999999999", "|V0", "|S0", "<M8[s]", "|O", "<i8", "<U0", "<f3"))
        return packb([dtype, shape, choice(("C", "F", "?")), bytes(choice((0, 8, 64)))])

    def mapped(self) -> bytes:
        """Keys that are equal, not a number, or that nothing can be found by."""
        count = self._random.randrange(1, 6)
        keys = (b"\x01", b"\xcb\x7f\xf8" + bytes(6), b"\x90", b"\xa1x", b"\x80", self.valid())
        pairs = (self._random.choice(keys) + self.scalar() for _ in range(count))
        return bytes((0x80 | count,)) + b"".join(pairs)

    def sealed(self) -> bytes:
        data = bytearray(self._random.choice(self._sealed))
        if self._random.random() < 0.5:
            data[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)
            return bytes(data)
        return self._ext(-64, bytes(data[2 : self._random.randrange(2, len(data))]))

    def nested(self) -> bytes:
        data = self.valid()
        for _ in range(self._random.choice((3, 20, 63, 64, 65, 200))):
            code = self._random.choice((-6, -7, -8, -23, -26, -3))
            data = self._ext(code, data if code != -6 else b"\x91" + data)
        return data

    def bomb(self) -> bytes:
        """Depth, length, or both at every level."""
        depth, fill = self._random.choice((600, 1000, 1100, 100_000)), bytes(20_000)
        opening = self._random.choice(
            (b"\x91", b"\xdc\x40\x00", b"\xdd\x00\x00\x20\x00", b"\x81\x01")
        )
        data = opening * depth + fill
        for _ in range(self._random.choice((0, 1, 30))):
            data = self._ext(-6, opening * min(depth, 1000) + data)
        return data

    def _ext(self, code: int, payload: bytes) -> bytes:
        return b"\xc9" + struct.pack(">Ib", len(payload), code) + payload


class Watch:
    """Notes what the process did that decoding must not do; armed while something is decoded."""

    def __init__(self, *, hooked: bool = True) -> None:
        self.armed = False
        self.seen: list[str] = []
        if hooked:
            sys.addaudithook(self._note)

    def _note(self, event: str, args: tuple[Any, ...]) -> None:
        if self.armed and event.startswith(WATCHED):
            self.seen.append(f"{event} {str(args)[:200]}")


class Trial:
    """The decoders under trial."""

    def __init__(self, watch: Watch | None = None, key: bytes = bytes(range(32))) -> None:
        """`watch`: of a process of its own, as nobody takes an audit hook away again."""
        table = registry()
        self.plain = MsgpackSerializer(table)
        self.key = key
        self.refused = self.taken = 0
        sealed = EncryptedSerializer(key, self.plain)
        layout = (
            StateGraph(dict[str, Any]).add_node("a", print).set_entry_point("a").compile().layout
        )
        opaque = MsgpackSerializer(table, opaque=True)
        events = SerializedEvents(self.plain, layout)
        self._decoders: tuple[Callable[[bytes], Any], ...] = (
            self.plain.loads, self.plain.unpack_items, self.plain.split_items, opaque.loads,
            sealed.loads, sealed.unpack_items, events.decode, unpack_checkpoint, unpack_writes,
        )  # fmt: skip
        self._watch = watch or Watch(hooked=False)

    def failure(self, data: bytes) -> str | None:
        """What is wrong about how these bytes are decoded, if anything is."""
        for decode in self._decoders:
            name = getattr(decode, "__qualname__", str(decode))
            self._watch.armed = True
            try:
                decode(data)
            except (DeserializationError, CorruptDataError):
                self.refused += 1
            except BaseException as error:
                return f"{name} raised {type(error).__name__}: {str(error)[:300]}"
            else:
                self.taken += 1
            finally:
                self._watch.armed = False
            if self._watch.seen:
                return f"{name} did what it must not: {self._watch.seen}"
        return None

    def cost(self, data: bytes) -> str | None:
        """What is wrong about the memory that it takes, if anything is."""
        allowed = AT_LEAST + PER_BYTE * len(data)
        for decode in self._decoders:
            tracemalloc.start()
            try:
                decode(data)
            except (DeserializationError, CorruptDataError):
                pass
            finally:
                peak = tracemalloc.get_traced_memory()[1]
                tracemalloc.stop()
            if peak > allowed:
                name = getattr(decode, "__qualname__", str(decode))
                return f"{name} took {peak} bytes for {len(data)}"
        return None


def bound_memory() -> None:
    """Have the system refuse what goes beyond ROOM, where it says how much there is."""
    status = pathlib.Path("/proc/self/statm")
    if status.exists():
        import resource

        held = int(status.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + ROOM, resource.RLIM_INFINITY))


def main(count: int, seed: int) -> int:
    """Try inputs until one fails; 0 if none does."""
    trial = Trial(Watch())
    hostile = Hostile(seed, trial.plain, trial.key)
    bound_memory()
    begun = time.perf_counter()
    for number in range(count):
        data = hostile.next()
        wrong = trial.failure(data)
        if wrong is None and (number % 100 == 0 or len(data) > 10_000):
            wrong = trial.cost(data)
        if wrong is not None:
            print(f"input {number} of seed {seed}: {wrong}\n{data[:200]!r} ({len(data)} bytes)")
            return 1
    seconds = time.perf_counter() - begun
    print(
        f"{count} inputs (seed {seed}), {trial.refused} times refused, {trial.taken} times taken, "
        f"nothing else; {count / seconds:.0f} inputs per second"
    )
    return 0


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]]
    sys.exit(main(given[0] if given else 10_000, given[1] if len(given) > 1 else 1))
