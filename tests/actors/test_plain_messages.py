"""Messages as plain dicts: what may be written, and the dict that it becomes."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import langchain_core.messages as lc
import pytest

from actors import MessageError, RemoveMessage
from actors.plain_messages import checked, convert, held, is_removal


def plain(message: Any) -> dict[str, Any]:
    """The one dict that it becomes, without an id that was made."""
    [made], [known] = convert([message])
    assert made["id"] == known
    return {name: value for name, value in made.items() if value != known or name != "id"}


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("hi", {"role": "user", "content": "hi"}),
        ("", {"role": "user", "content": ""}),
        (("human", "hi"), {"role": "user", "content": "hi"}),
        (("developer", "hi"), {"role": "developer", "content": "hi"}),
        (["ai", [{"type": "text"}]], {"role": "assistant", "content": [{"type": "text"}]}),
        ({"type": "human", "content": "hi"}, {"role": "user", "content": "hi"}),
        (
            {"type": "ai", "content": "", "name": "n"},
            {"role": "assistant", "content": "", "name": "n"},
        ),
        ({"role": "human", "content": "hi"}, {"role": "human", "content": "hi"}),
        ({"role": "user", "content": None}, {"role": "user", "content": None}),
        (
            {"role": "assistant", "tool_calls": [{"id": "1"}]},
            {"role": "assistant", "tool_calls": [{"id": "1"}], "content": ""},
        ),
        (
            {"role": "tool", "content": "4", "tool_call_id": "1", "extra": 5},
            {"role": "tool", "content": "4", "tool_call_id": "1", "extra": 5},
        ),
        (
            {"role": "critic", "type": "chat", "content": "no"},
            {"role": "critic", "type": "chat", "content": "no"},
        ),
    ],
    ids=repr,
)
def test_a_message_becomes_a_dict_that_keeps_what_it_says(given: Any, made: dict[str, Any]) -> None:
    before = copy.deepcopy(given)
    assert plain(given) == made
    assert given == before


def test_a_dict_that_has_all_it_needs_is_kept_itself() -> None:
    message = {"role": "user", "content": "hi", "id": "1"}
    assert convert([message])[0][0] is message
    assert held([message])[0][0] is message


def test_what_is_held_is_not_checked_again() -> None:
    odd = {"id": "1", "role": "judge", "verdict": "guilty"}
    assert held([odd]) == ([odd], ["1"])
    with pytest.raises(MessageError, match="Unexpected message type: 'judge'"):
        convert([odd])


def test_what_is_written_is_checked_and_left_as_it_is() -> None:
    for given in ("hi", ("ai", "x"), {"role": "user", "content": "x"}):
        assert checked(given) is given


@pytest.mark.parametrize("kind", [RemoveMessage, lc.RemoveMessage])
def test_a_removal_has_an_id_and_a_type(kind: Any) -> None:
    removal = kind(id="1")
    assert (removal.id, removal.type) == ("1", "remove")
    assert is_removal(removal)


@pytest.mark.parametrize(
    "other", ["remove", ("remove", ""), None, 5, lc.HumanMessage("remove"), {"role": "user"}, {}]
)
def test_nothing_else_is_a_removal(other: Any) -> None:
    assert not is_removal(other)


def test_a_removal_is_a_value() -> None:
    removal = RemoveMessage("1")
    assert removal == RemoveMessage(id="1") != RemoveMessage("2")
    assert hash(removal) == hash(RemoveMessage("1"))
    assert copy.deepcopy(removal) == pickle.loads(pickle.dumps(removal)) == removal
