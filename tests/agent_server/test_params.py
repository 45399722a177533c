"""What a request says in its query."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from agent_server.errors import InvalidError
from agent_server.orders import WIRE_MODES
from agent_server.params import chosen, flag, last_event_id, listed, whole


def asked(query: str, **headers: str) -> Request:
    told = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "query_string": query.encode(), "headers": told})


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", False),
        ("a=", False),
        ("a=true", True),
        ("a=1", True),
        ("a=True", True),
        ("a=0", False),
        ("b=1", False),
    ],
)
def test_a_flag_is_written_in_two_ways(query: str, expected: bool) -> None:
    assert flag(asked(query), "a") is expected
    assert flag(asked(""), "a", default=True)


@pytest.mark.parametrize("query", ["a=yes", "a=2"])
def test_what_is_no_flag_is_refused(query: str) -> None:
    with pytest.raises(InvalidError, match="true or false"):
        flag(asked(query), "a")


def test_a_number_keeps_to_its_limits() -> None:
    assert whole(asked(""), "a", 7, 0, 9) == 7
    assert whole(asked("a=0"), "a", 7, 0, 9) == 0
    for query in ("a=", "a=x", "a=-1", "a=10", "a=1e3", "a=" + "1" * 5000, "a=١"):
        with pytest.raises(InvalidError, match="from 0 to 9"):
            whole(asked(query), "a", 7, 0, 9)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", []),
        ("a=", []),
        ("a=x", ["x"]),
        ("a=x&a=y", ["x", "y"]),
        ("a=x,y, z", ["x", "y", "z"]),
        ('a=["x","y,z"]', ["x", "y,z"]),
        ("a=x&b=y&c=z", ["x", "y"]),
        ("a=[]", []),
    ],
)
def test_a_list_is_written_in_three_ways_and_under_any_of_its_names(
    query: str, expected: list[str]
) -> None:
    assert listed(asked(query), "a", "b") == expected


@pytest.mark.parametrize("query", ["a=[", "a=[1]", "a=[[", "a=" + "[" * 100_000])
def test_what_is_no_list_of_texts_is_refused(query: str) -> None:
    with pytest.raises(InvalidError, match="give a JSON list"):
        listed(asked(query), "a")


@pytest.mark.parametrize(
    "query",
    [
        "stream_mode=values&stream_mode=custom",
        'stream_mode=["values","custom"]',
        "stream_modes=values,custom",
        "stream_mode=values, custom&stream_modes=values",
    ],
)
def test_modes_are_read_in_all_the_forms_that_clients_send_each_once(query: str) -> None:
    assert chosen(asked(query), WIRE_MODES) == ("values", "custom")


@pytest.mark.parametrize("query", ["", "stream_mode=", "stream_mode=[]", "stream_mode=,"])
def test_no_mode_is_none_asked_for(query: str) -> None:
    assert chosen(asked(query), WIRE_MODES) == ()


@pytest.mark.parametrize("mode", ["bogus", "tools", '["bogus"]'])
def test_an_unknown_mode_is_refused_with_those_there_are(mode: str) -> None:
    with pytest.raises(InvalidError, match=r"Invalid stream mode: .*messages-tuple"):
        chosen(asked(f"stream_mode={mode}"), WIRE_MODES)


@pytest.mark.parametrize(
    ("given", "value"),
    [("", None), (" ", None), ("-1", 0), ("0", 0), ("-", 0), ("0-0", 0), ("81", 81)],
)
def test_ids_say_where_to_go_on(given: str, value: int | None) -> None:
    assert last_event_id(asked("", last_event_id=given)) == value
    assert last_event_id(asked("")) is None


@pytest.mark.parametrize("given", ["garbage", "-2", "1.5", "9" * 30, "1795219423463-0"])
def test_what_is_no_id_is_refused(given: str) -> None:
    with pytest.raises(InvalidError, match="is no id of an event"):
        last_event_id(asked("", last_event_id=given))
