"""Values to bytes and back: msgpack with a closed table of extension types.

Plain values (None, bool, int, float, str, bytes, list, dict) go through the C packer in one call.
All others come to a hook, which packs their parts one level deeper and wraps them as an extension
(`codecs.py`) or as a registered class (`registry.py`).  Type and value come back exactly; what
cannot is refused when it is written.  A value that is reached twice is written twice.

Reading imports nothing, opens nothing and calls nothing by name: bytes only choose among the
decoders that this process has registered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from .errors import DeserializationError, SerializationError
from .registry import DEFAULT_REGISTRY, TypeRegistry
from .wording import shown, told
from .zones import load_zones_if_used

if TYPE_CHECKING:
    from .writer import Writer

R = TypeVar("R")

_KEPT_WRITERS = 8
_KEPT_SIZE = 1 << 20  # a writer keeps its buffers, so one that wrote more is let go


class Serializer(Protocol):
    """Turns values into bytes and back; safe to use from any thread."""

    def dumps(self, value: Any) -> bytes:
        """The bytes of a value.  Raises SerializationError."""
        ...

    def loads(self, data: bytes) -> Any:
        """The value of the bytes, of the same type.  Raises DeserializationError."""
        ...

    def pack_items(self, values: Sequence[Any]) -> list[bytes]:
        """The bytes of each value on its own, as `dumps` gives them."""
        ...

    def unpack_items(self, data: bytes) -> list[Any]:
        """The values of items that stand one after the other."""
        ...

    def split_items(self, data: bytes) -> list[bytes]:
        """The bytes of each item of those that stand one after the other, without decoding."""
        ...


class MsgpackSerializer:
    """The serializer of the savers.

    `registry`: the classes that may be stored; by default those given to `register_type`.
    `max_depth`: how many typed values (tuples, sets, dataclasses …) may stand inside each other;
    lists and dicts may nest 500 deep, and 24 deep in what stands inside two typed values.
    `max_bytes`: how long the bytes of one value may be.
    `opaque`: an unregistered name gives an `Opaque` instead of an UnknownTypeTagError, for tools
    that read without the graph; it is written back as the same bytes.
    `exact`: an exception that would be stored as a `RemoteError` is refused, for bytes that are to
    tell values apart.
    """

    def __init__(
        self,
        registry: TypeRegistry | None = None,
        *,
        max_depth: int = 64,
        max_bytes: int = 1 << 30,
        opaque: bool = False,
        exact: bool = False,
    ) -> None:
        from .reader import Reader  # with msgpack and the codecs: not before somebody reads

        self._registry = registry or DEFAULT_REGISTRY
        self._max_depth = max_depth
        self._max_bytes = max_bytes
        self._exact = exact
        self._reader = Reader(self._registry, max_depth, opaque=opaque)
        self._writers: list[Writer] = []
        load_zones_if_used()

    def dumps(self, value: Any) -> bytes:
        """The bytes of a value; equal values, inserted in the same order, give equal bytes.

        Raises UnregisteredTypeError for an instance of a class that is not registered, and
        SerializationError for what is too deep, too long, or contains itself.
        """
        writer = self._take()
        try:
            data = writer.pack(value)
        except UnicodeEncodeError:  # lone surrogates: rare, and the packer is slower with them
            data = self._with_surrogates(type(writer).pack, value)
        except writer.errors as error:
            raise _not_writable(value, error) from error
        self._give_back(writer, len(data))
        return data

    def loads(self, data: bytes) -> Any:
        """The value of the bytes, of the same type.

        Raises UnknownTypeTagError for a class that is not registered here, and
        DeserializationError for bytes that are damaged, too long or too deep.
        """
        return self._read(self._reader.reader_of(data), data)

    def pack_items(self, values: Sequence[Any]) -> list[bytes]:
        """The bytes of each value on its own, as `dumps` gives them."""
        writer = self._take()
        try:
            items = writer.pack_each(values)
        except UnicodeEncodeError:
            items = self._with_surrogates(type(writer).pack_each, values)
        except writer.errors as error:
            raise _not_writable(values, error) from error
        self._give_back(writer, max(map(len, items), default=0))
        return items

    def unpack_items(self, data: bytes) -> list[Any]:
        """The values of items that stand one after the other; errors as `loads`."""
        return self._read(self._reader.unpack_each, data)

    def split_items(self, data: bytes) -> list[bytes]:
        """The bytes of each item of those that stand one after the other, without decoding."""
        return self._read(self._reader.split, data)

    def _take(self) -> Writer:
        try:
            return self._writers.pop()
        except IndexError:
            return self._new_writer()

    def _new_writer(self, unicode_errors: str | None = None) -> Writer:
        from .writer import Chain, Writer

        return Writer(Chain(self._registry, self._max_depth, unicode_errors, exact=self._exact))

    def _with_surrogates(self, write: Callable[[Writer, Any], R], value: Any) -> R:
        writer = self._new_writer("surrogatepass")
        try:
            return write(writer, value)
        except writer.errors as error:
            raise _not_writable(value, error) from error

    def _give_back(self, writer: Writer, size: int) -> None:
        if size > self._max_bytes:
            raise SerializationError(
                f"a value of {size} bytes cannot be stored: the limit is {self._max_bytes}; "
                "store large data elsewhere and a reference to it, or raise max_bytes"
            )
        if size < _KEPT_SIZE and len(self._writers) < _KEPT_WRITERS:
            self._writers.append(writer)

    def _read(self, read: Callable[[bytes], R], data: bytes) -> R:
        if len(data) > self._max_bytes:
            raise DeserializationError(
                f"{len(data)} bytes are too many for one value: the limit is {self._max_bytes}; "
                "make the serializer with a larger max_bytes"
            )
        try:
            return read(data)
        except DeserializationError:
            raise
        except Exception as error:  # hostile bytes make any decoder raise anything
            raise DeserializationError(
                f"{len(data)} bytes beginning {data[:16]!r} cannot be read: {told(error)}; they "
                "are damaged or no value of this serializer: restore them from a backup"
            ) from error


def _not_writable(value: Any, error: Exception) -> SerializationError:
    if isinstance(error, SerializationError):  # one of a registered class, which is a TypeError
        return error
    return SerializationError(
        f"{shown(value)} cannot be stored: {told(error)}; it is nested "
        "too deeply, contains itself, is too large, or was changed meanwhile: store a flat copy"
    )
