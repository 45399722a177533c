"""Which request does what, and what a filter lets through; pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_server.access import aim_of, matches, narrowed, stamped

T = "/threads/t1"


@pytest.mark.parametrize(
    ("method", "path", "told"),
    [
        ("POST", "/threads", ("threads", "create", "new")),
        ("POST", "/threads/search", ("threads", "search", "search")),
        ("POST", "/threads/count", ("threads", "search", "search")),
        ("POST", "/threads/prune", ("threads", "delete", "threads")),
        ("GET", T, ("threads", "read", "thread")),
        ("HEAD", T, ("threads", "read", "thread")),
        ("GET", f"{T}/state/c1", ("threads", "read", "thread")),
        ("GET", f"{T}/stream", ("threads", "read", "thread")),
        ("POST", f"{T}/history", ("threads", "read", "thread")),
        ("POST", f"{T}/state/checkpoint", ("threads", "read", "thread")),
        ("POST", f"{T}/copy", ("threads", "read", "thread")),
        ("POST", f"{T}/state", ("threads", "update", "thread")),
        ("PATCH", T, ("threads", "update", "thread")),
        ("DELETE", T, ("threads", "delete", "thread")),
        ("POST", f"{T}/runs", ("threads", "create_run", "start")),
        ("POST", f"{T}/runs/stream", ("threads", "create_run", "start")),
        ("POST", f"{T}/runs/wait", ("threads", "create_run", "start")),
        ("POST", f"{T}/commands", ("threads", "create_run", "session")),
        ("POST", f"{T}/stream/events", ("threads", "read", "thread")),
        ("WEBSOCKET", f"{T}/stream/events", ("threads", "create_run", "session")),
        ("GET", f"{T}/runs/r1/join", ("threads", "read", "thread")),
        ("POST", f"{T}/runs/r1/cancel", ("threads", "update", "thread")),
        ("DELETE", f"{T}/runs/r1", ("threads", "delete", "thread")),
        ("POST", f"{T}/runs/crons", ("crons", "create", "thread")),
        ("POST", "/runs", ("threads", "create_run", "stateless")),
        ("POST", "/runs/wait", ("threads", "create_run", "stateless")),
        ("POST", "/runs/batch", ("threads", "create_run", "stateless")),
        ("POST", "/runs/cancel", ("threads", "update", "cancel")),
        ("GET", "/runs/r1/stream", ("threads", "read", "run")),
        ("POST", "/runs/crons", ("crons", "create", "new")),
        ("POST", "/runs/crons/search", ("crons", "search", "search")),
        ("GET", "/runs/crons/c1", ("crons", "read", "cron")),
        ("PATCH", "/runs/crons/c1", ("crons", "update", "cron")),
        ("POST", "/assistants", ("assistants", "create", "new")),
        ("GET", "/assistants/a1/graph", ("assistants", "read", "assistant")),
        ("POST", "/assistants/a1/versions", ("assistants", "read", "assistant")),
        ("POST", "/assistants/a1/latest", ("assistants", "update", "assistant")),
        ("PUT", "/store/items", ("store", "put", "store")),
        ("GET", "/store/items", ("store", "get", "store")),
        ("POST", "/store/namespaces", ("store", "list_namespaces", "store")),
    ],
)
def test_every_request_is_one_action_on_one_resource(
    method: str, path: str, told: tuple[str, str, str]
) -> None:
    aim = aim_of(method, path)
    assert aim is not None
    assert (aim.rule.resource, aim.rule.action, aim.rule.scope) == told


def test_the_ids_in_the_path_are_told() -> None:
    aim = aim_of("POST", "/threads/t1/runs/r1/cancel")
    assert aim is not None
    assert aim.ids == {"thread_id": "t1"}


@pytest.mark.parametrize("path", ["/", "/docs", "/threads/", "/nothing", "/runs/r1/x/../cancel"])
def test_what_no_rule_knows_is_none(path: str) -> None:
    assert aim_of("POST", path) is None


@pytest.mark.parametrize(
    ("metadata", "wanted", "there"),
    [
        ({}, {}, True),
        ({"owner": "me"}, {"owner": "me"}, True),
        ({"owner": "me", "k": 1}, {"owner": {"$eq": "me"}}, True),
        ({"owner": "you"}, {"owner": "me"}, False),
        ({}, {"owner": "me"}, False),
        ({}, {"owner": None}, False),
        ({"in": ["me", "you"]}, {"in": {"$contains": "me"}}, True),
        ({"in": ["me", "you"]}, {"in": {"$contains": ["you", "me"]}}, True),
        ({"in": ["me"]}, {"in": {"$contains": ["you", "me"]}}, False),
        ({"in": "me"}, {"in": {"$contains": "me"}}, False),
        ({"owner": "me", "in": []}, {"owner": "me", "in": {"$contains": "me"}}, False),
        ({"owner": {"$or": 1}}, {"owner": {"$or": 1}}, True),
    ],
)
def test_a_filter_lets_through_what_has_all_that_it_asks_for(
    metadata: dict[str, object], wanted: dict[str, object], there: bool
) -> None:
    assert matches(metadata, wanted) is there


def test_a_search_asks_for_what_the_filter_asks_for_too() -> None:
    wanted = {"owner": "me", "in": {"$contains": "a"}}
    assert narrowed({"k": 1, "in": ["b"]}, wanted) == {"k": 1, "owner": "me", "in": ["b", "a"]}


def test_a_search_for_others_things_finds_nothing() -> None:
    assert narrowed({"owner": "you"}, {"owner": "me"}) is None
    assert narrowed({"owner": "me"}, {"owner": "me"}) == {"owner": "me"}


names = st.sampled_from(["owner", "team", "tags"])
atoms = st.text("ab", max_size=3) | st.integers()
filters = st.dictionaries(
    names,
    atoms
    | st.fixed_dictionaries({"$eq": atoms})
    | st.fixed_dictionaries({"$contains": atoms | st.lists(atoms, min_size=1, max_size=3)}),
)


@given(filters)
def test_the_least_metadata_of_a_filter_passes_it(wanted: dict[str, object]) -> None:
    assert matches(stamped(wanted), wanted)
