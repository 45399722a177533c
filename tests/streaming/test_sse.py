from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.errors import SseFieldError, SseOverflowError
from streaming.sse import ServerEvent, SseDecoder, encode_event, heartbeat

NAMES = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=("Cs",)), min_size=1)
IDS = st.none() | NAMES | st.integers(0, 2**70)
EVENTS = st.lists(st.tuples(NAMES, st.text() | st.lists(st.text()), IDS), max_size=5)


def decode(data: bytes, cuts: list[int] | None = None) -> list[ServerEvent]:
    decoder, events, start = SseDecoder(), list[ServerEvent](), 0
    for cut in [*sorted(cuts or []), len(data)]:
        events += decoder.feed(data[start:cut])
        start = max(start, cut)
    return events


def test_an_event_has_its_name_one_line_of_data_and_its_id_last() -> None:
    assert encode_event("values", '{"a": 1}', 7) == (
        b'event: values\r\ndata: {"a": 1}\r\nid: 7\r\n\r\n'
    )
    assert encode_event("values", b"null") == b"event: values\r\ndata: null\r\n\r\n"


def test_a_heartbeat_is_a_comment_that_no_reader_sees() -> None:
    assert heartbeat() == b": heartbeat\r\n"
    assert decode(heartbeat() * 3) == []


@pytest.mark.parametrize("wrong", ["a\nb", "a\rb", "a\0b"])
def test_a_name_or_id_that_would_end_its_line_is_refused(wrong: str) -> None:
    with pytest.raises(SseFieldError, match="event name"):
        encode_event(wrong, "1")
    with pytest.raises(SseFieldError, match="event id"):
        encode_event("values", "1", wrong)


@pytest.mark.parametrize("wrong", ["{\n}", b"{\r}", "a\r\n\r\nevent: forged"])
def test_data_of_more_than_one_line_is_refused(wrong: Any) -> None:
    with pytest.raises(SseFieldError, match="one line of JSON"):
        encode_event("values", wrong)


@given(EVENTS, st.data())
def test_what_was_written_is_read_however_it_is_cut(
    events: list[tuple[str, Any, Any]], data: st.DataObject
) -> None:
    wire = heartbeat().join(
        encode_event(name, json.dumps(content, ensure_ascii=False), event_id)
        for name, content, event_id in events
    )
    cuts = data.draw(st.lists(st.integers(0, len(wire)), max_size=12))
    expected, last = [], ""
    for name, content, event_id in events:
        last = last if event_id is None else str(event_id)
        expected.append(ServerEvent(name, json.dumps(content, ensure_ascii=False), last))
    assert decode(wire, cuts) == expected


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=8))
def test_cuts_never_change_what_any_bytes_mean(data: bytes, cuts: list[int]) -> None:
    assert decode(data, cuts) == decode(data)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("step", [1, 2, 3])
def test_every_line_end_counts_also_when_it_is_cut(end: bytes, step: int) -> None:
    wire = end.join([b"event: e", b"data: 1", b"data: 2", b"id: x", b"", b"data", b"", b""])
    assert decode(wire, list(range(0, len(wire), step))) == [
        ServerEvent("e", "1\n2", "x"),
        ServerEvent("message", "", "x"),
    ]


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (b"\xef\xbb\xbfdata: 1\n\n", [("message", "1", "")]),
        (b"data: 1\n\n\xef\xbb\xbfdata: 2\n\n", [("message", "1", "")]),
        (b"data:1\ndata:  2\n\n", [("message", "1\n 2", "")]),
        (b"data: 1", []),
        (b"data: 1\n", []),
        (b"event: e\n\ndata: 1\n\n", [("message", "1", "")]),
        (b"id: a\n\ndata: 1\n\n", [("message", "1", "a")]),
        (b"id: a\nid: b\0c\ndata: 1\n\n", [("message", "1", "a")]),
        (b"id: a\ndata: 1\n\nid\ndata: 2\n\n", [("message", "1", "a"), ("message", "2", "")]),
        (b"unknown: x\ndata\n\n", [("message", "", "")]),
        ("data: é€😀\n\n".encode(), [("message", "é€😀", "")]),
        (b"data: \xff\n\n", [("message", "\ufffd", "")]),
    ],
)  # fmt: skip
def test_the_stream_is_read_as_browsers_do(wire: bytes, expected: Any) -> None:
    events = [ServerEvent(*event) for event in expected]
    assert decode(wire) == events
    assert decode(wire, list(range(len(wire)))) == events


def test_the_last_id_and_the_retry_time_are_kept_for_connecting_again() -> None:
    decoder = SseDecoder()
    decoder.feed(b"retry: 300\nid: 9\ndata: 1\n\nretry: soon\nretry: -1\nretry: " + b"9" * 5_000)
    decoder.feed(b"\n\n")
    assert (decoder.retry, decoder.last_event_id) == (300, "9")


@pytest.mark.parametrize("pieces", [[b"data: " + b"x" * 200], [b"data: x\n"] * 40, [b"x"] * 200])
def test_what_is_larger_than_the_bound_is_refused_then_and_after(pieces: list[bytes]) -> None:
    decoder = SseDecoder(max_bytes=64)
    with pytest.raises(SseOverflowError, match="64 bytes"):
        assert [decoder.feed(piece) for piece in pieces] == []
    with pytest.raises(SseOverflowError):
        decoder.feed(b"\n\n")


def test_events_before_one_that_is_too_large_are_not_lost() -> None:
    decoder = SseDecoder(max_bytes=64)
    assert decoder.feed(b"data: 1\n\ndata: " + b"x" * 100) == [ServerEvent("message", "1", "")]
    with pytest.raises(SseOverflowError):
        decoder.feed(b"")


def test_the_bound_is_per_event() -> None:
    decoder = SseDecoder(max_bytes=64)
    for number in range(100):
        assert decoder.feed(b"data: %d\n: comment\n\n" % number) != []
