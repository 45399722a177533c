"""/runs and /threads/…/runs over HTTP, where answers are JSON."""

from __future__ import annotations

import operator
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypedDict

import httpx
import pytest

from actors import START, Runtime, StateGraph, interrupt
from agent_server.left_rows import drop_answers
from agent_server.routes.runs import MAX_BATCH
from checkpoint import new_id
from tests.agent_server.harness import graphs
from tests.agent_server.harness.gate import Gate
from tests.agent_server.harness.server import ServerProcess
from tests.agent_server.serving import Serving, serving
from tests.agent_server.stage import Doors

JOKE = {"topic": "x and cats", "joke": "This is a joke about x and cats"}
SHOWN = [
    "run_id",
    "thread_id",
    "assistant_id",
    "metadata",
    "status",
    "kwargs",
    "multitask_strategy",
    "created_at",
    "updated_at",
    "langsmith_session_name",
]


@pytest.fixture
def doors() -> Doors:
    return Doors()


@pytest.fixture
async def server(tmp_path: Path, doors: Doors) -> AsyncIterator[Serving]:
    served = {
        "agent": graphs.agent,
        "fail": graphs.fail,
        "hitl": graphs.hitl,
        "steps": doors.graph,
    }
    async with serving(tmp_path, served) as server:
        yield server
        doors.open()


def body(graph_id: str = "agent", given: Any = None, **more: Any) -> dict[str, Any]:
    values = {"topic": "x"} if given is None and "command" not in more else given
    return {"assistant_id": graph_id, "input": values, **more}


async def thread_of(server: Serving) -> str:
    return (await server.ask("POST", "/threads", {}))["thread_id"]


async def post(server: Serving, path: str, given: Any) -> httpx.Response:
    answer = await server.http.post(path, json=given)
    assert answer.status_code == 200, answer.text
    return answer


# --- starting and waiting -----------------------------------------------------------------------


async def test_wait_answers_the_final_values_and_says_where_the_run_is(server: Serving) -> None:
    thread = await thread_of(server)
    for path in ("/runs/wait", f"/threads/{thread}/runs/wait"):
        answer = await post(server, path, body())
        assert answer.json() == JOKE
        assert answer.headers["content-type"] == "application/json"
        here = answer.headers["content-location"]
        assert here.startswith("/threads/")
        assert answer.headers["location"] == f"{here}/join"
        assert (await server.ask("GET", f"{here}/join")) == JOKE


async def test_a_failure_is_an_answer_and_the_status_stays_200(server: Serving) -> None:
    answer = await post(server, "/runs/wait", body("fail"))
    assert answer.json() == {"__error__": {"error": "ValueError", "message": "boom: x"}}


async def test_questions_and_answers(server: Serving) -> None:
    thread = await thread_of(server)
    path = f"/threads/{thread}/runs/wait"
    asked = (await post(server, path, body("hitl", {"text": "a"}))).json()
    (question,) = asked.pop("__interrupt__")
    assert asked == {"text": "a!"}
    assert list(question) == ["value", "id", "response_schema"]
    answered = await post(server, path, body("hitl", command={"resume": "yes"}))
    assert answered.json() == {"text": "a! done", "approved": "yes"}


async def test_a_background_run_is_shown_as_it_was_asked_for(server: Serving) -> None:
    thread = await thread_of(server)
    answer = await post(server, f"/threads/{thread}/runs", body(metadata={"m": 1}))
    run = answer.json()
    assert list(run) == SHOWN
    assert (run["status"], run["thread_id"]) == ("pending", thread)
    assert run["metadata"]["m"] == 1
    assert run["kwargs"]["input"] == {"topic": "x"}
    here = f"/threads/{thread}/runs/{run['run_id']}"
    assert answer.headers["content-location"] == here
    assert await server.ask("GET", f"{here}/join") == JOKE
    ended = await server.ask("GET", here)
    assert (ended["status"], ended["run_id"]) == ("success", run["run_id"])


