"""Who has a lock, in words."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkpoint.errors import DatabaseUnwritableError
from checkpoint.lock_holder import lock_holder
from checkpoint.locks import MARK, LockFile

HOLDS = """
import sys
from pathlib import Path
from checkpoint.locks import MARK, LockFile
with LockFile(Path(sys.argv[1]), bytes(MARK)).gate():
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the gate."""
    args = [sys.executable, "-c", HOLDS, str(tmp_path / "claims")]
    pipe = subprocess.PIPE
    with subprocess.Popen(args, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def refusal(locks: LockFile) -> str:
    with pytest.raises(DatabaseUnwritableError) as refused, locks.gate():
        pass
    return str(refused.value)


def test_who_waits_too_long_is_told_which_process_writes_and_that_it_is_stopped(
    tmp_path: Path, writer: subprocess.Popen[str]
) -> None:
    locks = LockFile(tmp_path / "claims", bytes(MARK), patience=0.01)
    named = f"process {writer.pid}" if sys.platform in ("linux", "darwin") else "another process"
    assert f"{named} has been writing for 0.01 s" in refusal(locks)
    if sys.platform == "linux":
        writer.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, writer.pid, os.WSTOPPED)
        assert f"{named}, which is stopped, has been writing" in refusal(locks)
    writer.kill()
    writer.wait()
    with locks.gate():
        pass
    locks.close()


def test_a_lock_that_nobody_has_is_another_processs_that_nobody_knows(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        assert lock_holder(file.fileno(), 7) == "another process"
