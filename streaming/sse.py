"""The wire form of server-sent events: writing them, and reading them from any byte stream."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import SseFieldError, SseOverflowError

_BREAKS = re.compile(r"[\r\n\0]")
_DIGITS = re.compile(r"[0-9]{1,12}")
_LINE_ENDS = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


def encode_event(name: str, data_json: str | bytes, id: str | int | None = None) -> bytes:  # noqa: A002
    """One event: its name, one line of JSON, and the id a reader gives to come back after it.

    Raises SseFieldError for line breaks (or NUL) that would end a field early.
    """
    data = data_json if isinstance(data_json, bytes) else data_json.encode()
    if b"\n" in data or b"\r" in data:
        raise SseFieldError(
            f"data {data[:40]!r} of event {name!r} has a line break, which would cut it in two; "
            "give it as one line of JSON"
        )
    parts = [b"event: ", _field("name", name), b"\r\ndata: ", data, b"\r\n"]
    if id is not None:
        parts += [b"id: ", _field("id", str(id)), b"\r\n"]
    return b"".join((*parts, b"\r\n"))


def _field(kind: str, value: str) -> bytes:
    if _BREAKS.search(value):
        raise SseFieldError(
            f"event {kind} {value!r} has a line break or NUL, which the wire form cannot carry; "
            "leave it out"
        )
    return value.encode()


def heartbeat() -> bytes:
    """A comment: keeps the connection busy, readers see nothing of it.  No empty line follows it:
    some clients give an empty event for that."""
    return b": heartbeat\r\n"


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event as received."""

    event: str
    """Its name; "message" when none was sent."""
    data: str
    """Its data lines, joined by newlines."""
    id: str
    """The last id received with or before it; "" when there was none."""


class SseDecoder:
    """Reads a stream of server-sent events that comes in pieces, cut anywhere.

    An event (and a single line) may have at most `max_bytes` bytes; a larger one raises
    SseOverflowError, as does every `feed` after it.
    """

    def __init__(self, *, max_bytes: int = 1 << 24) -> None:
        self._max_bytes = max_bytes
        self._partial: list[bytes] = []  # pieces of a line whose end has not come
        self._data: list[str] = []
        self._size = 0  # bytes in _partial and _data
        self._name = ""
        self._id = ""
        self._after_cr = False
        self._at_start = True
        self._overflown = False
        self.retry: int | None = None
        """Milliseconds to wait before connecting again, if the server said so."""

    @property
    def last_event_id(self) -> str:
        """What to send as Last-Event-ID when connecting again."""
        return self._id

    def feed(self, data: bytes) -> list[ServerEvent]:
        """The events that these bytes complete."""
        self._grow(0)
        if self._after_cr and data:
            data = data[1:] if data[:1] == b"\n" else data
            self._after_cr = False
        if not data:
            return []
        self._after_cr = data.endswith(b"\r")
        *lines, rest = _LINE_ENDS.split(data)
        events: list[ServerEvent] = []
        try:
            for line in lines:
                self._line(line, events)
            self._grow(len(rest))
            self._partial.append(rest)
        except SseOverflowError:
            if not events:
                raise  # else: what came before the large one is given first, the next feed raises
        return events

    def _grow(self, count: int) -> None:
        self._size += count
        self._overflown = self._overflown or self._size > self._max_bytes
        if self._overflown:
            raise SseOverflowError(
                f"an event of more than {self._max_bytes} bytes is coming in, which is more than "
                "this decoder holds; raise `max_bytes`, or close the connection"
            )

    def _line(self, line: bytes, events: list[ServerEvent]) -> None:
        if self._partial:
            self._size -= sum(map(len, self._partial))
            line = b"".join((*self._partial, line))
            self._partial.clear()
        if self._at_start:
            line = line.removeprefix(_BOM)
            self._at_start = False
        if line:
            self._field(line)
        else:
            self._dispatch(events)

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        text = value.removeprefix(b" ").decode(errors="replace")
        match name:
            case b"data":
                self._grow(len(value) + 1)
                self._data.append(text)
            case b"event":
                self._name = text
            case b"id" if "\0" not in text:
                self._id = text
            case b"retry" if _DIGITS.fullmatch(text):
                self.retry = int(text)
            case _:
                pass  # a comment, or a field no one knows

    def _dispatch(self, events: list[ServerEvent]) -> None:
        if self._data:
            events.append(ServerEvent(self._name or "message", "\n".join(self._data), self._id))
        self._data.clear()
        self._name = ""
        self._size = 0
