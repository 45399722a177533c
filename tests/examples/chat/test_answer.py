"""Answers are made of what the passages say, each with its file."""

from __future__ import annotations

from examples.chat.answer import NOTHING, Extractive, compose
from examples.chat.documents import Passage

TIDE = Passage("tide.md", "Tide", "It comes twice a day.", score=3.0)
SHIPS = Passage("ships.md", "", "Ships leave with it.", score=2.0)
WHALE = Passage("whale.md", "", "We saw a whale.", score=0.5)


def test_an_answer_quotes_the_best_passages_with_their_files() -> None:
    assert compose([TIDE, SHIPS]) == (
        "- It comes twice a day. [tide.md › Tide]\n- Ships leave with it. [ships.md]"
    )


def test_what_says_much_less_than_the_best_is_left_out() -> None:
    assert "whale" not in compose([TIDE, WHALE])


def test_a_passage_is_quoted_once_and_not_too_many_of_them() -> None:
    assert compose([TIDE, TIDE]).count("twice") == 1
    many = [Passage("a.md", "", f"number {n}", score=1.0) for n in range(9)]
    assert len(compose(many, limit=3).splitlines()) == 3


def test_passages_that_say_nothing_give_no_answer() -> None:
    assert compose([]) == NOTHING
    assert compose([Passage("a.md", "", "empty words", score=0.0)]) == NOTHING


async def test_the_tokens_are_the_answer_word_by_word() -> None:
    tokens = [token async for token in Extractive()([], [TIDE, SHIPS])]
    assert "".join(tokens) == compose([TIDE, SHIPS])
    assert tokens[:3] == ["-", " It", " comes"]
    assert all(len(token.split()) == 1 for token in tokens)
