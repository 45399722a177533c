"""Clients of one server that ask at the same time see what some order of their questions gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agent_server.serving import serving
from tests.histories.asking import CLIENTS, LENGTH, seen_of_a_server
from tests.histories.following import Follower
from tests.histories.linear import Operation, violation_in
from tests.histories.server import GRAPH_ID, ServerModel
from tests.histories.threads import GRAPH


@pytest.mark.parametrize("seed", range(8))
async def test_what_clients_of_a_server_see_is_explained_by_one_order(
    seed: int, tmp_path: Path
) -> None:
    history = await seen_of_a_server(tmp_path, seed)
    assert len(history) == len(CLIENTS) * LENGTH
    assert (found := violation_in(history, ServerModel())) is None, str(found)


def asked(name: str, began: float, ended: float, *given: object, result: object) -> Operation:
    return Operation("a client", "thread", name, given, began, ended, result)


CREATED = asked("create", 0, 1, "tag", result="done")
RUN = asked("run", 2, 9, ("input", "w"), "enqueue", result=(("w", "first"), True))


@pytest.mark.parametrize(
    "rest",
    [
        [asked("update", 2, 3, "u", result=("status", 404))],
        [RUN, asked("run", 10, 11, ("input", "v"), "reject", result=("status", 409))],
        [RUN, asked("look", 10, 11, result=("tag", "busy", ("w", "first")))],
        [RUN, asked("look", 10, 11, result=("tag", "interrupted", ()))],
        [RUN, asked("look", 10, 11, result=("tag", "interrupted", ("w",)))],
        [
            asked("update", 2, 3, "u", result="done"),
            asked("look", 4, 5, result=("tag", "idle", ())),
        ],
    ],
    ids=[
        "a thread that is there and is not found",
        "a run in the way that has ended",
        "a row that stays busy",
        "a row without the values",
        "a row with the values of an earlier step",
        "an update that the row does not show",
    ],
)
def test_a_server_that_says_something_else_is_refused(rest: list[Operation]) -> None:
    assert violation_in([CREATED, *rest], ServerModel()) is not None


def lost(name: str, began: float, ended: float, *given: object) -> Operation:
    return Operation("a client", "thread", name, given, began, ended, lost=True, killed=began)


GONE = asked("state", 10, 11, result=("status", 404))
EMPTY = asked("state", 10, 11, result=((), (), False))
PAUSED = asked("state", 12, 13, result=(("w", "first"), ("ask",), True))


@pytest.mark.parametrize("seen", [GONE, EMPTY])
def test_what_was_lost_with_a_server_has_happened_or_not(seen: Operation) -> None:
    assert violation_in([CREATED, lost("delete", 2, 3), seen], ServerModel()) is None


def test_what_was_lost_does_not_happen_later() -> None:
    history = [CREATED, lost("delete", 2, 3), EMPTY, asked("state", 12, 13, result=("status", 404))]
    assert violation_in(history, ServerModel()) is not None


def test_a_run_that_was_lost_may_go_on_with_the_next_server() -> None:
    run = lost("run", 2, float("inf"), ("input", "w"), "enqueue")
    assert violation_in([CREATED, run, EMPTY, PAUSED], ServerModel()) is None
    again = asked("state", 14, 15, result=((), (), False))
    assert violation_in([CREATED, run, EMPTY, PAUSED, again], ServerModel()) is not None


def cancelled(result: object) -> Operation:
    return asked("run_and_cancel", 2, 9, ("input", "w"), "enqueue", "rollback", result=result)


def test_a_run_that_was_cancelled_is_rolled_back_and_one_that_had_ended_is_not() -> None:
    assert violation_in([CREATED, cancelled("cancelled"), EMPTY], ServerModel()) is None
    ended = cancelled((("w", "first"), True))
    assert violation_in([CREATED, ended, PAUSED], ServerModel()) is None
    assert violation_in([CREATED, ended, EMPTY], ServerModel()) is not None


def test_a_deletion_may_give_up_when_it_has_rolled_back_more_than_one_run() -> None:
    took = [
        asked("run", 2, 9, ("input", "w"), "enqueue", result=((), False)),
        asked("run", 5, 9, ("input", "v"), "enqueue", result=((), False)),
    ]
    gave_up = asked("delete", 3, 9, result=("status", 409))
    assert violation_in([CREATED, *took, gave_up, EMPTY], ServerModel()) is None
    assert violation_in([CREATED, gave_up, EMPTY], ServerModel()) is not None


def test_a_run_that_is_being_interrupted_is_not_rolled_back_by_the_next_one() -> None:
    """Seed 135, once in some 2,700 times: its row does not say yet how it ended when a run that
    came with "rollback" has ended the one that came with "interrupt"."""
    first = asked("run", 2, 9, ("input", "first"), "enqueue", result=(("first",), False))
    second = asked("run", 3, 5, ("input", "second"), "interrupt", result=((), False))
    kept = (("first", "third", "first"), True)
    third = asked("run", 4, 11, ("input", "third"), "rollback", result=kept)
    look = asked("look", 6, 7, result=("tag", "busy", ()))
    history = [CREATED, first, second, third]
    assert violation_in([*history, look], ServerModel()) is None
    late = asked("look", 12, 13, result=("tag", "interrupted", ()))
    assert violation_in([*history, late], ServerModel()) is not None


@pytest.mark.parametrize("strategy", ["enqueue", "reject"])
def test_a_run_that_was_cancelled_before_its_turn_is_in_nobodys_way(strategy: str) -> None:
    """Seed 4485: an update was let in beside it, and the row said that the thread was busy, as the
    cancelled run was not over."""
    first = asked("run", 2, 7, ("input", "v"), "enqueue", result=((), False))
    given = (("input", "w"), "interrupt", "rollback")
    cancelled = asked("run_and_cancel", 3, 20, *given, result="cancelled")
    update = asked("update", 8, 18, "u", result="done")
    look = asked("look", 11, 12, result=("tag", "busy", ()))
    seen = asked("state", 9, 10, result=(("u",), ("ask",), False))
    history = [CREATED, first, cancelled, update, seen, look]
    assert violation_in(history, ServerModel()) is None
    other = asked("run", 13, 25, ("input", "x"), strategy, result=(("u", "x", "first"), True))
    assert violation_in([*history, other], ServerModel()) is None
    late = asked("look", 21, 22, result=("tag", "busy", ()))
    assert violation_in([*history, late], ServerModel()) is not None


async def test_who_is_told_something_else_than_the_log_says_notices(tmp_path: Path) -> None:
    async with serving(tmp_path, {GRAPH_ID: GRAPH}) as server:
        thread = (await server.ask("POST", "/threads", {}))["thread_id"]
        follower = Follower(server.http, cut=2, seen=lambda: None)
        body = {"assistant_id": GRAPH_ID, "input": {"log": ["w"]}}
        assert await follower.start(f"/threads/{thread}", body) is None
        await follower.check()
        whole = follower.frames
        assert len(whole) > 3
        for wrong in (whole[:-1], [*whole[:2], *whole[3:]], [*whole, whole[-1]], whole[::-1]):
            follower.frames = wrong
            with pytest.raises(AssertionError):
                await follower.check()
