"""Exceptions: kept whole where possible, never refused, because failed tasks must be stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from checkpoint.errors import RemoteError, ThreadBusyError
from checkpoint.registry import TypeRegistry
from checkpoint.serde import MsgpackSerializer
from tests.checkpoint.alike import alike


class NeedsTwoError(Exception):
    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first} and {second}")
        self.second = second


class MissingError(FileNotFoundError):
    pass


class Several(ExceptionGroup[ValueError]):
    pass


@dataclass(frozen=True)
class DeclaredError(Exception):
    code: int


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise KeyError("no")


class StrangerError(Exception):
    pass


KNOWN = TypeRegistry()
for known in (NeedsTwoError, MissingError, Several, DeclaredError, ThreadBusyError):
    KNOWN.register(known)


def round_trip(value: Any) -> Any:
    serde = MsgpackSerializer(KNOWN)
    data = serde.dumps(value)
    back = serde.loads(data)
    assert serde.dumps(back) == data
    return back


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x", 1, (2,), "\ud800"),
        KeyError("k"),
        StopIteration(5),
        SystemExit(2),
        KeyboardInterrupt(),
        UnicodeDecodeError("utf-8", b"a\xff", 1, 2, "bad"),
        SyntaxError("bad", ("file", 1, 2, "text", 1, 3)),
        NeedsTwoError(1, 2),
        DeclaredError(5),
        ThreadBusyError("busy", thread_id="t", owner="o"),
    ],
    ids=repr,
)
def test_an_exception_comes_back_with_class_args_and_attributes(error: BaseException) -> None:
    back = round_trip(error)
    assert alike(back, error)
    assert str(back) == str(error)


@pytest.mark.parametrize("cls", [FileNotFoundError, MissingError])
def test_an_os_error_keeps_its_file(cls: type[OSError]) -> None:
    back = round_trip(cls(2, "No such file", "a.txt", None, "b.txt"))
    assert (type(back), back.errno, back.filename, back.filename2) == (cls, 2, "a.txt", "b.txt")


def test_an_import_error_keeps_its_module() -> None:
    back = round_trip(ImportError("no", name="m", path="p"))
    assert (back.msg, back.name, back.path) == ("no", "m", "p")


@pytest.mark.parametrize("cls", [ExceptionGroup, Several])
def test_a_group_keeps_its_members(cls: Any) -> None:
    back = round_trip(cls("both", [ValueError(1), ValueError("2")]))
    assert (type(back), back.message) == (cls, "both")
    assert [(type(one), one.args) for one in back.exceptions] == [
        (ValueError, (1,)),
        (ValueError, ("2",)),
    ]


def test_notes_come_back() -> None:
    error = NeedsTwoError(1, 2)
    error.add_note("During task with name 'bad'")
    assert round_trip(error).__notes__ == ["During task with name 'bad'"]


def test_an_exception_of_an_unregistered_class_becomes_a_placeholder() -> None:
    error = StrangerError("boom")
    error.add_note("a note")
    back = round_trip([error])[0]
    assert type(back) is RemoteError
    assert (back.type_name, back.message) == (f"{__name__}.StrangerError", "boom")
    assert str(back) == f"{__name__}.StrangerError: boom"
    assert back.__notes__ == ["a note"]


def test_an_unregistered_member_does_not_cost_the_group() -> None:
    back = round_trip(ExceptionGroup("both", [ValueError(1), StrangerError("boom")]))
    assert [type(one) for one in back.exceptions] == [ValueError, RemoteError]


@pytest.mark.parametrize(
    "error",
    [
        ValueError(object()),
        ValueError([{"deep": (lambda: None,)}]),
        ExceptionGroup("g", [KeyError(1), ValueError(object())]),
        StrangerError(object()),
        UnprintableError(),
    ],
    ids=["an object", "a deep lambda", "in a group", "of a strange class", "unprintable"],
)
def test_an_exception_that_holds_anything_is_still_stored(error: BaseException) -> None:
    cls = type(error)
    back = round_trip({"error": error, "rest": (1,)})
    assert type(back["error"]) is RemoteError
    assert back["error"].type_name == f"{cls.__module__}.{cls.__qualname__}"
    assert back["rest"] == (1,)


def test_an_attribute_that_cannot_be_stored_makes_a_placeholder() -> None:
    error = NeedsTwoError(1, 2)
    error.request = object()  # pyright: ignore[reportAttributeAccessIssue]
    assert round_trip(error).message == "1 and 2"


def test_an_exception_that_contains_itself_is_stored_in_little_time() -> None:
    error = ValueError("x")
    error.args = (error, error, error)  # 3**64 ways down
    assert type(round_trip([error, (2,)])[0]) is RemoteError


def test_after_a_fallback_the_serializer_works_as_before() -> None:
    serde = MsgpackSerializer(KNOWN)
    for _ in range(3):
        assert alike(serde.loads(serde.dumps((1, ValueError(object()), (2,))))[2], (2,))
        assert serde.loads(serde.dumps((1, [2]))) == (1, [2])
