"""What a caller's callbacks are told of a run, in the form in which events are compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.outputs import LLMResult

from .spans import THREAD, Traced, in_order


class Record:
    """What was told, in its order: like events, with the parent alone as `parent_ids`."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def add(self, event: str, data: Mapping[str, Any], known: Mapping[str, Any]) -> None:
        """One call of a handler."""
        parent = known.get("parent_run_id")
        self.told.append(
            {
                "event": event,
                "name": known.get("name") or "",
                "run_id": str(known["run_id"]),
                "parent_ids": [] if parent is None else [str(parent)],
                "tags": known.get("tags") or [],
                "metadata": dict(known.get("metadata") or {}),
                "data": data,
            }
        )


class Ear(BaseCallbackHandler):
    """A sync handler that records."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def on_chain_start(self, serialized, inputs, **known):
        self._record.add("on_chain_start", {"input": inputs}, known)

    def on_chain_end(self, outputs, **known):
        self._record.add("on_chain_end", {"output": outputs}, known)

    def on_chain_error(self, error, **known):
        self._record.add("on_chain_error", {"error": type(error).__name__}, known)

    def on_chat_model_start(self, serialized, messages, **known):
        self._record.add("on_chat_model_start", {"input": messages}, known)

    def on_llm_start(self, serialized, prompts, **known):
        self._record.add("on_llm_start", {"input": prompts}, known)

    def on_llm_new_token(self, token, **known):
        self._record.add("on_llm_new_token", {"token": token}, known)

    def on_llm_end(self, response, **known):
        self._record.add("on_llm_end", {"output": texts(response)}, known)

    def on_tool_start(self, serialized, input_str, **known):
        self._record.add("on_tool_start", {"input": input_str}, known)

    def on_tool_end(self, output, **known):
        self._record.add("on_tool_end", {"output": output}, known)

    def on_tool_error(self, error, **known):
        self._record.add("on_tool_error", {"error": type(error).__name__}, known)

    def on_retriever_start(self, serialized, query, **known):
        self._record.add("on_retriever_start", {"input": query}, known)

    def on_custom_event(self, name, data, **known):
        self._record.add("on_custom_event", {"data": data}, {**known, "name": name})


class AsyncEar(AsyncCallbackHandler):
    """An async handler that records what happens to chains."""

    def __init__(self, record: Record) -> None:
        self._record = record

    async def on_chain_start(self, serialized, inputs, **known):
        self._record.add("on_chain_start", {"input": inputs}, known)

    async def on_chain_end(self, outputs, **known):
        self._record.add("on_chain_end", {"output": outputs}, known)

    async def on_chain_error(self, error, **known):
        self._record.add("on_chain_error", {"error": type(error).__name__}, known)


def texts(response: LLMResult) -> list[str]:
    """What a model said."""
    return [said.text for generations in response.generations for said in generations]


async def heard(each: Traced, engine: Any, ear: type[Any]) -> Any:
    """What a handler is told in all turns, normalised."""
    record = Record()
    config = {**(THREAD if each.saver != "none" else {}), **each.config, "callbacks": [ear(record)]}
    heard_in_turns = []
    async with engine.asaver(each.saver, None) as saver:
        graph = each.build(engine) if saver is None else each.build(engine)(saver)
        for turn in each.turns:
            value = turn(engine) if callable(turn) else turn
            try:
                await graph.ainvoke(value, config)
            except Exception as error:
                record.told.append({"raised": type(error).__name__})
            heard_in_turns.append(told_in_order(each, record))
    return heard_in_turns


def told_in_order(each: Traced, record: Record) -> Any:
    """What was told since the last time; then there is nothing told any more."""
    told, record.told = record.told, []
    raised = [entry for entry in told if "raised" in entry]
    return in_order(each, [entry for entry in told if "raised" not in entry]), raised
