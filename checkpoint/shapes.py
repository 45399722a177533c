"""How instances of registered classes become plain state, and state becomes instances again.

A dataclass, namedtuple, pydantic model or msgspec struct is stored as a dict of its fields, an
enum member by its name.  Restoring is faithful, not validating: no `__init__`, `__post_init__`
or validator runs (a msgspec struct, which has no other way, is made by its constructor).

Classes change while their instances are stored.  A field that the class no longer has is dropped;
one that it has got since takes its default, and is an error if there is none.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, Flag
from typing import Any, cast

from .errors import DeserializationError
from .failures import exception_from, exception_to, native_base
from .wording import named

_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: a class made by Python code
State = Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Shape:
    """An instance to plain state and back."""

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


def shape_of(cls: type[Any]) -> Shape | None:
    """How to take this class apart and put it together; None if it is none of the known kinds."""
    if issubclass(cls, BaseException):
        return _exception(cls)
    if issubclass(cls, Enum):
        return Shape(_member_to, lambda state: _member_from(cls, state))
    if _is_namedtuple(cls):
        return _namedtuple(cls)
    if _is_model(cls):
        return _model(cls)
    if _is_struct(cls):
        return _struct(cls)
    if dataclasses.is_dataclass(cls) and _made_by_python(cls):
        return _dataclass(cls)
    return None


def _made_by_python(cls: type[Any]) -> bool:
    """True if an instance holds nothing but attributes (a subclass of `dict` holds items too)."""
    return all(base.__flags__ & _HEAP_TYPE for base in cls.__mro__ if base is not object)


def _exception(cls: type[BaseException]) -> Shape:
    native = native_base(cls)
    return Shape(
        lambda error: exception_to(native, error),
        lambda state: exception_from(native, cls, state),
    )


# -------------------------------------------------------------------------------------- fields


def _state(cls: type[Any], state: object) -> State:
    if not isinstance(state, dict):
        raise DeserializationError(
            f"{named(state)} stands where the fields of {cls.__qualname__} belong: the bytes are "
            "damaged, or the class was of another kind; register the old one under its old name"
        )
    return cast(State, state)


def _missing(cls: type[Any], name: str) -> DeserializationError:
    return DeserializationError(
        f"the stored {cls.__qualname__} has no field {name!r}, and the class gives no default for "
        "it; give the field a default"
    )


def _fields_to(names: tuple[str, ...]) -> Callable[[Any], dict[str, Any]]:
    def encode(value: Any) -> dict[str, Any]:
        try:
            return {name: getattr(value, name) for name in names}
        except AttributeError:  # a field without a value, as init=False allows
            return {name: getattr(value, name) for name in names if hasattr(value, name)}

    return encode


def _dataclass(cls: type[Any]) -> Shape:
    fields = {field.name: field for field in dataclasses.fields(cls)}

    def decode(stored: object) -> Any:
        state = _state(cls, stored)
        value = object.__new__(cls)
        for name, field in fields.items():
            if name in state:
                object.__setattr__(value, name, state[name])
            else:
                _set_default(cls, value, field)
        return value

    return Shape(_fields_to(tuple(fields)), decode)


def _set_default(cls: type[Any], value: Any, field: dataclasses.Field[Any]) -> None:
    if field.default is not dataclasses.MISSING:
        object.__setattr__(value, field.name, field.default)
    elif field.default_factory is not dataclasses.MISSING:
        object.__setattr__(value, field.name, field.default_factory())
    elif field.init:
        raise _missing(cls, field.name)


def _is_namedtuple(cls: Any) -> bool:
    return tuple in cls.__mro__ and hasattr(cls, "_fields") and hasattr(cls, "_field_defaults")


def _namedtuple(cls: Any) -> Shape:
    names: tuple[str, ...] = cls._fields
    defaults: dict[str, Any] = cls._field_defaults

    def decode(stored: object) -> Any:
        state = {**defaults, **_state(cls, stored)}
        try:
            return cls._make(state[name] for name in names)
        except KeyError as error:
            raise _missing(cls, error.args[0]) from None

    return Shape(lambda value: dict(zip(names, value, strict=True)), decode)


# --------------------------------------------------------------------------------------- enums


def _member_to(member: Enum) -> str | int:
    """The name, which stays when values move; a combination of flags has only its value."""
    name: str | None = member.name
    return name if name in type(member).__members__ else int(member.value)


def _member_from(cls: type[Enum], state: str | int) -> Enum:
    if isinstance(state, int) and issubclass(cls, Flag):
        return cls(state)
    member = cls.__members__.get(cast(str, state))
    if member is None:
        raise DeserializationError(
            f"{cls.__qualname__} has no member {named(state)}; add it, or an alias of that name"
        )
    return member


# ------------------------------------------------------------------ pydantic and msgspec, if loaded


def _base_model() -> Any:
    return getattr(sys.modules.get("pydantic.main"), "BaseModel", None)


def _is_model(cls: type[Any]) -> bool:
    base = _base_model()
    return base is not None and issubclass(cls, base)


def _model(cls: Any) -> Shape:
    """Fields, extra values, names of the fields that were set, private attributes."""
    base, known = _base_model(), cls.model_fields
    factories = _plain_factories(known)

    def encode(model: Any) -> list[Any]:
        state = base.__getstate__(model)
        values = state["__dict__"]  # in which cached properties are too
        return [
            {name: values[name] for name in known if name in values},
            state["__pydantic_extra__"],
            sorted(state["__pydantic_fields_set__"]),
            state["__pydantic_private__"],
        ]

    def decode(stored: Any) -> Any:
        values, extra, names, private = stored
        state = {
            "__dict__": {
                name: value for name, value in _state(cls, values).items() if name in known
            },
            "__pydantic_extra__": None if extra is None else _state(cls, extra),
            "__pydantic_fields_set__": {*names} & {*known, *(extra or ())},
            "__pydantic_private__": private if private is None else _state(cls, private),
        }
        _fill(cls, state, factories)
        model = cls.__new__(cls)
        base.__setstate__(model, state)
        return model

    return Shape(encode, decode)


def _plain_factories(fields: Mapping[str, Any]) -> dict[str, Callable[[], Any]]:
    """Default factories that are called with nothing.

    Known beforehand: pydantic looks at their signatures each time, and compiles those of built-in
    ones to do so, which must not happen while something is read.
    """
    return {
        name: field.default_factory
        for name, field in fields.items()
        if field.default_factory is not None
        and not getattr(field, "default_factory_takes_validated_data", False)
    }


def _fill(cls: Any, state: dict[str, Any], factories: Mapping[str, Callable[[], Any]]) -> None:
    """Give fields and private attributes that the class has got since their defaults."""
    values: dict[str, Any] = state["__dict__"]
    private: dict[str, Any] = state["__pydantic_private__"] or {}
    fields = [name for name in cls.model_fields if name not in values]
    attributes = [name for name in _private_with_default(cls) if name not in private]
    for name in fields:
        if cls.model_fields[name].is_required():
            raise _missing(cls, name)
    if fields or attributes:
        made = {name: factories[name]() for name in fields if name in factories}
        fresh = cls.model_construct(**values, **made)
        state["__dict__"] = values | {name: getattr(fresh, name) for name in fields}
        if cls.__private_attributes__:
            made = {name: getattr(fresh, name) for name in attributes}
            state["__pydantic_private__"] = made | private


def _private_with_default(cls: Any) -> list[str]:
    undefined = sys.modules["pydantic_core"].PydanticUndefined
    return [
        name
        for name, attribute in cls.__private_attributes__.items()
        if attribute.default is not undefined or attribute.default_factory is not None
    ]


def _is_struct(cls: type[Any]) -> bool:
    msgspec = sys.modules.get("msgspec")
    return msgspec is not None and issubclass(cls, msgspec.Struct)


def _struct(cls: type[Any]) -> Shape:
    names: tuple[str, ...] = cls.__struct_fields__

    def decode(stored: object) -> Any:
        state = _state(cls, stored)
        return cls(**{name: state[name] for name in names if name in state})

    return Shape(_fields_to(names), decode)
