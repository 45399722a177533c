"""/store over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent_server.harness.graphs import agent
from tests.agent_server.serving import Serving, serving

PLACE = {"namespace": ["u", "1"], "key": "k"}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Serving]:
    async with serving(tmp_path, {"agent": agent}) as server:
        yield server


async def put(server: Serving, value: Any, **more: Any) -> None:
    assert await server.ask("PUT", "/store/items", {**PLACE, "value": value, **more}, 204) is None


async def test_an_item_is_put_found_and_deleted(server: Serving) -> None:
    await put(server, {"a": 1})

    item = await server.ask("GET", "/store/items?namespace=u.1&key=k")
    assert list(item) == ["namespace", "key", "value", "created_at", "updated_at"]
    assert (item["namespace"], item["key"], item["value"]) == (["u", "1"], "k", {"a": 1})
    assert item["created_at"].endswith("+00:00")
    assert await server.ask("GET", "/store/items?namespace=u&namespace=1&key=k") == item

    await server.ask("DELETE", "/store/items", PLACE, 204)
    assert await server.ask("GET", "/store/items?namespace=u.1&key=k") is None
    await server.ask("DELETE", "/store/items", PLACE, 204)


async def test_items_are_searched_below_a_namespace(server: Serving) -> None:
    await put(server, {"a": 1})
    await put(server, {"a": 2}, namespace=["u", "2"])
    await put(server, {"a": 3}, namespace=["v"])

    for body, expected in (
        ({"namespace_prefix": ["u"]}, {1, 2}),
        ({"namespace_prefix": ["u"], "filter": {"a": 1}}, {1}),
        ({"namespace_prefix": ["u"], "filter": {"a": {"$gte": 2}}}, {2}),
        ({"namespace_prefix": []}, {1, 2, 3}),
        ({}, {1, 2, 3}),
        ({"namespace_prefix": None, "filter": None, "query": None, "limit": None}, {1, 2, 3}),
        ({"limit": 2, "offset": 2}, {3}),
        ({"query": "anything", "refresh_ttl": False}, {1, 2, 3}),
    ):
        found = (await server.ask("POST", "/store/items/search", body))["items"]
        assert {each["value"]["a"] for each in found} == expected, body
        assert [each["score"] for each in found] == [None] * len(found)


async def test_namespaces_are_listed(server: Serving) -> None:
    await put(server, {"a": 1})
    await put(server, {"a": 1}, namespace=["u", "2", "deep"])

    for body, expected in (
        ({}, [["u", "1"], ["u", "2", "deep"]]),
        ({"max_depth": 1}, [["u"]]),
        ({"suffix": ["deep"]}, [["u", "2", "deep"]]),
        ({"prefix": ["u", "1"]}, [["u", "1"]]),
        ({"prefix": ["*", "2"], "limit": 1}, [["u", "2", "deep"]]),
        ({"offset": 1}, [["u", "2", "deep"]]),
    ):
        found = await server.ask("POST", "/store/namespaces", body)
        assert found == {"namespaces": expected}


async def test_graphs_see_what_was_put(server: Serving) -> None:
    await put(server, {"a": 1}, ttl=60)

    item = await server.services.store.aget(("u", "1"), "k")

    assert item is not None
    assert item.value == {"a": 1}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "items", {}),
        ("PUT", "items", {**PLACE}),
        ("PUT", "items", {**PLACE, "value": "x"}),
        ("PUT", "items", {**PLACE, "value": None}),
        ("PUT", "items", {**PLACE, "value": {}, "namespace": ["u.x"]}),
        ("PUT", "items", {**PLACE, "value": {}, "namespace": []}),
        ("PUT", "items", {**PLACE, "value": {}, "namespace": [""]}),
        ("PUT", "items", {**PLACE, "value": {}, "namespace": "u"}),
        ("PUT", "items", {**PLACE, "value": {}, "namespace": ["langgraph"]}),
        ("PUT", "items", {**PLACE, "value": {}, "key": 5}),
        ("PUT", "items", {**PLACE, "value": {}, "ttl": -1}),
        ("PUT", "items", {**PLACE, "value": {}, "index": True}),
        ("GET", "items?namespace=u.1", None),
        ("GET", "items?key=k", None),
        ("GET", "items?namespace=u..x&key=k", None),
        ("GET", "items?namespace=u&key=k&refresh_ttl=maybe", None),
        ("DELETE", "items", {}),
        ("DELETE", "items", {"namespace": [1], "key": "k"}),
        ("POST", "items/search", {"namespace_prefix": "u"}),
        ("POST", "items/search", {"filter": {"a": {"$what": 1}}}),
        ("POST", "items/search", {"limit": 0}),
        ("POST", "items/search", {"limit": 1001}),
        ("POST", "items/search", {"offset": -1}),
        ("POST", "items/search", {"offset": 2**63}),
        ("POST", "namespaces", {"prefix": ["a.b"]}),
        ("POST", "namespaces", {"prefix": [1]}),
        ("POST", "namespaces", {"max_depth": 0}),
        ("POST", "namespaces", {"limit": "x"}),
    ],
)
async def test_what_cannot_be_is_refused(
    server: Serving, method: str, path: str, body: Any
) -> None:
    assert await server.refused(method, f"/store/{path}", body, 422)


async def test_a_label_with_a_dot_is_named(server: Serving) -> None:
    body = {**PLACE, "value": {}, "namespace": ["u.x"]}

    detail = await server.refused("PUT", "/store/items", body, 422)

    assert detail == "Namespace label 'u.x' must be a non-empty string without periods"


@pytest.mark.parametrize("text", ["' OR 1=1 --", "%", "_", "\\", "😀", "\0", "a" * 5000])
async def test_any_text_is_only_itself(server: Serving, text: str) -> None:
    await put(server, {"a": text}, key=text)
    await put(server, {"a": "other"}, key="other")

    body = {"namespace_prefix": ["u"], "filter": {"a": text}}
    [found] = (await server.ask("POST", "/store/items/search", body))["items"]

    assert found["key"] == text
    gone = {"namespace": ["u", "1"], "key": text}
    await server.ask("DELETE", "/store/items", gone, 204)
    [left] = (await server.ask("POST", "/store/items/search", {}))["items"]
    assert left["key"] == "other"


async def test_large_numbers_and_deep_values_are_kept_or_refused(server: Serving) -> None:
    await put(server, {"n": 2**70, "f": 0.1})
    item = await server.ask("GET", "/store/items?namespace=u.1&key=k")
    assert item["value"] == {"n": 2**70, "f": 0.1}

    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    assert await server.refused("PUT", "/store/items", {**PLACE, "value": {"a": deep}}, 422)
