"""Which classes may be stored, and under which name: the only classes that bytes can bring back."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from . import arrays
from .errors import RemoteError, TypeRegistrationError
from .failures import BUILT_IN_EXCEPTIONS
from .shapes import Shape, shape_of

C = TypeVar("C", bound=type[Any])

_PLAIN = frozenset({type(None), bool, int, float, str, bytes, bytearray, list, dict, RemoteError})
_LONGEST_NAME = 255  # its length is one byte


class Registration(NamedTuple):
    """A class, the name that stands for it in bytes, and how its instances travel."""

    cls: type[Any]
    name: str
    head: bytes
    """Length and bytes of the name, as they begin a payload."""
    shape: Shape


@dataclass(frozen=True, slots=True)
class Opaque:
    """A stored value of a class that is not registered here; written back as the same bytes."""

    tag: str
    """The class's stored name."""
    payload: bytes
    """Its stored state."""


class TypeRegistry:
    """A table of classes and their names; thread-safe.

    The built-in exceptions are in it from the start; numpy's arrays and scalars as soon as numpy
    is loaded.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_class: dict[type[Any], Registration] = {}
        self._by_name: dict[bytes, Registration] = {}
        self._awaited: dict[str, Callable[[], None]] = {}
        """What registers the classes of a library, by the module that must be loaded first."""
        for cls in BUILT_IN_EXCEPTIONS:
            self.register(cls)

    def register(
        self,
        cls: C,
        *,
        name: str | None = None,
        encode: Callable[[Any], Any] | None = None,
        decode: Callable[[Any], Any] | None = None,
        aliases: Iterable[str] = (),
    ) -> C:
        """Let instances of `cls` be stored; see `register_type`."""
        if not isinstance(cls, type):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeRegistrationError(
                f"{cls!r} cannot be registered: it is no class; pass the class itself"
            )
        if _stored_as_it_is(cls):
            if encode is not None or decode is not None:
                raise TypeRegistrationError(
                    f"{cls!r} cannot be registered with encode= and decode=: it is stored as it "
                    "is; leave them out, or wrap the value in a class of your own"
                )
            return cls
        shape = _shape(cls, encode, decode)
        chosen = f"{cls.__module__}.{cls.__qualname__}" if name is None else name
        names = [chosen, *aliases]
        registration = Registration(cls, chosen, name_head(chosen), shape)
        with self._lock:
            for one in names:
                self._check_free(one, cls)
            self._by_class[cls] = registration
            for one in names:
                self._by_name[name_head(one)[1:]] = registration
        return cls

    def when_loaded(self, module: str, register: Callable[[], None]) -> None:
        """Have the classes of a library registered; see `register_when_loaded`."""
        self._awaited[module] = register

    def of_class(self, cls: type[Any]) -> Registration | None:
        """The registration of exactly this class."""
        return self._by_class.get(cls) or self._adopt(cls)

    def of_name(self, name: bytes) -> Registration | None:
        """The registration under this name or alias."""
        found = self._by_name.get(name) or _ARRAYS.get(name if arrays.loaded() else b"")
        if found is None:
            self._register_loaded()
            found = self._by_name.get(name)
        return found

    def _adopt(self, cls: type[Any]) -> Registration | None:
        kind = arrays.array_kind(cls)
        if kind is None:
            self._register_loaded()
            return self._by_class.get(cls)
        found = self._by_class[cls] = _ARRAYS[f"numpy.{kind}".encode()]
        return found

    def _register_loaded(self) -> None:
        """Register what was to be registered when a module is loaded.

        Two threads may do it at once, which is harmless.
        """
        for module in list(self._awaited):
            register = self._awaited.get(module)
            if register is not None and sys.modules.get(module) is not None:
                register()
                self._awaited.pop(module, None)

    def _check_free(self, name: str, cls: type[Any]) -> None:
        taken = self._by_name.get(name_head(name)[1:])
        if taken is not None and not _same(taken.cls, cls):
            raise TypeRegistrationError(
                f"{cls!r} cannot be registered as {name!r}: {taken.cls!r} has that name; "
                "pass another name="
            )


def _same(one: type[Any], other: type[Any]) -> bool:
    """True for a class and its redefinition (a module reloaded, a notebook cell run again)."""
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)


def name_head(name: str) -> bytes:
    """Length and bytes of a name, as they begin a payload."""
    encoded = name.encode("utf-8", "surrogatepass")
    if not 0 < len(encoded) <= _LONGEST_NAME:
        raise TypeRegistrationError(
            f"{name!r} cannot be the name of a class: it has {len(encoded)} bytes, not 1 to "
            f"{_LONGEST_NAME}; pass a shorter name="
        )
    return bytes((len(encoded),)) + encoded


def _stored_as_it_is(cls: type[Any]) -> bool:
    """True for classes that are stored without registration: plain ones and TypedDicts."""
    if cls in _PLAIN or hasattr(cls, "__required_keys__"):
        return True
    if shape_of(cls) is not None:  # no class with a codec has one, and the codecs load slowly
        return False
    from .codecs import codec_of

    return codec_of(cls) is not None


def _shape(
    cls: type[Any], encode: Callable[[Any], Any] | None, decode: Callable[[Any], Any] | None
) -> Shape:
    if encode is not None and decode is not None:
        return Shape(encode, decode)
    shape = shape_of(cls)
    if shape is None or encode is not None or decode is not None:
        raise TypeRegistrationError(
            f"{cls!r} cannot be registered without both encode= and decode=: only dataclasses, "
            "enums, namedtuples, pydantic models, msgspec structs and exceptions can be taken "
            "apart unaided; pass encode=(instance -> plain value) and decode=(the way back)"
        )
    return shape


def _array_registration(cls_name: str, shape: Shape) -> Registration:
    return Registration(object, cls_name, name_head(cls_name), shape)


_ARRAYS = {
    b"numpy.array": _array_registration("numpy.array", Shape(arrays.array_to, arrays.array_from)),
    b"numpy.scalar": _array_registration(
        "numpy.scalar", Shape(arrays.scalar_to, arrays.scalar_from)
    ),
}

DEFAULT_REGISTRY = TypeRegistry()
"""The registry of this process, which `register_type` fills and serializers use by default."""


def register_type(
    cls: C,
    *,
    name: str | None = None,
    encode: Callable[[Any], Any] | None = None,
    decode: Callable[[Any], Any] | None = None,
    aliases: Iterable[str] = (),
) -> C:
    """Let instances of a class be stored; returns the class, so it serves as a decorator too.

    register_type(Order)                                            # dataclass, enum, model, …
    register_type(Order, aliases=["shop.Purchase"])                 # after renaming the class
    register_type(Money, encode=str, decode=Money.parse)            # any other class

    `name` (default: module and qualified name) stands for the class in bytes and must stay.
    `encode` gives a storable value, `decode` takes it back; both run for this very class only.
    Registering again is harmless, and a redefined class takes the place of the former one.
    Raises TypeRegistrationError if another class has the name, or encode and decode are missing.
    """
    return DEFAULT_REGISTRY.register(cls, name=name, encode=encode, decode=decode, aliases=aliases)


def register_when_loaded(module: str, register: Callable[[], None]) -> None:
    """Have a library's classes registered in a process that uses it, and not load it in others.

    def register() -> None:
        from shapely import Point
        register_type(Point, encode=to_wkb, decode=from_wkb)

    register_when_loaded("shapely", register)

    `register` is called when a class or a stored name is met that is not registered, once `module`
    has been imported; what it raises comes out there.  Stored bytes never cause an import.
    """
    DEFAULT_REGISTRY.when_loaded(module, register)


def can_register(cls: object) -> bool:
    """True if `register_type(cls)` works without encode and decode."""
    return isinstance(cls, type) and (shape_of(cls) is not None or _stored_as_it_is(cls))
