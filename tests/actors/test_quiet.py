"""The log of a run that nobody watches: made when it is asked for, once, whoever asks."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from actors import Runtime
from actors.context import current
from actors.quiet import QuietLog
from tests.actors.engine import chain


def test_all_who_ask_get_the_same_log_and_the_same_id() -> None:
    quiet, barrier = QuietLog(None), threading.Barrier(8)

    def ask(_: int) -> tuple[int, str]:
        barrier.wait()
        return id(quiet.open()), quiet.run_id

    with ThreadPoolExecutor(8) as pool:
        [(_, run_id)] = set(pool.map(ask, range(8)))
    assert quiet.open().run_id == run_id


def test_a_log_has_the_id_that_was_given() -> None:
    quiet = QuietLog("mine")
    assert (quiet.run_id, quiet.open().run_id) == ("mine", "mine")


def test_a_log_is_closed_with_its_run() -> None:
    quiet = QuietLog(None)
    log = quiet.open()
    assert not log.closed
    quiet.close()
    assert log.closed


def test_a_log_that_is_asked_for_after_the_end_is_closed() -> None:
    quiet = QuietLog(None)
    quiet.close()
    assert quiet.open().closed


async def test_nodes_of_a_run_that_nobody_watches_find_one_run_id() -> None:
    seen = list[str | None]()

    async def look(state: Any, runtime: Runtime[Any]) -> dict[str, Any]:
        runtime.stream_writer("nobody reads this")
        assert runtime.execution_info is not None
        seen.append(runtime.execution_info.run_id)
        return {"log": []}

    graph = chain(a=look, b=look).compile()
    for _ in range(2):
        await graph.ainvoke({"log": []})
    first, second, third, fourth = seen
    assert first == second
    assert third == fourth
    assert first != third


async def test_a_run_that_nobody_watches_has_the_id_of_its_config() -> None:
    seen = list[str | None]()

    async def look(state: Any, runtime: Runtime[Any]) -> dict[str, Any]:
        assert runtime.execution_info is not None
        seen.append(runtime.execution_info.run_id)
        return {"log": []}

    await chain(a=look).compile().ainvoke({"log": []}, {"run_id": "mine"})
    assert seen == ["mine"]


async def test_a_run_that_asks_for_nothing_has_neither_log_nor_id() -> None:
    made = list[dict[str, Any]]()

    async def look(state: Any) -> dict[str, Any]:
        context = current()
        assert context is not None
        made.append(vars(context.scheduler.setting.events))
        return {"log": []}

    await chain(a=look, b=look).compile().ainvoke({"log": []})
    assert made == [{"_closed": True}] * 2  # the same dict twice, as its run left it
