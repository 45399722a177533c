"""The columns of a row, as SQLite wrote them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint import CorruptDataError
from checkpoint.page_records import read_record, varint
from checkpoint.pages import PageFile

VALUES = st.one_of(
    st.none(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=40),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
)


@given(st.lists(st.lists(VALUES, min_size=3, max_size=3), max_size=20))
def test_all_values_come_back(rows: list[list[object]]) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (a, b, c)")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        connection.commit()
        data = connection.serialize()
        stored = connection.execute("SELECT * FROM t").fetchall()
    pages = PageFile(data, int.from_bytes(data[16:18], "big"))
    ((root),) = [cell.values[3] for cell in pages.walk(1)]
    assert [cell.values for cell in pages.walk(root)] == stored


@given(st.binary(max_size=60))
def test_bytes_that_are_no_row_are_refused_in_a_known_way(data: bytes) -> None:
    try:
        read_record(data)
    except (CorruptDataError, UnicodeDecodeError, IndexError):
        return


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\x07", 7),
        (b"\x81\x00", 128),
        (b"\xff" * 9, -1),
        (b"\x80" * 8 + b"\x05", 5),
    ],
)
def test_numbers_of_one_to_nine_bytes(data: bytes, value: int) -> None:
    assert varint(data + b"rest", 0) == (value, len(data))


def test_a_row_that_is_too_short_or_too_long_is_refused(tmp_path: Path) -> None:
    whole = b"\x03\x01\x12\x07hello"[:9]
    assert read_record(b"\x03\x01\x17\x07hello") == (7, "hello")
    for data in (
        b"\x03\x01\x17\x07hell",
        b"\x03\x01\x17\x07hello!",
        b"\x02\x0a",
        b"\x09\x01",
        whole,
    ):
        with pytest.raises((CorruptDataError, IndexError)):
            read_record(data)
