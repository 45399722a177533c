"""Where runs have the time and the dice from: their own in a block, the process's elsewhere."""

from __future__ import annotations

import contextvars
import time
from typing import Any

from actors import START, MessagesState, StateGraph, sources
from actors.sources import Sources, sources_from
from checkpoint import MemorySaver


def created_at() -> str | None:
    async def answer(state: MessagesState) -> Any:
        return {}

    builder = StateGraph(MessagesState).add_node(answer).add_edge(START, "answer")
    graph = builder.compile(checkpointer=MemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}}
    graph.update_state(config, {"messages": []}, "answer")
    graph.invoke({"messages": []}, config)
    return max(state.created_at or "" for state in graph.get_state_history(config))


def test_runs_and_updates_in_the_block_have_the_time_of_its_clock() -> None:
    with sources_from(Sources(lambda: 0.0, lambda: 0.5)):
        assert created_at() == "1970-01-01T00:00:00.000000+00:00"
    assert str(created_at()) > "2020"


def test_other_contexts_keep_time_and_dice_of_the_process() -> None:
    elsewhere = contextvars.copy_context()
    with sources_from(Sources(lambda: 5.0, lambda: 0.5)):
        assert (sources.now(), sources.dice()) == (5.0, 0.5)
        assert elsewhere.run(sources.now) >= time.time() - 60
        assert len({elsewhere.run(sources.dice) for _ in range(9)}) > 1
