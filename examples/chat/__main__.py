"""Talk about the documents of a folder; conversations are kept and can be gone on with.

    python -m examples.chat                          about this repository
    python -m examples.chat --folder ~/notes --thread trip
    python -m examples.chat --demo                   is killed twice, and loses nothing

Answers come from the model that OPENAI_BASE_URL (OPENAI_API_KEY, OPENAI_MODEL) names; without one
they are put together from the documents' own words.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from checkpoint import CheckpointError, SqliteSaver

from .answer import Extractive
from .demo import play
from .endpoint import Endpoint
from .graph import Desk
from .search import REPOSITORY, Library
from .terminal import Terminal


def default_database() -> Path:
    """A file in the user's data folder."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "understudy" / "chat.sqlite"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.chat", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--folder", type=Path, default=REPOSITORY, help="where the documents are")
    parser.add_argument("--db", type=Path, help="where conversations are kept")
    parser.add_argument("--thread", default="main", help="the conversation to go on with")
    parser.add_argument("--demo", action="store_true", help="show what a crash does; asks nothing")
    return parser.parse_args()


def talk(folder: Path, database: Path, thread: str) -> int:
    if not folder.is_dir():
        print(f"{folder} is no folder; give one with --folder", file=sys.stderr)
        return 2
    endpoint = Endpoint.from_environment()
    desk = Desk(Library.of(folder), endpoint or Extractive(pace=0.02))
    database.parent.mkdir(parents=True, exist_ok=True)
    by = endpoint.model if endpoint else "quotes (set OPENAI_BASE_URL for a model)"
    print(f"{len(desk.library)} documents of {folder}; answers by {by}; /help helps")
    try:
        with SqliteSaver.from_conn_string(database) as saver:
            Terminal(saver, desk, thread).run()
    except CheckpointError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def main() -> int:
    given = arguments()
    if given.demo:
        return play()
    return talk(given.folder, given.db or default_database(), given.thread)


if __name__ == "__main__":
    sys.exit(main())