async def test_a_background_run_without_a_thread_can_be_joined_by_the_ids_it_was_given(
    server: Serving, doors: Doors
) -> None:
    answer = await post(server, "/runs", body("steps", {"log": []}))
    run = answer.json()
    assert answer.headers["content-location"] == f"/runs/{run['run_id']}"
    assert run["kwargs"]["temporary"]
    here = f"/threads/{run['thread_id']}/runs/{run['run_id']}"
    assert (await server.ask("GET", here))["run_id"] == run["run_id"]
    doors.open()
    assert await server.ask("GET", f"{here}/join") == {"log": ["step1", "step2", "step3"]}


async def test_a_thread_is_made_when_that_is_asked_for(server: Serving) -> None:
    thread = new_id()
    path = f"/threads/{thread}/runs/wait"
    assert await server.refused("POST", path, body(), 404) == "Thread or assistant not found."
    await server.ask("POST", path, body(if_not_exists="create"))
    assert (await server.ask("GET", f"/threads/{thread}"))["values"] == JOKE


async def test_a_batch_starts_several_runs(server: Serving) -> None:
    thread = await thread_of(server)
    given = [body(given={"topic": "a"}), body(given={"topic": "b"}) | {"thread_id": thread}]
    runs = await server.ask("POST", "/runs/batch", given)
    assert [list(run) for run in runs] == [SHOWN] * 2
    assert runs[1]["thread_id"] == thread
    for run, topic in zip(runs, ("a", "b"), strict=True):
        here = f"/threads/{run['thread_id']}/runs/{run['run_id']}"
        assert (await server.ask("GET", f"{here}/join"))["topic"] == f"{topic} and cats"


async def test_one_bad_run_of_a_batch_lets_none_begin(server: Serving) -> None:
    thread = await thread_of(server)
    good = body() | {"thread_id": thread}
    for bad, status in (
        (body("nope"), 422),
        (body() | {"assistant_id": new_id()}, 404),
        (body() | {"thread_id": new_id()}, 404),
        (body(if_not_exists="create") | {"thread_id": ""}, 422),
        (body(command={"resume": 1}), 400),
    ):
        await server.refused("POST", "/runs/batch", [good, bad], status)
    await server.refused("POST", "/runs/batch", [body(), {"input": {}}], 422)
    await server.refused("POST", "/runs/batch", {"assistant_id": "agent"}, 422)
    await server.refused("POST", "/runs/batch", [body()] * (MAX_BATCH + 1), 422)
    assert server.services.dispatcher.stats().running == 0
    assert await server.ask("GET", f"/threads/{thread}/runs") == []
    absent = {"thread_id": new_id(), "if_not_exists": "create"}
    assert len(await server.ask("POST", "/runs/batch", [good, good, body() | absent])) == 3


async def test_the_multitask_strategy_holds(server: Serving, doors: Doors) -> None:
    thread = await thread_of(server)
    path = f"/threads/{thread}/runs"
    await server.ask("POST", path, body("steps", {"log": []}))
    detail = await server.refused("POST", path, body(multitask_strategy="reject"), 409)
    assert detail.startswith("Thread is already running a task.")


@pytest.mark.parametrize(
    ("path", "given", "status"),
    [
        ("/runs/wait", {"input": {}}, 422),
        ("/runs/wait", {"assistant_id": "nope"}, 422),
        ("/runs/wait", {"assistant_id": "22222222-2222-4222-8222-222222222222"}, 404),
        ("/runs/wait", [], 422),
        ("/runs/wait", {"assistant_id": "hitl", "command": {"resume": "x"}}, 400),
        ("/runs", {"assistant_id": "agent", "webhook": "http://127.0.0.1/x"}, 422),
        ("/runs", {"assistant_id": "agent", "stream_mode": "tools"}, 422),
        ("/threads/xyz/runs", {"assistant_id": "agent"}, 422),
        ("/threads/..%2f..%2fetc/runs", {"assistant_id": "agent"}, 404),
    ],
)
async def test_what_cannot_be_is_refused(
    server: Serving, path: str, given: Any, status: int
) -> None:
    assert await server.refused("POST", path, given, status)


# --- looking ------------------------------------------------------------------------------------


