"""Batches as plans, and namespaces as lists, without any store."""

from __future__ import annotations

from checkpoint import GetOp, ListNamespacesOp, MatchCondition, PutOp, SearchOp
from checkpoint.embedding import NOTHING_EMBEDDED, Texts
from checkpoint.store_plan import Get, Planner, Put, listed_namespaces, literal_prefix

INDEX = {"dims": 1, "embed": lambda texts: [[1.0] for _ in texts], "fields": ["text"]}


def planner() -> Planner:
    return Planner(INDEX)  # type: ignore[arg-type]


def test_reads_keep_their_places_and_puts_their_last_value() -> None:
    plan = Planner(None).plan(
        [PutOp(("a",), "k", {"n": 1}), GetOp(("a",), "k"), PutOp(("a",), "k", {"n": 2}, ttl=5)]
    )
    assert plan.size == 3
    assert plan.reads == ((1, Get(("a",), "k", refresh=True)),)
    assert plan.puts == (Put(("a",), "k", '{"n": 2}', 5.0, ()),)


def test_each_text_is_embedded_once_and_only_what_is_put_in_the_end() -> None:
    plan = planner().plan(
        [
            PutOp(("a",), "k", {"text": "forgotten"}),
            PutOp(("a",), "k", {"text": "x"}),
            PutOp(("a",), "l", {"text": "x"}),
            PutOp(("a",), "m", {"text": "z"}, index=False),
            PutOp(("a",), "n", None),
            SearchOp((), query="q"),
            SearchOp(("a",), query="q"),
            SearchOp(("a",)),
        ]
    )
    assert plan.texts == Texts(("x",), ("q",))


async def test_a_plan_without_texts_asks_no_function() -> None:
    plan = planner().plan([GetOp(("a",), "k")])
    assert planner().embed(plan) is NOTHING_EMBEDDED
    assert await planner().aembed(plan) is NOTHING_EMBEDDED


def test_an_op_of_no_index_has_no_query() -> None:
    plan = Planner(None).plan([SearchOp((), query="q")])
    assert not plan.texts


def test_the_literal_prefix_is_what_all_results_begin_with() -> None:
    def of(*conditions: MatchCondition) -> tuple[str, ...]:
        return literal_prefix(ListNamespacesOp(conditions))

    assert of() == ()
    assert of(MatchCondition("suffix", ("a", "b"))) == ()
    assert of(MatchCondition("prefix", ("a", "*", "b"))) == ("a",)
    assert of(MatchCondition("prefix", ("a",)), MatchCondition("prefix", ("a", "b"))) == ("a", "b")


def test_listing_stops_at_its_limit() -> None:
    def ascending() -> object:
        yield from [("a", "b"), ("a", "c"), ("b",)]
        raise AssertionError("asked for more than it lists")

    op = ListNamespacesOp(max_depth=1, limit=1, offset=1)
    assert listed_namespaces(op, ascending()) == [("b",)]  # type: ignore[arg-type]


def test_an_empty_path_matches_everything() -> None:
    for kind in ("prefix", "suffix"):
        op = ListNamespacesOp((MatchCondition(kind, ()),))  # type: ignore[arg-type]
        assert listed_namespaces(op, [("a",)]) == [("a",)]
