"""Effects of nodes under time limits, under encryption and in each durability."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from actors import (
    START,
    Command,
    Durability,
    NodeTimeoutError,
    OutcomeUnknown,
    RetryPolicy,
    Runtime,
    StateGraph,
    interrupt,
)
from checkpoint import EncryptedSerializer, MemorySaver, SqliteSaver
from tests.actors.engine import DEADLINE, State, chain, on

T = on("t")
LATE = RetryPolicy(initial_interval=0.0, jitter=False, retry_on=NodeTimeoutError)


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE):
        yield


def graph(node: Any, timeout: float) -> Any:
    """One node that may take so long, and tries again when it took longer."""
    builder = StateGraph(State).add_node("pay", node, retry_policy=LATE, timeout=timeout)
    return builder.add_edge(START, "pay").compile(checkpointer=MemorySaver())


@pytest.mark.parametrize("on_unknown", ["retry", "raise"])
async def test_an_attempt_that_took_too_long_leaves_its_call_unknown_to_the_next(
    on_unknown: Any,
) -> None:
    calls = list[str]()

    async def charge(key: str) -> int:
        calls.append(key)
        if len(calls) == 1:
            await asyncio.Event().wait()
        return 7

    async def pay(state: State, runtime: Runtime) -> dict[str, Any]:
        key = runtime.idempotency_key("charge")
        return {"log": [await runtime.once("charge", charge, key, on_unknown=on_unknown)]}

    shop = graph(pay, 0.05)
    if on_unknown == "raise":
        with pytest.raises(OutcomeUnknown):
            await shop.ainvoke({}, T)
        assert len(calls) == 1
    else:
        assert (await shop.ainvoke({}, T))["log"] == [7]
        assert len(calls) == 2
        assert len(set(calls)) == 1


async def test_the_next_attempt_waits_for_a_thread_that_is_still_calling() -> None:
    gate, calls = threading.Event(), list[int]()

    def charge() -> int:
        calls.append(1)
        assert gate.wait(DEADLINE)
        return 7

    def pay(state: State, runtime: Runtime) -> dict[str, Any]:
        info = runtime.execution_info
        if info is not None and info.node_attempt == 2:
            threading.Timer(0.0, gate.set).start()
        return {"log": [runtime.once_sync("charge", charge)]}

    shop = graph(pay, 0.2)
    assert (await shop.ainvoke({}, T))["log"] == [7]
    assert calls == [1]


def test_notes_are_encrypted_where_the_thread_is(tmp_path: Path) -> None:
    def pay(state: State, runtime: Runtime) -> dict[str, Any]:
        receipt = runtime.once_sync("charge it", lambda: "receipt 7")
        return {"log": [receipt, interrupt("sure?")]}

    with SqliteSaver(tmp_path / "db", serializer=EncryptedSerializer(b"k" * 32)) as saver:
        shop = chain(pay=pay).compile(checkpointer=saver)
        shop.invoke({"log": []}, T)
        assert shop.invoke(Command(resume="yes"), T)["log"] == ["receipt 7", "yes"]
        assert saver.verify().damage == ()
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"receipt" not in files
    assert b"charge it" not in files


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_every_effect_of_a_node_that_failed_is_given_back(durability: Durability) -> None:
    calls, failures = list[str](), [ConnectionError("gone")]

    async def pay(state: State, runtime: Runtime) -> dict[str, Any]:
        for key in ("one", "two", "three"):
            await runtime.once(key, calls.append, key)
        if failures:
            raise failures.pop()
        return {"log": ["paid"]}

    shop = chain(pay=pay).compile(checkpointer=MemorySaver())
    with pytest.raises(ConnectionError):
        await shop.ainvoke({}, T, durability=durability)
    assert (await shop.ainvoke(None, T, durability=durability))["log"] == ["paid"]
    assert calls == ["one", "two", "three"]
