"""Where in a thread to look; the rest of it: `test_routes_threads.py`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent_server.errors import InvalidError
from agent_server.records import Thread
from agent_server.states import NEWEST, Place

ID = "01a1fde0-fc93-767e-84f2-01dca4057798"
THREAD = Thread("t", 1.0, 1.0, 1.0, {"graph_id": "g"}, "idle")


@pytest.mark.parametrize(
    "given",
    [
        {"checkpoint_id": ID},
        {"checkpoint_id": ID.upper(), "thread_id": "other"},
        {"configurable": {"checkpoint_id": ID}},
    ],
)
def test_a_checkpoint_is_named_in_any_form_and_only_in_its_thread(given: dict[str, Any]) -> None:
    place = Place.of(given)

    assert place == Place(ID)
    assert place.config(THREAD) == {
        "configurable": {"thread_id": "t", "checkpoint_id": ID, "graph_id": "g"}
    }


def test_what_is_no_checkpoint_id_is_refused() -> None:
    with pytest.raises(InvalidError, match="Invalid checkpoint ID"):
        Place.of({"checkpoint_id": "newest"})


def test_what_runs_of_the_thread_were_told_does_not_move_the_place() -> None:
    told = {"model": "small", "thread_id": "other", "checkpoint_id": ID, "checkpoint_ns": "a:b"}
    thread = replace(THREAD, config={"configurable": told})

    assert NEWEST.config(thread) == {
        "configurable": {"model": "small", "thread_id": "t", "graph_id": "g"}
    }
    assert Place(None, "n:1", {"": ID}).config(thread)["configurable"] == {
        "model": "small",
        "thread_id": "t",
        "graph_id": "g",
        "checkpoint_ns": "n:1",
        "checkpoint_map": {"": ID},
    }
