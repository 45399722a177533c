"""The command: `python -m benchmarks [--quick] [--server | --only NAME …] [--out FOLDER]`."""

from __future__ import annotations

import argparse
from pathlib import Path

from .curves import CURVES
from .growing import grow
from .machine import describe
from .report import Report, markdown, write
from .runner import run
from .served.server import Servers
from .workloads import WORKLOADS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="one round of less work, and curves of ours alone"
    )
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument(
        "--server", action="store_true", help="the workloads that ask a server, and no others"
    )
    chosen.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        choices=sorted([*WORKLOADS, *CURVES]),
        help="these workloads and curves only",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="write results.json, .md and charts here"
    )
    given = parser.parse_args()
    names = given.only or _usual(server=given.server)
    machine = describe()
    workloads = [WORKLOADS[name] for name in names if name in WORKLOADS]
    curves = [CURVES[name] for name in names if name in CURVES]
    results = run(workloads, quick=given.quick, say=print)
    report = Report(machine, results, grow(curves, quick=given.quick, say=print))
    if given.out is not None:
        write(given.out, report)
    print(f"\n{markdown(report)}")


def _usual(*, server: bool) -> list[str]:
    """All of the one kind or the other."""
    names = [name for name in WORKLOADS if (WORKLOADS[name].load is Servers) is server]
    return names if server else [*names, *CURVES]


if __name__ == "__main__":
    main()
