"""SIGKILL while a run's events are kept: who comes back gets exactly what was missed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.faults.crashes import Crashes
from tests.faults.forks import KILLED, ForkServer
from tests.faults.logs import answer_of, check_log
from tests.faults.witness import Reference
from tests.faults.work import INPUT

KILLS = 18


@pytest.mark.parametrize("durability", ["async", "sync", "exit"])
def test_a_reader_in_a_new_process_gets_what_was_seen_and_what_was_missed(
    durability: str, server: ForkServer, tmp_path: Path, reference: Reference
) -> None:
    moments = Crashes(server, tmp_path, reference).measured(durability, durability=durability)
    kills = seen = missed = 0
    for number in range(KILLS):
        job: dict[str, Any] = {
            "path": tmp_path / "threads.db",
            "effects": tmp_path / "effects",
            "thread": f"thread {number}",
            "run_id": f"run {number}",
            "durability": durability,
        }
        child = server.start("logged", input=INPUT, attempt=1, **job)
        moments.await_one(child)
        kills += child.kill() == KILLED
        received = child.lines

        rest = check_log(server, job, received)
        seen += len(received)
        missed += len(rest)
    print(f"\n{durability}: {kills} kills, {seen} chunks seen, {missed} kept that nobody had seen")
    assert kills > KILLS / 4
    assert seen > KILLS


def test_a_run_taken_up_again_goes_on_in_its_log_without_a_gap(
    server: ForkServer, tmp_path: Path, reference: Reference
) -> None:
    moments = Crashes(server, tmp_path, reference).measured("again", durability="async")
    for number in range(10):
        job: dict[str, Any] = {
            "path": tmp_path / "threads.db",
            "effects": tmp_path / "effects",
            "thread": f"thread {number}",
            "run_id": f"run {number}",
            "durability": "async",
        }
        child = server.start("logged", input=INPUT, attempt=1, **job)
        child.listen(lines=moments.random.randrange(1, moments.lines))
        child.kill()
        received = child.lines
        _, *before = answer_of(server, job)
        last = received[-1][0]

        second = server.start("logged", input=None, attempt=2, after=last, **job)
        assert second.end() == 0
        ids, *after = answer_of(server, job)
        assert ids == list(range(1, len(ids) + 1))
        assert after[: len(before)] == before
        assert received + second.lines == after
        values = [data for _, ns, mode, data in after if mode == "values" and not ns]
        assert values[-1] == reference.final
