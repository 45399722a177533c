"""All that a response may stream, by the official client: what a message keeps of it."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from openai import AsyncOpenAI
from openai.types.responses import ResponseStreamEvent

from actors import START, MessagesState, StateGraph, stream_message
from actors.prebuilt import ToolNode
from streaming import MessageChunk
from streaming.pieces import piece_of
from tests.llm.server import Event, ModelServer, Part

CITED = {"type": "file_citation", "file_id": "f", "filename": "cats.txt", "index": 3}
SEARCH = {"type": "web_search_call", "id": "ws", "status": "completed"}
SEARCHED = {**SEARCH, "action": {"type": "search", "query": "cats"}}
THOUGHT = {
    "type": "reasoning",
    "id": "rs",
    "summary": [{"type": "summary_text", "text": "Cats."}],
    "encrypted_content": "c2VjcmV0",
}


def item(phase: str, made: dict[str, Any], place: int = 0) -> Event:
    return Event(f"response.output_item.{phase}", {"output_index": place, "item": made})


def delta(of: str, text: str, place: int = 0, **fields: Any) -> Event:
    return Event(f"response.{of}.delta", {"output_index": place, "delta": text, **fields})


def custom(name: str, texts: list[str], call_id: str = "c1", place: int = 0) -> list[Part]:
    """A call of a free-form tool, in pieces."""
    begun = {"type": "custom_tool_call", "id": "ct", "call_id": call_id, "name": name, "input": ""}
    whole = "".join(texts)
    return [
        item("added", begun, place),
        *(delta("custom_tool_call_input", text, place) for text in texts),
        Event("response.custom_tool_call_input.done", {"output_index": place, "input": whole}),
        item("done", {**begun, "input": whole}, place),
    ]


async def said(
    server: ModelServer, client: AsyncOpenAI, parts: list[Part]
) -> tuple[list[MessageChunk], dict[str, Any]]:
    """The pieces that are shown, and the message that they are put together to."""
    server.says("client-events", parts)

    async def talk(state: MessagesState) -> dict[str, Any]:
        stream = await client.responses.create(model="client-events", input="hi", stream=True)
        async with stream_message(id="m") as message:
            await message.follow(stream)
        whole.append(message.message)
        return {}

    whole = list[dict[str, Any]]()
    graph = StateGraph(MessagesState).add_node(talk).add_edge(START, "talk").compile()
    stream: Any = graph.astream({"messages": []}, stream_mode="messages")
    pieces = [piece async for piece, _ in stream]
    return pieces, {k: v for k, v in whole[0].items() if k not in ("id", "role", "usage_metadata")}


async def test_a_call_of_a_free_form_tool_is_shown_in_pieces_and_put_together(
    server: ModelServer, client: AsyncOpenAI
) -> None:
    texts = ['print("', "ü\n", '")', '"}']
    pieces, whole = await said(server, client, ["so ", *custom("run", texts, place=1)])
    calls = [call for piece in pieces for call in piece.tool_call_chunks]
    assert [(call["name"], call["id"]) for call in calls] == [("run", "c1"), *[(None, None)] * 5]
    assert "".join(call["args"] or "" for call in calls) == r'{"__arg1": "print(\"ü\n\")\"}"}'
    assert {call["index"] for call in calls} == {1}
    named = {"name": "run", "input": "".join(texts)}
    assert whole == {
        "content": "so ",
        "tool_calls": [{"id": "c1", "type": "custom", "custom": named}],
    }


async def test_calls_of_both_kinds_stand_in_their_order(
    server: ModelServer, client: AsyncOpenAI
) -> None:
    function = {"type": "function_call", "call_id": "c2", "name": "look", "arguments": ""}
    parts = [
        item("added", function, 1),
        *custom("run", ["1"], place=0),
        delta("function_call_arguments", "{}", 1),
        *custom("run", [], "c3", place=2),
    ]
    _, whole = await said(server, client, parts)
    assert whole["tool_calls"] == [
        {"id": "c1", "type": "custom", "custom": {"name": "run", "input": "1"}},
        {"id": "c2", "type": "function", "function": {"name": "look", "arguments": "{}"}},
        {"id": "c3", "type": "custom", "custom": {"name": "run", "input": ""}},
    ]


async def test_a_tool_is_run_with_the_text_that_it_was_called_with(
    server: ModelServer, client: AsyncOpenAI
) -> None:
    def run(code: str) -> str:
        """Run code."""
        return code.upper()

    _, whole = await said(server, client, custom("run", ["a", "b"]))
    state = {"messages": [{"role": "assistant", **whole}]}
    answer = (await ToolNode([run]).ainvoke(state))["messages"][0]
    assert (answer["content"], answer["tool_call_id"]) == ("AB", "c1")


async def test_a_refusal_is_shown_and_kept(server: ModelServer, client: AsyncOpenAI) -> None:
    parts = [delta("refusal", "I "), delta("refusal", "won't")]
    pieces, whole = await said(server, client, parts)
    assert [piece.refusal for piece in pieces if piece.refusal] == ["I ", "won't"]
    assert whole == {"content": "", "refusal": "I won't"}


def summary(*texts: str, index: int) -> list[Part]:
    part = {"type": "summary_text", "text": ""}
    fields = {"output_index": 0, "item_id": "rs", "summary_index": index, "part": part}
    told = (delta("reasoning_summary_text", text, summary_index=index) for text in texts)
    return [Event("response.reasoning_summary_part.added", fields), *told]


async def test_reasoning_is_shown_and_kept_whole_to_be_sent_back(
    server: ModelServer, client: AsyncOpenAI
) -> None:
    parts = [
        item("added", {**THOUGHT, "encrypted_content": "half"}),
        *summary("Ca", "ts.", index=0),
        *summary("Dogs.", index=1),
        item("done", THOUGHT),
        "Hi",
    ]
    pieces, whole = await said(server, client, parts)
    shown = [piece.reasoning_content for piece in pieces if piece.reasoning_content]
    assert shown == ["Ca", "ts.", "\n\n", "Dogs."]
    assert whole == {
        "content": "Hi",
        "reasoning_content": "Cats.\n\nDogs.",
        "output_items": [THOUGHT],
    }


async def test_reasoning_that_is_no_summary_is_shown_too(
    server: ModelServer, client: AsyncOpenAI
) -> None:
    _, whole = await said(server, client, [delta("reasoning_text", "Hm", content_index=0), "Hi"])
    assert whole == {"content": "Hi", "reasoning_content": "Hm"}


async def test_citations_are_shown_and_kept(server: ModelServer, client: AsyncOpenAI) -> None:
    fields = {"output_index": 0, "content_index": 0, "annotation_index": 0, "item_id": "msg_1"}
    cited = Event("response.output_text.annotation.added", {**fields, "annotation": CITED})
    pieces, whole = await said(server, client, ["Cats", cited])
    assert [piece.annotations for piece in pieces if piece.annotations] == [(CITED,)]
    assert whole == {"content": "Cats", "annotations": [CITED]}


async def test_calls_of_the_services_own_tools_are_kept_whole(
    server: ModelServer, client: AsyncOpenAI
) -> None:
    code = {
        "type": "code_interpreter_call",
        "id": "ci",
        "code": "1+1",
        "container_id": "k",
        "outputs": [{"type": "logs", "logs": "2"}],
        "status": "completed",
    }
    parts = [
        item("added", {**SEARCH, "status": "in_progress"}),
        Event("response.web_search_call.searching", {"output_index": 0, "item_id": "ws"}),
        item("done", SEARCHED),
        delta("code_interpreter_call_code", "1+1", 1),
        item("done", code, 1),
        "Two.",
    ]
    pieces, whole = await said(server, client, parts)
    assert [piece.output_items for piece in pieces if piece.output_items] == [(SEARCHED,), (code,)]
    assert whole == {"content": "Two.", "output_items": [SEARCHED, code]}


async def test_what_a_voice_says_is_the_text(server: ModelServer, client: AsyncOpenAI) -> None:
    parts = [delta("audio", "UklGRg=="), delta("audio.transcript", "Hi")]
    _, whole = await said(server, client, parts)
    assert whole == {"content": "Hi"}


async def test_the_pieces_add_up_to_what_the_message_holds(
    server: ModelServer, client: AsyncOpenAI
) -> None:
    fields = {"output_index": 0, "annotation_index": 0, "annotation": CITED}
    cited = Event("response.output_text.annotation.added", fields)
    thought = delta("reasoning_text", "Hm")
    parts = [thought, item("done", SEARCHED), "a", cited, "b", *custom("run", ["x"], place=2)]
    pieces, whole = await said(server, client, parts)
    first, *others = pieces
    for piece in others:
        first = first + piece
    for name in ("content", "reasoning_content"):
        assert getattr(first, name) == whole[name]
    for name in ("annotations", "output_items"):
        assert list(getattr(first, name)) == whole[name]


SAMPLE: dict[str, Any] = {
    "annotation": CITED,
    "item": SEARCHED,
    "output_index": 0,
    "summary_index": 1,
    "part": {"type": "output_text", "text": "said already", "annotations": []},
    "response": {"id": "r", "output": [], "usage": None},
    **dict.fromkeys(("delta", "text", "arguments", "input", "refusal", "code"), "text"),
}
TELLING = {
    "response.audio.transcript.delta",
    "response.custom_tool_call_input.delta",
    "response.custom_tool_call_input.done",
    "response.function_call_arguments.delta",
    "response.output_item.done",
    "response.output_text.annotation.added",
    "response.output_text.delta",
    "response.reasoning_summary_part.added",
    "response.reasoning_summary_text.delta",
    "response.reasoning_text.delta",
    "response.refusal.delta",
}
"""Events that add something to a message.  The others tell of progress, of beginnings, or again
of what came in pieces."""
FAILURES = ("error", "response.failed")
EVENTS = {
    kind: event
    for event in get_args(get_args(ResponseStreamEvent)[0])
    for kind in get_args(event.model_fields["type"].annotation)
    if kind not in FAILURES
}


@pytest.mark.parametrize("kind", EVENTS)
def test_each_event_that_the_client_knows_adds_something_or_nothing(kind: str) -> None:
    event: Any = EVENTS[kind]
    given = {name: SAMPLE[name] for name in event.model_fields if name in SAMPLE}
    assert bool(piece_of(event.construct(type=kind, sequence_number=1, **given))) is (
        kind in TELLING
    )
