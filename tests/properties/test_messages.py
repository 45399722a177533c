"""What holds of merging messages, whatever is merged: in both forms, and in any portions."""

from __future__ import annotations

from typing import Any

import langchain_core.messages as lc
from hypothesis import given
from hypothesis import strategies as st

from actors import REMOVE_ALL_MESSAGES, MessageError, RemoveMessage, add_messages
from actors.langchain_messages import as_dict, convert
from checkpoint import MsgpackSerializer

IDS = st.sampled_from(["1", "2", "3", "4"])
TEXTS = st.text(max_size=3)
PLAIN = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system"]), "content": TEXTS, "id": IDS}
)
REMOVALS = st.builds(RemoveMessage, st.one_of(IDS, st.just(REMOVE_ALL_MESSAGES)))
HELD = st.lists(PLAIN, unique_by=lambda message: message["id"], max_size=4)
UPDATES = st.lists(st.one_of(PLAIN, PLAIN, REMOVALS), max_size=5)


def merged(left: list[Any], right: list[Any], **more: Any) -> Any:
    """What comes out, None if a removal finds nothing."""
    try:
        return add_messages(left, right, **more)
    except MessageError:
        return None


def as_langchain(messages: list[Any]) -> list[Any]:
    return convert(messages)[0]


@given(HELD, UPDATES)
def test_dicts_and_langchains_messages_are_merged_alike(held: list[Any], update: list[Any]) -> None:
    dicts = merged(held, update, format="dict")
    whole = merged(as_langchain(held), as_langchain(update))
    assert dicts == (None if whole is None else [as_dict(message) for message in whole])


@given(HELD, UPDATES)
def test_the_form_of_what_is_given_does_not_matter(held: list[Any], update: list[Any]) -> None:
    assert merged(held, update) == merged(as_langchain(held), as_langchain(update))
    assert merged(as_langchain(held), as_langchain(update), format="dict") == merged(
        held, update, format="dict"
    )


@given(HELD, UPDATES)
def test_no_id_is_there_twice(held: list[Any], update: list[Any]) -> None:
    ids = [message["id"] for message in merged(held, update, format="dict") or ()]
    assert len(ids) == len(set(ids))


@given(HELD, st.lists(PLAIN, max_size=5), st.integers(0, 5))
def test_without_removals_an_update_may_come_in_portions(
    held: list[Any], update: list[Any], cut: int
) -> None:
    once = add_messages(held, update, format="dict")
    first = add_messages(held, update[:cut], format="dict")
    assert add_messages(first, update[cut:], format="dict") == once


@given(HELD, st.lists(PLAIN, max_size=5))
def test_merging_an_update_again_changes_nothing(held: list[Any], update: list[Any]) -> None:
    once = add_messages(held, update)
    assert add_messages(once, update) == once


@given(HELD, UPDATES)
def test_a_settled_update_is_merged_as_it_was(held: list[Any], update: list[Any]) -> None:
    settled = add_messages.settle(update)
    assert merged(held, settled) == merged(held, update)
    assert add_messages.settle(settled) is settled


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
FIELDS = st.dictionaries(st.text(max_size=3), VALUES, max_size=2)
BLOCKS = st.lists(st.one_of(TEXTS, FIELDS), max_size=2)
CALLS = st.lists(st.builds(lc.tool.tool_call, name=TEXTS, args=FIELDS, id=IDS), max_size=2)
MESSAGES = st.one_of(
    st.builds(
        lc.AIMessage,
        content=st.one_of(TEXTS, BLOCKS),
        tool_calls=CALLS,
        additional_kwargs=FIELDS,
        response_metadata=FIELDS,
        id=st.none() | IDS,
    ),
    st.builds(
        lc.ToolMessage,
        content=st.one_of(TEXTS, BLOCKS),
        tool_call_id=TEXTS,
        artifact=VALUES,
        status=st.sampled_from(["success", "error"]),
    ),
    st.builds(lc.HumanMessage, content=st.one_of(TEXTS, BLOCKS), name=st.none() | TEXTS),
)


@given(st.lists(MESSAGES, max_size=3))
def test_messages_come_back_from_bytes_as_they_were(messages: list[Any]) -> None:
    serializer = MsgpackSerializer()
    back = serializer.loads(serializer.dumps(messages))
    assert back == messages
    assert [type(message) for message in back] == [type(message) for message in messages]