async def test_runs_are_listed_newest_first_in_pages_and_by_status(server: Serving) -> None:
    thread = await thread_of(server)
    path = f"/threads/{thread}/runs"
    ids = list[str]()
    for graph in ("agent", "fail", "agent"):
        answer = await post(server, f"{path}/wait", body(graph))
        ids.insert(0, answer.headers["content-location"].rpartition("/")[2])
    assert [run["run_id"] for run in await server.ask("GET", path)] == ids
    page = await server.ask("GET", f"{path}?limit=1&offset=1")
    assert [run["run_id"] for run in page] == [ids[1]]
    (failed,) = await server.ask("GET", f"{path}?status=error&select=status&select=run_id")
    assert failed == {"run_id": ids[1], "status": "error"}


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=x", "limit=99999", "offset=-1", "status=done", "limit=٣", "select=secret"],
)
async def test_a_bad_query_is_refused(server: Serving, query: str) -> None:
    thread = await thread_of(server)
    await server.refused("GET", f"/threads/{thread}/runs?{query}", None, 422)


async def test_what_is_not_there_is_not_found(server: Serving) -> None:
    thread, run, nobody = await thread_of(server), new_id(), new_id()
    for tail in ("", "/join"):
        path = f"/threads/{thread}/runs/{run}{tail}"
        assert await server.refused("GET", path, None, 404) == "Run not found"
        await server.refused("GET", f"/threads/{nobody}/runs/{run}{tail}", None, 404)
        detail = await server.refused("GET", f"/threads/{thread}/runs/xyz{tail}", None, 422)
        assert detail == "Invalid run ID: must be a UUID"
    await server.refused("GET", f"/threads/{nobody}/runs", None, 404)


async def test_a_run_is_joined_only_by_its_own_thread(server: Serving) -> None:
    thread = await thread_of(server)
    answer = await post(server, "/runs/wait", body())
    run = answer.headers["content-location"].rpartition("/")[2]
    await server.refused("GET", f"/threads/{thread}/runs/{run}/join", None, 404)


async def test_a_late_join_answers_what_that_run_has_left_after_a_restart_too(
    tmp_path: Path,
) -> None:
    served = {"agent": graphs.agent, "fail": graphs.fail}
    async with serving(tmp_path, served) as server:
        thread = await thread_of(server)
        path = f"/threads/{thread}/runs/wait"
        places = [
            (await post(server, path, body(graph, {"topic": topic}))).headers["location"]
            for graph, topic in (("agent", "first"), ("fail", "second"), ("agent", "third"))
        ]
        answers = [await server.ask("GET", place) for place in places]
    async with serving(tmp_path, served) as server:
        assert [await server.ask("GET", place) for place in places] == answers
    assert answers[0]["topic"] == "first and cats"
    assert answers[1] == {"__error__": {"error": "ValueError", "message": "boom: second"}}


# --- cancelling and deleting --------------------------------------------------------------------


async def running(server: Serving, doors: Doors) -> tuple[str, str]:
    """A thread with a run in its second step: the thread's id, and where the run is."""
    thread = await thread_of(server)
    run = await server.ask("POST", f"/threads/{thread}/runs", body("steps", {"log": []}))
    await doors.arrival()
    doors.let_on()
    await doors.arrival()
    return thread, f"/threads/{thread}/runs/{run['run_id']}"


async def test_cancel_answers_at_once_or_with_what_was_done(server: Serving, doors: Doors) -> None:
    _, here = await running(server, doors)
    answer = await server.http.post(f"{here}/cancel")
    assert (answer.status_code, answer.content) == (202, b"")
    assert (await server.ask("GET", here))["status"] == "interrupted"
    assert await server.ask("GET", f"{here}/join") == {"log": ["step1"]}
    detail = await server.refused("POST", f"{here}/cancel", None, 404)
    assert detail.startswith("No matching runs to cancel.")
    _, here = await running(server, doors)
    answer = await server.http.post(f"{here}/cancel?wait=1")
    assert (answer.status_code, answer.json()) == (200, {"log": ["step1"]})
    assert answer.headers["location"] == f"{here}/join"


