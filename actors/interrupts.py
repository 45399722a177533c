"""`interrupt`: a node asks for something from outside, and the run waits for the answer."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from .channels import MISSING
from .context import TaskContext, current
from .errors import ConfigError, GraphInterrupt, NoTaskError
from .values import Interrupt

if TYPE_CHECKING:
    from .commands import Task

_REFUSED = "__refused_answer__"
"""Set on an error that was raised for an answer."""
_remembering = threading.Lock()
"""Nodes of a graph that a task called may ask in several threads."""


def interrupt(value: Any, *, response_schema: Any = None) -> Any:
    """Pause the node with a question, and give the answer when the thread is resumed.

    The run ends as interrupted and shows `value`; `Command(resume=answer)` as the next input runs
    the node again from its top, and this call returns the answer.  Calls are matched by their
    order in the node.  Needs a checkpointer to be resumed.

    `response_schema`: a JSON Schema (a dict, only shown), or a pydantic model, TypedDict or
    dataclass, to which the answer is validated (by pydantic); one that does not fit raises
    pydantic's ValidationError out of the node, and the interrupt can be answered again.

    Raises GraphInterrupt, which is to be let through, and NoTaskError outside of a task.

        def review(state):
            return {"approved": interrupt({"question": "Send it?", "text": state["draft"]})}
    """
    context = current()
    if context is None:
        raise NoTaskError(
            "interrupt() was called outside of a task; call it from inside a node, or from a "
            "function that a node calls"
        )
    adapter = _adapter(response_schema)
    place, name = context.next_interrupt()
    kept = context.task.answers
    answer = kept[place] if place < len(kept) else _answer(context, name)
    if answer is MISSING:
        raise GraphInterrupt((_interrupt(value, name, adapter, response_schema),))
    if adapter is not None:
        try:
            answer = adapter.validate_python(answer)
        except ValueError as error:  # pydantic's ValidationError is one
            setattr(error, _REFUSED, True)
            context.refuse(_interrupt(value, name, adapter, response_schema))
            _remember(context, name, MISSING)
            raise
    context.answered += 1
    return answer


def is_answered(context: TaskContext) -> bool:
    """True if a question of the task has an answer: its code will ask again, in the same order."""
    if context.task.answers:
        return True
    _, name = context.next_interrupt()
    brought = context.scheduler.facts.answers
    return name in (_keeper(context).below or {}) or (brought is not None and brought.has(name))


def is_refusal(error: BaseException) -> bool:
    """True if the error says that an answer does not fit its interrupt, and is to end the run."""
    return getattr(error, _REFUSED, False)


def _answer(context: TaskContext, name: str) -> Any:
    """The answer to the task's next interrupt, whose id this is; MISSING if there is none."""
    answer = (_keeper(context).below or {}).get(name, MISSING)
    brought = context.scheduler.facts.answers
    if answer is MISSING and brought is not None:
        answer = brought.take(name)
        _remember(context, name, answer)
    if answer is not MISSING:
        context.task.answers = (*context.task.answers, answer)
    return answer


def _remember(context: TaskContext, name: str, answer: Any) -> None:
    """For a graph that stores nothing, which runs from its beginning when it is called again."""
    keeper = _keeper(context)
    if keeper is context.task:
        return
    with _remembering:
        below = {**(keeper.below or {}), name: answer}
        keeper.below = {key: value for key, value in below.items() if value is not MISSING}


def _keeper(context: TaskContext) -> Task:
    """This task, or the one further out whose graph stores what is kept of it."""
    while context.scheduler.recorder is None and context.scheduler.caller is not None:
        context = context.scheduler.caller
    return context.task


def _interrupt(value: Any, name: str, adapter: Any, schema: Any) -> Interrupt:
    return Interrupt(value, name, schema if adapter is None else adapter.json_schema())


def _adapter(schema: Any) -> Any:
    if schema is None or isinstance(schema, dict):
        return None
    try:
        from pydantic import TypeAdapter
    except ImportError as error:
        raise ConfigError(
            f"response_schema={schema!r} needs pydantic to validate answers, which is not "
            "installed; install it, or give a JSON Schema as a dict"
        ) from error
    return TypeAdapter(schema)
