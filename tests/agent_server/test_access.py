"""Which request does what; pure."""

from __future__ import annotations

import pytest

from agent_server.access import aim_of

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
        ("POST", f"{T}/commands", ("threads", "read", "command")),
        ("POST", f"{T}/stream/events", ("threads", "read", "session")),
        ("WEBSOCKET", f"{T}/stream/events", ("threads", "read", "session")),
        ("GET", f"{T}/runs/r1/join", ("threads", "read", "thread")),
        ("POST", f"{T}/runs/r1/cancel", ("threads", "update", "thread")),
        ("DELETE", f"{T}/runs/r1", ("threads", "delete", "thread")),
        ("POST", f"{T}/runs/crons", ("crons", "create", "thread")),
        ("POST", "/runs", ("threads", "create_run", "start")),
        ("POST", "/runs/wait", ("threads", "create_run", "start")),
        ("POST", "/runs/batch", ("threads", "create_run", "start")),
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
    assert aim.ids == {"thread_id": "t1", "run_id": "r1"}


@pytest.mark.parametrize("path", ["/", "/docs", "/threads/", "/nothing", "/runs/r1/x/../cancel"])
def test_what_no_rule_knows_is_none(path: str) -> None:
    assert aim_of("POST", path) is None
