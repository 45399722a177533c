"""Bodies of requests: what is JSON, what is a model, and what is refused in one line."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agent_server import InvalidError
from agent_server.bodies import NO_JSON, from_json, model_of, read_json, read_model, read_object
from agent_server.responses import JsonResponse
from tests.agent_server.harness.local import local_client


class Point(BaseModel):
    x: int
    label: str = ""


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize(
    "body",
    [b"", b"{bad", b'{"a": 1,}', b'"\xff"', b'{"a": NaN}', b'"\\ud800"', b"1 2", b"\xef\xbb\xbf{}"],
    ids=["empty", "word", "comma", "utf-8", "nan", "surrogate", "two values", "byte order mark"],
)
def test_what_is_no_json_is_refused_with_the_text_that_clients_know(body: bytes) -> None:
    with pytest.raises(InvalidError, match=NO_JSON):
        from_json(body)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"null", None),
        (b'{"a":[1,2.5,"\xc3\xa9"]}', {"a": [1, 2.5, "é"]}),
        (b'{"n": 123456789012345678901234567890}', {"n": 123456789012345678901234567890}),
        (b"[%d, -%d]" % (2**1024, 10**4299), [2**1024, -(10**4299)]),
        (b"[0.%d, %de-400, 1e-%d]" % (10**400, 10**400, 10**20), [0.1, 1.0, 0.0]),
        (b'"\\u00e91234567890123456789%d"' % 2**1024, f"é1234567890123456789{2**1024}"),
        (b'"123456789012345678901234567890"', "123456789012345678901234567890"),
    ],
    ids=[
        "null",
        "object",
        "huge integer",
        "integers beyond floats",
        "many digits of floats",
        "digits after an escape",
        "digits in a string",
    ],
)
def test_json_is_read_as_it_stands(body: bytes, value: Any) -> None:
    assert from_json(body) == value


@pytest.mark.parametrize("more", [b"NaN", b"Infinity", b"1e400", b"01", b'"\\ud800"', b'"\xff"'])
@pytest.mark.parametrize("number", [10**30, 10**400], ids=["huge", "huger"])
def test_a_huge_integer_does_not_let_in_what_is_no_json(number: int, more: bytes) -> None:
    with pytest.raises(InvalidError, match=NO_JSON):
        from_json(b'{"n": %d, "m": %b}' % (number, more))


@pytest.mark.parametrize(
    "text",
    [b"%d.5" % 10**400, b"-%d.5" % 10**400, b"0%d" % 10**400],
    ids=["float", "negative", "zero"],
)
def test_many_digits_that_are_no_number_are_refused(text: bytes) -> None:
    with pytest.raises(InvalidError, match=NO_JSON):
        from_json(text)


def test_an_integer_of_more_digits_than_python_reads_is_refused() -> None:
    with pytest.raises(InvalidError, match=r"5000 characters .* is too long; .* 4300 digits"):
        from_json(b'{"n": [%b]}' % (b"9" * 5000))


@pytest.mark.parametrize("levels", [1, 10])
def test_levels_up_to_the_limit_are_read(levels: int) -> None:
    value = from_json(nested(levels), max_nesting=10)
    for _ in range(levels - 1):
        (value,) = value
    assert value == []


@pytest.mark.parametrize("levels", [11, 300, 100_000])
def test_more_levels_are_refused_and_no_stack_overflows(levels: int) -> None:
    with pytest.raises(InvalidError):
        from_json(nested(levels), max_nesting=10)


def test_many_brackets_side_by_side_are_no_levels() -> None:
    assert len(from_json(b"[" + b"[]," * 999 + b'{"a":{}}]', max_nesting=3)) == 1000


def test_brackets_in_strings_are_no_levels() -> None:
    assert from_json(b'"' + b"[" * 500 + b'"', max_nesting=2) == "[" * 500


def test_a_model_is_made_and_unknown_fields_are_ignored() -> None:
    assert model_of({"x": 1, "new": True}, Point) == Point(x=1)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({}, r"^x: Field required$"),
        ({"x": "one"}, r"^x: .*valid integer.*, not 'one'$"),
        ({"x": 1, "label": ["a" * 500]}, r"^label: .*, not \['a+…$"),
    ],
    ids=["missing", "wrong", "long"],
)
def test_the_first_wrong_field_is_told_in_one_line(value: Any, told: str) -> None:
    with pytest.raises(InvalidError, match=told):
        model_of(value, Point)


async def test_a_request_is_read_as_json_as_an_object_or_as_a_model() -> None:
    async def json(request: Request) -> Response:
        return JsonResponse(await read_json(request))

    async def model(request: Request) -> Response:
        return JsonResponse((await read_model(request, Point)).x)

    app = Starlette(
        routes=[Route("/json", json, methods=["POST"]), Route("/model", model, methods=["POST"])]
    )
    async with local_client(app) as client:
        assert (await client.post("/json", content=b"[1]")).json() == [1]
        assert (await client.post("/model", content=b'{"x": 3}')).json() == 3


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"[]", "an array"), (b'"a"', "a string"), (b"1", "a number"), (b"true", "a boolean")],
)
async def test_what_is_no_object_is_told_what_it_is(body: bytes, kind: str) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    with pytest.raises(InvalidError, match=f"is {kind}; send a JSON object"):
        await read_object(Request({"type": "http", "headers": []}, receive))
