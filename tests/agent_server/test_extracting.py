"""Single values out of an answer."""

from __future__ import annotations

from typing import Any

import pytest

from agent_server.errors import InvalidError
from agent_server.extracting import MAX_PATHS, extracted, parse_paths

ANSWER: dict[str, Any] = {
    "values": {"messages": [{"content": "a"}, {"content": "b"}], "text": "xyz", "0": "key"},
    "metadata": {"owner": "ann"},
    "interrupts": {},
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("values.messages[-1].content", "b"),
        ("values.messages[0].content", "a"),
        ("values.messages[2].content", None),
        ("values.messages[-3]", None),
        ("values.messages.content", None),
        ("values.text[0]", None),
        ("values.0", "key"),
        ("values[0]", None),
        ("metadata", {"owner": "ann"}),
        ("metadata.owner", "ann"),
        ("metadata.owner.deeper", None),
        ("error.message", None),
    ],
)
def test_a_path_gives_what_stands_there(path: str, expected: Any) -> None:
    assert extracted(ANSWER, parse_paths({"it": path})) == {"it": expected}


@pytest.mark.parametrize(
    "path",
    ["", ".", "values.", "values..a", "values[x]", "values[", "secret.a", "thread_id", "[0]"],
)
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidError, match="is no path"):
        parse_paths({"it": path})


def test_there_may_be_so_many_paths() -> None:
    paths = {str(number): "values.text" for number in range(MAX_PATHS)}

    assert set(extracted(ANSWER, parse_paths(paths)).values()) == {"xyz"}
    with pytest.raises(InvalidError, match="at most"):
        parse_paths({**paths, "more": "values.text"})
