"""Clients in several processes on one file see what some order of their questions gives, also when
a process is killed in the midst of them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.forks import KILLED, Child, ForkServer
from tests.faults.scale import WHOLE, client_histories
from tests.histories.clients import Scripts, history_of, scripts_of
from tests.histories.linear import NEVER, Operation
from tests.histories.models import unexplained

PROCESSES = 3
CLIENTS = 2
"""In each process."""
LENGTH = 6
"""Questions of a client."""
TOLD = 2 * CLIENTS * LENGTH + 1
"""Lines of a process in one history: calls, returns and the end."""
ROUNDS = 10 if WHOLE else 2
"""Histories of one test."""


class Processes:
    """Processes on one file, each with clients of its own."""

    def __init__(self, server: ForkServer, path: Path) -> None:
        self._server = server
        self._path = path
        self._children = [self._fork() for _ in range(PROCESSES)]
        self.kills = 0

    def close(self) -> None:
        for child in self._children:
            child.kill()

    def round(self, dice: random.Random, number: int) -> list[Operation]:
        """Let all clients ask, and maybe kill a process meanwhile; gives what they saw."""
        threads = [f"{number} a", f"{number} b"]
        asked: list[tuple[Child, int, Scripts]] = []
        for at, child in enumerate(self._children):
            names = [f"{at}.{client}" for client in range(CLIENTS)]
            scripts = scripts_of(dice, names, threads=threads, length=LENGTH)
            asked.append((child, len(child.lines), scripts))
            child.ask(scripts=scripts)
        victim, killed = dice.choice([*range(PROCESSES), None, None]), NEVER
        if victim is not None:
            child, begin, _ = asked[victim]
            child.listen(lines=begin + dice.randrange(1, TOLD))
            killed = time.monotonic()
            assert child.kill() == KILLED
            self.kills += 1
            self._children[victim] = self._fork()
        died = time.monotonic()
        history: list[Operation] = []
        for at, (child, begin, scripts) in enumerate(asked):
            if at != victim:
                assert child.listen(lines=begin + TOLD)
            lines = child.lines[begin:]
            assert at == victim or lines[-1] == ["end"]
            history += history_of(
                scripts, [line for line in lines if line != ["end"]], died, killed
            )
        return history

    def _fork(self) -> Child:
        return self._server.start("clients", path=self._path)


@pytest.mark.timeout(200)
@pytest.mark.parametrize("seed", client_histories(ROUNDS))
def test_what_clients_in_several_processes_see_is_explained_by_one_order(
    seed: int,
    server: ForkServer,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    dice = random.Random(seed)
    questions = 0
    processes = Processes(server, tmp_path / "threads.db")
    try:
        for number in range(ROUNDS):
            history = processes.round(dice, number)
            assert (found := unexplained(history)) is None, str(found)
            questions += len(history)
    finally:
        processes.close()
    record_property("questions of clients", questions)
    record_property("histories of clients", ROUNDS)
    record_property("kills", processes.kills)
