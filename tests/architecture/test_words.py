"""Nothing in the repository depends on, or tells of, the machine it was written on."""

from __future__ import annotations

from pathlib import Path

from tests.architecture.source import ROOT

FOLDERS = (
    ".ci",
    "acceptance",
    "actors",
    "agent_server",
    "benchmarks",
    "checkpoint",
    "docs",
    "examples",
    "streaming",
    "tests",
)
OTHERS = frozenset({"__pycache__", "node_modules"})
SUFFIXES = frozenset(
    {
        "",
        ".cfg",
        ".csv",
        ".js",
        ".json",
        ".jsonl",
        ".md",
        ".mjs",
        ".py",
        ".sh",
        ".toml",
        ".txt",
        ".yml",
    }
)

# Written in two halves, so that this file does not contain them.
FORBIDDEN = tuple(
    first + second
    for first, second in (
        ("/wo", "rk/"),
        ("/ro", "ot/"),
        ("/ho", "me/"),
        ("py", "pi.org"),
        ("python", "hosted.org"),
        ("registry.", "npmjs"),
    )
)


def _text_files() -> list[Path]:
    top = [path for path in ROOT.iterdir() if path.is_file()]
    below = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()]
    return sorted(
        path for path in top + below if path.suffix in SUFFIXES and OTHERS.isdisjoint(path.parts)
    )


def test_no_file_names_this_machine_or_a_package_index() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {word}"
        for path in _text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for word in FORBIDDEN
        if word in line
    ]
    assert found == []
