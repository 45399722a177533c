"""What does a token of a model cost on its way to one reader?"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from time import process_time
from typing import Any

from benchmarks.contenders import Engine
from benchmarks.graphs import Count
from benchmarks.workload import Stage, Target, Workload, median_of, microseconds

TOKENS = 2000


def fake_model() -> Any:
    """A model of LangChain's that does nothing but say words."""
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessageChunk
    from langchain_core.outputs import ChatGenerationChunk, ChatResult

    class Fake(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "fake"

        def _generate(self, *_: Any, **__: Any) -> ChatResult:
            raise NotImplementedError

        async def _astream(self, *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
            for _each in range(TOKENS):
                await asyncio.sleep(0)  # as if it came from a socket
                yield ChatGenerationChunk(message=AIMessageChunk(content="word "))

    return Fake()


def graph_of(engine: Engine, model: Any) -> Any:
    async def talk(state: Any) -> None:
        async for _ in model.astream("hi"):
            pass

    return engine.StateGraph(Count).add_node("talk", talk).add_edge(engine.START, "talk").compile()


async def read(graph: Any) -> None:
    """Read what the graph's model says."""
    tokens = 0
    async for _ in graph.astream({"n": 0}, stream_mode="messages"):
        tokens += 1
    if tokens < TOKENS:
        raise AssertionError(f"{tokens} tokens came of {TOKENS}")


async def with_its_model(engine: Engine, stage: Stage) -> float:
    graph = graph_of(engine, fake_model())
    return await microseconds(lambda: read(graph), TOKENS, stage.size(7, 3))


async def listen(model: Any) -> None:
    async for _ in model.astream("hi"):
        pass


async def model_alone(stage: Stage) -> float:
    model = fake_model()
    return await microseconds(lambda: listen(model), TOKENS, stage.size(7, 3))


async def beside_its_model(engine: Engine, stage: Stage) -> float:
    """The same, less what the model alone takes in the same minute, turn by turn.

    In processor time, and with the garbage of others collected before: of a difference, what else
    the machine does and a full collection (60 ms) that falls into one of the two leave nothing.
    """
    model = fake_model()
    graph = graph_of(engine, model)

    async def beyond() -> float:
        alone = await timed(lambda: listen(model))
        return await timed(lambda: read(graph)) - alone

    return await median_of(beyond, stage.size(25, 5)) / TOKENS * 1e6


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    gc.collect()
    start = process_time()
    await work()
    return process_time() - start


WORKLOADS = [
    Workload(
        "tokens",
        "a token of a LangChain model to one reader of `messages`, the model's own work included",
        "µs/token",
        with_its_model,
        model_alone,
    ),
    Workload(
        "tokens-net",
        "the same without the model's own work, in processor time",
        "µs/token",
        beside_its_model,
        target=Target(ratio=2),
    ),
]
