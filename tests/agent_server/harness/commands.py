"""`understudy` as a user types it: a process of its own, and what it says."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.agent_server.harness.server import ROOT


@dataclass(frozen=True, slots=True)
class Said:
    status: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line that it says of a mistake."""
        (line,) = self.err.splitlines()
        return line


async def understudy(*arguments: str, cwd: Path, stdin: str = "", **environ: str) -> Said:
    """Run a command to its end."""
    process = await _started(arguments, cwd, environ, stderr=asyncio.subprocess.PIPE)
    out, err = await process.communicate(stdin.encode())
    assert process.returncode is not None
    return Said(process.returncode, out.decode(), err.decode())


class Talking:
    """A command that goes on, and its lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []

    async def says(self, pattern: str) -> re.Match[str]:
        """Wait for a line that matches, from here on."""
        assert self.process.stdout is not None
        while raw := await self.process.stdout.readline():
            line = raw.decode().rstrip()
            self.lines.append(line)
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"{pattern!r} was not said, but:\n" + "\n".join(self.lines))

    async def stops(self, number: int) -> int:
        """Its exit status after a signal."""
        self.process.send_signal(number)
        await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode


@asynccontextmanager
async def talking(*arguments: str, cwd: Path, **environ: str) -> AsyncIterator[Talking]:
    """Run a command for as long as the block."""
    process = await _started(arguments, cwd, environ, stderr=asyncio.subprocess.STDOUT)
    try:
        yield Talking(process)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.communicate()


async def _started(
    arguments: tuple[str, ...], cwd: Path, environ: Mapping[str, str], *, stderr: int
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "understudy", *arguments),
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **environ},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,  # a group of its own, which Ctrl-C would reach as a whole
    )
