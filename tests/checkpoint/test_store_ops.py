"""Items and operations as values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from checkpoint import (
    GetOp,
    Item,
    ListNamespacesOp,
    MsgpackSerializer,
    PutOp,
    SearchItem,
    SearchOp,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FACTS = {"value": {"a": 1}, "key": "k", "namespace": ("n",), "created_at": NOW, "updated_at": NOW}


def test_items_are_equal_when_place_times_and_value_are() -> None:
    item = Item(**FACTS)
    assert item == Item(**FACTS) == SearchItem(**FACTS, score=0.5)
    assert item != Item(**{**FACTS, "value": {"a": 2}})
    assert item != Item(**{**FACTS, "updated_at": NOW + timedelta(1)})
    assert item != FACTS
    assert len({item, SearchItem(**FACTS)}) == 1


def test_an_item_is_shown_as_json_able_values() -> None:
    shown = {
        "namespace": ["n"],
        "key": "k",
        "value": {"a": 1},
        "created_at": "2026-01-01T00:00:00+00:00",
        "updated_at": "2026-01-01T00:00:00+00:00",
    }
    assert Item(**FACTS).dict() == shown
    assert SearchItem(**FACTS, score=0.5).dict() == {**shown, "score": 0.5}


def test_an_item_can_be_part_of_a_graphs_state() -> None:
    serializer = MsgpackSerializer()
    for item in (Item(**FACTS), SearchItem(**FACTS, score=0.5)):
        again = serializer.loads(serializer.dumps(item))
        assert (type(again), again.dict()) == (type(item), item.dict())


def test_operations_take_their_arguments_by_place_too() -> None:
    assert GetOp(("n",), "k", False) == GetOp(namespace=("n",), key="k", refresh_ttl=False)
    assert SearchOp(("n",), {"a": 1}, 5, 2, "q", False) == SearchOp(
        namespace_prefix=("n",), filter={"a": 1}, limit=5, offset=2, query="q", refresh_ttl=False
    )
    assert PutOp(("n",), "k", {}, False, 5.0) == PutOp(
        namespace=("n",), key="k", value={}, index=False, ttl=5.0
    )
    assert ListNamespacesOp((), 1, 2, 3) == ListNamespacesOp(
        match_conditions=(), max_depth=1, limit=2, offset=3
    )


def test_an_operation_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        GetOp(("n",), "k").key = "other"  # type: ignore[misc]
