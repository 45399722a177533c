"""Paths to the texts that an index embeds."""

from __future__ import annotations

import pytest

from checkpoint import InvalidArgumentError
from checkpoint.store_paths import parse_path

VALUE = {
    "title": "T",
    "a": {"b": "x", "c": [1, 2.5, True, None, {"d": "é"}]},
    "tags": ["p", "q"],
    "grid": [[1], [2, 3]],
    "nothing": None,
}


@pytest.mark.parametrize(
    ("path", "texts"),
    [
        ("title", ["T"]),
        ("a.b", ["x"]),
        ("a.c[*]", ["1", "2.5", "True", '{"d": "é"}']),
        ("a.c[*].d", ["é"]),
        ("a.c[-1].d", ["é"]),
        ("tags", ['["p", "q"]']),
        ("tags[*]", ["p", "q"]),
        ("tags[0]", ["p"]),
        ("tags[-1]", ["q"]),
        ("tags[2]", []),
        ("tags[-3]", []),
        ("title[0]", []),
        ("grid[*][0]", ["1", "2"]),
        ("grid.*.*", ["1", "2", "3"]),
        ("a.*", ["x", '[1, 2.5, true, null, {"d": "é"}]']),
        ("{title,a.b}", ["T", "x"]),
        ("{ title , missing }", ["T"]),
        ("a.{b,missing}", ["x"]),
        ("nothing", []),
        ("missing.b", []),
        ("title.b", []),
    ],
)
def test_a_path_gives_the_texts_that_stand_there(path: str, texts: list[str]) -> None:
    assert parse_path(path).texts(VALUE) == texts


def test_a_dollar_is_the_whole_value() -> None:
    assert parse_path("$").texts({"b": [1, "é"], "a": None}) == ['{"a": null, "b": [1, "é"]}']


@pytest.mark.parametrize(
    "path", ["", ".", ".a", "a.", "a..b", "a[", "a]", "a[x]", "a[]", "{", "{}", "a{b", 5, None]
)
def test_anything_else_is_refused_with_what_to_give(path: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"is no path of a field to index: .*; give one"):
        parse_path(path)
