"""Documents are cut into passages that can be read by themselves."""

from __future__ import annotations

from pathlib import Path

from examples.chat.documents import MAX_BYTES, Passage, docstrings, paragraphs, passages_below


def texts(text: str) -> list[tuple[str, str]]:
    return [(passage.heading, passage.text) for passage in paragraphs("a.md", text)]


def test_a_paragraph_is_one_passage_under_its_heading() -> None:
    assert texts("# Ships\n\nA ship\nfloats.\n\nIt sails.\n\n## Boats ##\nSmall.") == [
        ("Ships", "A ship floats."),
        ("Ships", "It sails."),
        ("Boats", "Small."),
    ]


def test_items_and_table_rows_are_passages_of_their_own() -> None:
    text = """\
* one
  and more
* two
1. three

| **word** | what | why |
|---|---|---|
| a | b | |"""
    assert [text for _, text in texts(text)] == [
        "one and more",
        "two",
        "three",
        "word: what, why",
        "a: b",
    ]


def test_code_blocks_are_left_out() -> None:
    assert texts("before\n\n```python\nx = 1\n\n# no heading\n```\n\nafter") == [
        ("", "before"),
        ("", "after"),
    ]


def test_marks_are_taken_off() -> None:
    assert texts("See **the** [guide](docs/x.md) of `run`.") == [("", "See the guide of run.")]


def test_docstrings_are_passages_under_the_name_they_describe() -> None:
    source = '''"""The module.

    More of it."""
class Ship:
    """Floats."""
    async def sail(self):
        """Goes
        on."""
    def _hidden(self):
        """Is nobody's business."""
'''
    assert list(docstrings("a.py", source)) == [
        Passage("a.py", "", "The module."),
        Passage("a.py", "Ship", "Floats."),
        Passage("a.py", "sail", "Goes on."),
    ]


def test_a_file_that_is_no_python_has_no_docstrings() -> None:
    assert list(docstrings("a.py", "def")) == []
    assert list(docstrings("a.py", "\0")) == []


def test_only_readable_documents_of_a_folder_are_read(tmp_path: Path) -> None:
    for name in ("b.md", "sub/a.txt", ".git/c.md", "node_modules/d.md", "e.png", ".hidden.md"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"text of {name}", encoding="utf-8")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "large.txt").write_bytes(b"x" * (MAX_BYTES + 1))
    (tmp_path / "gone.md").symlink_to(tmp_path / "nowhere.md")

    assert [passage.path for passage in passages_below(tmp_path)] == ["b.md", "sub/a.txt"]
