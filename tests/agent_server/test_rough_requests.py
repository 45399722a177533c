"""Requests that no client sends: odd bytes in paths, queries, headers and bodies, on a real socket.

Whatever comes, there is an answer that is no 5xx, it is one answer, and the server goes on.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk import Auth

from agent_server.app import create_app
from agent_server.settings import Settings
from checkpoint import new_id
from tests.agent_server.harness import graphs
from tests.agent_server.lib_streams import listening

GRAPHS = {"agent": graphs.agent}


def everybody() -> Auth:
    hook = Auth()

    @hook.authenticate
    async def authenticate() -> str:
        return "somebody"

    @hook.on
    async def own(ctx: Any, value: Any) -> dict[str, str]:
        return {"owner": ctx.user.identity}

    @hook.on.store
    async def store(ctx: Any, value: Any) -> None:
        return None

    return hook


@pytest.fixture(params=[None, everybody], ids=["open", "guarded"])
async def port(tmp_path: Path, request: Any) -> AsyncGenerator[int]:
    settings = Settings(database=tmp_path / "server.db", max_body=10_000)
    auth = None if request.param is None else request.param()
    async with listening(create_app(GRAPHS, settings=settings, auth=auth)) as number:
        yield number


async def raw(port: int, sent: bytes) -> tuple[int, bytes]:
    """(status, all that was answered)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    return int(answer.split(b" ", 2)[1]), answer


def request(
    method: str, path: bytes, body: bytes = b"", headers: bytes = b"", *, length: bool = True
) -> bytes:
    head = method.encode() + b" " + path + b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
    size = b"content-length: %d\r\n" % len(body) if length else b""
    return head + headers + size + b"\r\n" + body


def chunked(parts: list[bytes]) -> bytes:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return chunks + b"0\r\n\r\n"


ODD = [
    b"..%2f..%2fetc%2fpasswd",
    b"%2e%2e%2f%2e%2e",
    b"..%5c..%5cserver.db",
    b"%00",
    b"%ff%fe",
    b"%ed%a0%80",
    b"x%0d%0aset-cookie:%20a=b",
    b"'%20OR%201=1%20--",
    b"%f0%9f%92%a9",
    b"a" * 3_000,
    b"{thread_id}",
    b"%25%32%66",
]
PATHS = [
    ("GET", b"/threads/%s"),
    ("DELETE", b"/threads/%s"),
    ("GET", b"/threads/%s/state"),
    ("GET", b"/threads/%s/stream"),
    ("GET", b"/threads/%s/runs/%s/stream"),
    ("GET", b"/threads/%s/runs/%s/join"),
    ("GET", b"/runs/%s/stream"),
    ("GET", b"/runs/crons/%s"),
    ("GET", b"/assistants/%s/graph"),
    ("GET", b"/assistants/fe096781-5601-53d2-b2f6-0d3403f7e9ca/subgraphs/%s"),
    ("GET", b"/store/items?namespace=%s&key=%s"),
    ("GET", b"/%s"),
    ("GET", b"/%s/"),
]


async def test_odd_ids_are_refused_and_come_back_in_no_header(port: int) -> None:
    for method, path in PATHS:
        for odd in ODD:
            status, answer = await raw(port, request(method, path.replace(b"%s", odd)))
            head, _, body = answer.partition(b"\r\n\r\n")
            assert status < 500, (path, odd, answer)
            assert b"\nset-cookie" not in head.lower(), (path, odd)
            assert b"/etc/" not in body.replace(b"/etc/passwd", b"")
            assert answer.count(b"HTTP/1.1 ") == 1
    assert (await raw(port, request("GET", b"/ok")))[0] == 200


@pytest.mark.parametrize(
    "query",
    [
        b"limit=%ff",
        b"limit=1e9",
        b"limit=\xd9\xa3",
        b"status=%00",
        b"select=%ff%fe&select=[%22",
        b"select=[[[[[[",
        b"a" * 8_000,
        b"&".join(b"select=x" for _ in range(3_000)),
    ],
    ids=lambda query: query[:20].decode("latin-1"),
)
async def test_odd_queries_are_answered(port: int, query: bytes) -> None:
    thread = new_id().encode()
    for path in (b"/threads/%s/runs?", b"/threads/%s/history?", b"/store/items?key=k&namespace=a&"):
        status, answer = await raw(port, request("GET", path.replace(b"%s", thread) + query))
        assert status < 500, answer


