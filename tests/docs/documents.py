"""Markdown documents, as the tests of the documents read them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

FRESH = "<!-- fresh -->"
"""A line before a block that starts a new chapter: its blocks share a namespace of their own."""

_FENCE = re.compile(r"^(?P<ticks>`{3,})(?P<info>\S*)\s*$")


@dataclass(frozen=True)
class Block:
    """One fenced block: what its fence says it is, the line its text starts on, the text."""

    info: str
    line: int
    text: str


@dataclass(frozen=True)
class Example:
    """A Python block and, when an ```output block follows it directly, what it must print."""

    source: Block
    output: str | None


@dataclass(frozen=True)
class Chapter:
    """The examples of a document that share one namespace."""

    path: Path
    examples: tuple[Example, ...]

    @property
    def label(self) -> str:
        return f"{self.path.relative_to(ROOT).as_posix()}:{self.examples[0].source.line}"


def documents() -> list[Path]:
    """The documents at the top of the repository and everything below docs/."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def chapters(path: Path) -> list[Chapter]:
    """The document's examples, chapter by chapter."""
    found: list[list[Example]] = [[]]
    items = list(_items(path.read_text(encoding="utf-8")))
    for item, following in zip(items, [*items[1:], ""], strict=True):
        if item == FRESH:
            found.append([])
        elif isinstance(item, Block) and item.info == "python":
            printed = isinstance(following, Block) and following.info == "output"
            found[-1].append(Example(item, following.text if printed else None))
    return [Chapter(path, tuple(examples)) for examples in found if examples]


def blocks(path: Path) -> list[Block]:
    """All its fenced blocks, in order."""
    items = _items(path.read_text(encoding="utf-8"))
    return [item for item in items if isinstance(item, Block)]


def prose(path: Path) -> str:
    """The document without its blocks."""
    items = _items(path.read_text(encoding="utf-8"))
    return "\n".join(item for item in items if isinstance(item, str))


def _items(text: str) -> Iterator[Block | str]:
    """Blocks, and the lines between them that are not empty."""
    lines = enumerate(text.splitlines(), 1)
    for number, line in lines:
        fence = _FENCE.match(line)
        if fence is None:
            if line.strip():
                yield line.strip()
            continue
        body: list[str] = []
        for _, inner in lines:
            if inner.strip() == fence["ticks"]:
                break
            body.append(inner)
        yield Block(fence["info"], number + 1, "".join(f"{inner}\n" for inner in body))
