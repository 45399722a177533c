"""Values to bytes: a chain of writers, one for each level of typed values inside each other.

A packer cannot be used while it is packing, so what is packed inside an extension goes through
the packer of the next level.  A chain is used by one thread at a time.

The C packer recurses, up to 1,024 lists and dicts deep, some 430 bytes of stack each time, and
tells nobody how deep it is.  Two levels may use that up; each further one is looked at before it
is packed and may nest 24 deep, so that 64 levels fit into a thread with two megabytes of stack.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import msgpack  # pyright: ignore[reportMissingTypeStubs]

from .buffers import BIN8, BIN16, BIN32, may_hold_buffers, nests_deeper, replace_bytearrays
from .codecs import CODECS, codec_of
from .codes import BYTEARRAY, REGISTERED, REMOTE_ERROR
from .errors import RemoteError, SerializationError, UnregisteredTypeError
from .failures import remote_to
from .registry import Opaque, Registration, TypeRegistry, can_register, name_head
from .wording import shown, told

_msgpack = cast(Any, msgpack)
_FREE_LEVELS = 2
_DEEP_NESTING = 24
_PLAIN: tuple[type[Any], ...] = (int, float, str, bytes, list, dict, tuple, set, frozenset)

# ExtType's own constructor refuses codes below 0, and is slower than that of its base class.
_extension: Callable[[tuple[int, bytes]], Any] = partial(tuple[Any, ...].__new__, _msgpack.ExtType)


def _extended_bytearray(value: bytearray) -> Any:
    return _extension((BYTEARRAY, bytes(value)))


class Chain:
    """What the writers of one chain share."""

    __slots__ = ("exact", "in_exception", "max_depth", "registry", "unicode_errors")

    def __init__(
        self,
        registry: TypeRegistry,
        max_depth: int,
        unicode_errors: str | None = None,
        *,
        exact: bool = False,
    ) -> None:
        self.registry = registry
        self.max_depth = max_depth
        self.unicode_errors = unicode_errors
        self.exact = exact
        self.in_exception = False


class Writer:
    """One level: packs a value, and gives the parts of typed values to the next level."""

    __slots__ = ("_chain", "_depth", "_inner", "_packer")

    errors = (ArithmeticError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)
    """What the packer raises for values that are too deep, too large, or changed meanwhile."""

    def __init__(self, chain: Chain, depth: int = 0) -> None:
        self._chain = chain
        self._depth = depth
        self._inner: Writer | None = None
        self._packer = _msgpack.Packer(
            default=self._extend,
            strict_types=True,  # subclasses and tuples come to `_extend` too
            unicode_errors=chain.unicode_errors,
        )

    def pack(self, value: Any) -> bytes:
        """The bytes of the value; raises SerializationError or one of `errors`."""
        data: bytes = self._packer.pack(value)
        if BIN8 in data or BIN16 in data or BIN32 in data:  # inline, for small values
            return self._look_closer(value, data)
        return data

    def pack_each(self, values: Sequence[Any]) -> list[bytes]:
        """The bytes of each value."""
        items: list[bytes] = [*map(self._packer.pack, values)]
        if may_hold_buffers(b"".join(items)):
            for index, data in enumerate(items):
                if BIN8 in data or BIN16 in data or BIN32 in data:
                    items[index] = self._look_closer(values[index], data)
        return items

    def _look_closer(self, value: Any, data: bytes) -> bytes:
        replaced = replace_bytearrays(value, _extended_bytearray)
        return data if replaced is value else self._packer.pack(replaced)

    def _next(self) -> Writer:
        return self._inner or self._deepen()

    def _deepen(self) -> Writer:
        depth = self._depth + 1
        if depth > self._chain.max_depth:
            raise SerializationError(
                f"typed values stand more than {self._chain.max_depth} deep inside each other, or "
                "contain themselves, and cannot be stored: store a flatter form, such as a list "
                "of nodes, or raise max_depth"
            )
        kind = Writer if depth < _FREE_LEVELS else DeepWriter
        self._inner = kind(self._chain, depth)
        return self._inner

    def _extend(self, value: object) -> Any:
        """The extension for a value that the packer does not know."""
        cls = type(value)
        codec = CODECS.get(cls)
        if codec is None:
            return self._extend_class(value, cls)
        return _extension((codec.code, codec.encode(value, self._next().pack)))

    def _extend_class(self, value: Any, cls: type[Any]) -> Any:
        registration = self._chain.registry.of_class(cls)
        if isinstance(value, BaseException):
            return self._extend_exception(value, registration)
        if registration is not None:
            return self._extend_registered(value, registration)
        if cls is Opaque:
            return _extension((REGISTERED, name_head(value.tag) + value.payload))
        codec = codec_of(cls)
        if codec is None:
            raise _refusal(value, cls)
        return _extension((codec.code, codec.encode(value, self._next().pack)))

    def _extend_registered(self, value: Any, registration: Registration) -> Any:
        try:
            state = registration.shape.encode(value)
        except SerializationError:
            raise
        except Exception as error:  # code of a user's class
            raise SerializationError(
                f"{shown(value)} cannot be stored: taking it apart raised "
                f"{told(error)}; mend its encode function or its attributes"
            ) from error
        return _extension((REGISTERED, registration.head + self._next().pack(state)))

    def _extend_exception(self, error: BaseException, registration: Registration | None) -> Any:
        """As itself if that is possible; but an exception is never refused, unless bytes are to be
        exact.

        Only the outermost one falls back: were each of a deep pile of them to try, it would cost
        two tries for each level.
        """
        if registration is None:
            return self._extend_remote(error)
        if self._chain.in_exception:
            return self._extend_registered(error, registration)
        self._chain.in_exception = True
        try:
            return self._extend_registered(error, registration)
        except UnicodeEncodeError:  # the whole value is packed once more, in another way
            raise
        except (SerializationError, *self.errors):
            if self._chain.exact:
                raise
            return self._extend_remote(error)
        finally:
            self._chain.in_exception = False

    def _extend_remote(self, error: BaseException) -> Any:
        if self._chain.exact and type(error) is not RemoteError:
            raise _refusal(error, type(error))
        return _extension((REMOTE_ERROR, self._next().pack(remote_to(error))))


class DeepWriter(Writer):
    """A level so deep that it must look before it packs, for the sake of the stack."""

    __slots__ = ()

    def pack(self, value: Any) -> bytes:
        """As `Writer.pack`."""
        if nests_deeper(value, _DEEP_NESTING):
            raise SerializationError(
                f"lists and dicts stand more than {_DEEP_NESTING} deep inside each other, inside "
                f"{self._depth} typed values, and cannot be stored: store a flatter form"
            )
        return Writer.pack(self, value)


def _refusal(value: Any, cls: type[Any]) -> UnregisteredTypeError:
    if can_register(cls):
        mend = f"register_type({cls.__qualname__})"
    else:
        mend = f"register_type({cls.__qualname__}, encode=..., decode=...)"
    base = next((base for base in _PLAIN if issubclass(cls, base)), None)
    why = f", and would come back as a plain {base.__name__}" if base else ""
    return UnregisteredTypeError(
        f"{shown(value)} cannot be stored: its class {cls.__module__}.{cls.__qualname__} is "
        f"not registered{why}; call checkpoint.{mend} once, where the class is defined"
    )
