"""Which request does what to which resource.

A rule says for a method and a path: the resource and action that authorization handlers are asked
about, and in which way a filter that they answer with is applied (`Scope`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Resource: TypeAlias = Literal["threads", "assistants", "crons", "store"]
Scope: TypeAlias = Literal[
    "new",  # something is made; one that has its id already must match
    "thread",  # the thread in the path must match
    "assistant",
    "cron",
    "run",  # the stateless run in the path must be the caller's
    "search",  # what is looked for must match too
    "threads",  # the threads named in the body must match
    "cancel",  # the thread named in the body must match, and one must be named
    "start",  # runs on the thread in the path or the body, which must match if it is there
    "session",  # a session on the thread in the path, which is made for it
    "command",  # one command on it: `commands.py` asks what it needs beyond that
    "store",  # handlers rewrite the namespace
]


@dataclass(frozen=True, slots=True)
class Rule:
    """What a request does."""

    resource: Resource
    action: str
    scope: Scope


@dataclass(frozen=True, slots=True)
class Aim:
    """What one request does, and to which ids."""

    rule: Rule
    ids: Mapping[str, str]


_ID = r"(?P<{}>[^/]+)"
_THREAD = "/threads/" + _ID.format("thread_id")
_RUN = _THREAD + "/runs/" + _ID.format("run_id")
_ASSISTANT = "/assistants/" + _ID.format("assistant_id")
_CRON = "/runs/crons/" + _ID.format("cron_id")

_TABLE: tuple[tuple[str, str, Resource, str, Scope], ...] = (
    ("POST", "/threads/(search|count)", "threads", "search", "search"),
    ("POST", "/threads/prune", "threads", "delete", "threads"),
    ("POST", "/threads", "threads", "create", "new"),
    (
        "POST",
        f"{_THREAD}/(history|state/checkpoint|copy)",
        "threads",
        "read",
        "thread",
    ),
    ("POST", f"{_THREAD}/runs/crons", "crons", "create", "thread"),
    ("POST", f"{_THREAD}/(runs|runs/stream|runs/wait)", "threads", "create_run", "start"),
    ("POST", f"{_THREAD}/commands", "threads", "read", "command"),
    ("POST", f"{_THREAD}/stream/events", "threads", "read", "session"),
    ("WEBSOCKET", f"{_THREAD}/stream/events", "threads", "read", "session"),
    ("POST", f"{_RUN}/cancel", "threads", "update", "thread"),
    ("DELETE", _RUN, "threads", "delete", "thread"),
    ("GET", f"{_RUN}(/.*)?", "threads", "read", "thread"),
    ("POST", f"{_THREAD}/.*", "threads", "update", "thread"),
    ("PATCH", f"{_THREAD}(/.*)?", "threads", "update", "thread"),
    ("DELETE", f"{_THREAD}(/.*)?", "threads", "delete", "thread"),
    ("GET", f"{_THREAD}(/.*)?", "threads", "read", "thread"),
    ("POST", "/assistants/(search|count)", "assistants", "search", "search"),
    ("POST", "/assistants", "assistants", "create", "new"),
    ("POST", f"{_ASSISTANT}/versions", "assistants", "read", "assistant"),
    ("POST", f"{_ASSISTANT}(/.*)?", "assistants", "update", "assistant"),
    ("PATCH", f"{_ASSISTANT}(/.*)?", "assistants", "update", "assistant"),
    ("DELETE", f"{_ASSISTANT}(/.*)?", "assistants", "delete", "assistant"),
    ("GET", f"{_ASSISTANT}(/.*)?", "assistants", "read", "assistant"),
    ("POST", "/runs/crons/(search|count)", "crons", "search", "search"),
    ("POST", "/runs/crons", "crons", "create", "new"),
    ("PATCH", _CRON, "crons", "update", "cron"),
    ("DELETE", _CRON, "crons", "delete", "cron"),
    ("GET", _CRON, "crons", "read", "cron"),
    ("POST", "/runs/cancel", "threads", "update", "cancel"),
    ("POST", "/(runs|runs/stream|runs/wait|runs/batch)", "threads", "create_run", "start"),
    ("GET", f"/runs/{_ID.format('run_id')}(/.*)?", "threads", "read", "run"),
    ("PUT", "/store/items", "store", "put", "store"),
    ("GET", "/store/items", "store", "get", "store"),
    ("DELETE", "/store/items", "store", "delete", "store"),
    ("POST", "/store/items/search", "store", "search", "store"),
    ("POST", "/store/namespaces", "store", "list_namespaces", "store"),
)
_RULES = tuple(
    (method, re.compile(path), Rule(resource, action, scope))
    for method, path, resource, action, scope in _TABLE
)
FREE = frozenset({"/", "/info", "/metrics", "/openapi.json", "/docs"})
"""What belongs to nobody."""


def aim_of(method: str, path: str) -> Aim | None:
    """What a request does; None for what no rule knows."""
    wanted = "GET" if method == "HEAD" else method
    for known, pattern, rule in _RULES:
        if known == wanted and (found := pattern.fullmatch(path)):
            return Aim(rule, found.groupdict())
    return None
