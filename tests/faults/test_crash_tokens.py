"""SIGKILL while a model speaks: what anyone heard is in the log, and the node is told of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TALK = """
import asyncio, json, sys
from typing import Any, TypedDict

from actors import START, ActorSystem, Runtime, StateGraph, stream_message
from checkpoint import SqliteSaver

path, model, attempt = sys.argv[1:]
CONFIG = {"configurable": {"thread_id": "t"}, "run_id": "r"}


class State(TypedDict, total=False):
    said: list[Any]


async def by_hand(text):
    async with stream_message(id="m" + attempt) as message:
        for word in text:
            await message.token(word)
            yield


async def langchain(text):
    from langchain_core.language_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage

    async for _ in GenericFakeChatModel(messages=iter([AIMessage("".join(text))])).astream("?"):
        yield


async def talk(state: State, runtime: Runtime) -> dict[str, Any]:
    before = runtime.partial_message()
    heard = before.content if before else ""
    speak = by_hand if model == "by_hand" else langchain
    async for _ in speak(["one ", "two ", "three"] if attempt == "1" else ["four"]):
        pass
    if attempt == "1":
        await asyncio.Event().wait()
    return {"said": [heard]}


async def main():
    if model == "langchain":
        import langchain_core.messages
    builder = StateGraph(State).add_node(talk).add_edge(START, "talk")
    async with SqliteSaver(path) as saver, ActorSystem(event_log=saver.events) as system:
        graph = builder.compile(checkpointer=saver)
        value = {"said": []} if attempt == "1" else None
        modes = ["messages", "debug"]
        run = await system.start(graph, value, CONFIG, stream_mode=modes)
        async for chunk in run.stream(modes):
            if chunk.mode == "messages":
                print(json.dumps(["token", chunk.data[0].content]), flush=True)
            elif chunk.data["type"] == "attempt":
                print(json.dumps(["attempt", chunk.data["payload"]["number"]]), flush=True)
        print(json.dumps(["said", (await run.result())["said"]]), flush=True)


asyncio.run(main())
"""

TOLD = [["token", word] for word in ("one ", "two ", "three")]
LANGCHAIN = [["token", word] for word in ("one", " ", "two", " ", "three")]


@pytest.mark.parametrize(("model", "told"), [("by_hand", TOLD), ("langchain", LANGCHAIN)])
def test_tokens_that_were_heard_are_kept_and_given_to_the_next_attempt(
    model: str, told: list[Any], tmp_path: Path
) -> None:
    command = [sys.executable, "-c", TALK, str(tmp_path / "t.db"), model]
    with subprocess.Popen([*command, "1"], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        heard = [json.loads(first.stdout.readline()) for _ in told]
        first.kill()
    assert heard == told

    again = subprocess.run([*command, "2"], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    lines = [json.loads(line) for line in again.stdout.splitlines()]
    assert lines[: len(told) + 1] == [*told, ["attempt", 2]]
    assert lines[-1] == ["said", ["one two three"]]
    assert ["token", "four"] in lines
