"""Graphs inside a web service: runs belong to the service, and their readers come and go.

    uvicorn examples.service:app                        # POST /runs {"topic": "cats"}
    curl -N http://127.0.0.1:8000/runs/RUN_ID/stream    # come back with -H "Last-Event-ID: …"
    python -m examples.service --check                  # a server and a client, over a real socket

Prints:
    a run starts: 201
    custom "chapter 1 of cats"
    custom "chapter 2 of cats"
    the reader is gone, another comes back after that
    custom "chapter 3 of cats"
    updates {"write": {"chapters": 3}}
    end {"status": "success", "error": null}
    status: success
    an endless run: running, then cancelled
    no such run: 404
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypedDict

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from actors import START, ActorSystem, Run, StateGraph
from streaming import Gap, StreamingError, StreamWriter, Subscriber
from streaming.sse import ServerEvent, SseDecoder, encode_event

# --- the graph ------------------------------------------------------------------------------------


class Book(TypedDict):
    topic: str
    chapters: int


async def write(state: Book, writer: StreamWriter) -> dict[str, int]:
    for number in range(1, state["chapters"] + 1):
        writer(f"chapter {number} of {state['topic']}")
        await asyncio.sleep(0.01)
    return {"chapters": state["chapters"]}


graph = StateGraph(Book).add_node(write).add_edge(START, "write").compile()

# --- the service ----------------------------------------------------------------------------------


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
    async with ActorSystem(drain_timeout=5) as system:  # what still runs then is cancelled
        yield {"system": system}


def find(request: Request) -> Run:
    run = request.state.system.runs.get(request.path_params["run_id"])
    if run is None:
        raise HTTPException(404, "no such run")
    return run


async def start(request: Request) -> JSONResponse:
    try:
        body = await request.json()
        book = Book(topic=str(body["topic"]), chapters=int(body.get("chapters", 3)))
    except (ValueError, LookupError, TypeError, AttributeError):
        raise HTTPException(400, 'send {"topic": "…", "chapters": 3}') from None
    run = await request.state.system.start(graph, book)
    return JSONResponse({"run_id": run.run_id}, status_code=201)


async def status(request: Request) -> JSONResponse:
    run = find(request)
    return JSONResponse({"run_id": run.run_id, "status": run.status})


async def cancel(request: Request) -> JSONResponse:
    await find(request).cancel()
    return await status(request)


async def stream(request: Request) -> StreamingResponse:
    run = find(request)
    modes = request.query_params.getlist("mode") or ["updates", "custom"]
    last = request.headers.get("last-event-id")
    try:
        # The log's own subscriber ends quietly even if the run fails; `end` tells how it went.
        chunks = run.log.subscribe(modes, after=int(last) if last else None)
    except (StreamingError, ValueError) as error:
        raise HTTPException(400, str(error)) from None
    return StreamingResponse(events(run, chunks), media_type="text/event-stream")


async def events(run: Run, chunks: Subscriber) -> AsyncIterator[bytes]:
    async with chunks:
        async for chunk in chunks:
            if isinstance(chunk, Gap):  # this reader was so slow that it lost something
                yield encode_event("gap", json.dumps({"lost": chunk.lost}), id=chunk.id)
            else:
                yield encode_event(chunk.mode, json.dumps(chunk.data, default=repr), id=chunk.id)
    await run.ended()
    error = None if run.error is None else repr(run.error)
    yield encode_event("end", json.dumps({"status": run.status, "error": error}))


app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/runs", start, methods=["POST"]),
        Route("/runs/{run_id}", status),
        Route("/runs/{run_id}", cancel, methods=["DELETE"]),
        Route("/runs/{run_id}/stream", stream),
    ],
)

# --- a client that tries it -----------------------------------------------------------------------


async def read(
    client: httpx.AsyncClient, path: str, after: str = ""
) -> AsyncGenerator[ServerEvent, None]:
    decoder = SseDecoder()
    headers = {"Last-Event-ID": after} if after else {}
    async with client.stream("GET", path, headers=headers) as response:
        async for data in response.aiter_bytes():
            for event in decoder.feed(data):
                yield event


async def talk(client: httpx.AsyncClient) -> None:
    started = await client.post("/runs", json={"topic": "cats"})
    print("a run starts:", started.status_code)
    path = f"/runs/{started.json()['run_id']}"

    last = ""
    async with aclosing(read(client, f"{path}/stream")) as first:
        async for event in first:
            print(event.event, event.data)
            last = event.id
            if "chapter 2" in event.data:
                break
    print("the reader is gone, another comes back after that")
    async for event in read(client, f"{path}/stream", after=last):
        print(event.event, event.data)
    print("status:", (await client.get(path)).json()["status"])

    endless = await client.post("/runs", json={"topic": "dogs", "chapters": 10**9})
    path = f"/runs/{endless.json()['run_id']}"
    async with aclosing(read(client, f"{path}/stream")) as chapters:
        await anext(chapters)
    before = (await client.get(path)).json()["status"]
    after = (await client.delete(path)).json()["status"]
    print(f"an endless run: {before}, then {after}")
    print("no such run:", (await client.get("/runs/none")).status_code)


async def check() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        host, port = listening.getsockname()
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            async with httpx.AsyncClient(base_url=f"http://{host}:{port}") as client:
                await talk(client)
        finally:
            server.should_exit = True
            await serving


if __name__ == "__main__":
    if "--check" in sys.argv:
        asyncio.run(check())
    else:
        uvicorn.run(app)
