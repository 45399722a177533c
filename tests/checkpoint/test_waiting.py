"""Waiting for a coroutine in a thread without a loop leaves the thread as it was."""

from __future__ import annotations

import asyncio
import gc
import signal
import weakref
from typing import Any

import pytest

from checkpoint import MemorySaver, MemoryStore
from checkpoint.waiting import waited_for


class ShynessError(Exception):
    """An error that does not show itself."""

    def __repr__(self) -> str:
        raise RuntimeError("not to be shown")


async def shy(texts: list[str]) -> Any:
    raise ShynessError(texts)


async def give(value: str) -> str:
    await asyncio.sleep(0)
    return value


def test_the_result_is_given() -> None:
    assert waited_for(give("it")) == "it"


def test_an_embedding_error_that_cannot_be_shown_is_raised_and_leaves_ctrl_c_alone() -> None:
    store = MemoryStore(index={"dims": 2, "embed": shy})
    before = signal.getsignal(signal.SIGINT)
    for _ in range(2):
        with pytest.raises(ShynessError) as raised:
            store.put(("a",), "k", {"text": "x"})
        assert raised.value.args == (['{"text": "x"}'],)
    assert signal.getsignal(signal.SIGINT) is before


def test_the_loop_that_is_set_in_the_thread_stays_so() -> None:
    own = asyncio.new_event_loop()
    asyncio.set_event_loop(own)
    try:
        assert list(MemorySaver().threads()) == []
        assert asyncio.get_event_loop() is own
    finally:
        asyncio.set_event_loop(None)
        own.close()


def test_an_error_that_was_raised_is_not_kept_by_its_own_frames() -> None:
    gc.disable()
    try:
        with pytest.raises(ShynessError) as raised:
            waited_for(shy([]))
        error = weakref.ref(raised.value)
        del raised
        assert error() is None
    finally:
        gc.enable()
