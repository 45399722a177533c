"""A server on the loopback that speaks as OpenAI's API does: chat completions and responses.

What it says is scripted by the name of the model.  It runs in a thread with a loop of its own, so
that sync clients can talk to it too, over real sockets.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

USAGE = (3, 4)
"""Tokens in and out that every message costs."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a tool, its arguments in pieces."""

    name: str
    arguments: tuple[str, ...]
    id: str = "call_1"

    @property
    def whole(self) -> str:
        return "".join(self.arguments)


class Gate:
    """Holds a script back until a test opens it, from any thread."""

    def __init__(self) -> None:
        self._opened: Future[None] = Future()

    def open(self) -> None:
        self._opened.set_result(None)

    async def passed(self) -> None:
        await asyncio.shield(asyncio.wrap_future(self._opened))


class Break:
    """The connection breaks here."""


class Failure:
    """The model says here that it failed."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a response, as it is; of a chat completion, fields of a delta."""

    kind: str
    fields: Mapping[str, Any]


Part = str | Call | Gate | Break | Failure | Event


@dataclass(slots=True)
class Script:
    """What a model says, once for each request; the last reply is repeated."""

    replies: list[Sequence[Part]]
    requests: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])

    def next(self, request: Mapping[str, Any]) -> Sequence[Part]:
        self.requests.append(request)
        return self.replies[min(len(self.requests), len(self.replies)) - 1]


class ModelServer:
    """The server; `with ModelServer() as server`."""

    def __init__(self) -> None:
        self._scripts: dict[str, Script] = {}
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        routes = [
            Route("/v1/chat/completions", self._completions, methods=["POST"]),
            Route("/v1/responses", self._responses, methods=["POST"]),
        ]
        config = uvicorn.Config(Starlette(routes=routes), log_level="critical", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def says(self, model: str, *replies: Sequence[Part]) -> Script:
        """Have a model say these replies, one for each request."""
        script = self._scripts[model] = Script(list(replies))
        return script

    async def _completions(self, request: Request) -> Response:
        asked = await request.json()
        parts = self._scripts[asked["model"]].next(asked)
        if not asked.get("stream"):
            return JSONResponse(completion(asked["model"], parts))
        usage = bool((asked.get("stream_options") or {}).get("include_usage"))
        chunks = completion_chunks(asked["model"], parts, usage=usage)
        return StreamingResponse(chunks, media_type="text/event-stream")

    async def _responses(self, request: Request) -> Response:
        asked = await request.json()
        parts = self._scripts[asked["model"]].next(asked)
        if not asked.get("stream"):
            return JSONResponse(response(asked["model"], parts))
        events = response_events(asked["model"], parts)
        return StreamingResponse(events, media_type="text/event-stream")


async def spoken(parts: Iterable[Part]) -> AsyncIterator[str | Call | Failure | Event]:
    """The parts in their time."""
    for part in parts:
        if isinstance(part, Gate):
            await part.passed()
        elif isinstance(part, Break):
            raise ConnectionAbortedError
        else:
            yield part


def text_of(parts: Iterable[Part]) -> str:
    return "".join(part for part in parts if isinstance(part, str))


def calls_of(parts: Iterable[Part]) -> list[Call]:
    return [part for part in parts if isinstance(part, Call)]


def data(value: Any) -> str:
    """A line of the wire form."""
    return f"data: {json.dumps(value)}\n\n"


# --- chat completions ---------------------------------------------------------------------------


def completion(model: str, parts: Sequence[Part]) -> dict[str, Any]:
    """A whole chat completion."""
    message: dict[str, Any] = {"role": "assistant", "content": text_of(parts)}
    if calls := calls_of(parts):
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.whole},
            }
            for call in calls
        ]
    reason = "tool_calls" if calls else "stop"
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": completion_usage(),
    }


def completion_usage() -> dict[str, int]:
    read, written = USAGE
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
    }


