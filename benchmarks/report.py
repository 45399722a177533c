"""Writes results down: all rounds as JSON, medians as a Markdown table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .contenders import LIMIT, OURS, THEIRS
from .runner import Figures, Result

HEAD = (
    "| workload | what is measured | unit | ours | LangGraph | bare asyncio | ratio | target | met "
    "|\n"
    "|---|---|---|--:|--:|--:|--:|--:|---|"
)


def write(folder: Path, machine: Mapping[str, str], results: Sequence[Result]) -> None:
    """Put results.json and results.md into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    raw = {"machine": dict(machine), "results": [_raw(result) for result in results]}
    (folder / "results.json").write_text(json.dumps(raw, indent=2, ensure_ascii=False) + "\n")
    (folder / "results.md").write_text(markdown(machine, results) + "\n")


def markdown(machine: Mapping[str, str], results: Sequence[Result]) -> str:
    """The machine as a list, the medians as a table; the ratio says how far ours is ahead."""
    facts = "\n".join(f"- {name}: {value}" for name, value in machine.items())
    rows = "\n".join(_row(result) for result in results)
    return f"{facts}\n\n{HEAD}\n{rows}"


def _row(result: Result) -> str:
    workload, ratio = result.workload, result.ratio
    met = {True: "yes", False: "**no**", None: ""}[result.met]
    cells = [
        workload.name,
        workload.question,
        workload.unit,
        *(_cell(result.figures.get(name)) for name in (OURS, THEIRS, LIMIT)),
        f"{ratio:.1f} ×" if ratio is not None else "",
        str(workload.target),
        met,
    ]
    return "| " + " | ".join(cells) + " |"


def _cell(figures: Figures | None) -> str:
    """The median, and how far the rounds lie apart when there were several."""
    if figures is None:
        return ""
    several = f" ±{figures.spread / 2:.0%}" if len(figures.rounds) > 1 else ""
    return f"{figures.median:,.1f}{several}"


def _raw(result: Result) -> dict[str, Any]:
    return {
        "name": result.workload.name,
        "unit": result.workload.unit,
        "rounds": {name: list(figures.rounds) for name, figures in result.figures.items()},
        "ratio": result.ratio,
        "target": str(result.workload.target),
        "met": result.met,
    }
