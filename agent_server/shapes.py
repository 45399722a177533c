"""Which model each request's body has, and which query parameters it may bring, for OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel

from .orders import RunBody
from .routes import assistants, crons, runs, states, store, threads

Operation: TypeAlias = tuple[str, str]
"""(method, path)."""

_THREAD = "/threads/{thread_id}"
_ASSISTANT = "/assistants/{assistant_id}"

BODIES: Mapping[Operation, type[BaseModel]] = {
    ("POST", "/assistants"): assistants.CreateBody,
    ("POST", "/assistants/search"): assistants.SearchBody,
    ("POST", "/assistants/count"): assistants.CountBody,
    ("PATCH", _ASSISTANT): assistants.PatchBody,
    ("POST", f"{_ASSISTANT}/versions"): assistants.VersionsBody,
    ("POST", f"{_ASSISTANT}/latest"): assistants.LatestBody,
    ("POST", "/threads"): threads.CreateBody,
    ("POST", "/threads/search"): threads.SearchBody,
    ("POST", "/threads/count"): threads.CountBody,
    ("POST", "/threads/prune"): threads.PruneBody,
    ("PATCH", _THREAD): threads.PatchBody,
    ("POST", f"{_THREAD}/state"): states.UpdateBody,
    ("POST", f"{_THREAD}/state/checkpoint"): states.AtBody,
    ("POST", f"{_THREAD}/history"): states.HistoryBody,
    ("POST", "/runs"): RunBody,
    ("POST", "/runs/wait"): RunBody,
    ("POST", "/runs/stream"): RunBody,
    ("POST", "/runs/batch"): RunBody,
    ("POST", f"{_THREAD}/runs"): RunBody,
    ("POST", f"{_THREAD}/runs/wait"): RunBody,
    ("POST", f"{_THREAD}/runs/stream"): RunBody,
    ("POST", "/runs/cancel"): runs.CancelBody,
    ("POST", "/runs/crons"): crons.CreateBody,
    ("POST", f"{_THREAD}/runs/crons"): crons.CreateBody,
    ("POST", "/runs/crons/search"): crons.SearchBody,
    ("POST", "/runs/crons/count"): crons.CountBody,
    ("PATCH", "/runs/crons/{cron_id}"): crons.PatchBody,
    ("PUT", "/store/items"): store.PutBody,
    ("DELETE", "/store/items"): store.PlaceBody,
    ("POST", "/store/items/search"): store.SearchBody,
    ("POST", "/store/namespaces"): store.NamespacesBody,
}
MANY: frozenset[Operation] = frozenset({("POST", "/runs/batch")})
"""What brings an array of them."""

_BOOLEAN = {"type": "boolean"}
_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_COUNT = {"type": "integer", "minimum": 0}
_LEAVING = {"stream_mode": _TEXTS, "cancel_on_disconnect": _BOOLEAN}

QUERIES: Mapping[Operation, Mapping[str, Any]] = {
    ("GET", "/ok"): {"check_db": {"type": "integer", "enum": [0, 1]}},
    ("GET", "/metrics"): {"format": {"type": "string", "enum": ["prometheus", "json"]}},
    ("DELETE", _ASSISTANT): {"delete_threads": _BOOLEAN},
    ("GET", f"{_ASSISTANT}/graph"): {"xray": {"anyOf": [_BOOLEAN, _COUNT]}},
    ("GET", f"{_ASSISTANT}/subgraphs"): {"recurse": _BOOLEAN},
    ("GET", f"{_ASSISTANT}/subgraphs/{{namespace}}"): {"recurse": _BOOLEAN},
    ("GET", _THREAD): {"include": _TEXTS},
    ("GET", f"{_THREAD}/state"): {"subgraphs": _BOOLEAN},
    ("GET", f"{_THREAD}/state/{{checkpoint_id}}"): {"subgraphs": _BOOLEAN},
    ("GET", f"{_THREAD}/history"): {"limit": _COUNT, "before": _TEXT},
    ("GET", f"{_THREAD}/runs"): {
        "limit": _COUNT,
        "offset": _COUNT,
        "status": _TEXT,
        "select": _TEXTS,
    },
    ("GET", f"{_THREAD}/runs/{{run_id}}/join"): {"cancel_on_disconnect": _BOOLEAN},
    ("GET", f"{_THREAD}/runs/{{run_id}}/stream"): _LEAVING,
    ("GET", "/runs/{run_id}/stream"): _LEAVING,
    ("POST", f"{_THREAD}/runs/{{run_id}}/cancel"): {
        "wait": _BOOLEAN,
        "action": {"type": "string", "enum": ["interrupt", "rollback"]},
    },
    ("POST", "/runs/cancel"): {"action": {"type": "string", "enum": ["interrupt", "rollback"]}},
    ("GET", "/store/items"): {"namespace": _TEXT, "key": _TEXT, "refresh_ttl": _BOOLEAN},
}
"""(method, path) -> parameter -> schema."""
