"""Migrations that come late, or are left out for a while."""

from __future__ import annotations

import operator
from typing import Annotated, Any

import pytest

from actors import Command, Overwrite, migrate
from checkpoint import MemorySaver
from tests.actors.engine import on
from tests.actors.test_evolution import doubled, graph_of, paused, stored, values_of

Log = Annotated[list, operator.add]


@migrate("log", was="history")
def moved(value: list[str]) -> list[str]:
    return [text.upper() for text in value]


@pytest.fixture
def saver() -> MemorySaver:
    return MemorySaver()


def test_a_migration_that_was_left_out_for_a_while_is_not_gone_through_again(saver: Any) -> None:
    stored(saver, {"score": float}, {"score": 1.0})
    graph = graph_of(saver, {"score": float}, migrations=[doubled])
    assert graph.invoke({}, on("t")) == {"score": 2.0}
    wider = {"score": float, "x": int}
    graph_of(saver, wider).invoke({"x": 1}, on("t"))
    graph = graph_of(saver, wider, migrations=[doubled])
    assert graph.invoke({"x": 2}, on("t")) == {"score": 2.0, "x": 2}


def test_a_new_name_that_holds_something_already_does_not_take_what_the_old_one_held(
    saver: Any,
) -> None:
    stored(saver, {"history": list}, {"history": ["a"]})
    graph_of(saver, {"log": list}).invoke({"log": ["b"]}, on("t"))
    assert values_of(graph_of(saver, {"log": list}, migrations=[moved])) == {"log": ["b"]}


def test_what_overwrites_a_key_is_migrated_too(saver: Any) -> None:
    before, after = {"history": Log, "answer": str}, {"log": Log, "answer": str}
    paused(saver, before, {"history": Overwrite(["b"])}).invoke({"history": ["a"]}, on("t"))
    graph = paused(saver, after, {}, migrations=[moved])
    assert graph.invoke(Command(resume="yes"), on("t")) == {"log": ["B"], "answer": "yes"}
