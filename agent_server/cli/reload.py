"""A server that begins anew when a file has changed, and waits for the mend when it cannot.

The server is a child process.  The listening socket is the parent's, so that requests that come
while a child begins are answered a little later instead of refused.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import typer
from watchfiles import Change, DefaultFilter, watch

SUFFIXES = (".py", ".json", ".env", ".toml", ".yaml", ".yml", ".txt", ".md")
LOOK_EVERY = 200
"""Milliseconds between two looks at the child."""


class _Sources(DefaultFilter):
    """Files that graphs are made of; not what they write, such as databases and logs."""

    def __call__(self, change: Change, path: str) -> bool:
        relevant = path.endswith(SUFFIXES) or Path(path).name.startswith(".env")
        return relevant and super().__call__(change, path)


class Reloader:
    """Runs `understudy serve` with the arguments, again after each change in the folders."""

    def __init__(
        self, arguments: Sequence[str], listener: socket.socket, folders: Sequence[Path]
    ) -> None:
        self._command = [
            *(sys.executable, "-m", "understudy", "serve", "--fd", str(listener.fileno())),
            *arguments,
        ]
        self._descriptor = listener.fileno()
        self._folders = folders
        self._stopped = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._broken = False

    def run(self) -> None:
        """Until a signal asks to stop."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        self._start()
        try:
            for changes in watch(
                *self._folders,
                watch_filter=_Sources(),
                stop_event=self._stopped,
                rust_timeout=LOOK_EVERY,
                yield_on_timeout=True,
            ):
                if changes:
                    self._restart(sorted(Path(path).name for _, path in changes))
                else:
                    self._look()
        finally:
            self._end()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopped.set()

    def _start(self) -> None:
        self._broken = False
        # Ctrl-C goes to both, and the child is to end when it is told to: not in the middle of an
        # import, with a traceback.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._child = subprocess.Popen(self._command, pass_fds=[self._descriptor])  # noqa: S603
        signal.signal(signal.SIGINT, before)

    def _restart(self, names: Sequence[str]) -> None:
        typer.echo(f"{', '.join(dict.fromkeys(names))} changed; beginning anew")
        self._end()
        self._start()

    def _look(self) -> None:
        if self._child is not None and not self._broken and self._child.poll() is not None:
            self._broken = True
            typer.echo("the server has stopped; it begins anew when a file has changed", err=True)

    def _end(self) -> None:
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()
            self._child.wait()
