"""Asks a server whatever its published description allows: nothing may be answered with a 5xx.

    python -m tests.agent_server.harness.fuzz http://127.0.0.1:2024 100

The number is that of requests for each operation.  A process of its own, because loading
schemathesis inside of pytest has pytest rewrite all of it.
"""

from __future__ import annotations

import http.client
import sys
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

ENDLESS = ("/threads/{thread_id}/stream", "/threads/{thread_id}/stream/events")


def ask_everything(url: str, examples: int) -> list[str]:
    """What failed, and with which request."""
    failed: list[str] = []
    with httpx.Client(base_url=url, timeout=20) as client:
        names = known_names(client)
        for found in schemathesis.openapi.from_url(f"{url}/openapi.json").get_all_operations():
            operation = found.ok()
            if operation.path not in ENDLESS:
                ask(client, operation, names, examples, failed)
    return failed


def known_names(client: httpx.Client) -> dict[str, str]:
    """Ids that are there, so that requests come further than to an id that nobody has."""
    thread = client.post("/threads", json={}).json()["thread_id"]
    (assistant, *_) = client.post("/assistants/search", json={}).json()
    return {"thread_id": thread, "assistant_id": assistant["assistant_id"]}


def ask(
    client: httpx.Client, operation: Any, names: dict[str, str], examples: int, failed: list[str]
) -> None:
    """Some requests of one operation."""

    @given(case=operation.as_strategy())
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def requests(case: Any) -> None:
        given_names = dict(case.path_parameters or {})
        if operation.method != "delete":
            case.path_parameters = {
                name: names.get(name, value) for name, value in given_names.items()
            }
        if isinstance(case.body, dict) and "assistant_id" in case.body:
            case.body["assistant_id"] = "agent"
        answer = case.call(base_url=str(client.base_url), timeout=20)
        if answer.status_code >= http.client.INTERNAL_SERVER_ERROR:
            failed.append(f"{operation.method} {operation.path} {case.body!r}: {answer.text}")

    requests()


if __name__ == "__main__":
    found = ask_everything(sys.argv[1], int(sys.argv[2]))
    print("\n".join(found))
    sys.exit(len(found) > 0)
