"""Which process has a lock that this one does not get, and whether that one is stopped."""

from __future__ import annotations

import importlib
import os
import struct
import sys
from pathlib import Path
from typing import Any

_fcntl: Any = importlib.import_module("fcntl") if os.name == "posix" else None
_LAYOUTS = {"linux": "@hhqqi4x", "darwin": "@qqihh"}
"""Of `struct flock`: (type, whence, start, length, pid), or (start, length, pid, type, whence)."""


def lock_holder(fd: int, place: int) -> str:
    """In words: "process 7, which is stopped,", or "another process" where nobody says."""
    pid = _pid_at(fd, place)
    if not pid:
        return "another process"
    return f"process {pid}, which is stopped," if _is_stopped(pid) else f"process {pid}"


def _pid_at(fd: int, place: int) -> int:
    """The process that has the lock of one byte; 0 if none has, or the system does not say."""
    layout = _LAYOUTS.get(sys.platform)
    if layout is None or struct.calcsize("P") != 8:
        return 0
    begins = layout.startswith("@hh")
    kind = _fcntl.F_WRLCK, os.SEEK_SET
    asked = (*kind, place, 1, 0) if begins else (place, 1, 0, *kind)
    try:
        told = _fcntl.fcntl(fd, _fcntl.F_GETLK, struct.pack(layout, *asked))
    except OSError:
        return 0
    found = struct.unpack(layout, told)
    return found[4] if begins else found[2]


def _is_stopped(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] in ("T", "t")
