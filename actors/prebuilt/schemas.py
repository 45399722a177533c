"""Answers in a form: the JSON schema that a model is told, and the value made of what it says."""

from __future__ import annotations

import json
from reprlib import repr as shortened
from typing import Any, cast

from actors.hints import types_in
from actors.jsonschemas import described
from checkpoint import register_type

from .errors import AgentModelError


def form_of(response_format: Any) -> tuple[Any, Any]:
    """What the model is told before it is asked for a form, if anything, and the form."""
    if isinstance(response_format, tuple):
        return cast("tuple[Any, Any]", response_format)
    return None, response_format


def make_storable(response_format: Any) -> None:
    """Let threads keep answers in the form: it and the classes that it names are registered."""
    _, wanted = form_of(response_format)
    for cls in types_in([wanted]):
        register_type(cls)


def schema_of(wanted: Any) -> dict[str, Any]:
    """The JSON schema of a class; a dict is one already."""
    return cast("dict[str, Any]", wanted) if isinstance(wanted, dict) else described(wanted)


def parsed(wanted: Any, answer: Any, model: Any) -> Any:
    """An answer, JSON text or a dict, as an instance of the class; for a dict schema, as a dict.

    Raises AgentModelError if it does not fit.
    """
    try:
        value = cast("Any", answer) if isinstance(answer, dict) else json.loads(answer)
        if isinstance(wanted, dict):
            return value
        from pydantic import TypeAdapter

        return TypeAdapter(wanted).validate_python(value)
    except (TypeError, ValueError) as error:
        why = str(error).partition("\n")[0]
        raise AgentModelError(
            f"The model {model!r} was asked for {wanted!r} and gave "
            f"{shortened(cast('Any', answer))}, which does not fit ({why}): have it answer in JSON "
            "of that schema"
        ) from error
