"""Calls of models as spans: what the mode `events` shows of models that no library traces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar, Token
from typing import Any, Self

from .spans import Span
from .writer import TaskScope, TaskSpans, current_task

UNNAMED_MODEL = "model"
"""The name of the span of a model that has none."""


class ModelCall:
    """A model speaks inside of the `with`: a span of the task that runs, if anyone asked for
    `events`.

    It ends with what `output` holds then; one that raises has no end.  With `whole`, messages that
    the code inside streams are what this model says, and no calls of their own.
    """

    __slots__ = (
        "_input",
        "_name",
        "_reset",
        "_scope",
        "_span",
        "_tags",
        "_whole",
        "output",
        "spans",
    )

    def __init__(
        self,
        name: str | None,
        *,
        prompt: Sequence[Any] | None = None,
        tags: Iterable[str] = (),
        whole: bool = False,
    ) -> None:
        self._name = name
        self._input = {} if prompt is None else {"input": {"messages": [list(prompt)]}}
        self._tags = tags
        self._whole = whole
        self._scope: TaskScope | None = None
        self._span: Span | None = None
        self._reset: Token[ModelCall | None] | None = None
        self.spans: TaskSpans | None = None
        """Where it is shown; None: nowhere."""
        self.output: Any = None
        """What the model said."""

    @property
    def known(self) -> Mapping[str, str]:
        """What is known of the model, by LangChain's names; nothing, if it has no name."""
        return {} if self._name is None else _known(self._name)

    @property
    def goes_on(self) -> bool:
        """True in the task that runs, before the end."""
        return self._scope is not None and self._scope is current_task.get(None)

    def said(self, chunk: Any) -> None:
        """Show a piece of what it says."""
        self._show("stream", {"chunk": chunk})

    def __enter__(self) -> Self:
        self._scope = current_task.get(None)
        if self._scope is not None:
            self.spans = self._scope.spans
        if self.spans is not None:
            self._span = self.spans.model(
                self._name or UNNAMED_MODEL, self._tags, _known(self._name)
            )
            self._show("start", self._input)
        if self._whole and self._scope is not None:
            self._reset = _current.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._reset is not None:
            _current.reset(self._reset)
        if kind is None:
            self._show("end", {"output": self.output, **self._input})
        self._scope = self._span = self.spans = self._reset = None

    def _show(self, phase: Any, data: Any) -> None:
        if self.spans is not None and self._span is not None:
            self.spans.show(self._span, phase, data)


def _known(name: str | None) -> Mapping[str, str]:
    named = {} if name is None else {"ls_model_name": name}
    return {"ls_model_type": "chat", **named}


_current: ContextVar[ModelCall | None] = ContextVar("understudy_model_call", default=None)


def whole_call() -> ModelCall | None:
    """The call whose words are what this code streams, if it is a part of one in a task."""
    call = _current.get()
    return call if call is not None and call.goes_on else None
