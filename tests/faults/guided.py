"""Inputs for the decoders that new code paths lead to: `make guided`, or with atheris installed
`python -m tests.faults.guided`.

Its options are those of libFuzzer, such as `-max_total_time=600`, and folders of inputs to begin
with and to add to.  Those it begins with in any case are valid values and what a `Hostile` makes.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

SEEDS = 300
TRACED = ["checkpoint", "actors.codec", "streaming"]
"""Packages and modules whose paths lead on."""
READERS = frozenset({"checkpoint.reader", "checkpoint.codecs", "checkpoint.lengths"})
"""Without these there is nothing to be led by."""


def main(arguments: list[str]) -> None:
    """Run until an input fails, or as long as the options say."""
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=TRACED):
        decoder: Any = importlib.import_module("tests.faults.decoder")
        trial = decoder.Trial(decoder.Watch())
        hostile = decoder.Hostile(1, trial.plain, trial.key)
        seeds = [hostile.next() for _ in range(SEEDS)]
        for data in seeds:  # what is imported when it is first needed is traced, too
            _check(trial, data)
    assert sys.modules.keys() >= READERS

    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(seeds):
            Path(folder, f"{number:04}").write_bytes(data)
        atheris.Setup([sys.argv[0], *arguments, folder], lambda data: _check(trial, data))
        atheris.Fuzz()


def _check(trial: Any, data: bytes) -> None:
    wrong = trial.failure(data)
    if wrong is not None:
        raise AssertionError(wrong)


if __name__ == "__main__":
    main(sys.argv[1:])
