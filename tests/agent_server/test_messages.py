from __future__ import annotations

import json

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessageChunk

from agent_server.jsontext import to_json
from agent_server.messages import added, is_piece, piece_json, whole_json
from streaming import MessageChunk


def keys(value: object) -> list[str]:
    return list(json.loads(to_json(value)))


class TestPieces:
    def test_ours_have_the_keys_of_langchains_in_their_order(self) -> None:
        ours = piece_json(MessageChunk("x", "m"))
        assert keys(ours) == keys(piece_json(AIMessageChunk("x", id="m")))

    def test_messages_of_others_than_the_assistant_are_whole(self) -> None:
        assert piece_json(MessageChunk("x", "m", role="user")) == {
            "content": "x",
            "additional_kwargs": {},
            "response_metadata": {},
            "type": "human",
            "name": None,
            "id": "m",
        }

    def test_a_refusal_is_told(self) -> None:
        told = piece_json(MessageChunk("", "m", refusal="no"))
        assert told["additional_kwargs"] == {"refusal": "no"}

    def test_what_a_model_says_beside_the_text_is_told(self) -> None:
        more = {"reasoning_content": "Hm", "annotations": ({"a": 1},), "output_items": ({"b": 2},)}
        told = json.loads(to_json(piece_json(MessageChunk("", "m", **more))))  # type: ignore[arg-type]
        assert told["additional_kwargs"] == json.loads(json.dumps(more))

    def test_a_tools_message_says_which_call_it_answers(self) -> None:
        told = piece_json(MessageChunk("3", "m", "tool", "add", tool_call_id="c"))
        assert (told["type"], told["name"], told["tool_call_id"]) == ("tool", "add", "c")

    @pytest.mark.parametrize(
        ("chunk", "piece"),
        [
            (MessageChunk("x", "m"), True),
            (AIMessageChunk("x"), True),
            (HumanMessageChunk("x"), True),
            (AIMessage("x"), False),
        ],
    )
    def test_pieces_are_told_from_whole_messages(self, chunk: object, piece: bool) -> None:
        assert is_piece(chunk) is piece


class TestWholes:
    def test_ours_have_the_keys_of_langchains_in_their_order(self) -> None:
        ours = whole_json(MessageChunk("x", "m"))
        assert keys(ours) == keys(whole_json(AIMessageChunk("x", id="m")))
        assert ours["type"] == whole_json(AIMessageChunk("x"))["type"] == "ai"

    def test_a_message_that_came_whole_is_left_as_it_is(self) -> None:
        message = AIMessage("x")
        assert whole_json(message) is message

    def test_arguments_that_are_no_object_are_no_arguments(self) -> None:
        call = {"name": "f", "args": "[1]", "id": "c", "index": 0, "type": "tool_call_chunk"}
        message = whole_json(MessageChunk("", "m", tool_call_chunks=(call,)))  # type: ignore[arg-type]
        assert message["tool_calls"] == []
        assert message["invalid_tool_calls"][0]["args"] == "[1]"


class TestAdding:
    def test_ours_add_up_in_one_go_to_what_they_add_up_to_one_by_one(self) -> None:
        more = MessageChunk("b", "m", usage_metadata={"n": 1}, reasoning_content="Hm")
        items = MessageChunk("", "m", annotations=({"a": 1},), output_items=({"b": 2},))
        chunks = [MessageChunk("a", "m") + more, items]
        assert added(chunks) == chunks[0] + chunks[1]

    def test_langchains_add_up(self) -> None:
        assert added([AIMessageChunk("a"), AIMessageChunk("b")]).content == "ab"

    def test_one_is_its_own_sum(self) -> None:
        chunk = MessageChunk("a", "m")
        assert added([chunk]) is chunk
