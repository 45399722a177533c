"""Processes to be killed: forks of one that has imported everything and opened nothing.

A fork costs milliseconds where a new interpreter costs half a second.  The server has one thread
and opens no database, so a child begins as a new process would, but for the imports.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
KILLED = -signal.SIGKILL
DEADLINE = 30.0
"""Seconds after which a child that says nothing is given up."""


class ForkServer:
    """Starts children; `tests/faults/child.py` is what runs in it."""

    def __init__(self, **environment: str) -> None:
        """`environment` is added to that of the children."""
        self._socket, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "tests.faults.child", str(theirs.fileno())]
            self._process = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], cwd=ROOT, env={**os.environ, **environment}
            )
        assert self._socket.recv(64) == b"ready"

    def start(self, role: str, **job: Any) -> Child:
        """Fork a child that does a job (see `child.py`) and tells what it gets, line by line."""
        told_here, told_there = os.pipe()
        asked_there, asked_here = os.pipe()
        request = json.dumps({"role": role, **job}, default=str).encode()
        socket.send_fds(self._socket, [request], [told_there, asked_there])
        os.close(told_there)
        os.close(asked_there)
        return Child(self, int(self._socket.recv(64)), told_here, asked_here)

    def reap(self, pid: int) -> int:
        """Wait until a child is gone; gives its exit code, or minus the signal that ended it."""
        self._socket.sendall(json.dumps({"role": "reap", "pid": pid}).encode())
        return int(self._socket.recv(64))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        assert self._process.wait(DEADLINE) == 0


class Child:
    """A process that tells what it gets, and may be asked for more."""

    def __init__(self, server: ForkServer, pid: int, fd: int, asked: int) -> None:
        self.pid = pid
        self._server = server
        self._fd = fd
        self._asked = asked
        self._data = bytearray()
        self._open = True

    @property
    def lines(self) -> list[Any]:
        """What it has told so far; a line that was torn was not told."""
        return [json.loads(line) for line in self._data.split(b"\n")[:-1]]

    def line(self, number: int) -> Any:
        """One of the lines it has told, from 0; None: not told yet."""
        told = self._data.split(b"\n")[:-1]
        return json.loads(told[number]) if number < len(told) else None

    def ask(self, **order: Any) -> None:
        """Ask for one more thing; a process that is dead is asked in vain."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._asked, json.dumps(order).encode() + b"\n")

    def hang_up(self) -> None:
        """Ask for no more: what waits for orders ends."""
        os.close(self._asked)
        self._asked = -1

    def listen(self, *, lines: int = sys.maxsize, seconds: float = DEADLINE) -> bool:
        """Read until it has told so many lines, or for some time; False: it ended before."""
        deadline = time.monotonic() + seconds
        while self._open and self._data.count(b"\n") < lines:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._fd], [], [], left)[0]:
                return True
            self._read()
        return self._open

    def kill(self) -> int:
        """Kill it and wait until it is gone; gives KILLED, or 0 if it had ended before."""
        os.kill(self.pid, signal.SIGKILL)
        return self.end()

    def end(self) -> int:
        """Read all it tells, and wait until it is gone."""
        while self._open:
            assert select.select([self._fd], [], [], DEADLINE)[0], f"it hangs: {self.lines[-3:]}"
            self._read()
        os.close(self._fd)
        if self._asked >= 0:
            self.hang_up()
        return self._server.reap(self.pid)

    def _read(self) -> None:
        data = os.read(self._fd, 1 << 16)
        self._data += data
        self._open = bool(data)
