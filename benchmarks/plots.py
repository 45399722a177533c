"""Draws results as SVG with matplotlib: how far ours is ahead, what things cost, how that grows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .contenders import LIMIT, OURS, PEERS, THEIRS
from .growing import Grown
from .runner import Result

COLOURS = {
    OURS: "#1b6ca8",
    THEIRS: "#d1495b",
    LIMIT: "#7a7a7a",
    **dict(zip(PEERS, ("#edae49", "#66a182", "#8d6a9f", "#00798c"), strict=True)),
}
NAMES = {THEIRS: "LangGraph", LIMIT: "bare"}


def draw(folder: Path, results: Sequence[Result], grown: Sequence[Grown]) -> list[Path]:
    """Write the charts that there are figures for; gives their paths.

    Raises ImportError without matplotlib.
    """
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "benchmarks", "svg.fonttype": "none", "font.size": 9})
    charts = [("ratios.svg", _ratios(results)), ("times.svg", _times(results))]
    charts += [(f"growth-{each.curve.name}.svg", _growth(each)) for each in grown]
    paths = list[Path]()
    for name, figure in charts:
        if figure is not None:
            figure.savefig(folder / name, metadata={"Date": None}, bbox_inches="tight")
            paths.append(folder / name)
    return paths


def _ratios(results: Sequence[Result]) -> Any:
    """LangGraph's figure over ours, with a mark where a target stands."""
    rows = [(each, each.ratio) for each in results if each.ratio is not None][::-1]
    if not rows:
        return None
    figure, axes = _new(0.26 * len(rows) + 1)
    axes.barh(
        [each.workload.name for each, _ in rows], [ratio for _, ratio in rows], color="#1b6ca8"
    )
    marks = [(each.workload.target.ratio, y) for y, (each, _) in enumerate(rows)]
    marks = [(ratio, y) for ratio, y in marks if ratio is not None]
    axes.scatter(*zip(*marks, strict=True), marker="|", s=120, color="black", zorder=3)
    axes.axvline(1, color="#7a7a7a", linewidth=0.8)
    axes.set(xscale="log", xlabel="times better than LangGraph; black marks are targets")
    return figure


def _times(results: Sequence[Result]) -> Any:
    """Medians of what is measured in microseconds, every contender's."""
    rows = [each for each in results if each.workload.unit.startswith("µs")][::-1]
    if not rows:
        return None
    figure, axes = _new(0.26 * len(rows) + 1.4)
    for contender, colour in COLOURS.items():
        found = [(each.median(contender), y) for y, each in enumerate(rows)]
        places = [(cost, y) for cost, y in found if cost is not None]
        if places:
            name = NAMES.get(contender, contender)
            axes.scatter(*zip(*places, strict=True), color=colour, label=name, s=26, zorder=3)
    axes.set_yticks(range(len(rows)), [each.workload.name for each in rows])
    axes.set(xscale="log", xlabel="µs, less is better")
    axes.grid(axis="both", linewidth=0.3)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=4, frameon=False)
    return figure


def _growth(grown: Grown) -> Any:
    """Cost against size, both as logarithms: a flat line is flat, a diagonal one linear."""
    figure, axes = _new(3.2, width=5)
    for contender, points in grown.points.items():
        name = NAMES.get(contender, contender)
        axes.plot(*zip(*points.items(), strict=True), "o-", color=COLOURS[contender], label=name)
    axes.set(xscale="log", yscale="log", xlabel=grown.curve.axis, ylabel="µs of processor time")
    bottom, top = axes.get_ylim()
    axes.set_ylim(min(bottom, top / 100), top)
    axes.set_title(f"{grown.curve.question}: size ** {grown.exponent:.2f}", fontsize=9)
    axes.grid(linewidth=0.3)
    if len(grown.points) > 1:
        axes.legend(frameon=False)
    return figure


def _new(height: float, width: float = 8) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    return figure, figure.add_subplot()
