"""Ids as requests bring them."""

from __future__ import annotations

import pytest

from agent_server.errors import InvalidError
from agent_server.ids import default_assistant_id, is_uuid, uuid_of

ID = "fe096781-5601-53d2-b2f6-0d3403f7e9ca"


@pytest.mark.parametrize("text", [ID, ID.upper(), ID.replace("-", "")])
def test_a_uuid_is_taken_in_any_usual_form_and_kept_in_one(text: str) -> None:
    assert is_uuid(text)
    assert uuid_of("thread", text) == ID


@pytest.mark.parametrize("text", ["", "abc", f"{{{ID}}}", f"urn:uuid:{ID}", ID + "\n", "İ" * 32])
def test_anything_else_is_refused_with_what_it_should_be(text: str) -> None:
    assert not is_uuid(text)
    with pytest.raises(InvalidError, match="Invalid run ID: must be a UUID"):
        uuid_of("run", text)


def test_a_graphs_assistant_has_the_id_that_clients_compute() -> None:
    assert default_assistant_id("agent") == ID
