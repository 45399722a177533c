"""The demo: a conversation whose process is killed twice in the middle of an answer.

    python -m examples.chat --demo

Asks nothing of the user or a network. Exits with 1 if something that must hold does not.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from checkpoint import SqliteSaver

from .act import READ_BEFORE, SAID_BEFORE, THREAD, Act, Hold, Notice, perform
from .facts import facts_of
from .graph import chat_graph
from .screen import Screen
from .search import REPOSITORY
from .steps import steps_of, table

QUESTIONS = ("What is a checkpoint?", "And what survives when it is killed?")
"""The second leans on the first, which says what "it" is."""

PATIENCE = 30.0
"""Seconds that a process may be silent; it is never for one."""

INTRODUCTION = """\
Two questions about the documents of this repository. Each takes three super-steps: a search, the
reading of what it found (one task per document, all at the same time), and the answer. While the
second one is worked on, the process is killed twice; each time another one goes on from the last
checkpoint of the thread, which is in an SQLite file."""

Enough = Callable[[Sequence[Notice]], bool]
"""Given what a process has told so far: is this the moment to kill it?"""


class DemoError(Exception):
    """A process of the demo did what the demo does not have it do: it ended by itself, or hangs."""


def play() -> int:
    """Show it; 0 if all that must hold does."""
    with TemporaryDirectory(prefix="understudy-demo-") as name:
        folder = Path(name)
        print(INTRODUCTION)
        run(_act(folder, 1, QUESTIONS, "reading"), in_the_middle_of_reading)
        print(f"It had read {READ_BEFORE} documents and was reading the others.")
        run(_act(folder, 2, (), "answering"), in_the_middle_of_answering)
        print(f"It had said {SAID_BEFORE} words of the answer.")
        run(_act(folder, 3, (), "nothing"), None)
        return epilogue(folder)


def _act(folder: Path, process: int, questions: tuple[str, ...], hold: Hold) -> Act:
    database, journal = folder / "chat.sqlite", folder / "journal.txt"
    return Act(process, questions, hold, REPOSITORY, database, journal)


def in_the_middle_of_reading(told: Sequence[Notice]) -> bool:
    """The last question's documents are all begun, and as many are read as ever will be."""
    kinds = [notice.kind for notice in told]
    if kinds.count("asks") < len(QUESTIONS):
        return False
    last = told[len(kinds) - kinds[::-1].index("asks") :]
    found = [path for notice in last if notice.kind == "finds" for path in notice.text.split("\n")]
    begun = [notice for notice in last if notice.text.startswith("read ")]
    read = [notice for notice in last if notice.kind == "reads"]
    return len(begun) == len(found) and len(read) == READ_BEFORE


def in_the_middle_of_answering(told: Sequence[Notice]) -> bool:
    """All the words are said that ever will be."""
    return [notice.kind for notice in told].count("says") == SAID_BEFORE


def run(act: Act, enough: Enough | None) -> None:
    """Show one process from its start to its kill, or to its end."""
    spawn = multiprocessing.get_context("spawn")  # nothing of this process lives on in the new one
    ours, theirs = spawn.Pipe(duplex=False)
    process = spawn.Process(target=perform, args=(act, theirs), daemon=True)
    process.start()
    theirs.close()  # then reading ends when the process is gone
    print(f"\nProcess {act.process} starts (pid {process.pid}).")
    if not act.questions:
        print("It asks nothing: with the input None, the thread goes on where it stopped.")
    if _watch(ours, enough):
        process.kill()
        print(f"\nSIGKILL: process {act.process} is dead.")
    process.join()
    if process.exitcode != (0 if enough is None else -signal.SIGKILL):
        raise DemoError(f"process {act.process} ended by itself, with {process.exitcode}")


def _watch(pipe: Connection, enough: Enough | None) -> bool:
    """Show what a process tells; True when it is time to kill it, False when it has ended."""
    screen = Screen(indent="    ")
    told: list[Notice] = []
    for notice in _notices(pipe):
        told.append(notice)
        show(notice, screen)
        if enough is not None and enough(told):
            screen.end()
            return True
    return False


def _notices(pipe: Connection) -> Iterator[Notice]:
    while True:
        if not pipe.poll(PATIENCE):
            raise DemoError(f"a process has told nothing for {PATIENCE} s, so it hangs")
        try:
            yield pipe.recv()
        except EOFError:
            return


def show(notice: Notice, screen: Screen) -> None:
    """What a process told, for people."""
    match notice.kind:
        case "asks":
            print(f"\n  You: {notice.text}")
        case "finds":
            print(f"    found  {len(notice.text.splitlines())} documents")
        case "reads":
            print(f"    read   {notice.text}")
        case "keeps":
            print(f"    kept   {notice.text}: was read before the kill, does not run again")
        case "says":
            screen.say(notice.text)
        case "ends":
            screen.end()
        case "starts":
            pass


def epilogue(folder: Path) -> int:
    """The thread's history, and whether all that must hold does."""
    with SqliteSaver.from_conn_string(folder / "chat.sqlite") as saver:
        graph = chat_graph(saver)
        history = graph.get_state_history({"configurable": {"thread_id": THREAD}})
        steps = steps_of(history)
        facts = facts_of(graph, folder / "journal.txt", steps)
    print(f"\nThe thread's history:\n\n{table(steps)}\n\nWhat must hold:\n")
    for fact in facts:
        print(f"  {'yes' if fact.holds else 'BROKEN'}  {fact.text}")
    return 0 if all(fact.holds for fact in facts) else 1
