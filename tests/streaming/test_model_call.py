"""Calls of models as spans of the task that runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from streaming import SILENT_WRITER, ModelCall, Span, StreamWriter, TokenWriter, stream_message
from streaming.model_call import UNNAMED_MODEL, whole_call
from streaming.writer import current_task


class Spans:
    """Keeps what is shown."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, str, Any]] = []
        self.made: list[Span] = []

    def model(self, name: str, tags: Iterable[str], known: Mapping[str, Any]) -> Span:
        self.made.append(Span(name, str(len(self.made)), tags=tuple(tags), metadata=known))
        return self.made[-1]

    def show(self, span: Span, phase: Any, data: Any) -> None:
        self.shown.append((span.id, phase, data))

    async def drain(self) -> None:
        self.shown.append(("", "drained", None))


@dataclass
class Scope:
    spans: Spans | None = field(default_factory=Spans)
    writer: StreamWriter = SILENT_WRITER
    tokens: TokenWriter | None = None


@pytest.fixture
def scope() -> Iterator[Scope]:
    found = Scope()
    reset = current_task.set(found)
    yield found
    current_task.reset(reset)


def phases(spans: Spans | None) -> list[str]:
    assert spans is not None
    return [phase for _, phase, _ in spans.shown]


def test_a_call_is_a_span_that_begins_speaks_and_ends(scope: Scope) -> None:
    assert scope.spans is not None
    with ModelCall("m", prompt=("q",), tags=("joke",)) as call:
        call.said("a")
        call.output = "all"
    asked = {"input": {"messages": [["q"]]}}
    assert scope.spans.shown == [
        ("0", "start", asked),
        ("0", "stream", {"chunk": "a"}),
        ("0", "end", {"output": "all", **asked}),
    ]
    [span] = scope.spans.made
    assert (span.name, span.tags) == ("m", ("joke",))
    assert span.metadata == {"ls_model_type": "chat", "ls_model_name": "m"}


def test_a_call_without_a_name_has_one_and_no_input(scope: Scope) -> None:
    assert scope.spans is not None
    with ModelCall(None):
        pass
    assert scope.spans.made[0].name == UNNAMED_MODEL
    assert scope.spans.made[0].metadata == {"ls_model_type": "chat"}
    assert scope.spans.shown == [("0", "start", {}), ("0", "end", {"output": None})]


def test_a_call_that_raises_has_no_end_and_is_no_whole_any_more(scope: Scope) -> None:
    with pytest.raises(LookupError), ModelCall("m", whole=True):
        raise LookupError("gone")
    assert phases(scope.spans) == ["start"]
    assert whole_call() is None


@pytest.mark.parametrize("inside", [True, False])
def test_nothing_is_shown_where_nobody_asked(inside: bool) -> None:
    reset = current_task.set(Scope(None)) if inside else None
    with ModelCall("m", whole=True) as call, stream_message() as message:
        message.write("a")
        call.said("b")
        assert whole_call() is (call if inside else None)
    assert whole_call() is None
    assert message.content == "a"
    assert call.spans is None
    if reset is not None:
        current_task.reset(reset)


async def test_a_message_is_a_call_of_its_own(scope: Scope) -> None:
    assert scope.spans is not None
    async with stream_message(id="i", model="m", prompt=["q"], tags=["nostream"]) as message:
        await message.token("a")
        message.write("b")
    assert phases(scope.spans) == ["start", "stream", "drained", "stream", "end"]
    assert scope.spans.shown[-1][2]["output"] == message.message
    assert scope.spans.made[0].tags == ("nostream",)


async def test_what_a_client_streams_is_told_too(scope: Scope) -> None:
    assert scope.spans is not None
    with pytest.raises(TypeError), stream_message() as message:
        message.follow_sync(["a", "b", 3])
    assert phases(scope.spans) == ["start", "stream", "stream"]


def test_messages_in_a_whole_call_are_what_it_says(scope: Scope) -> None:
    assert scope.spans is not None
    with ModelCall("outer", whole=True) as call:
        for text in ("a", "b"):
            with stream_message() as message:
                message.write(text)
        call.output = "ab"
    assert phases(scope.spans) == ["start", "stream", "stream", "end"]
    assert [data["chunk"].content for _, phase, data in scope.spans.shown if phase == "stream"] == [
        "a",
        "b",
    ]


def test_messages_of_another_task_are_no_part_of_a_whole_call(scope: Scope) -> None:
    other = Scope()
    with ModelCall("outer", whole=True):
        reset = current_task.set(other)
        with stream_message() as message:
            message.write("a")
        current_task.reset(reset)
    assert phases(scope.spans) == ["start", "end"]
    assert phases(other.spans) == ["start", "stream", "end"]
