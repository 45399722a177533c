"""What tools returned, as messages and Commands; checked, and put together as a node's update."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from reprlib import repr as shortened
from typing import Any, Literal, cast

from actors.plain_messages import REMOVE_ALL_MESSAGES, is_removal
from actors.values import Command, Send

from .errors import ToolResultError
from .replies import content_of, in_form, is_reply, reply
from .turns import ToolCall, said

Form = Literal["dict", "list", "tool_calls"]
"""What the node was given: a state, the bare messages, or calls."""


def outputs_of(
    result: Any, call: ToolCall, form: Form, messages_key: str, *, plain: bool
) -> list[Any]:
    """Messages and Commands of one call's result.

    Raises ToolResultError for a Command, or a list of those and messages, that leaves the call
    unanswered or updates what is not there.
    """
    if isinstance(result, Command):
        command = cast("Command[Any]", result)
        return [_checked(command, call, form, messages_key, alone=True, plain=plain)]
    if is_reply(result):
        return [in_form(result, plain=plain)]
    if isinstance(result, list) and result:
        items = cast("list[Any]", result)
        if all(is_command(item) or is_reply(item) for item in items):
            return _several(items, call, form, messages_key, plain=plain)
    return [reply(content_of(result), call, plain=plain)]


def _several(
    items: Sequence[Any], call: ToolCall, form: Form, messages_key: str, *, plain: bool
) -> list[Any]:
    answers = sum(_answers(item, call, messages_key) for item in items)
    if answers != 1:
        raise ToolResultError(
            f"Tool {call['name']} returned a list with {answers} messages bound to tool_call_id "
            f"{call['id']!r}; expected exactly one terminating ToolMessage: have one message in "
            "it, or in an update of its Commands, answer the call"
        )
    return [
        _checked(item, call, form, messages_key, alone=False, plain=plain)
        if is_command(item)
        else in_form(item, plain=plain)
        for item in items
    ]


def _answers(item: Any, call: ToolCall, messages_key: str) -> int:
    if not isinstance(item, Command):
        return _is_answer(item, call)
    update: Any = cast("Command[Any]", item).update
    messages = _messages(update, messages_key) if isinstance(update, dict) else []
    return sum(_is_answer(message, call) for message in messages)


def _is_answer(message: Any, call: ToolCall) -> bool:
    return is_reply(message) and said(message, "tool_call_id") == call["id"]


def _checked(
    command: Command[Any],
    call: ToolCall,
    form: Form,
    messages_key: str,
    *,
    alone: bool,
    plain: bool,
) -> Command[Any]:
    """A Command with its messages in the form of the state, named after the tool."""
    update = command.update
    if not isinstance(update, dict | list):
        return command
    if isinstance(update, list) is not (form == "list"):
        wanted = "a list of messages" if form == "list" else f"a dict with {messages_key!r}"
        raise ToolResultError(
            f"Tool {call['name']!r} returned {shortened(command)}, whose update fits no state "
            f"that is {wanted}. Tools can provide {wanted} in Command.update here: give that"
        )
    messages = _messages(cast("Any", update), messages_key)
    shaped = [_named(message, call, plain=plain) for message in messages]
    if alone and command.graph is None and not _ends_call(shaped, call):
        raise ToolResultError(
            f"Expected to have a matching ToolMessage in Command.update for tool "
            f"'{call['name']}', got: {shortened(messages)}. A call without an answer makes models "
            "refuse the messages: return Command(update={'messages': [ToolMessage('Success', "
            f"tool_call_id={call['id']!r}), ...]}}, ...)"
        )
    if isinstance(update, list):
        return replace(command, update=shaped)
    state = cast("dict[str, Any]", update)
    return replace(command, update={**state, messages_key: shaped} if messages else state)


def _messages(update: Any, messages_key: str) -> list[Any]:
    """The messages of an update: of a state, or of the bare list."""
    if isinstance(update, list):
        return cast("list[Any]", update)
    found: Any = update.get(messages_key, [])
    return cast("list[Any]", found) if isinstance(found, list) else [found]


def _named(message: Any, call: ToolCall, *, plain: bool) -> Any:
    if not _is_answer(message, call):
        return message
    if isinstance(message, dict):
        return in_form({**cast("Any", message), "name": call["name"]}, plain=plain)
    named = message.model_copy(update={"name": call["name"]})
    return in_form(named, plain=plain)


def _ends_call(messages: Sequence[Any], call: ToolCall) -> bool:
    if any(_is_answer(message, call) for message in messages):
        return True
    if len(messages) != 1 or not is_removal(messages[0]):
        return False
    return said(messages[0], "id") == REMOVE_ALL_MESSAGES


def combined(outputs: Sequence[Any], form: Form, messages_key: str) -> Any:
    """What a node returns for the outputs of its tools, in their order.

    Commands stay Commands; those that only Send in the graph that called this one become one.
    """
    if not any(map(is_command, outputs)):
        return list(outputs) if form == "list" else {messages_key: list(outputs)}
    update: list[Any] = []
    sent: list[Any] = []
    for output in outputs:
        if not is_command(output):
            update.append([output] if form == "list" else {messages_key: [output]})
        elif _only_sends_up(output):
            sent += output.goto
        else:
            update.append(output)
    if sent:
        update.append(Command(graph=Command.PARENT, goto=sent))
    return update


def is_command(output: Any) -> bool:
    """True for a Command, of whatever node names."""
    return isinstance(output, Command)


def _only_sends_up(command: Any) -> bool:
    goto: Any = command.goto
    if command.graph != Command.PARENT or not isinstance(goto, list):
        return False
    return all(isinstance(send, Send) for send in cast("list[Any]", goto))
