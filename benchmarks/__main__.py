"""The command: `python -m benchmarks [--quick] [--server | --only NAME …] [--out FOLDER]`."""

from __future__ import annotations

import argparse
from pathlib import Path

from .machine import describe
from .report import markdown, write
from .runner import run
from .served.server import Servers
from .workloads import WORKLOADS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two rounds of less work each")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument(
        "--server", action="store_true", help="the workloads that ask a server, and no others"
    )
    chosen.add_argument(
        "--only", nargs="+", metavar="NAME", choices=sorted(WORKLOADS), help="these workloads only"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="write results.json and .md here"
    )
    given = parser.parse_args()
    names = [name for name in WORKLOADS if (WORKLOADS[name].load is Servers) is given.server]
    results = run([WORKLOADS[name] for name in given.only or names], quick=given.quick, say=print)
    machine = describe()
    if given.out is not None:
        write(given.out, machine, results)
    print(f"\n{markdown(machine, results)}")


if __name__ == "__main__":
    main()
