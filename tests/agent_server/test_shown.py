"""What frames show of events, where it is not just what a stream mode shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.agent_server.harness import graphs
from tests.agent_server.lib_streams import frames_in
from tests.agent_server.serving import serving

SERVED = {"sub": graphs.sub}
ALL = ["values", "updates", "tasks", "checkpoints", "debug", "custom"]


async def test_a_replay_by_another_process_says_what_the_live_stream_said(tmp_path: Path) -> None:
    asked = {
        "assistant_id": "sub",
        "input": {"foo": "a"},
        "stream_mode": ALL,
        "stream_subgraphs": True,
        "config": {"configurable": {"plain": 1, "nested": {"a": [1]}, "none": None, "list": []}},
    }
    async with serving(tmp_path, SERVED) as server:
        thread_id = (await server.ask("POST", "/threads", {}))["thread_id"]
        live = await server.http.post(f"/threads/{thread_id}/runs/stream", json=asked)
    async with serving(tmp_path, SERVED) as server:
        everything = {"last-event-id": "-1"}
        again = await server.http.get(live.headers["location"], headers=everything)
    assert len(frames_in(live.content)) > len(ALL)
    assert again.content == live.content
    assert _configurable(live.content)["plain"] == 1


def _configurable(stream: bytes) -> dict[str, Any]:
    shown = next(frame for frame in frames_in(stream) if frame.name == "checkpoints")
    return shown.data["config"]["configurable"]
