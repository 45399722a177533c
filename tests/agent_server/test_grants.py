"""Filters of authorization handlers: what they let through, the same in memory and in SQL."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_server.errors import HandlerError, ServerError
from agent_server.filters import MAX_PARTS as SEARCHED_PARTS
from agent_server.grants import MAX_LEVELS, MAX_PARTS, AllOf, AnyOf, Has, Is, grant_of
from agent_server.jsontext import to_json


def found_in_sql(filter_: dict[str, Any], metadata: dict[str, Any]) -> bool:
    """Whether a query with the filter finds a row with the metadata."""
    condition = grant_of(filter_).condition("metadata")
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE thing (metadata TEXT)")
    db.execute("INSERT INTO thing VALUES (?)", (to_json(metadata).decode(),))
    sql = f"SELECT COUNT(*) FROM thing WHERE {condition.sql}"
    count = db.execute(sql, condition.values).fetchone()[0]
    db.close()
    return bool(count)


ME: dict[str, Any] = {"owner": "me"}
MINE_OR_OURS: dict[str, Any] = {"$or": [ME, {"members": {"$contains": "me"}}]}


@pytest.mark.parametrize(
    ("metadata", "wanted", "there"),
    [
        ({}, {}, True),
        (ME, ME, True),
        ({"owner": "me", "k": 1}, {"owner": {"$eq": "me"}}, True),
        ({"owner": "you"}, ME, False),
        ({"owner": ["me"]}, ME, False),
        ({"owner": None}, ME, False),
        ({}, ME, False),
        ({"in": ["me", "you"]}, {"in": {"$contains": "me"}}, True),
        ({"in": ["me", "you"]}, {"in": {"$contains": ["you", "me"]}}, True),
        ({"in": ["me"]}, {"in": {"$contains": ["you", "me"]}}, False),
        ({"in": "me"}, {"in": {"$contains": "me"}}, False),
        ({"in": {"me": 1}}, {"in": {"$contains": "me"}}, False),
        ({"owner": "me", "in": []}, {**ME, "in": {"$contains": "me"}}, False),
        ({"members": ["me"]}, MINE_OR_OURS, True),
        (ME, MINE_OR_OURS, True),
        ({"owner": "you", "members": ["you"]}, MINE_OR_OURS, False),
        ({"owner": "me", "org": "x"}, {**MINE_OR_OURS, "org": "x"}, True),
        ({"owner": "me", "org": "y"}, {**MINE_OR_OURS, "org": "x"}, False),
        ({"owner": "me", "org": "x"}, {"$and": [ME, {"org": "x"}]}, True),
        (ME, {"$and": [ME, {"org": "x"}]}, False),
        ({"k": 1}, {"k": True}, False),
        ({"k": True}, {"k": True}, True),
        ({"k": 1.0}, {"k": 1}, True),
        ({"k": 0}, {"k": False}, False),
        ({"k": [0]}, {"k": {"$contains": False}}, False),
        ({"k'\" OR 1=1 --": "x"}, {"k'\" OR 1=1 --": "y"}, False),
        ({"owner": "me' OR '1'='1"}, ME, False),
    ],
    ids=repr,
)
def test_a_filter_lets_through_what_has_all_that_it_asks_for(
    metadata: dict[str, Any], wanted: dict[str, Any], there: bool
) -> None:
    assert grant_of(wanted).allows(metadata) is there
    assert found_in_sql(wanted, metadata) is there


@pytest.mark.parametrize(
    "wanted",
    [
        {"$or": []},
        {"$or": {}},
        {"$or": "owner"},
        {"$or": [ME, {}]},
        {"$and": [None]},
        {"$and": [ME, "me"]},
        {"$not": [ME]},
        {"owner": None},
        {"owner": {"$eq": None}},
        {"owner": {}},
        {"owner": {"$ne": "me"}},
        {"owner": {"$eq": "me", "$contains": "me"}},
        {"owner": ["me"]},
        {"owner": len},
        {"owner": float("nan")},
        {"owner": {"$contains": []}},
        {"owner": {"$contains": [None]}},
        {"owner": "\0"},
        {"owner": "\ud800"},
        {"\0": "me"},
        {3: "me"},
        {"k": {"$contains": list(range(MAX_PARTS))}},
        {"$or": [{"k": each} for each in range(MAX_PARTS)]},
    ],
    ids=lambda wanted: repr(wanted)[:60],
)
def test_what_lets_through_nothing_or_everything_is_refused(wanted: dict[Any, Any]) -> None:
    with pytest.raises(HandlerError, match="filter") as caught:
        grant_of(wanted)
    assert isinstance(caught.value, ServerError)
    assert len(str(caught.value)) < 300


def nested(levels: int) -> dict[str, Any]:
    filter_: dict[str, Any] = ME
    for level in range(levels):
        filter_ = {("$or", "$and")[level % 2]: [filter_, ME]}
    return filter_


def test_operators_stand_in_each_other_up_to_a_depth() -> None:
    assert grant_of(nested(MAX_LEVELS)).allows(ME)
    assert found_in_sql(nested(MAX_LEVELS), ME)
    with pytest.raises(HandlerError, match="levels"):
        grant_of(nested(MAX_LEVELS + 1))
    with pytest.raises(HandlerError, match="levels"):
        grant_of(nested(5_000))


def test_as_many_alternatives_as_may_be_are_searched_for() -> None:
    teams = {"$or": [{"team": str(each)} for each in range(MAX_PARTS // 2 - 1)]}
    assert found_in_sql(teams, {"team": "7"})
    assert not found_in_sql(teams, {"team": "x"})
    listed = {"teams": {"$contains": list(range(SEARCHED_PARTS - 1))}}
    assert found_in_sql(listed, {"teams": list(range(SEARCHED_PARTS))})


@pytest.mark.parametrize(
    ("wanted", "before", "after"),
    [
        (ME, {"k": 1, "owner": "you"}, {"k": 1, "owner": "me"}),
        ({"in": {"$contains": ["a", "b"]}}, {"in": ["b"]}, {"in": ["b", "a"]}),
        ({"in": {"$contains": "a"}}, {"in": "no list"}, {"in": ["a"]}),
        (MINE_OR_OURS, {}, ME),
        (MINE_OR_OURS, {"members": ["me"]}, {"members": ["me"]}),
        ({"$and": [ME, {"org": "x"}]}, {}, {"owner": "me", "org": "x"}),
    ],
    ids=repr,
)
def test_what_is_made_for_a_caller_is_stamped_with_what_the_filter_asks_for(
    wanted: dict[str, Any], before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert grant_of(wanted).stamp(before) == after


def test_a_filter_is_read_into_its_parts() -> None:
    assert grant_of(ME) == Is("owner", "me")
    assert grant_of({"in": {"$contains": "a"}}) == Has("in", ("a",))
    assert grant_of({"a": 1, "b": 2}) == AllOf((Is("a", 1), Is("b", 2)))
    assert grant_of({"$or": [ME, {"k": 1}]}) == AnyOf((Is("owner", "me"), Is("k", 1)))


names = st.sampled_from(["owner", "team", "tags"])
atoms = st.sampled_from(["a", "b", 0, 1, 1.5, True, False])
plain = st.dictionaries(
    names,
    atoms
    | st.fixed_dictionaries({"$eq": atoms})
    | st.fixed_dictionaries({"$contains": atoms | st.lists(atoms, min_size=1, max_size=3)}),
    min_size=1,
)
filters = st.recursive(
    plain,
    lambda inner: st.builds(
        lambda operator, parts, more: {**more, operator: parts},
        st.sampled_from(["$or", "$and"]),
        st.lists(inner, min_size=1, max_size=3),
        plain | st.just({}),
    ),
    max_leaves=4,
)
metadata = st.dictionaries(names, atoms | st.lists(atoms, max_size=3) | st.none())


@given(filters, metadata)
def test_a_search_finds_exactly_what_a_look_by_id_allows(
    wanted: dict[str, Any], there: dict[str, Any]
) -> None:
    assert found_in_sql(wanted, there) is grant_of(wanted).allows(there)


@given(filters, metadata)
def test_what_is_stamped_is_found_again_unless_the_filter_contradicts_itself(
    wanted: dict[str, Any], there: dict[str, Any]
) -> None:
    grant = grant_of(wanted)
    stamped = grant.stamp(there)
    assert grant.stamp(stamped) == stamped or not grant.allows(stamped)
    assert stamped.keys() >= there.keys()
