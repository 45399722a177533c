"""Values as JSON bytes."""

from __future__ import annotations

import json
import re
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import pytest
from langchain_core.messages import AIMessage
from pydantic import BaseModel

from actors import Interrupt, Send
from agent_server.errors import UnshowableError
from agent_server.jsontext import from_text, json_or_error, to_json


class Point(NamedTuple):
    x: int
    y: int


class Shade(Enum):
    DARK = "dark"


class Model(BaseModel):
    size: int


@dataclass
class Box:
    size: int


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": (1, 2), "b": [{3}]}, '{"a":[1,2],"b":[[3]]}'),
        ("naïve ☃\n\r", '"naïve ☃\\n\\r"'),
        ({2: 2, None: 3, True: 4, Shade.DARK: 5}, '{"2":2,"null":3,"true":4,"dark":5}'),
        (Point(1, 2), '{"x":1,"y":2}'),
        ([Model(size=1), Box(2)], '[{"size":1},{"size":2}]'),
        (ValueError("no"), '{"error":"ValueError","message":"no"}'),
        (b"\xff", '"/w=="'),
        ([bytearray(b"abc"), memoryview(b"abc")], '["YWJj","YWJj"]'),
        (deque([1, (2,)]), "[1,[2]]"),
        (timedelta(minutes=1, milliseconds=500), "60.5"),
        ([Decimal("1.50"), Decimal(3), Decimal("NaN")], "[1.5,3,null]"),
        ([Decimal(2**70), Decimal("1E+999999")], "[1180591620717411303424,null]"),
        (Send("node", {"a": 1}), '{"node":"node","args":{"a":1}}'),
        (re.compile("a+"), '"a+"'),
        (Shade.DARK, '"dark"'),
        (np.array([1.5, 2]), "[1.5,2.0]"),
        (np.float64(1.5), "1.5"),
        (PurePosixPath("a/b"), '"a/b"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (datetime(2026, 1, 2, tzinfo=UTC), '"2026-01-02T00:00:00+00:00"'),
        (float("nan"), "null"),
        ({"big": 2**70, "nan": float("inf")}, '{"big":1180591620717411303424,"nan":null}'),
        (
            {"\ud800": "\udfff!", "nested": [{"s": (Shade.DARK,)}]},
            '{"�":"�!","nested":[{"s":["dark"]}]}',
        ),
    ],
)
def test_a_value_becomes_one_line_of_json(value: Any, text: str) -> None:
    assert to_json(value).decode() == text


def test_an_integer_stays_one_as_long_as_it_can_be_read() -> None:
    assert to_json([10**400, 1 - 10**4300]).decode() == f"[1{'0' * 400},-{'9' * 4300}]"
    shown = json.loads(to_json([10**4300, {-(2**20_000): 1}]))
    assert shown == [hex(10**4300), {"-0x1" + "0" * 5000: 1}]


@pytest.mark.parametrize(
    "value",
    [
        {"owner": "naïve ☃", "n": [1, 2**63 - 1, 2**64 - 1, 1e-300, 0.1, None, True]},
        {"n": 123456789012345678901234567890},
        [2**64, -(2**63) - 1, 1e30],
        10**400,
        -(10**4299),
        {"1": "123456789012345678901234567890"},
    ],
    ids=["plain", "huge", "beyond 64 bits", "beyond floats", "longest", "in a text"],
)
def test_what_was_written_is_read_as_it_was(value: Any) -> None:
    assert repr(from_text(to_json(value).decode())) == repr(value)


@pytest.mark.parametrize("end", ["end", 10**30, 10**400], ids=["text", "huge", "huger"])
def test_what_is_as_deep_as_it_is_written_is_read(end: Any) -> None:
    value: Any = end
    for _ in range(249):
        value = [value]
    assert from_text(to_json(value).decode()) == value


def test_json_of_another_hand_is_read() -> None:
    assert from_text('{"a": 1,  "b": "\\u00e9", "a": 2}') == {"a": 2, "b": "é"}


def test_a_message_of_langchain_has_its_type_and_content() -> None:
    shown = json.loads(to_json({"messages": [AIMessage("hi", id="m")]}))
    assert shown["messages"][0]["type"] == "ai"
    assert shown["messages"][0]["content"] == "hi"


def test_an_interrupt_is_an_object() -> None:
    shown = json.loads(to_json(Interrupt(value="ok?", id="i")))
    assert (shown["value"], shown["id"]) == ("ok?", "i")


def test_what_nothing_is_known_of_is_shown_by_its_repr() -> None:
    class Thing:
        def __repr__(self) -> str:
            return "<Thing>"

    assert json.loads(to_json([Thing(), Thing])) == ["<Thing>", repr(Thing)]


def test_a_value_that_is_very_deep_is_cut_off() -> None:
    deep: Any = "end"
    for _ in range(600):
        deep = [deep]
    assert "…" in json.dumps(json.loads(to_json(deep)), ensure_ascii=False)


@dataclass
class Node:
    name: str
    parent: Node | None = None
    children: tuple[Node, ...] = ()


def test_a_value_that_contains_itself_is_cut_off_there() -> None:
    ring: list[Any] = [1]
    ring += [ring, ring]
    assert json.loads(to_json({"ring": ring})) == {"ring": [1, "…", "…"]}


def test_a_tree_whose_nodes_know_their_parent_is_shown_once() -> None:
    root = Node("root")
    root.children = tuple(Node(name, root) for name in "abc")
    leaf = {"parent": "…", "children": []}
    children = [{"name": name} | leaf for name in "abc"]
    shown = json.loads(to_json(root))
    assert shown == {"name": "root", "parent": None, "children": children}


def test_parts_that_all_hold_each_other_are_gone_through_once() -> None:
    crowd: list[list[Any]] = [[] for _ in range(30)]
    for one in crowd:
        one.extend(crowd)
    assert to_json(crowd).count("…".encode()) < 1000


def test_a_part_that_is_too_deep_in_many_places_is_shown_in_one() -> None:
    deep: Any = "end"
    for _ in range(2000):
        deep = [deep, deep]
    assert to_json(deep).count("…".encode()) == 252


def test_a_part_that_stands_in_many_places_is_shown_in_each() -> None:
    part = {"text": "\ud800"}
    assert json.loads(to_json([part, part, [part]])) == [{"text": "�"}] * 2 + [[{"text": "�"}]]


class Broken:
    def __str__(self) -> str:
        raise ValueError("no text")


class BrokenModel:
    def model_dump(self) -> Any:
        raise RuntimeError("no fields")


class Leaving:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def model_dump(self) -> Any:
        raise self.error


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (Broken(), "Broken cannot be shown as JSON: asked what it is, it raised ValueError: no"),
        ({"deep": [{"in": (BrokenModel(),)}]}, "BrokenModel cannot .* RuntimeError: no fields"),
        ({(1, 2): {Broken(): 1}}, "Broken cannot be shown"),
        ([Leaving(SystemExit(3))], "Leaving cannot .* it raised SystemExit"),
        ([Leaving(KeyboardInterrupt())], "Leaving cannot .* it raised KeyboardInterrupt"),
        ([Leaving(GeneratorExit())], "Leaving cannot .* it raised GeneratorExit"),
    ],
)
def test_a_value_whose_own_code_raises_is_named(value: Any, told: str) -> None:
    with pytest.raises(UnshowableError, match=told):
        to_json(value)
    shown = json.loads(json_or_error(value))
    assert shown["error"] == "UnshowableError"
    assert re.search(told, shown["message"])
