"""What LangChain tells of models, tools and chains that run in a task, as spans of that task."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler, BaseCallbackManager
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGeneration, Generation, GenerationChunk, LLMResult
from langchain_core.tracers._streaming import _StreamingCallbackHandler

from streaming import Span

from .langchain_callbacks import as_uuid, parent_of

if TYPE_CHECKING:
    from langchain_core.documents import Document
    from langchain_core.messages import BaseMessage

    from .context import TaskContext
    from .tracing import TaskTrace

T = TypeVar("T")

_COMES_LATER = {"input": ""}
"""LangChain's word for an input that streams in, and is known when all of it has come."""


class SpanHandler(BaseCallbackHandler, _StreamingCallbackHandler[Any]):
    """Shows the runs of LangChain's objects in one task as spans.

    A run that names no parent, or one from outside of the task, is a part of what the task's own
    code is a part of.
    """

    run_inline = True
    """In the order things happen, and not from a thread pool."""

    def __init__(self, trace: TaskTrace) -> None:
        self._trace = trace
        self._open: dict[UUID, tuple[Span, Mapping[str, Any]]] = {}
        """Runs that have not ended, with the data they began with."""
        self._paths: dict[UUID, tuple[str, ...]] = {}
        """Parents of what is called in a run, also in one that has ended."""

    @classmethod
    def of(cls, trace: TaskTrace) -> SpanHandler:
        """The handler of a task: one, whoever asks for it."""
        if trace.handler is None:
            trace.handler = cls(trace)
        return trace.handler

    def path_of(self, run_id: UUID | None) -> tuple[str, ...] | None:
        """Ids of the spans from the outermost to this run; None for a run that is not of the
        task."""
        return None if run_id is None else self._paths.get(run_id)

    # --- runs of any kind -----------------------------------------------------------------------

    def _begin(self, kind: str, data: Mapping[str, Any], known: Mapping[str, Any]) -> None:
        trace, run_id = self._trace, known["run_id"]
        span = Span(
            known["name"],
            str(run_id),
            kind,
            parents=self.path_of(known.get("parent_run_id")) or trace.inside.path,
            tags=tuple(known.get("tags") or ()),
            metadata={**trace.node.metadata, **(known.get("metadata") or {})},
        )
        self._open[run_id], self._paths[run_id] = (span, data), span.path
        trace.show(span, "start", data)

    def _say(self, run_id: UUID, chunk: Any) -> None:
        if run_id in self._open:
            self._trace.show(self._open[run_id][0], "stream", {"chunk": chunk})

    def _end(self, run_id: UUID, output: Any, late: Mapping[str, Any] | None = None) -> None:
        if run_id in self._open:
            span, data = self._open.pop(run_id)
            self._trace.show(span, "end", {"output": output, **data, **(late or {})})

    def _forget(self, run_id: UUID) -> None:
        self._open.pop(run_id, None)

    # --- chains ---------------------------------------------------------------------------------

    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
        inputs: Any,
        *,
        run_type: str | None = None,
        **known: Any,
    ) -> None:
        """A chain, a prompt, a parser, any other runnable begins."""
        data = {} if inputs == _COMES_LATER else {"input": inputs}
        self._begin(run_type or "chain", data, _named(serialized, known))

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **known: Any) -> None:
        """It ends."""
        inputs = known.get("inputs")
        self._end(run_id, outputs, None if inputs is None else {"input": inputs})

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:  # noqa: ARG002
        """It fails, which the span around it shows."""
        self._forget(run_id)

    # --- models ---------------------------------------------------------------------------------

    def on_chat_model_start(
        self, serialized: dict[str, Any], messages: list[list[BaseMessage]], **known: Any
    ) -> None:
        """A chat model is called."""
        data = {"input": {"messages": messages}}
        self._begin("chat_model", data, _named(serialized, known))

    def on_llm_start(self, serialized: dict[str, Any], prompts: list[str], **known: Any) -> None:
        """A model that completes text is called."""
        self._begin("llm", {"input": {"prompts": prompts}}, _named(serialized, known))

    def on_llm_new_token(self, token: Any, *, run_id: UUID, chunk: Any = None, **_: Any) -> None:
        """A model says something."""
        opened = self._open.get(run_id)
        if opened is None:
            return
        if opened[0].kind == "chat_model":
            self._say(run_id, AIMessageChunk(content=token) if chunk is None else chunk.message)
        else:
            self._say(run_id, GenerationChunk(text=token) if chunk is None else chunk)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: Any) -> None:
        """It has said everything."""
        opened = self._open.get(run_id)
        if opened is not None:
            is_chat = opened[0].kind == "chat_model"
            self._end(run_id, _message(response) if is_chat else _texts(response))

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:  # noqa: ARG002
        """It fails."""
        self._forget(run_id)

    # --- tools, retrievers ----------------------------------------------------------------------

    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,  # noqa: ARG002
        *,
        inputs: dict[str, Any] | None = None,
        **known: Any,
    ) -> None:
        """A tool is called."""
        self._begin("tool", {"input": inputs or {}}, _named(serialized, known))

    def on_tool_end(self, output: Any, *, run_id: UUID, **_: Any) -> None:
        """It ends."""
        self._end(run_id, output)

    def on_tool_error(
        self, error: BaseException, *, run_id: UUID, tool_call_id: str | None = None, **_: Any
    ) -> None:
        """It fails."""
        if run_id in self._open:
            span, data = self._open.pop(run_id)
            failed = {"error": error, **data, "tool_call_id": tool_call_id}
            self._trace.show(span, "error", failed)

    def on_retriever_start(self, serialized: dict[str, Any], query: str, **known: Any) -> None:
        """Documents are looked for."""
        self._begin("retriever", {"input": {"query": query}}, _named(serialized, known))

    def on_retriever_end(self, documents: Sequence[Document], *, run_id: UUID, **_: Any) -> None:
        """They are found."""
        self._end(run_id, documents)

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:  # noqa: ARG002
        """They are not."""
        self._forget(run_id)

    # --- what user code says --------------------------------------------------------------------

    def on_custom_event(
        self,
        name: str,
        data: Any,
        *,
        run_id: UUID,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """`dispatch_custom_event` was called, in a run or right in the node."""
        trace = self._trace
        *parents, own = self.path_of(run_id) or trace.inside.path
        known = {**trace.node.metadata, **(metadata or {})}
        span = Span(name, own, "custom", tuple(parents), tuple(tags or ()), known)
        trace.show(span, "event", data)

    async def tap_output_aiter(self, run_id: UUID, output: AsyncIterator[T]) -> AsyncIterator[T]:
        """Show what a runnable streams."""
        async for chunk in output:
            self._say(run_id, chunk)
            yield chunk

    def tap_output_iter(self, run_id: UUID, output: Iterator[T]) -> Iterator[T]:
        """Show what a runnable streams."""
        for chunk in output:
            self._say(run_id, chunk)
            yield chunk


def make_part_of(context: TaskContext, manager: BaseCallbackManager) -> None:
    """Let what is called with these callbacks be a part of the task, and be shown as such."""
    trace = context.trace
    if trace is not None:
        if trace.watched:
            handler = SpanHandler.of(trace)
            manager.handlers.insert(0, handler)  # LangChain asks the first one what is streamed
            manager.inheritable_handlers.insert(0, handler)
        manager.add_tags(list(trace.tags), inherit=False)
        manager.add_tags(list(trace.inherited))
    told = trace is not None and trace.told is not None
    manager.parent_run_id = _own_id(context) if told else parent_in(context, manager)


def path_inside(
    context: TaskContext, callbacks: Sequence[BaseCallbackHandler] | BaseCallbackManager | None
) -> tuple[str, ...] | None:
    """Ids of the spans in the task that a call with these callbacks is made in; None: right in
    its node."""
    trace = context.trace
    if trace is None or not isinstance(callbacks, BaseCallbackManager):
        return None
    if trace.watched:
        return SpanHandler.of(trace).path_of(callbacks.parent_run_id)
    parent = parent_in(context, callbacks)
    return None if parent == _own_id(context) else (*trace.inside.path, str(parent))


def parent_in(context: TaskContext, callbacks: Any) -> UUID:
    """The run that what a task calls with these callbacks is a part of."""
    known = parent_of(callbacks)
    return _own_id(context) if known is None or _is_callers(context, known) else known


def _is_callers(context: TaskContext, run_id: UUID) -> bool:
    """True if the run is a task that called the graph of this one."""
    caller = context.scheduler.caller
    while caller is not None:
        if run_id == _own_id(caller):
            return True
        caller = caller.scheduler.caller
    return False


def _own_id(context: TaskContext) -> UUID:
    """The run that the task's code is a part of, for LangChain."""
    trace = context.trace
    if trace is not None:
        return as_uuid(trace.around_tools.id)
    return UUID(context.scheduler.machine.trail.identify(context.task))


def _named(serialized: Mapping[str, Any] | None, known: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is known of a run, with a name."""
    told = serialized or {}
    name = known.get("name") or told.get("name") or (told.get("id") or ["Unnamed"])[-1]
    return {**known, "name": name}


def _message(response: LLMResult) -> Any:
    """What a chat model said; None if it said nothing."""
    for generations in response.generations:
        for said in generations:
            if isinstance(said, ChatGeneration):
                return said.message
    return None


def _texts(response: LLMResult) -> dict[str, Any]:
    """What a model of text said."""
    texts = [[_text(said) for said in generations] for generations in response.generations]
    return {"generations": texts, "llm_output": response.llm_output}


def _text(said: Generation) -> dict[str, Any]:
    return {"text": said.text, "generation_info": said.generation_info, "type": said.type}