async def test_a_rolled_back_run_is_gone_at_once(server: Serving, doors: Doors) -> None:
    thread, here = await running(server, doors)
    answer = await server.http.post(f"{here}/cancel?wait=true&action=rollback")
    assert (answer.status_code, answer.json()) == (200, {})
    await server.refused("GET", here, None, 404)
    assert await server.refused("POST", f"{here}/cancel", None, 404) == "No runs found to cancel."
    left = await server.ask("GET", f"/threads/{thread}")
    assert (left["status"], left["error"]["error"]) == ("idle", "UserRollback")


async def test_many_are_cancelled_by_their_ids_or_by_status(server: Serving, doors: Doors) -> None:
    thread, here = await running(server, doors)
    run_ids = [here.rpartition("/")[2]]
    await server.ask("POST", "/runs/cancel", {"thread_id": thread, "run_ids": run_ids}, 204)
    assert (await server.ask("GET", here))["status"] == "interrupted"
    detail = await server.refused("POST", "/runs/cancel", {"status": "pending"}, 404)
    assert detail == "No runs found to cancel."
    _, here = await running(server, doors)
    await server.ask("POST", "/runs/cancel?action=interrupt", {"status": "all"}, 204)
    assert (await server.ask("GET", here))["status"] == "interrupted"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"run_ids": []},
        {"thread_id": "x", "run_ids": ["y"]},
        {"status": "done"},
        {"status": "all", "thread_id": "00000000-0000-4000-8000-000000000000", "run_ids": []},
    ],
)
async def test_runs_that_cannot_be_told_are_not_cancelled(server: Serving, given: Any) -> None:
    await server.refused("POST", "/runs/cancel", given, 422)


async def test_an_unknown_action_is_refused(server: Serving, doors: Doors) -> None:
    _, here = await running(server, doors)
    await server.refused("POST", f"{here}/cancel?action=destroy", None, 422)
    await server.refused("POST", f"{here}/cancel?wait=perhaps", None, 422)
    assert (await server.ask("GET", here))["status"] == "running"


async def test_a_deleted_run_is_gone(server: Serving, doors: Doors) -> None:
    _, here = await running(server, doors)
    await server.ask("DELETE", here, None, 204)
    await server.refused("GET", here, None, 404)
    await server.refused("DELETE", here, None, 404)


async def test_an_open_run_is_not_deleted_by_way_of_another_thread(
    server: Serving, doors: Doors
) -> None:
    thread, here = await running(server, doors)
    run = here.rpartition("/")[2]
    other = await thread_of(server)
    nowhere = "22222222-2222-4222-8222-222222222222"
    for way in (other, nowhere):
        await server.refused("DELETE", f"/threads/{way}/runs/{run}", None, 404)
    doors.open()
    assert (await server.ask("GET", f"{here}/join"))["log"]
    assert [each["run_id"] for each in await server.ask("GET", f"/threads/{thread}/runs")] == [run]


# --- a real connection --------------------------------------------------------------------------


async def test_a_waiting_client_that_goes_takes_its_run_with_it_if_it_said_so(
    tmp_path: Path,
) -> None:
    async with (
        Gate() as gate,
        ServerProcess(tmp_path / "server.db", heartbeat="0.05", drain="0") as server,
        httpx.AsyncClient(base_url=server.url) as client,
    ):
        thread = (await client.post("/threads", json={})).json()["thread_id"]
        path = f"/threads/{thread}/runs"
        given = body("slow", {"gate": gate.address, "log": []}, on_disconnect="cancel")
        async with client.stream("POST", f"{path}/wait", json=given) as answer:
            assert await gate.arrival() == "step1"
            pieces = answer.aiter_bytes()
            assert await anext(pieces) == b"\n"
            here = answer.headers["content-location"]
        await client.get(f"{here}/join")
        assert (await client.get(here)).json()["status"] == "interrupted"


@dataclass
class Caller:
    who: str = "nobody"


class Seen(TypedDict, total=False):
    who: str


async def look(state: Seen, runtime: Runtime[Caller]) -> Seen:
    del state
    return {"who": runtime.context.who}


callers = StateGraph(Seen, context_schema=Caller).add_node(look).add_edge(START, "look").compile()


