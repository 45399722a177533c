"""What type checkers know and Python 3.11 does not."""

from __future__ import annotations

import subprocess
import sys
import typing
from typing import Generic

from actors import Command, Runtime
from actors.backports import TypeVar, override

Thing = TypeVar("Thing", default=str)


class Box(Generic[Thing]):
    def open(self) -> Thing | None:
        return None


class Full(Box[int]):
    @override
    def open(self) -> int:
        return 7


def test_a_type_variable_with_a_default_is_one_of_typing() -> None:
    assert isinstance(Thing, typing.TypeVar)
    assert typing.get_args(Box[int]) == (int,)


def test_a_method_that_overrides_is_the_method_itself() -> None:
    assert Full().open() == 7
    assert Full.open.__name__ == "open"


def test_generic_values_take_a_parameter_in_hints() -> None:
    assert typing.get_args(Command[typing.Literal["a"]]) == (typing.Literal["a"],)
    assert typing.get_args(Runtime[int]) == (int,)


def test_an_import_leaves_typing_extensions_to_type_checkers() -> None:
    script = "import sys, actors\nprint('typing_extensions' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
