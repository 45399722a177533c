"""What `add_messages` makes of messages: the same for LangChain's and for plain dicts."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import langchain_core.messages as lc
import pytest

from actors import (
    REMOVE_ALL_MESSAGES,
    ActorsError,
    AddMessages,
    ConfigError,
    MessageError,
    MessageTypeError,
    RemoveMessage,
    add_messages,
)

Merge = Callable[[Any, Any], list[Any]]
EVERYTHING = RemoveMessage(REMOVE_ALL_MESSAGES)


@pytest.fixture(params=[None, "dict"])
def merge(request: pytest.FixtureRequest) -> Merge:
    """Merges in one of the two forms; this process has loaded LangChain."""
    return add_messages(format=request.param)


def user(content: str, known: str | None = None) -> dict[str, Any]:
    return {"role": "user", "content": content} | ({} if known is None else {"id": known})


def told(messages: list[Any]) -> list[tuple[str, str]]:
    """Ids and contents."""
    return [(m["id"], m["content"]) if isinstance(m, dict) else (m.id, m.content) for m in messages]


A, B, C = user("a", "1"), user("b", "2"), user("c", "3")

# --------------------------------------------------------------------------------------- rules


def test_new_messages_are_appended_in_their_order(merge: Merge) -> None:
    assert told(merge([A], [B, C])) == [("1", "a"), ("2", "b"), ("3", "c")]


def test_a_message_takes_the_place_of_the_one_with_its_id(merge: Merge) -> None:
    assert told(merge([A, B], [user("new", "1")])) == [("1", "new"), ("2", "b")]


def test_of_two_new_messages_with_one_id_the_later_counts(merge: Merge) -> None:
    assert told(merge([], [user("x", "1"), B, user("y", "1")])) == [("1", "y"), ("2", "b")]


def test_a_removal_takes_the_message_with_its_id_out(merge: Merge) -> None:
    assert told(merge([A, B, C], RemoveMessage("2"))) == [("1", "a"), ("3", "c")]


def test_a_removal_may_follow_what_it_removes(merge: Merge) -> None:
    assert told(merge([A], [B, RemoveMessage("2")])) == [("1", "a")]


def test_a_message_that_comes_back_after_its_removal_keeps_its_place(merge: Merge) -> None:
    assert told(merge([A, B], [RemoveMessage("1"), user("again", "1")])) == [
        ("1", "again"),
        ("2", "b"),
    ]


def test_removing_the_same_message_twice_removes_it(merge: Merge) -> None:
    assert told(merge([A, B], [RemoveMessage("1"), RemoveMessage("1")])) == [("2", "b")]


def test_removing_everything_leaves_what_comes_after_it(merge: Merge) -> None:
    assert told(merge([A, B], [C, EVERYTHING, user("d", "4")])) == [("4", "d")]


def test_of_two_removals_of_everything_the_last_counts(merge: Merge) -> None:
    assert told(merge([A], [EVERYTHING, B, EVERYTHING, C])) == [("3", "c")]


def test_what_comes_after_a_removal_of_everything_is_merged_too(merge: Merge) -> None:
    update = [EVERYTHING, B, user("new", "2"), C, RemoveMessage("3")]
    assert told(merge([A], update)) == [("2", "new")]


def test_a_message_may_have_the_id_that_stands_for_all(merge: Merge) -> None:
    held = [user("odd", REMOVE_ALL_MESSAGES)]
    assert told(merge([A], held)) == [("1", "a"), (REMOVE_ALL_MESSAGES, "odd")]


def test_either_side_may_be_one_message(merge: Merge) -> None:
    assert told(merge(A, B)) == [("1", "a"), ("2", "b")]


def test_neither_side_is_changed(merge: Merge) -> None:
    left, right = [dict(A)], [dict(B), user("x")]
    merge(left, right)
    assert left == [A]
    assert right == [B, user("x")]


@pytest.mark.parametrize(
    "removal",
    [
        RemoveMessage("1"),
        lc.RemoveMessage(id="1"),
        {"role": "remove", "id": "1"},
        {"role": "remove", "id": "1", "content": ""},
        {"type": "remove", "id": "1"},
    ],
    ids=repr,
)
def test_a_removal_is_understood_in_every_form(merge: Merge, removal: Any) -> None:
    assert told(merge([A, B], removal)) == [("2", "b")]


# ----------------------------------------------------------------------------------------- ids


def test_a_message_without_id_gets_one(merge: Merge) -> None:
    [(one, _), (two, _)] = told(merge([], [user("x"), user("x")]))
    assert one != two
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", x) for x in (one, two))


def test_an_id_stays_through_later_merges(merge: Merge) -> None:
    first = merge([], [user("x")])
    later = merge(merge(first, user("y")), user("z"))
    assert told(later)[0] == told(first)[0]


def test_an_id_stays_with_the_message_that_got_it() -> None:
    message = lc.HumanMessage("x")
    [held] = add_messages([], message)
    assert held is message
    assert add_messages([held], message) == [message]


def test_a_constant_dict_is_a_new_message_each_time(merge: Merge) -> None:
    greeting = user("hello")
    assert len(merge(merge([], greeting), greeting)) == 2


def test_a_message_held_without_id_gets_one(merge: Merge) -> None:
    assert all(known for known, _ in told(merge([user("x")], [])))


def test_a_number_as_id_becomes_text(merge: Merge) -> None:
    assert told(merge([], {**user("x"), "id": 7})) == [("7", "x")]


def test_an_empty_id_is_an_id(merge: Merge) -> None:
    assert told(merge([], [user("x", ""), user("y", "")])) == [("", "y")]


# ---------------------------------------------------------------------------------------- forms


def test_every_form_becomes_a_message_of_langchain() -> None:
    given = ["a", ("ai", "b"), ["system", "c"], {"role": "user", "content": "d"}, lc.AIMessage("e")]
    assert [type(message) for message in add_messages([], given)] == [
        lc.HumanMessage,
        lc.AIMessage,
        lc.SystemMessage,
        lc.HumanMessage,
        lc.AIMessage,
    ]


def test_every_form_becomes_a_dict() -> None:
    given = ["a", ("ai", "b"), ["system", "c"], {"role": "user", "content": "d"}, lc.AIMessage("e")]
    assert [
        (message["role"], message["content"]) for message in add_messages([], given, format="dict")
    ] == [("user", "a"), ("assistant", "b"), ("system", "c"), ("user", "d"), ("assistant", "e")]


def test_chunks_become_whole_messages() -> None:
    [message] = add_messages([], lc.AIMessageChunk("x", id="1"))
    assert message == lc.AIMessage("x", id="1")


def test_messages_held_as_dicts_become_langchains() -> None:
    assert add_messages([A], []) == [lc.HumanMessage("a", id="1")]


def test_messages_of_langchain_held_become_dicts() -> None:
    assert add_messages([lc.HumanMessage("a", id="1")], [], format="dict") == [A]


def test_contents_come_as_openai_has_them_under_the_same_ids() -> None:
    image = {"type": "base64", "media_type": "image/png", "data": "1234"}
    update = lc.HumanMessage([{"type": "image", "source": image}], id="1")
    for _ in range(2):  # merging once more changes nothing
        [message] = merged = add_messages([], update, format="langchain-openai")
        assert message.id == "1"
        assert message.content == [
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,1234"}}
        ]
        update = merged


def test_a_message_that_becomes_several_has_an_id_for_each() -> None:
    result = {"type": "tool_result", "tool_use_id": "call", "content": "42"}
    update = lc.HumanMessage([result, {"type": "text", "text": "and?"}], id="1")
    merged = add_messages([], update, format="langchain-openai")
    ids = [message.id for message in merged]
    assert len(merged) == len(set(ids)) == 2
    assert None not in ids


def test_the_formats_hold_after_everything_was_removed() -> None:
    assert add_messages([A], [EVERYTHING, lc.HumanMessage("b", id="2")], format="dict") == [B]
    block = [{"type": "text", "text": "x"}]
    [message] = add_messages([A], [EVERYTHING, ("user", block)], format="langchain-openai")
    assert message.content == "x"


def test_a_reducer_is_made_once_for_each_format() -> None:
    assert add_messages() is add_messages
    assert add_messages(format="dict") is add_messages(format="dict")
    assert repr(add_messages(format="dict")) == "add_messages(format='dict')"
    assert isinstance(add_messages, AddMessages)
    inspect.signature(add_messages).bind(None, None)


def test_a_reducer_of_a_format_keeps_to_it() -> None:
    assert add_messages(format="dict")([], lc.HumanMessage("a", id="1")) == [A]


# --------------------------------------------------------------------------------------- settling


def test_an_update_is_settled_with_the_ids_that_it_keeps(merge: Merge) -> None:
    settled = add_messages.settle([user("x"), ("ai", "y")])
    assert told(merge([], settled)) == told(settled)


def test_an_update_with_ids_is_left_as_it_is() -> None:
    update = [lc.HumanMessage("x", id="1"), lc.RemoveMessage(id="2")]
    assert add_messages.settle(update) is update
    one = lc.HumanMessage("x", id="1")
    assert add_messages.settle(one) is one


def test_a_message_of_langchain_is_given_its_id_in_place() -> None:
    update = [lc.HumanMessage("x")]
    assert add_messages.settle(update) is update
    assert update[0].id


@pytest.mark.parametrize("update", [5, None, {"__overwrite__": []}, [("user",)]], ids=repr)
def test_what_cannot_be_merged_is_left_for_the_merge_to_refuse(update: Any) -> None:
    assert add_messages.settle(update) is update


# -------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("update", "why"),
    [
        ({"content": "x"}, "has no 'role'; add one of 'user'"),
        ({"role": None, "content": "x"}, "has no 'role'"),
        ({"role": "user"}, "has no 'content'; add it"),
        ({"role": "martian", "content": "x"}, "Unexpected message type: 'martian'; the role is"),
        ({"role": ["user"], "content": "x"}, r"Unexpected message type: \['user'\]"),
        ({"role": "user", "content": 5}, "its content is of type int; give a str"),
        ({"role": "user", "content": "x", "id": []}, "its id is of type list; give a str"),
        ({"role": "tool", "content": "x"}, "needs a 'tool_call_id'; add the id"),
        (("tool", "x"), "needs a 'tool_call_id'; add the id"),
        ({"role": "remove"}, "has its 'id' and no content; give the id"),
        ({"role": "remove", "id": "1", "content": "x"}, "has its 'id' and no content"),
        (("remove", ""), "has its 'id' and no content"),
        (RemoveMessage("9"), r"ID that doesn't exist \('9'\).*\['1'\]; give one of those ids"),
        ([EVERYTHING, RemoveMessage("1")], r"doesn't exist \('1'\).*\[\]; give one"),
    ],
    ids=repr,
)
def test_what_is_no_message_is_refused_and_nothing_is_changed(
    merge: Merge, update: Any, why: str
) -> None:
    held = [dict(A)]
    with pytest.raises(MessageError, match=why) as caught:
        merge(held, update)
    assert isinstance(caught.value, ValueError)
    assert not isinstance(caught.value, MessageTypeError)
    assert held == [A]


@pytest.mark.parametrize(
    ("update", "why"),
    [
        (5, "5 cannot be a message: it is of type int; give a dict"),
        ([None], "None cannot be a message: it is of type NoneType"),
        ([b"x"], "b'x' cannot be a message: a message as a sequence is a pair"),
        (("user", "a", "b"), "is a pair of role and content; give"),
        ([[]], r"\[\] cannot be a message"),
        ((A, B), "or a list of messages"),
        ({"user"}, "it is of type set"),
        (object, "it is of type type"),
    ],
    ids=repr,
)
def test_what_is_of_another_type_is_refused(merge: Merge, update: Any, why: str) -> None:
    with pytest.raises(MessageTypeError, match=why) as caught:
        merge([], update)
    assert isinstance(caught.value, (TypeError, NotImplementedError))
    assert isinstance(caught.value, ActorsError)


def test_what_langchain_refuses_is_refused_with_its_reason() -> None:
    with pytest.raises(MessageError, match=r"makes none of it \(Val[\s\S]*give what") as caught:
        add_messages([], {"role": "function", "content": "x"})
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(("left", "right"), [(None, []), ([], None), (A, None)])
def test_none_is_no_messages(left: Any, right: Any) -> None:
    with pytest.raises(ConfigError, match=r"non-null arguments.*give \[\] for no messages"):
        add_messages(left, right)


@pytest.mark.parametrize("name", ["", "openai", 5, ["dict"]])
def test_an_unknown_format_is_refused_at_once(name: Any) -> None:
    with pytest.raises(ConfigError, match=r"Unrecognized format=.*give one of those"):
        add_messages(format=name)
    with pytest.raises(ConfigError, match="Unrecognized format="):
        add_messages([], [], format=name)
