"""The command `understudy`, also without what the server needs: then it says how to get that."""

from __future__ import annotations

import gc
import sys
from importlib.util import find_spec

SERVER_EXTRA = (
    "starlette",
    "uvicorn",
    "httptools",
    "websockets",
    "watchfiles",
    "orjson",
    "pydantic",
    "pydantic_settings",
    "typer",
    "rich",
    "httpx",
    "croniter",
    "prometheus_client",
)
"""Packages that `pip install understudy[server]` brings."""


def main() -> None:
    """Run the command that was asked for; see `understudy --help`."""
    missing = [name for name in SERVER_EXTRA if find_spec(name) is None]
    if missing:
        sys.exit(
            f"understudy: {', '.join(missing)} cannot be imported, which the command needs; "
            "pip install 'understudy[server]'"
        )
    # What is imported stays: to look through it for garbage, again and again while it grows, took
    # a sixth of the time until a server listens.
    gc.disable()
    from agent_server.cli import main as run

    gc.freeze()
    gc.enable()
    run()


if __name__ == "__main__":
    main()
