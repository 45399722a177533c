"""LangChain's messages: as plain dicts, and as bytes that another process reads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import langchain_core.messages as lc
import pytest
from langchain_core.documents import Document

from actors import MessageError, RemoveMessage
from actors.langchain_messages import MESSAGES, as_dict, convert
from checkpoint import MsgpackSerializer, TypeRegistry, UnknownTypeTagError

ROOT = Path(__file__).resolve().parents[2]

CALL = {"name": "add", "args": {"a": 1, "b": "ü"}, "id": "c1", "type": "tool_call"}
BAD_CALL = {"name": "add", "args": "{", "id": "c2", "error": "no JSON", "type": "invalid_tool_call"}
USAGE: Any = {
    "input_tokens": 3,
    "output_tokens": 2,
    "total_tokens": 5,
    "input_token_details": {"cache_read": 1},
}
BLOCKS: list[Any] = [
    {"type": "text", "text": "two", "annotations": [{"type": "citation", "url": "u"}]},
    {"type": "reasoning", "reasoning": "because"},
    {"type": "image", "base64": "AAAA", "mime_type": "image/png"},
    "and a str",
]
PIECE = {"name": "add", "args": '{"a"', "id": "c1", "index": 0, "type": "tool_call_chunk"}

STORED: list[Any] = [
    lc.HumanMessage("hi"),
    lc.HumanMessage(BLOCKS, id="1", name="Ada", example=True),
    lc.HumanMessage("hi", id="1", mood="good", numbers={1, 2}),
    lc.SystemMessage("be brief", additional_kwargs={"__openai_role__": "developer"}),
    lc.AIMessage("x", tool_calls=[CALL], invalid_tool_calls=[BAD_CALL], usage_metadata=USAGE),
    lc.AIMessage(BLOCKS, additional_kwargs={"refusal": None, "parsed": (1, {"k": [2]})}),
    lc.AIMessage("x", id="run-1", response_metadata={"model_name": "m", "logprobs": [0.5]}),
    lc.ToolMessage("42", tool_call_id="c1", name="add", status="error"),
    lc.ToolMessage("42", tool_call_id="c1", artifact=[Document("page", metadata={"n": 1}, id="d")]),
    lc.ToolMessage(BLOCKS, tool_call_id="c1", artifact={"rows": [(1, 2)]}),
    lc.FunctionMessage("4", name="add"),
    lc.ChatMessage("hm", role="critic"),
    lc.RemoveMessage(id="1"),
    RemoveMessage("1"),
    lc.AIMessageChunk("x", tool_call_chunks=[PIECE], usage_metadata=USAGE, chunk_position="last"),
    lc.HumanMessageChunk("x"),
    lc.SystemMessageChunk("x"),
    lc.ToolMessageChunk("x", tool_call_id="c1"),
    lc.FunctionMessageChunk("x", name="add"),
    lc.ChatMessageChunk("x", role="critic"),
    Document("page", metadata={"source": "a.txt"}),
]


def name_of(message: Any) -> str:
    return f"{type(message).__name__}-{STORED.index(message)}"


# --------------------------------------------------------------------------------------- stored


@pytest.mark.parametrize("message", STORED, ids=name_of)
def test_it_comes_back_from_bytes_as_it_was(message: Any) -> None:
    serializer = MsgpackSerializer()
    back = serializer.loads(serializer.dumps([message, {"in": (message,)}]))
    assert back == [message, {"in": (message,)}]
    assert type(back[0]) is type(message)


def test_every_class_of_messages_is_among_them() -> None:
    assert {type(message) for message in STORED} >= MESSAGES
    concrete = {
        cls
        for name in lc.__all__
        if isinstance(cls := getattr(lc, name), type)
        if issubclass(cls, lc.BaseMessage) and not name.startswith("Base")
    }
    assert concrete == MESSAGES


def test_what_comes_back_knows_which_fields_were_set() -> None:
    given = lc.AIMessage("x", id="1")
    back = MsgpackSerializer().loads(MsgpackSerializer().dumps(given))
    assert back.model_fields_set == given.model_fields_set
    assert back.model_dump(exclude_unset=True) == given.model_dump(exclude_unset=True)


def test_chunks_that_come_back_can_be_added() -> None:
    serializer = MsgpackSerializer()
    one, two = (
        serializer.loads(serializer.dumps(lc.AIMessageChunk(text, id="1"))) for text in ("a", "b")
    )
    assert (one + two).content == "ab"


def test_a_reader_that_does_not_know_them_makes_nothing_of_them() -> None:
    data = MsgpackSerializer().dumps(lc.HumanMessage("hi"))
    with pytest.raises(UnknownTypeTagError, match=r"langchain_core\.messages\.human\.HumanMessage"):
        MsgpackSerializer(TypeRegistry()).loads(data)


IN_ANOTHER_PROCESS = """
import json, sys
import actors
from checkpoint import MsgpackSerializer, UnknownTypeTagError

