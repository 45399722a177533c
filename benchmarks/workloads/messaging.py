"""What does a message to an actor cost, and an answer from it?"""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks.contenders import OURS, Engine
from benchmarks.workload import Stage, Workload, microseconds

MESSAGES = 10_000


async def ask(engine: Engine, stage: Stage) -> float:
    from actors import Actor, Supervisor

    class Counter(Actor[int, int]):
        async def receive(self, message: int) -> int:
            return message + 1

    async with Supervisor() as supervisor:
        counter = supervisor.start(Counter(), name="counter")

        async def run() -> None:
            for i in range(MESSAGES):
                await counter.ask(i)

        return await microseconds(run, MESSAGES, stage.size(7, 3))


async def tell(engine: Engine, stage: Stage) -> float:
    from actors import Actor, Supervisor

    done = asyncio.Event()

    class Counter(Actor[int, None]):
        async def receive(self, message: int) -> None:
            if message == MESSAGES - 1:
                done.set()

    async with Supervisor() as supervisor:
        counter = supervisor.start(Counter(), name="counter")

        async def run() -> None:
            done.clear()
            for i in range(MESSAGES):
                await counter.tell(i)
            await done.wait()

        return await microseconds(run, MESSAGES, stage.size(7, 3))


async def bare_ask(stage: Stage) -> float:
    """A queue to a task, and a future for each answer."""
    queue: asyncio.Queue[tuple[int, asyncio.Future[int]]] = asyncio.Queue()

    async def serve() -> None:
        while True:
            message, answer = await queue.get()
            answer.set_result(message + 1)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        for i in range(MESSAGES):
            answer: asyncio.Future[int] = loop.create_future()
            queue.put_nowait((i, answer))
            await answer

    server = asyncio.create_task(serve())
    try:
        return await microseconds(run, MESSAGES, stage.size(7, 3))
    finally:
        server.cancel()


async def bare_tell(stage: Stage) -> float:
    async def serve(queue: asyncio.Queue[int]) -> None:
        while await queue.get() != MESSAGES - 1:
            pass

    async def run() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue(1024)
        server = asyncio.create_task(serve(queue))
        for i in range(MESSAGES):
            await queue.put(i)
        await server

    return await microseconds(run, MESSAGES, stage.size(7, 3))


async def pykka_ask(stage: Stage) -> float:
    counter = _pykka_actor()

    def run() -> None:
        for i in range(MESSAGES):
            counter.ask(i)

    try:
        return await _in_a_thread(run, stage)
    finally:
        counter.stop()


async def pykka_tell(stage: Stage) -> float:
    counter = _pykka_actor()

    def run() -> None:
        for i in range(MESSAGES - 1):
            counter.tell(i)
        counter.ask(MESSAGES)

    try:
        return await _in_a_thread(run, stage)
    finally:
        counter.stop()


async def _in_a_thread(run: Any, stage: Stage) -> float:
    """pykka's actors are threads; who talks to them waits in one."""
    return await microseconds(lambda: asyncio.to_thread(run), MESSAGES, stage.size(7, 3))


def _pykka_actor() -> Any:
    import pykka

    class Counter(pykka.ThreadingActor):
        def on_receive(self, message: Any) -> Any:
            return message + 1

    return Counter.start()


WORKLOADS = [
    Workload(
        "ask",
        "a message to an actor and its answer; bare: a queue, a task and a future",
        "µs/message",
        ask,
        bare_ask,
        engines=(OURS,),
        peers={"pykka": pykka_ask},
    ),
    Workload(
        "tell",
        "a message to an actor; bare: a queue of the same bound",
        "µs/message",
        tell,
        bare_tell,
        engines=(OURS,),
        peers={"pykka": pykka_tell},
    ),
]
