"""What the figures were measured on: versions, machine, SQLite and how it syncs."""

from __future__ import annotations

import asyncio
import os
import platform
import sqlite3
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from .contenders import OURS, PEERS, THEIRS, is_here, load, version

PACKAGES = (
    "understudy",
    "aiosqlite",
    "msgpack",
    "anyio",
    "langgraph",
    "langgraph-checkpoint",
    "langgraph-checkpoint-sqlite",
    *PEERS.values(),
)
SERVERS = ("uvicorn", "langgraph-sdk", "langgraph-cli", "langgraph-api", "langgraph-runtime-inmem")
"""Named where they are installed."""
ABSENT = "not installed"
LEVELS = {0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"}


def describe() -> dict[str, str]:
    """Names and versions, for the head of a report."""
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()} "
        f"{platform.release()}",
        "load": "{:.1f}, {:.1f} and {:.1f} (1, 5 and 15 minutes) when it began".format(
            *os.getloadavg()
        ),
        "loop": "asyncio's own",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "sqlite": sqlite3.sqlite_version,
        "synchronous": f"{OURS}: NORMAL, and a flush of the log before a step counts as synced; "
        f"{THEIRS}: {asyncio.run(_their_level()) if is_here(THEIRS) else ABSENT}",
        **{name: version(name) or ABSENT for name in PACKAGES},
        **{name: found for name in SERVERS if (found := version(name))},
    }


def _processor() -> str:
    """The processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


async def _their_level() -> str:
    """The level LangGraph's saver leaves its connection at."""
    with tempfile.TemporaryDirectory() as folder:
        async with load(THEIRS).sqlite(Path(folder) / "x.db") as saver:
            await saver.setup()
            async with saver.conn.execute("PRAGMA synchronous") as cursor:
                (level,) = await cursor.fetchone()
    return LEVELS[level]
