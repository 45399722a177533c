"""Every example of the documents and every program of examples/ runs and prints what it says."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.docs.documents import ROOT, Chapter, chapters, documents

CHAPTERS = [chapter for path in documents() for chapter in chapters(path)]
EXAMPLES = ROOT / "examples"
PROGRAMS = sorted(
    [path for path in EXAMPLES.glob("*.py") if not path.name.startswith("_")]
    + list(EXAMPLES.glob("*/__main__.py"))
)
BY_ITSELF = ("--check", "--demo")
"""Options under which a program that serves or converses shows itself and ends."""

TIMEOUT = 45
"""Seconds that a chapter or a program may take at most; all but a few take less than one."""


def _run(command: list[str], cwd: Path, stdin: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", *command],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.label)
def test_an_example_prints_what_the_document_shows(chapter: Chapter, tmp_path: Path) -> None:
    blocks = [(example.source.line, example.source.text) for example in chapter.examples]
    request = json.dumps({"file": str(chapter.path), "blocks": blocks})
    printed = json.loads(_run([str(Path(__file__).parent / "run_blocks.py")], tmp_path, request))
    for example, output in zip(chapter.examples, printed, strict=True):
        if example.output is not None:
            assert output == example.output


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_program_runs_and_prints_what_its_docstring_says(program: Path, tmp_path: Path) -> None:
    source = program.read_text(encoding="utf-8")
    name = program.relative_to(ROOT).as_posix().removesuffix(".py").removesuffix("/__main__")
    options = [option for option in BY_ITSELF if f'"{option}"' in source]
    printed = _run(["-m", name.replace("/", "."), *options], tmp_path)
    expected = _promised(source)
    if expected is not None:
        assert printed == expected


def _promised(source: str) -> str | None:
    """What stands below `Prints:` in the module's docstring."""
    doc = ast.get_docstring(ast.parse(source)) or ""
    _, found, below = doc.partition("Prints:\n")
    return textwrap.dedent(below).strip("\n") + "\n" if found else None
