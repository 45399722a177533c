"""Publishing what models say in a task, and who was shown which message already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from . import sources
from .events import Namespace, Token
from .fence import Fence
from .log import RunLog
from .writer import TaskWriter


class ShownMessages:
    """Which messages of a run were shown, and under which namespaces; one for all its tasks.

    Readers see different namespaces: what was shown in a subgraph is news to who reads the root.
    """

    __slots__ = ("_named", "_places")

    def __init__(self) -> None:
        self._places: dict[str, tuple[Namespace, ...]] = {}
        self._named: dict[int, tuple[object, str]] = {}
        """Messages without an id, which are kept so that no other takes their place in memory, and
        what they are called here."""

    def add(self, message_id: str, ns: Namespace) -> tuple[Namespace, ...] | None:
        """Note that a message is shown under `ns`; gives the other namespaces that it was shown
        under, None if it was shown under this one."""
        places = self._places.get(message_id)
        if places is None:
            self._places[message_id] = (ns,)
            return ()
        if ns in places:
            return None
        self._places[message_id] = (*places, ns)
        return places

    def name_of(self, message: object) -> str:
        """What a message that has no id is called here: the same each time that it comes."""
        known = self._named.get(id(message))
        if known is None:
            known = self._named[id(message)] = message, sources.random_bytes(16).hex()
        return known[1]


class TokenWriter(TaskWriter):
    """Publishes the pieces of messages of one task, each with what is known of the task.

    `metadata` gives langgraph_step, langgraph_node and so on; it is asked for once.  `tags` are
    those of the run.  `progress` is told of each piece.
    """

    __slots__ = ("_given", "_metadata", "_progress", "_shown", "_speaking", "tags")

    def __init__(
        self,
        log: RunLog,
        *,
        metadata: Callable[[], Mapping[str, Any]],
        shown: ShownMessages,
        tags: Sequence[str] = (),
        ns: Namespace = (),
        step: int = 0,
        fence: Fence | None = None,
        progress: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(log, ns=ns, step=step, fence=fence)
        self._progress = progress
        self.tags = tags
        self._given = metadata
        self._metadata: Mapping[str, Any] | None = None
        self._shown = shown
        self._speaking: str | None = None  # the message that is known to be shown

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What is known of the task."""
        if self._metadata is None:
            self._metadata = self._given()
        return self._metadata

    def piece(self, chunk: Any, metadata: Mapping[str, Any]) -> None:
        """Publish a piece of a message; its whole is then shown."""
        if self._progress is not None:
            self._progress()
        log, ns, fence = self._log, self._ns, self._fence
        if not (log.wants("messages") or fence.raised):  # `wants`, without its call
            return
        message_id = chunk.id
        if message_id is not self._speaking:
            self._shown.add(message_id, ns)
            self._speaking = message_id
        if not log.hand(ns, "messages", (chunk, metadata), fence):
            self._publish(Token(ns=ns, step=self._step, chunk=chunk, metadata=metadata))

    def whole(self, message: Any, message_id: str, metadata: Mapping[str, Any]) -> None:
        """Publish a whole message, for readers who were shown nothing of it yet."""
        if not self.wants("messages"):
            return
        seen_in = self._shown.add(message_id, self._ns)
        if seen_in is not None:
            self._publish(
                Token(
                    ns=self._ns,
                    step=self._step,
                    chunk=message,
                    metadata=metadata,
                    seen_in=seen_in,
                )
            )

    def name_of(self, message: object) -> str:
        """What a message that has no id is called in this run."""
        return self._shown.name_of(message)

    def know(self, message_ids: Iterable[str]) -> None:
        """Take messages for shown: they are not new."""
        for message_id in message_ids:
            self._shown.add(message_id, self._ns)
