"""The closed table of extension types: one code, one way out and one way back for each.

Codes are below -1: those from 0 up belong to applications (a `msgpack.ExtType` in a state stays
one) and -1 is msgpack's own timestamp.  A code, once used, never changes its meaning.  A payload
is packed by the same serializer, one level deeper (`pack` and `unpack` below).
"""

from __future__ import annotations

import struct
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Collection
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any
from uuid import UUID

from .codes import BYTEARRAY, ZONE
from .errors import DeserializationError, SerializationError
from .value import slotted
from .wording import named
from .zones import key_of_zone, zone_of_key

Pack = Callable[[Any], bytes]
Unpack = Callable[[bytes], Any]


@slotted
class Codec:
    """How the values of one type become an extension's payload, and back."""

    code: int
    encode: Callable[[Any, Pack], bytes]
    decode: Callable[[bytes, Unpack], Any]


def expect(kind: type[Any], value: Any) -> Any:
    """The value, if it is of this very type, as what we wrote is; else DeserializationError."""
    if type(value) is not kind:
        raise DeserializationError(
            f"{named(value)} stands where a {kind.__name__} belongs: the bytes are damaged; "
            "restore them from a backup"
        )
    return value


# ------------------------------------------------------------------------------- collections


def _sorted_items(items: Collection[Any], pack: Pack) -> bytes:
    """An array of the items in the order of their bytes: equal sets give equal bytes."""
    return array_header(len(items)) + b"".join(sorted(map(pack, items)))


def array_header(length: int) -> bytes:
    """The bytes that msgpack puts before the items of an array."""
    if length < 16:
        return bytes((0x90 | length,))
    if length < 0x10000:
        return struct.pack(">BH", 0xDC, length)
    return struct.pack(">BI", 0xDD, length)


def _collection(code: int, kind: Callable[[list[Any]], Any]) -> Codec:
    return Codec(
        code,
        lambda value, pack: pack(list(value)),
        lambda data, unpack: kind(expect(list, unpack(data))),
    )


def _set(code: int, kind: Callable[[list[Any]], Any]) -> Codec:
    return Codec(code, _sorted_items, lambda data, unpack: kind(expect(list, unpack(data))))


def _mapping(code: int, kind: Callable[[dict[Any, Any]], Any]) -> Codec:
    return Codec(
        code,
        lambda value, pack: pack(dict(value)),
        lambda data, unpack: kind(expect(dict, unpack(data))),
    )


def _counter(counts: dict[Any, Any]) -> Counter[Any]:
    counter: Counter[Any] = Counter()
    for key, count in counts.items():
        counter[key] = count
    return counter


def _deque_to(value: deque[Any], pack: Pack) -> bytes:
    return pack([value.maxlen, list(value)])


def _deque_from(data: bytes, unpack: Unpack) -> deque[Any]:
    maxlen, items = expect(list, unpack(data))
    return deque(expect(list, items), maxlen)


_FACTORIES: dict[str, Callable[[], Any] | None] = {
    "None": None,
    **{
        kind.__name__: kind
        for kind in (bool, bytes, dict, float, frozenset, int, list, set, str, tuple)
    },
}
_FACTORY_NAMES = {factory: name for name, factory in _FACTORIES.items()}


def _defaultdict_to(value: defaultdict[Any, Any], pack: Pack) -> bytes:
    name = _FACTORY_NAMES.get(value.default_factory)
    if name is None:
        raise SerializationError(
            f"a defaultdict with the factory {value.default_factory!r} cannot be stored: only "
            f"{', '.join(_FACTORIES)} are; use one of these, or a dict"
        )
    return pack([name, dict(value)])


def _defaultdict_from(data: bytes, unpack: Unpack) -> defaultdict[Any, Any]:
    name, items = expect(list, unpack(data))
    return defaultdict(_FACTORIES[name], expect(dict, items))


def _slice_from(data: bytes, unpack: Unpack) -> slice:
    start, stop, step = expect(list, unpack(data))
    return slice(start, stop, step)


def _range_from(data: bytes, unpack: Unpack) -> range:
    start, stop, step = expect(list, unpack(data))
    return range(start, stop, step)


# ------------------------------------------------------------------------------------- numbers


def _int_to(value: int, _pack: Pack) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def _fraction_from(data: bytes, unpack: Unpack) -> Fraction:
    numerator, denominator = expect(list, unpack(data))
    return Fraction(expect(int, numerator), expect(int, denominator))


# --------------------------------------------------------------------------------------- times

_DATETIME = struct.Struct(">HBBBBBIB")
_TIME = struct.Struct(">BBBIB")
_DATE = struct.Struct(">HBB")
_TIMEDELTA = struct.Struct(">iII")


def _zone_to(zone: Any, pack: Pack) -> bytes:
    """Nothing for naive times, a short mark for UTC, else the packed tzinfo."""
    if zone is None:
        return b""
    return b"Z" if zone is UTC else pack(zone)


