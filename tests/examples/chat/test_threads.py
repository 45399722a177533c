"""The names of conversations are kept in the database of the conversations."""

from __future__ import annotations

from pathlib import Path

from checkpoint import SqliteSaver
from examples.chat.threads import Directory


def test_names_are_kept_in_the_order_they_came_with_their_first_question(tmp_path: Path) -> None:
    database = tmp_path / "chat.sqlite"
    with SqliteSaver.from_conn_string(database) as saver:
        directory = Directory(saver)
        assert directory.titles() == {}
        directory.add("trip", "Where to?")
        directory.add("cook", "What is for dinner?")
    with SqliteSaver.from_conn_string(database) as saver:
        directory = Directory(saver)
        directory.add("trip", "And then?")
        titles = directory.titles()
    assert list(titles.items()) == [("trip", "Where to?"), ("cook", "What is for dinner?")]
