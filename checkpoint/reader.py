"""Bytes to values: a chain of readers, one for each level of typed values inside each other.

Readers keep no state while they read, so any number of threads share a chain.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, cast

import msgpack  # pyright: ignore[reportMissingTypeStubs]

from .codecs import BY_CODE
from .codes import REGISTERED, REMOTE_ERROR, SEALED
from .errors import DeserializationError, KeyRequiredError, UnknownTypeTagError
from .failures import remote_from
from .lengths import SHORT, check_lengths
from .registry import Opaque, TypeRegistry
from .wording import named, told

_msgpack = cast(Any, msgpack)
_STACK_LEVELS = 4  # `unpackb` takes 40 KB of stack each time, an `Unpacker` has it on the heap


class Reader:
    """One level: unpacks bytes, and gives the payloads of extensions to the next level."""

    __slots__ = ("_depth", "_inner", "_max_depth", "_opaque", "_registry", "unpack")

    def __init__(
        self, registry: TypeRegistry, max_depth: int, *, opaque: bool, depth: int = 0
    ) -> None:
        self._registry = registry
        self._max_depth = max_depth
        self._opaque = opaque
        self._depth = depth
        self._inner: Reader | None = None
        self.unpack: Callable[[bytes], Any] = self._unpack_on_heap
        if depth < _STACK_LEVELS:
            self.unpack = cast(
                Callable[[bytes], Any],
                partial(
                    _msgpack.unpackb,
                    ext_hook=self._extend,
                    strict_map_key=False,
                    unicode_errors="surrogatepass",
                ),
            )

    def reader_of(self, data: bytes) -> Callable[[bytes], Any]:
        """What reads these bytes, or a part of them: long ones are looked through first."""
        return self.unpack if len(data) <= SHORT else self._checked

    def _checked(self, data: bytes) -> Any:
        check_lengths(data)
        return self.unpack(data)

    def unpack_each(self, data: bytes) -> list[Any]:
        """The values that stand one after the other; the bytes are looked through first."""
        check_lengths(data)
        unpacker = _msgpack.Unpacker(
            ext_hook=self._extend,
            strict_map_key=False,
            unicode_errors="surrogatepass",
            max_buffer_size=len(data),
        )
        unpacker.feed(data)
        values: list[Any] = []
        size, tell, unpack = len(data), unpacker.tell, unpacker.unpack
        while tell() < size:  # iterating would take an incomplete last item for the end
            values.append(unpack())
        return values

    def split(self, data: bytes) -> list[bytes]:
        """The bytes of each of the values that stand one after the other; nothing is decoded."""
        unpacker = _msgpack.Unpacker(max_buffer_size=len(data))
        unpacker.feed(data)
        bounds: list[int] = [0]
        while bounds[-1] < len(data):
            unpacker.skip()
            bounds.append(unpacker.tell())
        return [data[start:stop] for start, stop in pairwise(bounds)]

    def _unpack_on_heap(self, data: bytes) -> Any:
        values = self.unpack_each(data)
        if len(values) != 1:
            raise DeserializationError(
                f"{len(values)} values stand where one belongs: the bytes are damaged; "
                "restore them from a backup"
            )
        return values[0]

    def _next(self) -> Reader:
        return self._inner or self._deepen()

    def _deepen(self) -> Reader:
        depth = self._depth + 1
        if depth > self._max_depth:
            raise DeserializationError(
                f"typed values stand more than {self._max_depth} deep inside each other: the "
                "bytes are damaged, or were written with a larger max_depth: read them with it"
            )
        self._inner = Reader(self._registry, self._max_depth, opaque=self._opaque, depth=depth)
        return self._inner

    def _extend(self, code: int, data: bytes) -> Any:
        """The value of an extension."""
        codec = BY_CODE.get(code)
        if codec is not None:
            return codec.decode(data, self._next().reader_of(data))
        if code == REGISTERED:
            return self._registered(data)
        if code == REMOTE_ERROR:
            return remote_from(self._next().reader_of(data)(data))
        if code == SEALED:
            raise KeyRequiredError(
                f"{len(data)} bytes are encrypted, and this serializer has no key; read them "
                "with an EncryptedSerializer that has the key they were written with"
            )
        if code >= 0:  # an application's own
            return _msgpack.ExtType(code, data)
        raise DeserializationError(
            f"extension type {code} is unknown: the bytes are damaged, or a newer version wrote "
            "them; upgrade understudy"
        )

    def _registered(self, data: bytes) -> Any:
        end = data[0] + 1
        name, payload = data[1:end], data[end:]
        if len(name) != data[0]:
            raise DeserializationError(
                f"the name {name!r} of a stored class is cut off: the bytes are damaged; "
                "restore them from a backup"
            )
        registration = self._registry.of_name(name)
        if registration is None:
            return self._unregistered(name.decode("utf-8", "surrogatepass"), payload)
        state = self._next().reader_of(payload)(payload)
        try:
            return registration.shape.decode(state)
        except DeserializationError:
            raise
        except Exception as error:  # code of a user's class
            raise DeserializationError(
                f"{named(state)} cannot become a {registration.name}: {told(error)}; mend its "
                "decode function, or the class"
            ) from error

    def _unregistered(self, name: str, payload: bytes) -> Opaque:
        if self._opaque:
            return Opaque(name, payload)
        raise UnknownTypeTagError(
            f"a stored value is of the class {name!r}, which is not registered here; import the "
            f"module that registers it, call register_type(..., aliases=[{name!r}]) if it was "
            "renamed, or read with MsgpackSerializer(opaque=True)"
        )
