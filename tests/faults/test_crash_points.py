"""SIGKILL at every commit point: at its first passing, in the middle, and at the last one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actors import OutcomeUnknown
from checkpoint import SqliteSaver, SqliteStore
from tests.faults.asked import PHASES, Phase, Thread, asked_in
from tests.faults.asking import FINAL
from tests.faults.crashes import Crashes
from tests.faults.forks import KILLED, Child, ForkServer
from tests.faults.logs import answer_of, check_log
from tests.faults.paying import ALL, Shop, build_shop, go_on, had
from tests.faults.scale import WHOLE, some
from tests.faults.witness import Reference, points_of
from tests.faults.work import INPUT, Effects, build, message

STAGES = ("applied", "committed", "answered")
UNITS = [
    f"{kind} {stage}" for kind in ("saver", "claim", "checkpoint", "writes") for stage in STAGES
]
REST = ["claim taken", "claim left", "syncing", "synced", "moving", "moved"]
IN_DATABASE = [("in database", point) for point in UNITS + REST]
IN_MEMORY = [("in stream", point) for point in ("publish", "published", "delivered")]
IN_STREAM = [*IN_MEMORY, *(("in stream", point) for point in ("append", "appended", "shown"))]
EVENTS = [("in database", f"events {stage}") for stage in STAGES]

Point = tuple[str, str]
Count = Callable[..., dict[Point, int]]
Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def counted(server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Count:
    """How often a job that nobody kills passes each point; each is run once."""
    known: dict[str, dict[Point, int]] = {}

    def count(role: str, **job: Any) -> dict[Point, int]:
        key = f"{role} {sorted(job.items())}"
        if key not in known:
            folder = tmp_path_factory.mktemp("counted")
            where = {"path": folder / "db", "effects": folder / "effects", "thread": "counted"}
            child = server.start(role, attempt=1, count=True, **where, **job)
            assert child.end() == 0
            passed = child.lines[-1].items()
            known[key] = {(at, name): n for at, names in passed for name, n in names.items()}
        return known[key]

    return count


def passings(times: int) -> list[int]:
    """The first, the middle and the last."""
    return sorted({1, (times + 1) // 2, times})


WAYS = [("run", "async"), ("stream", "sync"), ("run", "sync"), ("stream", "async")]
STEPS = [
    *((*way, point) for way in WAYS for point in IN_DATABASE),
    *(("run", durability, point) for durability in ("async", "sync") for point in IN_MEMORY),
]


@pytest.mark.parametrize(("door", "durability", "point"), some(STEPS, 5))
def test_killed_at_a_point_of_a_step_nothing_is_lost_and_nothing_kept_runs_again(
    door: str,
    durability: str,
    point: Point,
    server: ForkServer,
    tmp_path: Path,
    reference: Reference,
    counted: Count,
    record_property: Record,
) -> None:
    crashes = Crashes(server, tmp_path, reference)
    times = counted(door, durability=durability, input=INPUT)[point]
    for nth in passings(times):
        crashes.once(door, Child.end, durability=durability, fault=[*point, nth])
    record_property("kills", crashes.figures.kills)
    assert crashes.figures.kills > 0


DURABILITIES = ["async", "exit", "sync"] if WHOLE else ["async"]
LOGGED = [*IN_STREAM, *EVENTS, ("in database", "checkpoint committed")]


@pytest.mark.parametrize("point", some(LOGGED, 2))
@pytest.mark.parametrize("durability", DURABILITIES)
def test_killed_at_a_point_of_an_event_whoever_comes_back_misses_nothing(
    durability: str,
    point: Point,
    server: ForkServer,
    tmp_path: Path,
    counted: Count,
    reference: Reference,
    record_property: Record,
) -> None:
    """What was seen is in the log, ids go on without a gap, and the run ends as it should have."""
    kills = 0
    times = counted("logged", durability=durability, input=INPUT, run_id="run")[point]
    for nth in passings(times):
        job: dict[str, Any] = {
            "path": tmp_path / "threads.db",
            "effects": tmp_path / f"{nth}.effects",
            "thread": f"thread {nth}",
            "run_id": f"run {nth}",
            "durability": durability,
        }
        child = server.start("logged", input=INPUT, attempt=1, fault=[*point, nth], **job)
        kills += child.end() == KILLED
        received = child.lines
        before = received + check_log(server, job, received)
        last = before[-1][0] if before else 0
        begun = _has_begun(job)
        again = server.start("logged", input=None if begun else INPUT, attempt=2, after=last, **job)
        assert again.end() == 0
        ids, *after = answer_of(server, job)
        assert ids == list(range(1, len(ids) + 1))
        assert after == before + again.lines
        values = [data for _, ns, mode, data in after if mode == "values" and not ns]
        assert values[-1] == reference.final
    record_property("kills", kills)
    assert kills > 0


def _has_begun(job: dict[str, Any]) -> bool:
    effects = Effects(job["effects"], 0)
    with SqliteSaver(job["path"]) as saver:
        config = {"configurable": {"thread_id": job["thread"]}}
        begun = build(effects, saver).get_state(config).metadata is not None
    effects.close()
    return begun


@pytest.mark.parametrize("point", some(IN_DATABASE, 6))
def test_without_durability_a_killed_run_left_the_state_before_it_or_its_result(
    point: Point,
    server: ForkServer,
    tmp_path: Path,
    counted: Count,
    reference: Reference,
    record_property: Record,
) -> None:
    times = counted("run", durability="exit", input=INPUT).get(point, 0)
    kills = 0
    for nth in passings(times) if times else []:
        job = {"path": tmp_path / "db", "effects": tmp_path / "effects", "thread": f"{nth}"}
        config: Any = {"configurable": {"thread_id": f"{nth}"}}
        effects = Effects(job["effects"], 0)
        with SqliteSaver(job["path"]) as saver:
            graph = build(effects, saver)
            before = {"log": [message("before")], "round": 0, "total": 7}
            graph.update_state(config, before, as_node="inner")
            points = points_of(graph, config)
        child = server.start(
            "run", input=INPUT, attempt=1, durability="exit", fault=[*point, nth], **job
        )
        kills += child.end() == KILLED
        with SqliteSaver(job["path"]) as saver:
            graph = build(effects, saver)
            left = points_of(graph, config)
            if left == points:
                assert child.lines[-1:] != ["end"], "what was acknowledged is there"
                graph.invoke(INPUT, config)
            final = graph.get_state(config)
        effects.close()
        assert final.next == ()
        assert final.values["log"] == [message("before"), *reference.final["log"]]
    record_property("kills", kills)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("stage", STAGES if WHOLE else ["committed"])
@pytest.mark.parametrize("kind", ["checkpoint", "writes"])
def test_killed_at_a_point_of_a_question_neither_it_nor_its_answer_is_lost(
    phase: Phase,
    kind: str,
    stage: str,
    server: ForkServer,
    tmp_path: Path,
    record_property: Record,
) -> None:
    (tmp_path / "whole").mkdir()
    whole = Thread(server, tmp_path / "whole", "async")
    phase(whole, ends=0, count=True)
    times = whole.told[-1]["in database"].get(f"{kind} {stage}", 0)
    for nth in some(passings(times), 2) if times else []:
        folder = tmp_path / str(nth)
        folder.mkdir()
        thread = Thread(server, folder, "async")
        told = phase(thread, ends=KILLED, fault=["in database", f"{kind} {stage}", nth])
        asked = [asked_in(line) for line in told if line[0] == []]
        for questions in asked:
            assert questions.items() <= thread.pending().items(), "what was asked is kept"
        assert thread.finish() == FINAL
        assert all(len(names) == 1 for names in thread.ids().values())
    record_property("kills", len(passings(times)) if times else 0)


@pytest.mark.parametrize("on_unknown", ["retry", "raise"])
@pytest.mark.parametrize("stage", STAGES)
def test_killed_at_a_point_of_an_effect_at_most_that_one_is_had_again(
    on_unknown: Any,
    stage: str,
    server: ForkServer,
    tmp_path: Path,
    counted: Count,
    record_property: Record,
) -> None:
    point = ("in database", f"writes {stage}")
    job = {"on_unknown": on_unknown, "durability": "async"}
    times = counted("pay", **job)[point]
    kills = 0
    for nth in some(range(1, times + 1), 8):
        folder = tmp_path / str(nth)
        folder.mkdir()
        where = {"path": folder / "db", "effects": folder / "effects", "thread": "thread"}
        child = server.start("pay", attempt=1, fault=[*point, nth], **where, **job)
        kills += child.end() == KILLED
        effects = Effects(folder / "effects", 2)
        with SqliteSaver(folder / "db") as saver:
            graph = build_shop(Shop(effects, on_unknown), saver)
            unknown = False
            try:
                state = go_on(graph)
            except OutcomeUnknown:
                unknown = True
            else:
                assert set(state["log"]) == {f"paid {key}" for key in ALL}
        effects.close()
        counts = had(folder / "effects")
        assert len({key for key, _ in counts}) == len(counts), "an effect has one name"
        twice = {key for (key, _), many in counts.items() if many > 1}
        assert max(counts.values(), default=0) <= 2
        if on_unknown == "raise":
            assert not twice
        assert len(twice) <= (2 if any("sent" in key for key in twice) else 1)
        assert unknown <= (on_unknown == "raise")
    record_property("kills", kills)
    assert kills > 0


@pytest.mark.parametrize("stage", STAGES)
def test_killed_at_a_point_of_the_store_what_was_put_is_there(
    stage: str, server: ForkServer, tmp_path: Path, counted: Count, record_property: Record
) -> None:
    point = ("in database", f"store {stage}")
    times = counted("store", items=9)[point]
    for nth in passings(times):
        path = tmp_path / f"{nth}.db"
        child = server.start("store", path=path, items=9, fault=[*point, nth])
        assert child.end() == KILLED
        with SqliteStore(path) as store:
            there = [item.value["number"] for item in store.search(("items",))]
        assert sorted(there) == list(range(1, len(there) + 1))
        assert len(there) - len(child.lines) in {0, 1}
    record_property("kills", len(passings(times)))


def test_every_point_that_a_run_passes_is_one_of_those_it_is_killed_at(counted: Count) -> None:
    """A new point is not forgotten here."""
    ways = [("run", "async"), ("logged", "async"), ("run", "exit")]
    jobs = [counted(role, durability=d, input=INPUT, run_id="run") for role, d in ways]
    passed: set[Point] = set().union(*jobs)
    assert passed <= {*IN_DATABASE, *IN_MEMORY, *LOGGED}
