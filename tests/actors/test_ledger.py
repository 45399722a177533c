"""The ledger: counted on the way up, given to the nearest hook, logged where there is none."""

from __future__ import annotations

import asyncio
import logging

import pytest

from actors.ledger import DeadLetter, Ledger
from tests.actors.kernel import CrashError, Hooks

LETTER = DeadLetter("actor", {"a": 1}, "stopped")


def test_everything_is_counted_up_to_the_root() -> None:
    hooks = Hooks()
    root = Ledger("root", None, hooks.dead_letter, hooks.failure)
    leaf = Ledger("leaf", Ledger("middle", root))
    leaf.dead_letter(LETTER)
    leaf.report("task", CrashError())
    leaf.restarted("actor", 0.1, CrashError())
    leaf.escalated("middle", 0.1, CrashError())
    assert root.tally == leaf.tally
    assert (root.tally.dead_letters, root.tally.failures) == (1, 2)
    assert (root.tally.restarts, root.tally.escalations) == (1, 1)


def test_the_nearest_hook_gets_it_and_no_other() -> None:
    far, near = Hooks(), Hooks()
    root = Ledger("root", None, far.dead_letter, far.failure)
    leaf = Ledger("leaf", root, on_dead_letter=near.dead_letter)
    leaf.dead_letter(LETTER)
    leaf.report("task", CrashError())
    assert (near.letters, far.letters) == ([LETTER], [])
    assert [name for name, _ in far.failures] == ["task"]


def test_without_hooks_it_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    ledger = Ledger("root")
    ledger.dead_letter(LETTER)
    ledger.report("task", CrashError("why"))
    assert [record.levelname for record in caplog.records] == ["INFO", "ERROR"]
    assert "{'a': 1}" in caplog.text
    assert "CrashError: why" in caplog.text


def test_a_hook_that_fails_is_logged_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: object) -> None:
        raise CrashError("hook")

    ledger = Ledger("root", None, broken, broken)
    ledger.dead_letter(LETTER)
    ledger.report("task", CrashError())
    assert ledger.tally.dead_letters == ledger.tally.failures == 1
    assert [record.message for record in caplog.records] == [
        f"the dead-letter hook failed on {LETTER}",
        "the failure hook failed on 'task'",
    ]


async def test_a_leftover_is_counted_and_named_once(caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger("leaf", Ledger("root"))
    task = asyncio.create_task(asyncio.Event().wait(), name="stubborn")
    ended = asyncio.create_task(asyncio.sleep(0), name="ended")
    await ended
    ledger.leftovers([task, ended])
    ledger.leftovers([task])
    assert ledger.tally.leftovers == 1
    assert [record.message for record in caplog.records] == [
        "still running after their cancel and its grace: stubborn"
    ]
    task.cancel()
    await asyncio.wait([task])
