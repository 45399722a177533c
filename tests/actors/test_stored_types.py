"""What of the engine's own values a thread may hold, as bytes; `import actors` registers them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from actors import Interrupt, Overwrite, Send
from checkpoint import MsgpackSerializer, TypeRegistry, UnknownTypeTagError

VALUES = [
    Send("work", {"n": 1}),
    Send("work", None),
    Send("work", 1, timeout=timedelta(seconds=2)),
    Send("outer", Send("inner", ("a", {1, 2}))),
    Overwrite([1, 2]),
    Overwrite(None),
    Interrupt("may I?", "id 1"),
    Interrupt({"options": ["yes", "no"]}, "id 2"),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_it_comes_back_as_it_was(value: Any) -> None:
    found = MsgpackSerializer().loads(MsgpackSerializer().dumps(value))
    assert type(found) is type(value)
    assert found == value


def test_they_come_back_from_inside_other_values() -> None:
    given = {"tasks": [*VALUES], "pair": (VALUES[0], VALUES[-1])}
    assert MsgpackSerializer().loads(MsgpackSerializer().dumps(given)) == given


@pytest.mark.parametrize("kind", [Send, Overwrite, Interrupt])
def test_its_stored_name_does_not_name_the_module_it_lives_in(kind: type) -> None:
    value = next(value for value in VALUES if type(value) is kind)
    data = MsgpackSerializer().dumps(value)
    assert f"understudy.{kind.__name__}".encode() in data
    assert b"actors" not in data


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_reader_that_does_not_know_them_makes_nothing_of_them(value: Any) -> None:
    data = MsgpackSerializer().dumps(value)
    with pytest.raises(UnknownTypeTagError, match=r"understudy\."):
        MsgpackSerializer(TypeRegistry()).loads(data)
