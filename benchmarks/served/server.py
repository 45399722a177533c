"""A server in a process of its own: started, looked at through /proc, stopped."""

from __future__ import annotations

import importlib.metadata
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep

from benchmarks.contenders import OURS, THEIRS

from .client import Connection, check, request
from .source import write_project

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60
"""Seconds that a server may take to start."""
TICK = os.sysconf("SC_CLK_TCK")
QUIET = {"UNDERSTUDY_LOG_LEVEL": "warning", "LOG_LEVEL": "warning", "LANGSMITH_TRACING": "false"}
"""Neither writes a line per request."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers."""

    port: int
    pid: int
    started_in: float
    """Seconds from its start to its first answer."""
    answered_in: float
    """Seconds of those that are left once it takes connections."""
    folder: Path

    def connect(self) -> Connection:
        """A connection of one's own."""
        return Connection(self.port)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """End it as a crash does."""
        os.kill(self.pid, signal.SIGKILL)

    def memory(self) -> float:
        """MiB that it and its children hold."""
        pages = sum(int(_stat(pid)[21]) for pid in _family(self.pid))
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def processor_time(self) -> float:
        """Seconds of processor that it and its children have taken."""
        return sum(int(_stat(pid)[11]) + int(_stat(pid)[12]) for pid in _family(self.pid)) / TICK


@dataclass(frozen=True, slots=True)
class Servers:
    """One contender's servers."""

    name: str

    @property
    def is_ours(self) -> bool:
        """Whether it is ours, of which more can be asked in the same time."""
        return self.name == OURS

    @contextmanager
    def start(self, folder: Path, first: str = "/ok") -> Iterator[Server]:
        """A fresh one, with the settings that it has by itself: with nothing in it, if there is no
        database in the folder.  `first`: the path that it is asked for first."""
        config, port = write_project(folder, self.name), _free_port()
        began = perf_counter()
        with (folder / "server.log").open("w") as log:
            process = subprocess.Popen(
                _command(self.name, config, port),
                cwd=folder,
                env={**os.environ, **QUIET, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": ""},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            message = request("GET", first)
            listened = _await_answer(process, port, message, folder / "server.log")
            now = perf_counter()
            yield Server(port, process.pid, now - began, now - listened, folder)
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def peer_is_here() -> bool:
    """Whether LangGraph's server is installed."""
    try:
        importlib.metadata.version("langgraph-runtime-inmem")
    except importlib.metadata.PackageNotFoundError:
        return False
    return _their_command().exists()


def _their_command() -> Path:
    return Path(sys.executable).parent / "langgraph"


def _command(name: str, config: Path, port: int) -> list[str]:
    if name == OURS:
        options = ["--config", str(config), "--port", str(port)]
        return [sys.executable, "-m", "understudy", "serve", *options]
    assert name == THEIRS
    options = ["--config", str(config), "--port", str(port), "--no-reload", "--no-browser"]
    return [str(_their_command()), "dev", *options]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_answer(process: subprocess.Popen[bytes], port: int, message: bytes, log: Path) -> float:
    """Try every few milliseconds until it is there and has answered; when it took connections."""
    until = perf_counter() + PATIENCE
    while perf_counter() < until and process.poll() is None:
        try:
            with Connection(port) as connection:
                listened = perf_counter()
                check(connection.ask(message))
                return listened
        except OSError:
            sleep(0.005)
    raise RuntimeError(f"the server did not start; mend what it says:\n{log.read_text()}")


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat, from the third on: they count from 0 here."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _family(pid: int) -> list[int]:
    """A process, its children and theirs."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in _family(int(child)))]
