"""JSON schemas of what a graph takes and gives, made by pydantic (msgspec for its structs).

A schema class is described as it is.  Of a dataclass and of a state of one value the *channels* are
described, as they are what takes an update: a topic takes an item or a list of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, Union, cast, get_args, get_origin
from uuid import UUID

from .channels import Channel, LastValue, Topic
from .errors import JsonSchemaError, JsonSchemaUnavailableError
from .hints import (
    field_hints,
    is_dataclass,
    is_msgspec,
    is_pydantic,
    is_schema_class,
    is_typed_dict,
    look_through,
)
from .spec import ROOT, ROOT_ONLY, GraphSpec
from .typed_dicts import modern

if TYPE_CHECKING:
    from pydantic import BaseModel

JsonSchema = dict[str, Any]
"""A JSON Schema, draft 2020-12."""

Typed: TypeAlias = Callable[[Channel, Any], Any]
"""The type of what a channel takes or gives, from the channel and its annotation."""

_CONFIG: Mapping[str, Any] = {
    "tags": list[str],
    "metadata": dict[str, Any],
    "run_name": str,
    "max_concurrency": int | None,
    "recursion_limit": int,
    "run_id": UUID | None,
}
"""What a config may hold beside `configurable`, of what JSON has."""


def json_schema_of(spec: GraphSpec, source: Any, title: str) -> JsonSchema:
    """The JSON schema of updates to the state keys that `source`, a schema of the graph, names.

    Raises JsonSchemaError, and JsonSchemaUnavailableError when pydantic is not installed.
    """
    if spec.direct:
        return _made(source, channels_model(spec, source, title, update_type).model_json_schema)
    if is_schema_of_its_own(source) or is_schema_of_its_own(get_origin(source)):
        return described(source)
    pydantic = _pydantic(source)
    if spec.state_keys == ROOT_ONLY:
        root = (update_type(spec.channels[ROOT], source), None)
        return _made(source, lambda: _root(pydantic, title, root).model_json_schema())
    fields = {
        key: (update_type(spec.channels[key], hint), _default(source, key, hint))
        for key, hint in field_hints(source).items()
        if key in spec.channels
    }
    return _made(source, lambda: _model(pydantic, title, fields).model_json_schema())


def is_schema_of_its_own(source: Any) -> bool:
    """True for what a library describes by itself: TypedDicts, pydantic models, msgspec structs."""
    return is_typed_dict(source) or is_pydantic(source) or is_msgspec(source)


def described(source: Any) -> JsonSchema:
    """The JSON schema of a TypedDict, dataclass, pydantic model or msgspec struct."""
    if is_msgspec(source):
        import msgspec

        return _made(source, lambda: msgspec.json.schema(source))
    pydantic = _pydantic(source)
    if is_pydantic(source):
        return _made(source, source.model_json_schema)
    return _made(source, lambda: pydantic.TypeAdapter(modern(source)).json_schema())


def context_schema(context: Any) -> JsonSchema | None:
    """The JSON schema of a context; None if there is none."""
    if context is None:
        return None
    if is_schema_class(context):
        return described(context)
    raise JsonSchemaError(
        f"Invalid context schema type: {context}. Must be a BaseModel, TypedDict or dataclass, "
        "or a msgspec.Struct: give one of these as context_schema"
    )


def state_schema(spec: GraphSpec, title: str) -> JsonSchema:
    """The JSON schema of all state keys, with what their channels give."""
    keys = ROOT if spec.state_keys == ROOT_ONLY else spec.state_keys
    if spec.direct:
        keys = spec.sources.output
    model = channels_model(spec, keys, title, value_type)
    return _made(keys, model.model_json_schema)


def channels_model(spec: GraphSpec, source: Any, title: str, typed: Typed) -> type[BaseModel]:
    """A pydantic model of what a raw graph or an entrypoint takes or gives.

    `source` names a channel, whose bare value it is, or several in a tuple; or it is a type.
    """
    pydantic = _pydantic(source)

    def type_of(key: str) -> Any:
        channel = spec.channels[key]
        return typed(channel, getattr(channel, "typ", Any))

    if isinstance(source, tuple):
        fields = {key: (type_of(key), None) for key in cast("tuple[str, ...]", source)}
        return _made(source, lambda: _model(pydantic, title, fields))
    root = type_of(source) if isinstance(source, str) else Any if source is None else modern(source)
    return _made(source, lambda: _root(pydantic, title, root))


def input_model(spec: GraphSpec, title: str) -> type[BaseModel]:
    """A pydantic model that takes what the graph takes."""
    source = spec.sources.input
    if spec.direct:
        return channels_model(spec, source, title, update_type)
    return _whole_model(source, title)


def _whole_model(source: Any, title: str) -> type[BaseModel]:
    if is_pydantic(source):
        return source
    pydantic = _pydantic(source)
    return _made(source, lambda: _root(pydantic, title, modern(source)))


def output_model(spec: GraphSpec, title: str) -> type[BaseModel]:
    """A pydantic model of the state keys that the graph gives; each may be missing."""
    source, channels = spec.sources.output, spec.channels
    if spec.direct:
        return channels_model(spec, source, title, value_type)
    if spec.output_keys == ROOT_ONLY:
        return _whole_model(value_type(channels[ROOT], source), title)
    hints = field_hints(get_origin(source) or source)
    fields = {
        key: (value_type(channels[key], hints[key]), None)
        for key in spec.output_keys
        if key in hints
    }
    pydantic = _pydantic(source)
    return _made(source, lambda: _model(pydantic, title, fields))


def config_schema(context: Any, include: Sequence[str], title: str) -> JsonSchema:
    """The JSON schema of a config: its `configurable` is the context, and the keys in `include`."""
    pydantic = _pydantic(context)
    given = {} if context is None else {"configurable": (modern(context), None)}
    fields = given | {key: (hint, None) for key, hint in _CONFIG.items() if key in include}
    return _made(context, lambda: _model(pydantic, title, fields).model_json_schema())


def update_type(channel: Channel, hint: Any) -> Any:
    """The type of what a channel takes."""
    if isinstance(channel, Topic):
        item = modern(channel.typ)
        return Union[item, list[item]]  # noqa: UP007 - an item type may be any value, also a text
    return _type_of(channel, hint)


def value_type(channel: Channel, hint: Any) -> Any:
    """The type of what a channel gives."""
    if isinstance(channel, Topic):
        return Sequence[modern(channel.typ)]
    return _type_of(channel, hint)


def _type_of(channel: Channel, hint: Any) -> Any:
    if type(channel) is LastValue:  # with what else its annotation says, like a description
        return modern(look_through(hint))
    return modern(getattr(channel, "typ", Any))


def _default(source: Any, key: str, hint: Any) -> Any:
    """A dataclass's default; else None where the type allows it; `...`: a value must be given."""
    for field in dataclasses.fields(source) if is_dataclass(source) else ():
        if field.name == key and field.default is not dataclasses.MISSING:
            return field.default
        if field.name == key and field.default_factory is not dataclasses.MISSING:
            return field.default_factory()
    return None if _is_optional(hint) else ...


