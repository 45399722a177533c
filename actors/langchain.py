"""LangChain's models inside of a run: their tokens, and what they inherit from it.

This module imports langchain_core; the engine loads it only in a process that has done so already.
LangChain keeps the config that a call without one inherits in a context variable.  A run puts a
`TaskConfig` there, which stands for the config of whatever task asks for it, so that
`model.invoke(prompt)` anywhere in a task's code is streamed, tagged and traced as part of the task.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler, BaseCallbackManager, CallbackManager
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, LLMResult
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tracers._streaming import _StreamingCallbackHandler

from streaming import TAG_NOSTREAM, TokenWriter

from .errors import ConfigError
from .langchain_callbacks import Listeners, is_traced
from .langchain_events import SpanHandler, make_part_of, parent_in, path_inside

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

    from .context import TaskContext

T = TypeVar("T")
Callbacks = Sequence[BaseCallbackHandler] | BaseCallbackManager | None


Current = Callable[[], "TaskContext | None"]


class TokenHandler(BaseCallbackHandler, _StreamingCallbackHandler[Any]):
    """Shows what chat models say as messages of one task."""

    run_inline = True
    """In the order the model speaks, and not from a thread pool."""
    raise_error = True
    """What cannot be shown is an error of the call, not a line in its library's log."""
    ignore_llm = False  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]
    """As in its base, but not a property: it is asked for each token."""

    def __init__(self, tokens: TokenWriter) -> None:
        self._tokens = tokens
        self._calls: dict[UUID, Mapping[str, Any]] = {}
        """Metadata by the id of the call."""
        self._speaking: tuple[UUID | None, Mapping[str, Any] | None] = (None, None)
        """The call that spoke last; a UUID is hashed in Python, for each token."""

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],  # noqa: ARG002
        messages: list[list[BaseMessage]],  # noqa: ARG002
        *,
        run_id: UUID,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """A model is called."""
        if TAG_NOSTREAM in (tags or ()):
            return
        shown = [tag for tag in tags or () if not tag.startswith("seq:step")]
        self._calls[run_id] = {**(metadata or {}), **({"tags": shown} if shown else {})}

    def on_llm_new_token(
        self,
        token: Any,  # noqa: ARG002
        *,
        chunk: Any = None,
        run_id: UUID,
        **_: Any,
    ) -> None:
        """It says something."""
        speaker, metadata = self._speaking
        if run_id is not speaker:
            metadata = self._look_up(run_id)
        if metadata is not None and isinstance(chunk, ChatGenerationChunk):
            message = chunk.message
            if message.id is None:
                message.id = str(run_id)
            self._tokens.piece(message, metadata)

    def _look_up(self, run_id: UUID) -> Mapping[str, Any] | None:
        """The metadata of a call, which then counts as the one that speaks."""
        metadata = self._calls.get(run_id)
        self._speaking = (run_id, metadata)
        return metadata

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: Any) -> None:
        """It has said everything; at once, if it does not stream."""
        metadata = self._calls.pop(run_id, None)
        if metadata is None or not response.generations or not response.generations[0]:
            return
        said = response.generations[0][0]
        if isinstance(said, ChatGeneration):
            if said.message.id is None:
                said.message.id = str(run_id)
            self._tokens.whole(said.message, said.message.id, metadata)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:  # noqa: ARG002
        """It failed; what was shown stays shown."""
        self._calls.pop(run_id, None)

    def tap_output_aiter(self, run_id: UUID, output: AsyncIterator[T]) -> AsyncIterator[T]:  # noqa: ARG002
        """Leave a runnable's output as it is."""
        return output

    def tap_output_iter(self, run_id: UUID, output: Iterator[T]) -> Iterator[T]:  # noqa: ARG002
        """Leave a runnable's output as it is."""
        return output


class TaskConfig(Mapping[str, Any]):
    """Stands for the config of the task that asks for it; outside of one, for what was there."""

    def __init__(self, current: Current, outer: Mapping[str, Any] | None) -> None:
        self._current = current
        self._outer = outer or {}

    def _now(self) -> Mapping[str, Any]:
        context = self._current()
        return self._outer if context is None else context.config()

    def __getitem__(self, key: str) -> Any:
        return self._now()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())

    def items(self) -> Any:
        """All of it, made once."""
        return self._now().items()