data = bytes.fromhex(sys.argv[1])
answers = []
try:
    MsgpackSerializer().loads(data)
except UnknownTypeTagError as error:
    answers.append(str(error))
answers.append("langchain_core" in sys.modules)
import langchain_core.messages
answers.append(repr(MsgpackSerializer().loads(data)))
print(json.dumps(answers))
"""


def test_another_process_reads_them_once_it_has_loaded_langchain_and_not_for_their_sake() -> None:
    message = lc.AIMessage("x", id="1", tool_calls=[CALL], usage_metadata=USAGE)
    data = MsgpackSerializer().dumps(message)
    done = subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_PROCESS, data.hex()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    refused, loaded, read = json.loads(done.stdout)
    assert "import the module that registers it" in refused
    assert loaded is False
    assert read == repr(message)


# ------------------------------------------------------------------------------ as plain dicts


@pytest.mark.parametrize(
    ("message", "made"),
    [
        (lc.HumanMessage("hi"), {"role": "user", "content": "hi"}),
        (
            lc.HumanMessage("hi", id="1", name="Ada", mood="good"),
            {"role": "user", "content": "hi", "id": "1", "name": "Ada", "mood": "good"},
        ),
        (lc.SystemMessage("s"), {"role": "system", "content": "s"}),
        (
            lc.SystemMessage("s", additional_kwargs={"__openai_role__": "developer"}),
            {"role": "developer", "content": "s"},
        ),
        (
            lc.AIMessage("", tool_calls=[CALL], additional_kwargs={"tool_calls": [{"id": "c1"}]}),
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "add", "arguments": '{"a": 1, "b": "ü"}'},
                    }
                ],
            },
        ),
        (
            lc.AIMessage(
                BLOCKS,
                invalid_tool_calls=[BAD_CALL],
                usage_metadata=USAGE,
                response_metadata={"model_name": "m"},
                additional_kwargs={"refusal": "no"},
            ),
            {
                "role": "assistant",
                "content": BLOCKS,
                "invalid_tool_calls": [BAD_CALL],
                "usage_metadata": USAGE,
                "response_metadata": {"model_name": "m"},
                "additional_kwargs": {"refusal": "no"},
            },
        ),
        (
            lc.ToolMessage("42", tool_call_id="c1", status="error", artifact=[0]),
            {
                "role": "tool",
                "content": "42",
                "tool_call_id": "c1",
                "status": "error",
                "artifact": [0],
            },
        ),
        (
            lc.ToolMessage("42", tool_call_id="c1"),
            {"role": "tool", "content": "42", "tool_call_id": "c1"},
        ),
        (
            lc.ChatMessage("hm", role="critic"),
            {"role": "critic", "type": "chat", "content": "hm"},
        ),
        (lc.FunctionMessage("4", name="f"), {"role": "function", "content": "4", "name": "f"}),
        (lc.RemoveMessage(id="1"), {"role": "remove", "content": "", "id": "1"}),
        (lc.AIMessageChunk("x", id="1"), {"role": "assistant", "content": "x", "id": "1"}),
    ],
    ids=repr,
)
def test_a_message_as_a_dict_says_all_that_it_says(message: Any, made: dict[str, Any]) -> None:
    before = message.model_dump()
    assert as_dict(message) == made
    assert message.model_dump() == before


@pytest.mark.parametrize(
    "message",
    [
        lc.HumanMessage(BLOCKS, id="1", name="Ada"),
        lc.SystemMessage("s", id="1", additional_kwargs={"__openai_role__": "developer"}),
        lc.AIMessage("x", id="1", tool_calls=[CALL], response_metadata={"model_name": "m"}),
        lc.ToolMessage("42", id="1", tool_call_id="c1", status="error", artifact=[0]),
        lc.FunctionMessage("4", id="1", name="f"),
        lc.RemoveMessage(id="1"),
        lc.AIMessage("x", id="1", usage_metadata=USAGE, additional_kwargs={"refusal": "no"}),
        lc.AIMessage("x", id="1", tool_calls=[CALL], invalid_tool_calls=[BAD_CALL]),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_dict_becomes_the_message_again(message: Any) -> None:
    assert convert([as_dict(message)]) == ([message], ["1"])


# ------------------------------------------------------------------------------------ converted


def test_the_form_in_which_langchain_dumps_messages_is_understood() -> None:
    from langchain_core.load import dumpd

    given = lc.HumanMessage("x", id="1", name="Ada")
    assert convert([dumpd(given)])[0] == [given]


def test_a_dict_of_tool_calls_alone_becomes_a_message() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    [message], _ = convert([{"role": "assistant", "tool_calls": [call]}])
    assert message.content == ""
    assert message.tool_calls == [{"name": "f", "args": {}, "id": "c1", "type": "tool_call"}]


@pytest.mark.parametrize("arguments", ['{"a": ', "no json", "[1]"])
def test_a_call_whose_arguments_are_no_json_object_is_kept_as_invalid(arguments: str) -> None:
    broken = {"id": "c2", "type": "function", "function": {"name": "f", "arguments": arguments}}
    given = {"role": "assistant", "content": "x", "tool_calls": [broken, CALL]}
    [message], _ = convert([given])
    assert isinstance(message, lc.AIMessage)
    [invalid] = message.invalid_tool_calls
    assert (invalid["name"], invalid["args"], invalid["id"]) == ("f", arguments, "c2")
    assert message.tool_calls == [CALL]
    assert given["tool_calls"] == [broken, CALL]


def test_a_call_may_have_no_arguments() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}
    [message], _ = convert([{"role": "assistant", "content": "", "tool_calls": [call]}])
    assert isinstance(message, lc.AIMessage)
    assert [each["args"] for each in message.tool_calls] == [{}]


def test_a_free_form_call_has_its_text_as_its_only_argument() -> None:
    call = {"id": "c1", "type": "custom", "custom": {"name": "run", "input": "a b"}}
    [message], _ = convert([{"role": "assistant", "content": "", "tool_calls": [call]}])
    assert isinstance(message, lc.AIMessage)
    read = {"name": "run", "args": {"__arg1": "a b"}, "id": "c1", "type": "tool_call"}
    assert message.tool_calls == [read]


@pytest.mark.parametrize("more", [{"usage_metadata": "much"}, {"tool_calls": ["no call"]}])
def test_what_langchain_refuses_in_a_models_message_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(MessageError, match="LangChain makes none of it"):
        convert([{"role": "assistant", "content": "x", **more}])


def test_a_class_of_the_users_own_stays_what_it_is() -> None:
    class Note(lc.HumanMessage):
        """A message of an application."""

    note = Note("x", id="1")
    assert convert([note])[0][0] is note
