from __future__ import annotations

from agent_server.partials import Partials, metadata_json, partial_name
from streaming import MessageChunk, StepCommitted, Token


def piece(text: str, message: str = "m", **fields: object) -> Token:
    return Token(chunk=MessageChunk(text, message), metadata={"n": 1}, **fields)  # type: ignore[arg-type]


class TestHearing:
    def test_the_first_piece_of_each_message_is_known(self) -> None:
        partials = Partials()
        heard = [
            partials.hear(piece("a")),
            partials.hear(piece("b")),
            partials.hear(piece("c", "o")),
        ]
        assert heard == [True, False, True]

    def test_a_message_is_the_sum_of_its_pieces(self) -> None:
        partials = Partials()
        for text in "abc":
            token = piece(text)
            partials.hear(token)
        assert partials.message(token)["content"] == "abc"

    def test_so_it_is_when_it_is_asked_for_only_after_many(self) -> None:
        partials = Partials()
        for _ in range(1_000):
            token = piece("x")
            partials.hear(token)
        assert partials.message(token)["content"] == "x" * 1_000

    def test_messages_said_at_once_stay_apart(self) -> None:
        partials = Partials()
        one, two = piece("a", "1"), piece("b", "2")
        for token in (one, two, one, two):
            partials.hear(token)
        assert [partials.message(t)["content"] for t in (one, two)] == ["aa", "bb"]


class TestForgetting:
    def test_a_step_ends_what_was_said_in_its_graph_only(self) -> None:
        partials = Partials()
        inner = piece("a", ns=("sub:1",))
        partials.hear(inner)
        partials.hear(piece("b"))
        partials.forget(StepCommitted(values={}, wrote=True))
        assert partials.hear(piece("c"))
        assert not partials.hear(inner)


def test_what_goes_before_the_first_piece_is_the_metadata_by_id() -> None:
    assert metadata_json(piece("a")) == {"m": {"metadata": {"n": 1}}}


def test_a_piece_is_shown_as_partial() -> None:
    assert partial_name(piece("a")) == "messages/partial"