class Adapter:
    """What the engine asks of this module."""

    @staticmethod
    def attach(current: Current) -> None:
        """Let LangChain's objects inherit from the tasks of the run whose context this is.

        `current` gives the task that asks.
        """
        outer = var_child_runnable_config.get()
        if not isinstance(outer, TaskConfig):
            var_child_runnable_config.set(cast("Any", TaskConfig(current, cast("Any", outer))))

    @staticmethod
    def ambient() -> Mapping[str, Any]:
        """The config of the LangChain runnable whose code this is; empty if there is none."""
        config = var_child_runnable_config.get()
        return {} if isinstance(config, TaskConfig) else cast("Any", config) or {}

    @staticmethod
    def complete(context: TaskContext, config: dict[str, Any]) -> None:
        """Add to a task's config what runnables inherit: its messages, and what tells it apart.

        Tags and metadata go by the callbacks too, as a call that has some of its own replaces
        those of the config.
        """
        told = None if context.trace is None else context.trace.told
        manager = _inherited_from(config.get("callbacks") if told is None else told.handed())
        if (tokens := context.tokens) is not None:
            tokens.handler = tokens.handler or TokenHandler(tokens)  # one, as handlers are compared
            manager.add_handler(tokens.handler)
        manager.add_tags(config["tags"])
        manager.add_metadata(config["metadata"])
        make_part_of(context, manager)
        config["callbacks"] = manager

    @staticmethod
    def listeners(
        callbacks: Callbacks, caller: TaskContext | None, *, inline: bool
    ) -> Listeners | None:
        """Who is to be told of a graph that is called with these callbacks, in a task or not;
        None: nobody."""
        own = _of_the_caller(callbacks)
        around = None if caller is None or caller.trace is None else caller.trace.told
        if caller is not None and around is not None:
            joined = cast("BaseCallbackManager", Adapter.joined(around.handed(), own))
            joined.parent_run_id = parent_in(caller, callbacks)
            own = joined
        elif not own and not is_traced():
            return None
        return Listeners(own, inline=inline)

    @staticmethod
    def inside(context: TaskContext, callbacks: Callbacks) -> tuple[str, ...] | None:
        """Ids of the spans in the task that a call with these callbacks is made in; None: right in
        its node."""
        return path_inside(context, callbacks)

    @staticmethod
    def around(context: TaskContext) -> tuple[str, ...] | None:
        """Ids of the spans in the task whose code runs now; None: right in its node."""
        return path_inside(context, cast("Callbacks", Adapter.ambient().get("callbacks")))

    @staticmethod
    def joined(callbacks: Callbacks, more: Callbacks) -> Callbacks:
        """The callbacks of two configs."""
        if isinstance(callbacks, BaseCallbackManager):
            added = _inherited_from(more)
            joined = callbacks.copy()
            for handler in added.inheritable_handlers:
                joined.add_handler(handler)
            joined.add_tags(added.inheritable_tags)
            joined.add_metadata(added.inheritable_metadata)
            return joined
        if isinstance(more, BaseCallbackManager):
            return Adapter.joined(_inherited_from(callbacks), more)
        return [*(callbacks or ()), *(each for each in more or () if each not in (callbacks or ()))]


def _of_the_caller(callbacks: Callbacks) -> Callbacks:
    """Callbacks without those that show the messages and spans of a task; None if none are left.

    Raises ConfigError for what holds no callbacks.
    """
    if isinstance(callbacks, BaseCallbackManager):
        found = callbacks.copy()
        found.handlers = [each for each in found.handlers if not isinstance(each, _OWN)]
        found.inheritable_handlers = [
            each for each in found.inheritable_handlers if not isinstance(each, _OWN)
        ]
        return found if found.handlers else None
    if callbacks and not isinstance(callbacks, list | tuple):
        raise ConfigError(
            f"config['callbacks']={callbacks!r} is no list; give a list of LangChain's handlers, "
            "or a manager of callbacks"
        )
    return list(callbacks or ())


def _inherited_from(callbacks: Callbacks) -> CallbackManager:
    """What is called inside of something with these callbacks gets them, but for those that show
    the messages of a task."""
    if not isinstance(callbacks, BaseCallbackManager):
        manager, handlers = CallbackManager([]), callbacks or ()
    else:
        manager = CallbackManager([], parent_run_id=callbacks.parent_run_id)
        manager.add_tags(callbacks.inheritable_tags)
        manager.add_metadata(callbacks.inheritable_metadata)
        handlers = callbacks.inheritable_handlers
    for handler in handlers:
        if not isinstance(handler, _OWN):
            manager.add_handler(handler)
    return manager


_OWN = (TokenHandler, SpanHandler)
