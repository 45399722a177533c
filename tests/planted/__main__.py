"""Plants bugs, one after the other, and sees the suite catch them: `python -m tests.planted`.

With words after it, only bugs whose names contain one of them; with `--table`, the table of the
page and nothing else.  Ends with 1 if any is not caught.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.planted.bug import Bug, StaleBugError
from tests.planted.table import BUGS, rows
from tests.planted.trial import Laboratory, TrialError, Verdict


def chosen(words: list[str]) -> list[Bug]:
    return [bug for bug in BUGS if not words or any(word in bug.name for word in words)]


def told(verdict: Verdict) -> str:
    bug = verdict.bug
    mark = "NOT CAUGHT" if verdict.missed else "caught"
    by = verdict.missed or f"by {bug.caught_by.removeprefix('tests/')}"
    return f"{mark:10} {bug.promise} {verdict.seconds:5.2f} s  {bug.name}: {by}"


def try_all(bugs: list[Bug]) -> bool:
    """Print what comes of each; True if all are caught."""
    uncaught = 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        laboratory = Laboratory(Path(folder))
        laboratory.check_clean(bugs)
        for verdict in pool.map(laboratory.try_out, bugs):
            uncaught += bool(verdict.missed)
            print(told(verdict), flush=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = used.ru_utime + used.ru_stime
    print(f"{len(bugs) - uncaught} of {len(bugs)} bugs caught, {seconds:.0f} s of processor time")
    return not uncaught


def main(words: list[str]) -> None:
    if words == ["--table"]:
        print("\n".join(rows()))
        return
    bugs = chosen(words)
    if not bugs:
        sys.exit(f"no bug has {' or '.join(map(repr, words))} in its name; --table shows all names")
    try:
        sys.exit(not try_all(bugs))
    except (StaleBugError, TrialError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
