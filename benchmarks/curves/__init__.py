"""All curves, one file per kind of thing that grows."""

from __future__ import annotations

from benchmarks.growth import Curve

from . import graphs, histories, readers, runs, states

CURVES: dict[str, Curve] = {
    curve.name: curve
    for module in (graphs, states, histories, runs, readers)
    for curve in module.CURVES
}
