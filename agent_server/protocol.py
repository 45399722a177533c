"""The events of a thread in the protocol of `threads.stream`: methods on channels, numbered.

    lifecycle         running, completed, failed or interrupted; of subgraphs: started, completed
    values, updates, custom, tasks, checkpoints     as the stream modes show them
    messages          message-start, content-block-start, -delta, -finish, message-finish
    tools             tool-started, and tool-finished or tool-error
    input.requested   an interrupt that waits for an answer; channel `input`
    gap               events that are lost: `lost`, how many, if that is known; on all channels

Pure: events of runs go in, in order, what is to be sent comes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from streaming import (
    SKIP,
    Attempt,
    Event,
    Namespace,
    RunFailed,
    RunFinished,
    RunStarted,
    StepCommitted,
    StreamMode,
    TaskFailed,
    TaskFinished,
    TaskInterrupted,
    TaskStarted,
    Token,
    project,
)

from .failures import failure_json
from .messages import added, field_of, is_piece, whole_json
from .shown import shown
from .tool_calls import ToolCalls

_SHOWN: Final[tuple[StreamMode, ...]] = ("values", "updates", "custom", "checkpoints", "tasks")
_ENDS: Final = {"success": "completed", "interrupted": "interrupted", "cancelled": "interrupted"}


@dataclass(frozen=True, slots=True)
class Notice:
    """One event of the protocol, before it gets its number."""

    channel: str
    method: str
    ns: Namespace
    time: float
    data: Any
    event_id: str
    """The same whenever it is told."""

    def numbered(self, seq: int) -> dict[str, Any]:
        """As it is sent."""
        params = {"namespace": list(self.ns), "timestamp": int(self.time * 1000), "data": self.data}
        return {
            "type": "event",
            "event_id": self.event_id,
            "seq": seq,
            "method": self.method,
            "params": params,
        }


EVERYWHERE: Final = "*"
"""The channel of what all readers are told, whatever they asked for."""


@dataclass(slots=True)
class _Speech:
    """A message that is being said."""

    pieces: list[Any] = field(default_factory=list[Any])


class Narrator:
    """Tells one run's events as notices; `graph_name` and `run_id` are the run's.

    `output_keys`: what its graph gives of its state (None: all), and so all that is shown of it.
    """

    def __init__(
        self, run_id: str, graph_name: str, output_keys: Sequence[str] | None = None
    ) -> None:
        self._run_id = run_id
        self._graph_name = graph_name
        self._output_keys = output_keys
        self._inner: dict[str, Namespace] = {}
        self._said: dict[Namespace, dict[str, _Speech]] = {}
        self._event = Event()
        self._count = 0
        self._gaps = 0
        self._tools = ToolCalls()

    def tell(self, event: Event) -> Iterator[Notice]:
        """What an event is told as."""
        self._event, self._count = event, 0
        yield from self._entered(event.ns)
        if isinstance(event, Token):
            yield from self._speak(event)
            return
        if isinstance(event, StepCommitted):
            yield from self._finish_speech(event.ns)
        yield from self._shown(event)
        match event:
            case RunStarted() | Attempt():
                yield self._life("running")
            case TaskInterrupted() if not event.hidden:
                yield from self._questions(event)
            case TaskStarted() if not event.hidden:
                yield from self._of_tools(event, self._tools.begin(event))
            case TaskFinished() | TaskFailed():
                yield from self._of_tools(event, self._tools.end(event))
                yield from self._left(event)
            case RunFinished():
                yield self._life(_ENDS.get(event.status, "completed"))
            case RunFailed():
                told = failure_json(event.error, event.message)["message"]
                yield self._life("failed", error=told)
            case _:
                pass

    def tell_gap(self, time: float, lost: int | None) -> Notice:
        """So many events (None: nobody knows how many) cannot be told."""
        self._gaps += 1
        name = f"{self._run_id}:gap.{self._event.id}.{self._gaps}"
        data = {"lost": lost, "run_id": self._run_id}
        return Notice(EVERYWHERE, "gap", (), time, data, name)

    def _notice(self, channel: str, data: Any, *, method: str = "", ns: Namespace = ()) -> Notice:
        self._count += 1
        name = f"{self._run_id}:{self._event.id}.{self._count}"
        return Notice(channel, method or channel, ns, self._event.time, data, name)

    def _shown(self, event: Event) -> Iterator[Notice]:
        if isinstance(event, TaskInterrupted):
            return  # its question is told instead, and its state was told by the step before
        for mode in _SHOWN:
            if project(event, mode) is SKIP:
                continue
            data = shown(type(event), mode, self._output_keys)(event)
            if data is not SKIP:
                yield self._notice(mode, data, ns=event.ns)

    # --- lifecycle, input ----------------------------------------------------------------------

    def _life(self, what: str, ns: Namespace = (), **more: Any) -> Notice:
        name = ns[-1].partition(":")[0] if ns else self._graph_name
        return self._notice("lifecycle", {"event": what, "graph_name": name, **more}, ns=ns)

    def _entered(self, ns: Namespace) -> Iterator[Notice]:
        """The first event of a subgraph says that it has started."""
        if ns and ns[-1] not in self._inner:
            self._inner[ns[-1]] = ns
            call = ns[-1].partition(":")[2]
            yield self._life("started", ns, namespace=list(ns), trigger_call_id=call)

    def _left(self, event: TaskFinished | TaskFailed) -> Iterator[Notice]:
        """The end of the task that ran a subgraph is the subgraph's end."""
        ns = self._inner.get(f"{event.name}:{event.task_id}")
        if ns is not None:
            yield from self._finish_speech(ns)
            yield self._life("completed" if isinstance(event, TaskFinished) else "failed", ns)

    def _of_tools(self, event: Event, told: Iterable[Any]) -> Iterator[Notice]:
        for data in told:
            yield self._notice("tools", data, ns=event.ns)

    def _questions(self, event: TaskInterrupted) -> Iterator[Notice]:
        for asked in event.interrupts:
            # Clients read `value`, the server they were written for says `payload`.
            data = {"interrupt_id": asked.id, "payload": asked.value, "value": asked.value}
            yield self._notice("input", data, method="input.requested", ns=event.ns)

    # --- messages ------------------------------------------------------------------------------

    def _speak(self, event: Token) -> Iterator[Notice]:
        said = self._said.setdefault(event.ns, {})
        speech = said.get(event.chunk.id)
        if speech is None:
            if event.seen_in:
                return  # told where it was said
            speech = said[event.chunk.id] = _Speech()
            role = field_of(whole_json(event.chunk), "type")
            yield self._message("message-start", event.ns, role=role, id=event.chunk.id)
            block = {"type": "text", "text": ""}
            yield self._message("content-block-start", event.ns, index=0, content=block)
        speech.pieces.append(event.chunk)
        if text := _text(event.chunk):
            delta = {"type": "text-delta", "text": text}
            yield self._message("content-block-delta", event.ns, index=0, delta=delta)
        if not is_piece(event.chunk) or getattr(event.chunk, "chunk_position", None) == "last":
            del said[event.chunk.id]
            yield from self._finish(speech, event.ns)

    def _finish_speech(self, ns: Namespace) -> Iterator[Notice]:
        for speech in self._said.pop(ns, {}).values():
            yield from self._finish(speech, ns)

    def _finish(self, speech: _Speech, ns: Namespace) -> Iterator[Notice]:
        whole = whole_json(added(speech.pieces))
        block: dict[str, Any] = {"type": "text", "text": "".join(map(_text, speech.pieces))}
        yield self._message("content-block-finish", ns, index=0, content=block)
        for index, call in enumerate(field_of(whole, "tool_calls") or (), 1):
            block = {"type": "tool_call", **{key: call[key] for key in ("id", "name", "args")}}
            yield self._message("content-block-start", ns, index=index, content=block)
            yield self._message("content-block-finish", ns, index=index, content=block)
        yield self._message("message-finish", ns)

    def _message(self, what: str, ns: Namespace, **more: Any) -> Notice:
        return self._notice("messages", {"event": what, **more}, ns=ns)


def _text(chunk: Any) -> str:
    """The text of a piece, whether its content is a text or blocks."""
    content: Any = chunk.content
    if isinstance(content, str):
        return content
    blocks: Sequence[Any] = content
    return "".join(str(field_of(block, "text") or "") for block in blocks)
