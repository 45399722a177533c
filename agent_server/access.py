"""Which request does what to which resource, and what an owner's filter lets through.

A rule says for a method and a path: the resource and action that authorization handlers are asked
about, and in which way a filter that they answer with is applied (`Scope`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

from .records import Json

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
    "start",  # a run on the thread in the path, which must match if it is there
    "session",  # the same for a session on it, which makes the thread with its first run
    "stateless",  # a run without a thread, or several
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
_RUN = _THREAD + "/runs/[^/]+"
_ASSISTANT = "/assistants/" + _ID.format("assistant_id")
_CRON = "/runs/crons/" + _ID.format("cron_id")

_TABLE: tuple[tuple[str, str, Resource, str, Scope], ...] = (
    ("POST", "/threads/(search|count)", "threads", "search", "search"),
    ("POST", "/threads/prune", "threads", "delete", "threads"),
    ("POST", "/threads", "threads", "create", "new"),
    (
        "POST",
        f"{_THREAD}/(history|state/checkpoint|copy|stream/events)",
        "threads",
        "read",
        "thread",
    ),
    ("POST", f"{_THREAD}/runs/crons", "crons", "create", "thread"),
    ("POST", f"{_THREAD}/(runs|runs/stream|runs/wait)", "threads", "create_run", "start"),
    ("POST", f"{_THREAD}/commands", "threads", "create_run", "session"),
    ("WEBSOCKET", f"{_THREAD}/.*", "threads", "create_run", "session"),
    ("DELETE", _RUN, "threads", "delete", "thread"),
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
    ("POST", "/(runs|runs/stream|runs/wait|runs/batch)", "threads", "create_run", "stateless"),
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


def matches(metadata: Json, wanted: Json) -> bool:
    """True if metadata has what a filter asks for.

    Filters are those of authorization handlers: {"owner": "me"}, {"owner": {"$eq": "me"}},
    {"members": {"$contains": "me"}}, {"members": {"$contains": ["me", "you"]}}; all must hold.
    """
    return all(_holds(metadata.get(key), condition) for key, condition in wanted.items())


def _holds(value: Any, condition: Any) -> bool:
    operator, operand = _parts(condition)
    if operator == "$eq":
        return value is not None and value == operand
    if not isinstance(value, list):
        return False
    return all(each in cast("list[Any]", value) for each in _listed(operand))


def _parts(condition: Any) -> tuple[str, Any]:
    given: dict[str, Any] = cast("Any", condition) if isinstance(condition, dict) else {}
    if len(given) == 1:
        ((operator, operand),) = given.items()
        if operator in ("$eq", "$contains"):
            return operator, operand
    return "$eq", cast("Any", condition)


def _listed(operand: Any) -> list[Any]:
    return cast("list[Any]", operand) if isinstance(operand, list) else [operand]


def narrowed(asked: Json, wanted: Json) -> dict[str, Any] | None:
    """Metadata to search for, so that only what the filter lets through is found.

    None: nothing can be found, because the search asks for something else.
    """
    both = dict(asked)
    for key, condition in wanted.items():
        operator, operand = _parts(condition)
        if operator == "$contains":
            more = both.get(key, [])
            both[key] = [*_listed(more), *_listed(operand)]
        elif key in both and both[key] != operand:
            return None
        else:
            both[key] = operand
    return both


def stamped(wanted: Json) -> dict[str, Any]:
    """The least metadata that a filter lets through."""
    return narrowed({}, wanted) or {}
