"""Turns the channel values of one scope into entries and blob rows, storing only what is new.

One `ScopeEncoder` lives as long as one scheduler works on the scope.  It knows what the last
version of each channel was stored as, and so tells what changed from bytes alone: it does not
matter whether user code replaced a value or changed it in place.

* encoded value of at most `INLINE` bytes: rides in the checkpoint;
* a larger `list`: item runs; only items that are not stored yet make a new row (`spans.py`);
* anything else: one blob.

What `encode` works out becomes the base of later calls at once, so that several steps can be
encoded before one commit.  `accept` says that all of it is committed; `rewind` forgets everything
since the last `accept`, after a commit that failed.

What is made for each channel of each step is slotted, not frozen: that takes a quarter of the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from .errors import SerializationError
from .record import BlobRow, Composed, Entry, Inline, Loaded, Span, Spanned, Whole
from .sealing import sealing_of
from .serde import Serializer
from .spans import Spans, cut, difference, find, join
from .stored import Stored, begins_with, digests_of, from_loaded, size_of

INLINE = 100
"""Bytes up to which a value rides in its checkpoint: a row of its own would cost as much again."""
MAX_SPANS = 32
"""A list in more pieces than this is written anew, as one run."""
_NOTHING: Mapping[str, Any] = {}
_ABSENT = object()


@dataclass(slots=True, eq=False, repr=False)
class Encoded:
    """What one call of `encode` found: entries of the written channels, and rows to store."""

    entries: Mapping[str, Entry]
    rows: tuple[BlobRow, ...]
    values: Mapping[str, Any]
    """What was encoded."""


@dataclass(slots=True, eq=False, repr=False)
class EncodedWrites:
    """What one call of `encode_writes` found: entries in the order written, and rows to store."""

    writes: tuple[tuple[str, Entry], ...]
    rows: tuple[BlobRow, ...]


@dataclass(slots=True, eq=False, repr=False)
class _Appended:
    """Items that the last call added to a channel's list, and where they went."""

    digests: list[int]
    spans: Spans


@dataclass(slots=True, eq=False, repr=False)
class _Changes:
    """State that is not accepted yet, laid over the accepted one."""

    stored: dict[str, Stored] = field(default_factory=dict[str, Stored])
    ends: dict[int, int] = field(default_factory=dict[int, int])
    appended: dict[str, _Appended] = field(default_factory=dict[str, _Appended])

    def take(self, newer: _Changes) -> None:
        self.stored.update(newer.stored)
        self.ends.update(newer.ends)
        self.appended.update(newer.appended)


