"""Writes results down: all rounds as JSON, medians as a Markdown table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .contenders import LIMIT, OURS, PEERS, THEIRS
from .growing import Grown
from .plots import draw
from .runner import Result

HEAD = """\
| workload | what is measured | unit | ours | LangGraph | bare | others | ratio | target | met |
|---|---|---|--:|--:|--:|---|--:|--:|---|"""
GROWTH = """\
| curve | what is measured | sizes count | µs of processor time | exponent | target | met |
|---|---|---|---|--:|--:|---|"""


@dataclass(frozen=True, slots=True)
class Report:
    """All that was measured, and on what."""

    machine: Mapping[str, str]
    results: Sequence[Result]
    grown: Sequence[Grown]


def write(folder: Path, report: Report) -> None:
    """Put results.json, results.md and the charts into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    raw = {
        "machine": dict(report.machine),
        "results": [_raw(result) for result in report.results],
        "growth": [_raw_growth(grown) for grown in report.grown],
    }
    (folder / "results.json").write_text(json.dumps(raw, indent=2, ensure_ascii=False) + "\n")
    try:
        charts = draw(folder, report.results, report.grown)
    except ImportError:
        shown = "No charts: matplotlib is not installed; see `make bench`."
    else:
        shown = "\n".join(f"![{path.stem}]({path.name})" for path in charts)
    (folder / "results.md").write_text(f"{markdown(report)}\n\n{shown}\n")


def markdown(report: Report) -> str:
    """The machine as a list, the medians as a table; the ratio says how far ours is ahead."""
    parts = ["\n".join(f"- {name}: {value}" for name, value in report.machine.items())]
    if report.results:
        parts.append("\n".join([HEAD, *map(_row, report.results)]))
    if report.grown:
        parts.append("\n".join([GROWTH, *map(_growth_row, report.grown)]))
    return "\n\n".join(parts)


def _growth_row(grown: Grown) -> str:
    curve, points = grown.curve, grown.points[OURS]
    costs = ", ".join(f"{cost:,.1f} at {size:,}" for size, cost in points.items())
    met = "yes" if grown.exponent <= curve.most else "**no**"
    cells = [curve.name, curve.question, curve.axis, costs, f"{grown.exponent:.2f}"]
    return "| " + " | ".join([*cells, f"≤ {curve.most:g}", met]) + " |"


def _raw_growth(grown: Grown) -> dict[str, Any]:
    return {
        "name": grown.curve.name,
        "axis": grown.curve.axis,
        "microseconds": grown.points,
        "exponent": grown.exponent,
        "most": grown.curve.most,
    }


def _row(result: Result) -> str:
    workload, ratio = result.workload, result.ratio
    met = {True: "yes", False: "**no**", None: ""}[result.met]
    cells = [
        workload.name,
        workload.question,
        workload.unit,
        *(_cell(result, name) for name in (OURS, THEIRS, LIMIT)),
        ", ".join(f"{name} {cell}" for name in PEERS if (cell := _cell(result, name))),
        f"{ratio:.1f} ×" if ratio is not None else "",
        str(workload.target),
        met,
    ]
    return "| " + " | ".join(cells) + " |"


def _cell(result: Result, contender: str) -> str:
    """The median, and how far the rounds lie apart when there were several."""
    figures = result.figures.get(contender)
    if figures is None:
        return "not installed" if contender in result.absent else ""
    several = f" ±{figures.spread / 2:.0%}" if len(figures.rounds) > 1 else ""
    return f"{figures.median:,.{1 if figures.median >= 1 else 2}f}{several}"


def _raw(result: Result) -> dict[str, Any]:
    return {
        "name": result.workload.name,
        "unit": result.workload.unit,
        "rounds": {name: list(figures.rounds) for name, figures in result.figures.items()},
        "not installed": result.absent,
        "ratio": result.ratio,
        "target": str(result.workload.target),
        "met": result.met,
    }
