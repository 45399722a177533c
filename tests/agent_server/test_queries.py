from __future__ import annotations

import pytest

from agent_server.errors import InvalidError
from agent_server.queries import WIRE_MODES, chosen, flag, last_event_id, texts_of


@pytest.mark.parametrize(
    "given",
    [
        ["values", "custom"],
        ['["values","custom"]'],
        ["values,custom"],
        ["values, custom", "values"],
    ],
)
def test_modes_are_read_in_all_the_forms_that_clients_send(given: list[str]) -> None:
    assert chosen(given, WIRE_MODES) == ("values", "custom")


@pytest.mark.parametrize("given", [[], [""], ["[]"], [","]])
def test_no_mode_is_none_asked_for(given: list[str]) -> None:
    assert chosen(given, WIRE_MODES) == ()


@pytest.mark.parametrize("given", ["bogus", '["values', "[1]", "tools"])
def test_an_unknown_mode_is_refused_with_those_there_are(given: str) -> None:
    with pytest.raises(InvalidError, match=r"Invalid stream mode: .*messages-tuple"):
        chosen([given], WIRE_MODES)


def test_texts_are_free_of_doubles() -> None:
    assert texts_of(["a,b", "b", '["c","a"]']) == ("a", "b", "c")


@pytest.mark.parametrize(
    ("given", "value"),
    [("true", True), ("1", True), ("True", True), ("false", False), ("0", False), (None, False)],
)
def test_flags_are_read_in_all_the_forms_that_clients_send(given: str | None, value: bool) -> None:
    assert flag("wait", given) is value


def test_another_flag_is_refused() -> None:
    with pytest.raises(InvalidError, match="wait: 'maybe' is no boolean"):
        flag("wait", "maybe")


@pytest.mark.parametrize(
    ("given", "value"),
    [(None, None), ("", None), (" ", None), ("-1", 0), ("0", 0), ("-", 0), ("0-0", 0), ("81", 81)],
)
def test_ids_say_where_to_go_on(given: str | None, value: int | None) -> None:
    assert last_event_id(given) == value


@pytest.mark.parametrize("given", ["garbage", "-2", "1.5", "9" * 30, "1795219423463-0"])
def test_what_is_no_id_is_refused(given: str) -> None:
    with pytest.raises(InvalidError, match="is no id of an event"):
        last_event_id(given)
