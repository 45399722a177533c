"""The documents of a folder, cut into passages: paragraphs of text, docstrings of Python code."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TEXT = frozenset({".md", ".rst", ".txt"})
LEFT_OUT = frozenset(
    {"__pycache__", "build", "dist", "node_modules", "site-packages", "tests", "venv"}
)
"""Folders, besides hidden ones, that hold no documents."""
MAX_BYTES = 1_000_000
"""Larger files are data more often than documents."""

_FENCE = re.compile(r"^(```|~~~).*?^\1[^\n]*$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6}\s+(?P<title>.+?)\s*#*$")
_ITEM = re.compile(r"^\s*(?:[*+-]|\d+[.)])\s+")
_RULE = re.compile(r"^[\s|:=-]+$")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document that can be read by itself."""

    path: str
    """The document's path below the folder, with forward slashes."""
    heading: str
    text: str
    score: float = 0.0
    """How well it answers the question in hand."""


def passages_below(folder: Path) -> Iterator[Passage]:
    """All passages of the folder's documents, file by file in the order of their paths."""
    for path in sorted(_files(folder)):
        name = path.relative_to(folder).as_posix()
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        yield from docstrings(name, text) if path.suffix == ".py" else paragraphs(name, text)


def paragraphs(path: str, text: str) -> Iterator[Passage]:
    """Paragraphs, list items and table rows, each with the heading it stands under."""
    heading = ""
    lines: list[str] = []
    for line in [*_FENCE.sub("", text).splitlines(), ""]:
        title = _HEADING.match(line)
        starts_anew = title or not line.strip() or _ITEM.match(line) or line.startswith("|")
        if starts_anew and lines:
            yield Passage(path, heading, _plain(lines))
            lines = []
        if title:
            heading = _plain([title["title"]])
        elif line.strip() and not _RULE.match(line):
            lines.append(line)


def docstrings(path: str, source: str) -> Iterator[Passage]:
    """The first paragraphs of a Python file's public docstrings; nothing if it cannot be read."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            name = getattr(node, "name", "")
            doc = ast.get_docstring(node)
            if doc and not name.startswith("_"):
                yield Passage(path, name, _plain(doc.split("\n\n")[:1]))


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _is_left_out(name)]
        for path in (Path(parent, name) for name in names if not name.startswith(".")):
            known = path.suffix in TEXT or path.suffix == ".py"
            if known and path.is_file() and path.stat().st_size <= MAX_BYTES:
                yield path


def _is_left_out(name: str) -> bool:
    return name.startswith(".") or name in LEFT_OUT or name.endswith(".egg-info")


def _plain(lines: list[str]) -> str:
    """One line without marks; the cells of a table row read as "first: second, third"."""
    text = " ".join(" ".join(lines).split())
    if text.startswith("|"):
        first, *others = (cell.strip() for cell in text.strip("| ").split("|"))
        text = f"{first}: {', '.join(others)}" if others else first
    return re.sub(r"\*|`|\[(?=[^\]]*\]\()|\]\([^)]*\)", "", _ITEM.sub("", text))
