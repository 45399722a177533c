"""Values that users make and get."""

from __future__ import annotations

from typing import Literal

from actors import Command, Runtime, entrypoint


def test_generic_values_are_made_of_their_subscripted_class_too() -> None:
    assert Command[Literal["b"]](goto="b") == Command(goto="b")
    assert Runtime[dict[str, int]](context={"n": 1}).context == {"n": 1}
    assert entrypoint.final[int, str](value=1, save="s").save == "s"