async def completion_chunks(
    model: str, parts: Sequence[Part], *, usage: bool
) -> AsyncIterator[str]:
    """The same in pieces."""
    known = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": model}

    def chunk(delta: Mapping[str, Any], reason: str | None = None) -> str:
        return data({**known, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})

    yield chunk({"role": "assistant", "content": ""})
    place = 0
    async for part in spoken(parts):
        if isinstance(part, Failure):
            yield data({"error": {"message": "overloaded", "code": "server_error"}})
            return
        if isinstance(part, str):
            yield chunk({"content": part})
            continue
        if isinstance(part, Event):
            yield chunk(part.fields)
            continue
        for delta in call_deltas(part, place):
            yield chunk({"tool_calls": [delta]})
        place += 1
    yield chunk({}, "tool_calls" if place else "stop")
    if usage:
        yield data({**known, "choices": [], "usage": completion_usage()})
    yield "data: [DONE]\n\n"


def call_deltas(call: Call, place: int) -> list[dict[str, Any]]:
    first = {
        "index": place,
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": ""},
    }
    rest = [{"index": place, "function": {"arguments": piece}} for piece in call.arguments]
    return [first, *rest]


# --- responses ----------------------------------------------------------------------------------


def response(model: str, parts: Sequence[Part]) -> dict[str, Any]:
    """A whole response."""
    output: list[dict[str, Any]] = []
    if text := text_of(parts):
        output.append(message_item(text, "completed"))
    output += [call_item(call, call.whole, "completed") for call in calls_of(parts)]
    read, written = USAGE
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 0,
        "model": model,
        "status": "completed",
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": read,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": written,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": read + written,
        },
    }


def message_item(text: str, status: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}] if text else []
    return {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": status,
        "content": content,
    }


def call_item(call: Call, arguments: str, status: str) -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": f"fc_{call.id}",
        "call_id": call.id,
        "name": call.name,
        "arguments": arguments,
        "status": status,
    }


async def response_events(model: str, parts: Sequence[Part]) -> AsyncIterator[str]:
    """The same in pieces."""
    whole, number = response(model, parts), 0
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}

    def event(kind: str, **fields: Any) -> str:
        nonlocal number
        number += 1
        return f"event: {kind}\n" + data({"type": kind, "sequence_number": number, **fields})

    yield event("response.created", response=begun)
    yield event("response.in_progress", response=begun)
    place, talking = -1, False
    async for part in spoken(parts):
        if isinstance(part, Failure):
            error = {"code": "server_error", "message": "overloaded"}
            yield event("response.failed", response={**begun, "status": "failed", "error": error})
            return
        if isinstance(part, Event):
            yield event(part.kind, **part.fields)
            continue
        if isinstance(part, Call):
            place += 1
            for line in call_events(event, part, place):
                yield line
            continue
        if not talking:
            place, talking = place + 1, True
            yield event(
                "response.output_item.added",
                output_index=place,
                item=message_item("", "in_progress"),
            )
            yield event(
                "response.content_part.added",
                output_index=place,
                content_index=0,
                item_id="msg_1",
                part={"type": "output_text", "text": "", "annotations": []},
            )
        yield event(
            "response.output_text.delta",
            output_index=place,
            content_index=0,
            item_id="msg_1",
            delta=part,
            logprobs=[],
        )
    for index, item in enumerate(whole["output"]):
        yield event("response.output_item.done", output_index=index, item=item)
    yield event("response.completed", response=whole)


def call_events(event: Any, call: Call, place: int) -> list[str]:
    known = {"output_index": place, "item_id": f"fc_{call.id}"}
    begun = call_item(call, "", "in_progress")
    return [
        event("response.output_item.added", output_index=place, item=begun),
        *(
            event("response.function_call_arguments.delta", **known, delta=piece)
            for piece in call.arguments
        ),
        event("response.function_call_arguments.done", **known, arguments=call.whole),
    ]
