"""Any sequence of batches gives the same answers in memory and in SQLite."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoint import (
    GetOp,
    IndexConfig,
    ListNamespacesOp,
    MatchCondition,
    MemoryStore,
    Op,
    PutOp,
    SearchOp,
    SqliteStore,
)
from checkpoint.testing_cache import ManualClock

LABEL = st.sampled_from(["a", "b", "a-", "é"])
NAMESPACE = st.lists(LABEL, min_size=1, max_size=3).map(tuple)
PREFIX = st.lists(LABEL, max_size=2).map(tuple)
PATTERN = st.lists(LABEL | st.just("*"), max_size=2).map(tuple)
KEY = st.sampled_from(["k", "l", ""])
FIELD = st.sampled_from(["x", "y", 'z"'])
LEAF = (
    st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from([0.5, "a", "b", "é", 10**30])
)
JSON = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(FIELD, inner, max_size=2)
)
VALUE = st.dictionaries(FIELD, JSON, max_size=3)
ORDERED = st.integers(-2, 3) | st.sampled_from([0.5, "a", "é", 10**30])
OPERATORS = st.dictionaries(
    st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), ORDERED, min_size=1, max_size=2
) | st.dictionaries(st.sampled_from(["$eq", "$ne"]), JSON, min_size=1)
FILTER = st.none() | st.dictionaries(FIELD, JSON | OPERATORS, max_size=2)
COUNT = st.integers(0, 4)
TTL = st.sampled_from([None, None, 1.0, 2.0])
QUERY = st.sampled_from([None, "a", "ab", "b"])

PUT = st.builds(PutOp, NAMESPACE, KEY, VALUE, st.sampled_from([None, False, ["x"]]), TTL)
DELETE = st.builds(PutOp, NAMESPACE, KEY, st.none())
GET = st.builds(GetOp, NAMESPACE, KEY, st.booleans())
SEARCH = st.builds(
    SearchOp, PREFIX, FILTER, st.integers(0, 20), COUNT, query=QUERY, refresh_ttl=st.booleans()
)
CONDITION = st.builds(MatchCondition, st.sampled_from(["prefix", "suffix"]), PATTERN)
LIST = st.builds(
    ListNamespacesOp,
    st.none() | st.lists(CONDITION, max_size=2).map(tuple),
    st.none() | st.integers(1, 3),
    st.integers(0, 20),
    COUNT,
)
BATCH = st.lists(st.one_of(PUT, PUT, GET, SEARCH, LIST, DELETE), min_size=1, max_size=6)
STEP = BATCH | st.sampled_from([30.0, 60.0, 90.0, "sweep"])
"""A batch, seconds that pass, or a sweep."""


def embed(texts: list[str]) -> list[list[float]]:
    return [[text.count("a") + 0.01 * len(text), float(text.count("b")), 0.5] for text in texts]


INDEX: IndexConfig = {"dims": 3, "embed": embed, "fields": ["x", "y[*]"]}


@settings(max_examples=300, deadline=None)
@given(st.lists(STEP, max_size=12), st.booleans())
def test_both_stores_answer_alike(steps: list[Any], sync: bool) -> None:
    clock = ManualClock()
    memory = MemoryStore(index=INDEX, clock=clock)
    with SqliteStore(":memory:", index=INDEX, clock=clock) as sqlite:
        for step in [*steps, [SearchOp((), limit=1000), ListNamespacesOp(limit=1000)]]:
            if step == "sweep":
                assert memory.sweep_ttl() == sqlite.sweep_ttl()
            elif isinstance(step, float):
                clock.now += step
            else:
                assert answers(memory, step, sync=True) == answers(sqlite, step, sync=sync)


def answers(store: MemoryStore | SqliteStore, ops: list[Op], *, sync: bool) -> list[Any]:
    """What the store answers, with the scores, which do not count when items are compared."""
    results = store.batch(ops) if sync else asyncio.run(store.abatch(ops))
    return [_shown(result) for result in results]


def _shown(result: Any) -> Any:
    if isinstance(result, list):
        return [_shown(part) for part in result]
    return result.dict() if hasattr(result, "dict") else result
