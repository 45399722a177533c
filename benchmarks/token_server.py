"""A service that says when it said it: each token of a chat completion is the time of its writing.

`python -m benchmarks.token_server` prints its port and serves until its stdin is closed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from random import uniform
from time import perf_counter

TOKENS = 100
PAUSE = 0.01
"""Seconds between two tokens, on the average: 100 a second, as fast as models speak; each pause is
between half and one and a half of it, since models do not speak in step with each other."""
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    await reader.readexactly(int(length.partition(b":")[2]))
    writer.write(HEAD)
    for _ in range(TOKENS):
        await asyncio.sleep(PAUSE * uniform(0.5, 1.5))
        writer.write(chunk({"content": f"{perf_counter()} "}))
        await writer.drain()
    writer.write(chunk({}, "stop") + b"data: [DONE]\n\n")
    await writer.drain()
    writer.close()


def chunk(delta: dict[str, str], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    known = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m"}
    return f"data: {json.dumps({**known, 'choices': [choice]})}\n\n".encode()


async def main() -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