def _zone_from(data: bytes, unpack: Unpack) -> Any:
    if not data:
        return None
    return UTC if data == b"Z" else unpack(data)


def _datetime_to(value: datetime, pack: Pack) -> bytes:
    moment = _DATETIME.pack(
        value.year,
        value.month,
        value.day,
        value.hour,
        value.minute,
        value.second,
        value.microsecond,
        value.fold,
    )
    return moment + _zone_to(value.tzinfo, pack)


def _datetime_from(data: bytes, unpack: Unpack) -> datetime:
    *moment, fold = _DATETIME.unpack_from(data)
    return datetime(*moment, tzinfo=_zone_from(data[_DATETIME.size :], unpack), fold=fold)


def _time_to(value: time, pack: Pack) -> bytes:
    moment = _TIME.pack(value.hour, value.minute, value.second, value.microsecond, value.fold)
    return moment + _zone_to(value.tzinfo, pack)


def _time_from(data: bytes, unpack: Unpack) -> time:
    *moment, fold = _TIME.unpack_from(data)
    return time(*moment, tzinfo=_zone_from(data[_TIME.size :], unpack), fold=fold)


def _timedelta_to(value: timedelta, _pack: Pack) -> bytes:
    return _TIMEDELTA.pack(value.days, value.seconds, value.microseconds)


def _timezone_to(value: timezone, pack: Pack) -> bytes:
    offset, name = value.utcoffset(None), value.tzname(None)
    return pack([offset, None if name == timezone(offset).tzname(None) else name])


def _timezone_from(data: bytes, unpack: Unpack) -> timezone:
    offset, name = expect(list, unpack(data))
    return timezone(offset) if name is None else timezone(offset, name)


_ZONE = Codec(
    ZONE,
    lambda value, pack: pack(key_of_zone(value)),
    lambda data, unpack: zone_of_key(expect(str, unpack(data))),
)

# --------------------------------------------------------------------------------------- table


def _path(code: int, kind: Callable[[str], Any]) -> Codec:
    return Codec(
        code,
        lambda value, pack: pack(str(value)),
        lambda data, unpack: kind(expect(str, unpack(data))),
    )


_BYTEARRAY = Codec(
    BYTEARRAY, lambda value, _pack: bytes(value), lambda data, _unpack: bytearray(data)
)

CODECS: dict[type[Any], Codec] = {
    tuple: _collection(-6, tuple),
    set: _set(-7, set),
    frozenset: _set(-8, frozenset),
    int: Codec(-9, _int_to, lambda data, _: int.from_bytes(data, "big", signed=True)),
    complex: Codec(
        -10,
        lambda value, _: struct.pack(">dd", value.real, value.imag),
        lambda data, _: complex(*struct.unpack(">dd", data)),
    ),
    datetime: Codec(-11, _datetime_to, _datetime_from),
    date: Codec(
        -12,
        lambda value, _: _DATE.pack(value.year, value.month, value.day),
        lambda data, _: date(*_DATE.unpack(data)),
    ),
    time: Codec(-13, _time_to, _time_from),
    timedelta: Codec(-14, _timedelta_to, lambda data, _: timedelta(*_TIMEDELTA.unpack(data))),
    timezone: Codec(-15, _timezone_to, _timezone_from),
    UUID: Codec(-16, lambda value, _: value.bytes, lambda data, _: UUID(bytes=data)),
    Decimal: Codec(
        -17, lambda value, _: str(value).encode(), lambda data, _: Decimal(data.decode())
    ),
    Fraction: Codec(
        -18, lambda value, pack: pack([value.numerator, value.denominator]), _fraction_from
    ),
    PurePosixPath: _path(-19, PurePosixPath),
    PosixPath: _path(-20, PosixPath),
    PureWindowsPath: _path(-21, PureWindowsPath),
    WindowsPath: _path(-22, WindowsPath),
    OrderedDict: _mapping(-23, OrderedDict),
    Counter: _mapping(-24, _counter),
    defaultdict: Codec(-25, _defaultdict_to, _defaultdict_from),
    deque: Codec(-26, _deque_to, _deque_from),
    range: Codec(-27, lambda value, pack: pack([value.start, value.stop, value.step]), _range_from),
    slice: Codec(-28, lambda value, pack: pack([value.start, value.stop, value.step]), _slice_from),
}
"""Codecs by type: what the C packer hands over (`int` only when it needs more than 64 bits)."""


BY_CODE: dict[int, Codec] = {codec.code: codec for codec in (*CODECS.values(), _BYTEARRAY, _ZONE)}


def codec_of(cls: type[Any]) -> Codec | None:
    """The codec of a type; adds that of ZoneInfo, which is not imported before someone uses it."""
    zoneinfo = sys.modules.get("zoneinfo")
    if zoneinfo is not None and cls is zoneinfo.ZoneInfo:
        CODECS[cls] = _ZONE
    return CODECS.get(cls)