@pytest.mark.parametrize(
    "header",
    [
        b"last-event-id: \xff\xfe",
        b"last-event-id: 99999999999999999999999",
        b"x-request-id: a\x01b",
        b"x-request-id: " + b"x" * 500,
        b"x-api-key: \xe9",
        b"origin: \xff",
        b"authorization: \xff\xfe",
        b"prefer: " + b"," * 500,
        b"content-type: text/\xff; charset=utf-99",
        b"traceparent: 00-\xff-x-1",
    ],
    ids=lambda header: header[:24].decode("latin-1"),
)
async def test_odd_headers_are_answered(port: int, header: bytes) -> None:
    headers = header + b"\r\n"
    for method, path, body in [
        ("POST", b"/threads", b"{}"),
        ("GET", b"/threads/%s/stream" % new_id().encode(), b""),
        ("GET", b"/runs/%s/stream" % new_id().encode(), b""),
    ]:
        status, answer = await raw(port, request(method, path, body, headers))
        assert status < 500, answer
        assert b"a\x01b" not in answer


BODIES = [
    b"\xff\xfe{}",
    b'{"metadata": "\xff"}',
    b'{"metadata": {"a": "\\ud800"}}',
    b'{"metadata": {"\\u0000": "\\u0000"}}',
    b'{"metadata": ' + b'{"a":' * 250 + b"1" + b"}" * 251,
    b"[" * 9_000,
    b'{"metadata": {"n": 1' + b"0" * 5_000 + b"}}",
    b'{"metadata": {"n": 1e999}}',
    b'{"metadata": NaN}',
    b'{"a": 1, "a": 2}',
    b"null",
    b"3",
    b'"\\r\\nset-cookie: a=b"',
    b'{"thread_id": "a\\r\\nset-cookie: x=y", "assistant_id": "agent"}',
    b'{"metadata": {"a\\r\\nset-cookie": "x=y"}, "assistant_id": "agent", "input": {}}',
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body[:24].decode("latin-1"))
async def test_odd_bodies_are_answered(port: int, body: bytes) -> None:
    thread = new_id().encode()
    for path in (
        b"/threads",
        b"/threads/search",
        b"/threads/count",
        b"/runs/wait",
        b"/runs/stream",
        b"/runs/batch",
        b"/runs/cancel",
        b"/runs/crons",
        b"/assistants",
        b"/assistants/search",
        b"/threads/%s/commands" % thread,
        b"/threads/%s/history" % thread,
        b"/store/items/search",
        b"/store/namespaces",
    ):
        status, answer = await raw(port, request("POST", path, body))
        head = answer.partition(b"\r\n\r\n")[0]
        assert status < 500, (path, answer)
        assert b"\nset-cookie" not in head.lower()


class TestSizes:
    async def test_a_body_that_says_its_length_is_refused_before_it_comes(self, port: int) -> None:
        head = b"content-length: 999999999\r\n"
        status, answer = await raw(port, request("POST", b"/threads", b"", head, length=False))
        assert status == 413
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["detail"].startswith("The request body")

    async def test_a_body_in_chunks_is_refused_where_it_becomes_too_long(self, port: int) -> None:
        head = b"transfer-encoding: chunked\r\n"
        for parts in ([b"x" * 20_000], [b"x" * 100] * 200, [b"[" * 6_000, b"]" * 6_000]):
            sent = request("POST", b"/threads", b"", head, length=False) + chunked(parts)
            assert (await raw(port, sent))[0] == 413

    async def test_a_body_in_chunks_that_is_short_enough_is_taken(self, port: int) -> None:
        head = b"transfer-encoding: chunked\r\n"
        sent = request("POST", b"/threads", b"", head, length=False)
        sent += chunked([b'{"meta', b'data": {"k"', b": 1}}"])
        status, answer = await raw(port, sent)
        assert status == 200
        assert b'"k":1' in answer

    async def test_what_says_two_lengths_is_refused(self, port: int) -> None:
        head = b"content-length: 2\r\ntransfer-encoding: chunked\r\n"
        sent = request("POST", b"/threads", b"{}0\r\n\r\n", head, length=False)
        assert 400 <= (await raw(port, sent))[0] < 500
