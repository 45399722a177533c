"""Which texts of a batch are embedded, and by which function."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any

import pytest

from checkpoint import InvalidArgumentError, VectorsUnavailableError
from checkpoint.embedding import Embedder, Texts, parse_index
from checkpoint.vectors import Cosines, numpy_cosines, pack_vector

BOTH = Texts(("d1", "d2"), ("q",))


def lengths(texts: list[str]) -> list[list[float]]:
    return [[float(len(text)), 1.0] for text in texts]


def packed(text: str) -> bytes:
    return pack_vector(lengths([text])[0], 2)


async def test_each_text_gets_its_vector() -> None:
    index = parse_index({"dims": 2, "embed": lengths})
    assert index is not None
    embedded = index.embed(BOTH)
    assert embedded.documents == {"d1": packed("d1"), "d2": packed("d2")}
    assert embedded.queries == {"q": packed("q")}
    assert await index.aembed(BOTH) == embedded


async def test_a_function_is_not_asked_for_nothing() -> None:
    asked: list[list[str]] = []

    def embed(texts: list[str]) -> list[list[float]]:
        asked.append(texts)
        return lengths(texts)

    index = parse_index({"dims": 2, "embed": embed})
    assert index is not None
    index.embed(Texts((), ("q",)))
    await index.aembed(Texts(("d",), ()))
    assert asked == [["q"], ["d"]]


async def test_a_function_that_is_not_async_runs_in_a_thread_with_the_callers_context() -> None:
    variable = contextvars.ContextVar("variable", default="")
    variable.set("mine")
    seen: list[tuple[str, bool]] = []

    def embed(texts: list[str]) -> list[list[float]]:
        seen.append((variable.get(), threading.current_thread() is threading.main_thread()))
        return lengths(texts)

    index = parse_index({"dims": 2, "embed": embed})
    assert index is not None
    await index.aembed(Texts(("d",), ()))
    assert seen == [("mine", False)]


def test_an_object_with_an_async_call_is_an_async_function() -> None:
    class Embed:
        async def __call__(self, texts: list[str]) -> list[list[float]]:
            await asyncio.sleep(0)
            return lengths(texts)

    index = parse_index({"dims": 2, "embed": Embed()})
    assert index is not None
    assert index.embed(BOTH).queries == {"q": packed("q")}


def test_an_async_function_leaves_the_threads_own_event_loop_alone() -> None:
    async def embed(texts: list[str]) -> list[list[float]]:
        return lengths(texts)

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        index = parse_index({"dims": 2, "embed": embed})
        assert index is not None
        index.embed(BOTH)
        assert asyncio.get_event_loop_policy().get_event_loop() is loop
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def test_an_object_without_embed_query_embeds_queries_as_documents() -> None:
    class Documents:
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return lengths(texts)

    index = parse_index({"dims": 2, "embed": Documents()})
    assert index is not None
    assert index.embed(BOTH).queries == {"q": packed("q")}
    assert index.embedder == Embedder(
        index.embedder.documents, index.embedder.documents, None, None
    )


def test_no_configuration_is_no_index() -> None:
    assert parse_index(None) is None


def test_nothing_that_compares_is_found_out_when_the_store_is_made() -> None:
    def nothing() -> Cosines:
        raise VectorsUnavailableError("nothing is installed; install numpy")

    with pytest.raises(VectorsUnavailableError, match="install numpy"):
        parse_index({"dims": 2, "embed": lengths}, nothing)
    index = parse_index({"dims": 2, "embed": lengths})
    assert index is not None
    assert index.cosines is numpy_cosines


@pytest.mark.parametrize(
    "config",
    [{"dims": 2, "embed": 5}, {"dims": "2", "embed": lengths}, {"dims": 2, "embed": None}, "x"],
)
def test_a_configuration_that_cannot_be_is_refused(config: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="; give "):
        parse_index(config)