class ScopeEncoder:
    """The encoder of one scope, for as long as one scheduler holds its thread.

    Give it what the scheduler loaded (None for a scope without checkpoints)::

        encoded = encoder.encode({"messages": messages}, version=7)
        writes = encoder.encode_writes([("messages", [messages[-1]])], encoded)   # stored once
        await saver.commit(batch_of(encoded, writes))
        encoder.accept()

    Item runs are extended in place only when the scope's newest checkpoint was loaded, or the run
    was started by this encoder: elsewhere another branch may have extended them already.
    """

    def __init__(self, serializer: Serializer, ns: str, loaded: Loaded | None) -> None:
        self._sealing = sealing_of(serializer)
        self._serializer = self._sealing.plain
        self.seal = self._sealing.seal
        """What is done to bytes before they are stored."""
        self._ns = ns
        self._loaded = loaded
        self._next_key = loaded.next_key if loaded else 0
        self._accepted = _Changes()
        self._open = _Changes()
        self._large = set[str]()
        """Channels of which something may be stored that does not ride in a checkpoint."""
        if loaded:
            entries = loaded.record.entries.items()
            self._large.update(name for name, entry in entries if not isinstance(entry, Inline))
        if loaded and loaded.newest:
            for key, rows in loaded.blobs.items():
                if rows and rows[-1].count:
                    self._accepted.ends[key] = rows[-1].start + rows[-1].count

    def encode(self, values: Mapping[str, Any], version: int) -> Encoded:
        """Entries and rows for the channels written in one step.

        Raises SerializationError (or its subclass) naming the channel; nothing is changed then.
        """
        entries: dict[str, Entry] = {}
        dumps, seal, large = self._serializer.dumps, self.seal, self._large
        step: _Step | None = None
        name = ""
        try:
            for name, value in values.items():
                data = None if type(value) is list else dumps(value)
                if data is not None and len(data) <= INLINE and name not in large:
                    entries[name] = Inline(version, seal(data))
                else:
                    step = step or _Step(self)
                    entries[name] = step.add(name, value, data, version)
        except SerializationError as error:
            _name_channel(error, name)
            raise
        if step is None:
            return Encoded(entries, (), values)
        self._open.take(step.changes)
        large.update(step.changes.stored)
        return Encoded(entries, tuple(step.rows), values)

    def encode_writes(
        self, writes: Sequence[tuple[str, Any]], beside: Encoded | None = None
    ) -> EncodedWrites:
        """Entries and rows for one task's pending writes.

        A list whose items `encode` has just appended to the same channel points to them there.
        `beside`: what was encoded of the step in the same breath.  Where a channel took a value as
        it is, the channel's entry stands for the write, too.
        """
        rows: list[BlobRow] = []
        entries: list[tuple[str, Entry]] = []
        taken = beside.values if beside else _NOTHING
        name = ""
        try:
            for name, value in writes:
                if beside and taken.get(name, _ABSENT) is value:
                    entries.append((name, beside.entries[name]))
                else:
                    entries.append((name, self._write(name, value, rows)))
        except SerializationError as error:
            _name_channel(error, name)
            raise
        return EncodedWrites(tuple(entries), tuple(rows))

    def compose(self, name: str, value: Any, version: int) -> Composed | None:
        """An entry that stands for one of the last calls of `encode`, which has stored a dict as
        one blob: it points to lists of the dict whose items a channel has taken since.

        The blob is not to be stored then.  None if there is no such list, and it has to be.
        """
        if type(value) is not dict:
            return None
        given, lists = cast("dict[Any, Any]", value), list[tuple[str, Spans]]()
        for key, part in given.items():
            items = list_items(self._serializer, part) if type(key) is str else None
            if items and (spans := self._taken([*map(hash, items)], key)) is not None:
                lists.append((key, spans))
        if not lists:
            return None
        data = self._serializer.dumps({**given, **dict.fromkeys([key for key, _ in lists])})
        if len(data) > INLINE:
            return None
        self._open.stored.pop(name, None)
        return Composed(version, self.seal(data), tuple(lists))

    def accept(self) -> None:
        """Everything encoded so far is committed."""
        if self._open.stored:
            self._accepted.take(self._open)
            self._open = _Changes()

    def rewind(self) -> None:
        """Forget what was encoded since the last `accept`: its commit failed."""
        self._open = _Changes()

    def _write(self, name: str, value: Any, rows: list[BlobRow]) -> Entry:
        items = list_items(self._serializer, value)
        if items is None:
            data = self._serializer.dumps(value)
            if len(data) <= INLINE:
                return Inline(0, self.seal(data))
            rows.append(BlobRow(self._ns, self.new_key(), 0, 0, self.seal(data)))
            return Whole(0, rows[-1].key)
        if (spans := self._taken([*map(hash, items)], name)) is not None:
            return Spanned(0, spans)
        data = self.seal(b"".join(items))
        rows.append(BlobRow(self._ns, self.new_key(), 0, len(items), data))
        return Spanned(0, (Span(rows[-1].key, 0, len(items)),))

    def _taken(self, digests: Sequence[int], name: str) -> Spans | None:
        """Where items are that a channel has taken at the last call for it."""
        appended = self._open.appended.get(name) or self._accepted.appended.get(name)
        at = find(digests, appended.digests) if appended else None
        return cut(appended.spans, at, at + len(digests)) if appended and at is not None else None

    # What a step in the making asks of the encoder.

    @property
    def ns(self) -> str:
        """The scope's namespace."""
        return self._ns

    @property
    def serializer(self) -> Serializer:
        """Turns values into bytes, which are not sealed yet."""
        return self._serializer

    def new_key(self) -> int:
        """A blob key that the scope has not used."""
        self._next_key += 1
        return self._next_key - 1

    def end_of(self, key: int) -> int | None:
        """Where a run that may be extended ends; None if it may not."""
        end = self._open.ends.get(key)
        return self._accepted.ends.get(key) if end is None else end

    def stored(self, name: str) -> Stored | None:
        """How the channel's last version is stored."""
        found = self._open.stored.get(name) or self._accepted.stored.get(name)
        if found is None and self._loaded and name in self._loaded.record.entries:
            found = self._accepted.stored[name] = from_loaded(self._sealing, self._loaded, name)
        return found


