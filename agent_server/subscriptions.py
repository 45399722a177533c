"""What readers of a thread want of its notices: channels, and namespaces down to a depth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from checkpoint import new_id
from streaming import Namespace

from .errors import BadRequestError, NotFoundError, OverloadedError
from .protocol import EVERYWHERE, Notice

CHANNELS: Final = (
    *("values", "updates", "messages", "tools", "custom"),
    *("lifecycle", "input", "tasks", "checkpoints"),
)
MOST = 100
"""Subscriptions of one session; and names in one subscription."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What a reader wants of a thread's notices."""

    channels: frozenset[str]
    namespaces: Sequence[Namespace] = ((),)
    depth: int | None = None
    since: int = 0
    """Number of the last notice seen."""

    def wants(self, notice: Notice) -> bool:
        """True if the reader is to see it."""
        return notice.channel == EVERYWHERE or (
            self._on_channel(notice)
            and any(
                notice.ns[: len(prefix)] == prefix
                and (self.depth is None or len(notice.ns) - len(prefix) <= self.depth)
                for prefix in self.namespaces
            )
        )

    def shows(self, notice: Notice, seq: int) -> bool:
        """True if the reader is to see it, and has not yet."""
        return seq > self.since and self.wants(notice)

    def _on_channel(self, notice: Notice) -> bool:
        if notice.channel in self.channels:
            return True
        return notice.channel == "custom" and f"custom:{_name_in(notice.data)}" in self.channels


def _name_in(data: Any) -> Any:
    return cast("Mapping[str, Any]", data).get("name") if isinstance(data, Mapping) else None


def filter_of(body: Mapping[str, Any]) -> Filter:
    """What a request asks for.  Raises BadRequestError."""
    channels = checked_channels(body.get("channels"))
    since, depth = (_number(name, body.get(name)) for name in ("since", "depth"))
    return Filter(channels, _namespaces(body.get("namespaces")), depth, since or 0)


def checked_channels(given: Any) -> frozenset[str]:
    """The channels that a request names.  Raises BadRequestError."""
    if not isinstance(given, list) or not given:
        raise BadRequestError("channels is required and must be a non-empty array")
    named = _few("channels", cast("list[Any]", given))
    wrong = [
        str(name)[:80]
        for name in named
        if not isinstance(name, str) or (name not in CHANNELS and not name.startswith("custom:"))
    ]
    if wrong:
        raise BadRequestError(
            f"channels contains unsupported entries: {', '.join(wrong)}. "
            f"Allowed: {', '.join(CHANNELS)}, or any `custom:<name>`."
        )
    return frozenset(cast("list[str]", named))


def _number(name: str, value: Any) -> int | None:
    if value is not None and (type(value) is not int or value < 0):
        raise BadRequestError(f"{name}: {value!r:.80} is no number; send an integer of 0 or more")
    return value


def _namespaces(given: Any) -> Sequence[Namespace]:
    if given is None:
        return ((),)
    found: list[Namespace] = []
    for each in _few("namespaces", cast("list[Any]", given)) if isinstance(given, list) else [None]:
        labels = cast("list[Any]", each) if isinstance(each, list) else [None]
        if not all(isinstance(label, str) for label in labels):
            raise BadRequestError("namespaces must be an array of arrays of texts")
        found.append(tuple(cast("list[str]", labels)))
    return found or ((),)


def _few(name: str, given: list[Any]) -> list[Any]:
    if len(given) > MOST:
        raise BadRequestError(f"{name} has {len(given)} entries; send at most {MOST}")
    return given


@dataclass(slots=True)
class _Open:
    filter: Filter
    told: int
    """Number of the last notice that it was told of, or did not want."""


class Subscriptions:
    """Those of one session, by their ids.

    What one of them was told the session has had: others are not told it again.  `before_add` is
    called before another one comes in.
    """

    def __init__(self, before_add: Callable[[], None] = lambda: None) -> None:
        self._open: dict[str, _Open] = {}
        self._before_add = before_add

    def add(self, params: Mapping[str, Any]) -> str:
        """A new one; gives its id.  Raises BadRequestError, OverloadedError."""
        wanted = filter_of(params)
        if len(self._open) >= MOST:
            raise OverloadedError(
                f"{MOST} subscriptions are open, as many as a session may have; unsubscribe first"
            )
        self._before_add()
        id_ = new_id()
        self._open[id_] = _Open(wanted, wanted.since)
        return id_

    def drop(self, subscription_id: Any) -> None:
        """Forget one.  Raises NotFoundError."""
        if not isinstance(subscription_id, str) or subscription_id not in self._open:
            raise NotFoundError(
                f"No subscription {subscription_id!r:.80} is open here; send the subscription_id "
                "that subscribing answered"
            )
        del self._open[subscription_id]

    def note(self, seq: int) -> None:
        """All were told up to this notice."""
        for each in self._open.values():
            each.told = max(each.told, seq)

    def wants(self, notice: Notice, seq: int) -> bool:
        """True if the notice is to be told."""
        wanting = [each for each in self._open.values() if each.filter.wants(notice)]
        return bool(wanting) and all(seq > each.told for each in wanting)