async def test_a_graph_gets_its_context_from_request_and_assistant_and_no_more_than_it_has(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, {"callers": callers}) as server:

        async def who(assistant_id: str = "callers", **more: Any) -> Any:
            asked = body(assistant_id, {}, **more)
            return (await server.ask("POST", "/runs/wait", asked)).get("who")

        assert await who() == "nobody"
        assert await who(context={"who": "me", "other": 1}) == "me"
        assert await who(config={"configurable": {"who": "me", "other": 1}}) == "me"
        settings = {"configurable": {"who": "assistant", "other": 1}}
        made = await server.ask("POST", "/assistants", {"graph_id": "callers", "config": settings})
        assert await who(made["assistant_id"]) == "assistant"
        assert await who(made["assistant_id"], config={"configurable": {"who": "me"}}) == "me"
        assert await who(made["assistant_id"], context={"who": "me"}) == "me"


# --- joining late -------------------------------------------------------------------------------


class Whole(TypedDict, total=False):
    seen: str
    asked: str
    log: Annotated[list[str], operator.add]


class Part(TypedDict, total=False):
    seen: str


def asking(*, beside: bool = False) -> Any:
    """Asks, and shows only a part of its state; with another node at the same time."""

    def ask(state: Whole) -> Whole:
        return {"asked": interrupt({"ok?": state["seen"]}), "log": ["ask"]}

    def other(state: Whole) -> Whole:
        return {"log": ["other"], "seen": "beside"}

    builder = StateGraph(Whole, output_schema=Part).add_node(ask).add_edge(START, "ask")
    if beside:
        builder.add_node(other).add_edge(START, "other")
    return builder.compile()


@pytest.mark.parametrize(
    ("graph", "given"),
    [
        ("asking", {"seen": "a"}),
        ("beside", {"seen": "a"}),
        ("agent", {"topic": "x"}),
        ("fail", {"topic": "x"}),
    ],
)
async def test_a_late_join_answers_what_wait_did(
    tmp_path: Path, graph: str, given: dict[str, Any]
) -> None:
    served = {
        "agent": graphs.agent,
        "fail": graphs.fail,
        "asking": asking(),
        "beside": asking(beside=True),
    }
    async with serving(tmp_path, served) as server:
        thread = await thread_of(server)
        answer = await post(server, f"/threads/{thread}/runs/wait", body(graph, given))
        here = answer.headers["content-location"]
        assert ("__interrupt__" in answer.json()) == (graph in ("asking", "beside"))
        assert (await server.http.get(f"{here}/join")).content == answer.content
        # another run goes on from there
        await post(server, f"/threads/{thread}/runs/wait", body("agent", {"topic": "later"}))
        assert (await server.http.get(f"{here}/join")).content == answer.content
    async with serving(tmp_path, served) as server:
        assert (await server.http.get(f"{here}/join")).content == answer.content


async def test_a_very_late_join_answers_what_the_checkpoint_tells(tmp_path: Path) -> None:
    async with serving(tmp_path, {"asking": asking()}) as server:
        thread = await thread_of(server)
        answer = await post(server, f"/threads/{thread}/runs/wait", body("asking", {"seen": "a"}))
        here = answer.headers["content-location"]
        run_id = here.rpartition("/")[2]
        await server.services.tables.write(lambda db: drop_answers(db, [run_id]))
        assert (await server.http.get(f"{here}/join")).json() == answer.json()


async def test_a_step_that_takes_too_long_is_a_timeout(tmp_path: Path) -> None:
    stuck, doors = StateGraph(Whole), Doors()

    async def wait(state: Whole) -> Whole:
        await doors.pass_by("wait")
        return {}

    graph = stuck.add_node(wait).add_edge(START, "wait").compile()
    graph.step_timeout = 0.01
    async with serving(tmp_path, {"stuck": graph}) as server:
        thread = await thread_of(server)
        answer = await post(server, f"/threads/{thread}/runs/wait", body("stuck", {}))
        assert answer.json()["__error__"]["error"] == "StepTimeoutError"
        (run,) = await server.ask("GET", f"/threads/{thread}/runs?status=timeout")
        assert run["status"] == "timeout"
        assert (await server.ask("GET", f"/threads/{thread}"))["status"] == "error"