class _Step:
    """One call of `encode`: rows and state in the making, dropped when a value is refused."""

    def __init__(self, encoder: ScopeEncoder) -> None:
        self._encoder = encoder
        self._seal = encoder.seal
        self.rows: list[BlobRow] = []
        self.changes = _Changes()

    def add(self, name: str, value: Any, data: bytes | None, version: int) -> Entry:
        """`data`: the value's bytes, if it is no list."""
        serializer = self._encoder.serializer
        stored = self._longer(name, value, version) if data is None else None
        if stored is None and data is None and (items := list_items(serializer, value)) is not None:
            stored = self._list(name, items, version)
        elif stored is None:
            data = serializer.dumps(value) if data is None else data
            stored = self._value(name, data, version)
        self.changes.stored[name] = stored
        return stored.entry

    def _value(self, name: str, data: bytes, version: int) -> Stored:
        if len(data) <= INLINE:
            return Stored(Inline(version, self._seal(data)))
        digests = [hash(data)]
        old = self._encoder.stored(name)
        if old and isinstance(old.entry, Whole) and old.digests == digests:
            return Stored(Whole(version, old.entry.key), digests)
        return Stored(Whole(version, self._row(data, 0)), digests)

    def _longer(self, name: str, value: list[Any], version: int) -> Stored | None:
        """The list, if it is the last one with nothing or more at its end."""
        old = self._encoder.stored(name)
        if old is None or not old.parts or not isinstance(old.entry, Spanned):
            return None
        count, spans, serializer = size_of(old.entry), old.entry.spans, self._encoder.serializer
        if count > len(value) or len(spans) >= MAX_SPANS:
            return None
        if not begins_with(serializer, value[:count], old.parts):
            return None
        if count == len(value):
            return Stored(Spanned(version, spans), parts=old.parts)
        items = serializer.pack_items(value[count:])
        fresh = self._fresh(items, spans)
        self.changes.appended[name] = _Appended([*map(hash, items)], (fresh,))
        parts = (*old.parts, b"".join(items))
        return Stored(Spanned(version, join((*spans, fresh))), parts=parts)

    def _list(self, name: str, items: list[bytes], version: int) -> Stored:
        digests = [*map(hash, items)]
        old = self._encoder.stored(name)
        if old is None or not isinstance(old.entry, Spanned):
            old = Stored(Spanned(version, ()))
        known, kept = digests_of(self._encoder.serializer, old), cast(Spanned, old.entry).spans
        diff = difference(known, digests)
        head = cut(kept, diff.head_start, diff.head_stop)
        tail = cut(kept, diff.tail, len(known))
        first, last = diff.fresh_start, diff.fresh_stop
        if len(head) + len(tail) + (first < last) > MAX_SPANS:
            head, tail, first, last = (), (), 0, len(items)
        spans = head + tail
        if first < last:
            fresh = self._fresh(items[first:last], () if tail else head)
            spans = join((*head, fresh, *tail))
            self.changes.appended[name] = _Appended(digests[first:last], (fresh,))
        parts = (b"".join(items),) if last - first == len(items) else ()
        return Stored(Spanned(version, spans), digests, parts)

    def _fresh(self, items: list[bytes], head: Spans) -> Span:
        """Store items: at the end of the run that the list's last span ends, or in a new run."""
        last = head[-1] if head else None
        if last is None or self._end_of(last.key) != last.stop:
            return Span(self._row(b"".join(items), len(items)), 0, len(items))
        data = self._seal(b"".join(items))
        self.rows.append(BlobRow(self._encoder.ns, last.key, last.stop, len(items), data))
        self.changes.ends[last.key] = last.stop + len(items)
        return Span(last.key, last.stop, last.stop + len(items))

    def _row(self, data: bytes, count: int) -> int:
        key = self._encoder.new_key()
        self.rows.append(BlobRow(self._encoder.ns, key, 0, count, self._seal(data)))
        if count:
            self.changes.ends[key] = count
        return key

    def _end_of(self, key: int) -> int | None:
        end = self.changes.ends.get(key)
        return self._encoder.end_of(key) if end is None else end


def list_items(serializer: Serializer, value: Any) -> list[bytes] | None:
    """The encoded items of a list that is too long to ride inline; None for anything else."""
    if type(value) is not list:
        return None
    items = serializer.pack_items(cast(list[Any], value))
    return items if sum(map(len, items)) > INLINE else None


def _name_channel(error: SerializationError, channel: str) -> None:
    """Let the error say which channel holds the value; it stays the same error, of its class."""
    error.args = (f"channel {channel!r}: {error}",)
