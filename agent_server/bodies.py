"""What a request brings: its body as JSON, checked before anything is done with it."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any, TypeVar, cast

import orjson
from pydantic import BaseModel, ValidationError

from .errors import InvalidError

if TYPE_CHECKING:
    from starlette.requests import Request

M = TypeVar("M", bound=BaseModel)

NO_JSON = "Invalid JSON in request body"
MAX_NESTING = 200
_MANY_DIGITS = re.compile(rb"([0-9]{19})[0-9]*")


async def read_json(request: Request) -> Any:
    """The body as JSON.  Raises InvalidError (bad JSON, bad UTF-8, nested too deep)."""
    return from_json(await request.body(), request.scope.get("max_nesting", MAX_NESTING))


async def read_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object.  Raises InvalidError."""
    value = await read_json(request)
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    raise InvalidError(f"The request body is {_kind(value)}; send a JSON object")


async def read_model(request: Request, model: type[M]) -> M:
    """The body as a model; unknown fields are the model's matter.  Raises InvalidError."""
    return model_of(await read_object(request), model)


def model_of(value: Any, model: type[M]) -> M:
    """JSON as a model.  Raises InvalidError that names the first field that is wrong."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise InvalidError(_told(error)) from None


def from_json(body: bytes, max_nesting: int = MAX_NESTING) -> Any:
    """JSON of at most `max_nesting` levels; integers of up to 4,300 digits are kept.

    Raises InvalidError.
    """
    try:
        value = _exactly(body) if _MANY_DIGITS.search(body) else orjson.loads(body)
    except (ValueError, RecursionError):
        raise InvalidError(NO_JSON) from None
    if body.count(b"[") + body.count(b"{") > max_nesting:
        _check_nesting(value, max_nesting)
    return value


def _exactly(body: bytes) -> Any:
    """The same of JSON with many digits: orjson, which refuses more of what is no JSON, makes
    floats of integers beyond 64 bits, and takes none beyond all floats."""
    orjson.loads(_MANY_DIGITS.sub(rb"\1", body))
    return json.loads(body, parse_int=_integer, parse_float=_finite)


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidError(
            f"a number of {len(text)} characters in the request body is too long; send one of at "
            f"most {sys.get_int_max_str_digits()} digits, or a text"
        ) from None


def _finite(text: str) -> float:
    value = float(text)
    if value - value != 0:
        raise InvalidError(NO_JSON)
    return value


def _check_nesting(value: Any, most: int) -> None:
    """Level by level, so that the reader's own depth does not matter."""
    level: list[Any] = [value]
    for _ in range(most):
        level = [
            part
            for whole in level
            if isinstance(whole, dict | list)
            for part in cast("list[Any]", whole.values() if isinstance(whole, dict) else whole)
            if isinstance(part, dict | list)
        ]
        if not level:
            return
    raise InvalidError(f"The request body is nested more than {most} levels deep; send it flatter")


def _told(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    given = "" if first["type"] == "missing" else f", not {_shown(first['input'])}"
    return f"{place or 'body'}: {first['msg']}{given}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "a number"
