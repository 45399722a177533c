"""Inputs for the decoders that new code paths lead to: `python -m tests.faults.guided`.

Needs atheris (`pip install atheris`), which no other test does; its options are those of libFuzzer,
such as `-max_total_time=600`.  It begins with valid values and those that a `Hostile` makes.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

SEEDS = 300


def main(arguments: list[str]) -> None:
    """Run until an input fails, or as long as the options say."""
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["checkpoint"]):
        decoder: Any = importlib.import_module("tests.faults.decoder")
    trial = decoder.Trial(decoder.Watch())
    hostile = decoder.Hostile(1, trial.plain, trial.key)

    def one(data: bytes) -> None:
        wrong = trial.failure(data)
        if wrong is not None:
            raise AssertionError(wrong)

    with tempfile.TemporaryDirectory() as folder:
        for number in range(SEEDS):
            Path(folder, f"{number:04}").write_bytes(hostile.next())
        atheris.Setup([sys.argv[0], folder, *arguments], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