def _is_optional(hint: Any) -> bool:
    if get_origin(hint) is Annotated:
        return _is_optional(get_args(hint)[0])
    return hint is None or NoneType in get_args(hint)


def _root(pydantic: Any, title: str, root: Any) -> type[BaseModel]:
    return pydantic.create_model(title, __base__=pydantic.RootModel, root=root)


def _model(pydantic: Any, title: str, fields: Mapping[str, tuple[Any, Any]]) -> type[BaseModel]:
    """A pydantic model; a name that pydantic keeps for itself becomes an alias."""
    taken = {name for name in dir(pydantic.BaseModel) if not name.startswith("_")}
    shown: dict[str, Any] = {}
    for key, (hint, default) in fields.items():
        if key in taken or key.startswith("_"):
            name = key.lstrip("_").replace("_", " ").title()
            field = pydantic.Field(default=default, alias=key, title=name)
            shown[f"private_{key}"] = (hint, field)
        else:
            shown[key] = (hint, default)
    config = {"arbitrary_types_allowed": True, "protected_namespaces": ()}
    return pydantic.create_model(title, __config__=config, **shown)


def _made(source: Any, make: Callable[[], Any]) -> Any:
    """What `make` gives; errors of pydantic and msgspec become ours."""
    try:
        return make()
    except Exception as error:  # pydantic's and msgspec's have no root that is imported here
        raise JsonSchemaError(
            f"{source!r} has no JSON schema: {str(error).partition(chr(10))[0]}. Give what it "
            "names a type that JSON has, or one that pydantic can describe"
        ) from error


def _pydantic(source: Any) -> Any:
    try:
        import pydantic
    except ImportError as error:
        raise JsonSchemaUnavailableError(
            f"The JSON schema of {source!r} is made by pydantic, which is not installed: "
            "pip install 'understudy[pydantic]'"
        ) from error
    return pydantic
