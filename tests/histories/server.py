"""A thread of the server, as it would be if all clients asked one after another, and clients."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx

from tests.histories.linear import Operation
from tests.histories.models import EMPTY, path_of
from tests.histories.threads import Thread

GRAPH_ID = "graph"
MISSING = ("status", 404)
CONFLICT = ("status", 409)


@dataclass(frozen=True, slots=True)
class Entry:
    """A run that was taken and is not over."""

    operation: Operation
    stopped: str = ""
    """How a later run wants it out of the way: "interrupt" or "rollback"."""
    path: tuple[Thread, ...] | None = None
    """What it has to pass yet; None: it has not begun."""
    before: Thread = EMPTY
    """The thread as it found it."""
    fails: bool = False
    """There is nothing that it could run."""


@dataclass(frozen=True, slots=True)
class Served:
    """A thread of the server."""

    tag: str
    """A word of its metadata."""
    thread: Thread = EMPTY
    queue: tuple[Entry, ...] = ()
    """Its runs, in the order in which they run."""
    updated_by: Operation | None = None
    """Who has the thread, to update it; no run begins meanwhile."""
    row: tuple[str, tuple[str, ...]] = ("idle", ())
    """What its row says when it has no runs: the status, and the log."""

    @property
    def shown(self) -> Hashable:
        """What the row says."""
        status, log = self.row
        return self.tag, "busy" if self.queue else status, log

    def settled(self) -> Served:
        """The same when the row says how it stands."""
        status = "interrupted" if self.thread.next else "idle"
        return replace(self, row=(status, self.thread.log))

    def with_entry(self, at: int, **changes: Any) -> Served:
        """The same with an entry changed."""
        entry = replace(self.queue[at], **changes)
        return replace(self, queue=(*self.queue[:at], entry, *self.queue[at + 1 :]))

    def without(self, at: int, thread: Thread) -> Served:
        """The same when a run is over, which leaves the thread so."""
        queue = self.queue[:at] + self.queue[at + 1 :]
        return replace(self, thread=thread, queue=queue).settled()


State = Served | None
Steps = Iterable[tuple[State, bool]]


class ServerModel:
    """A thread of the server: `create(tag)`, `tag(word)`, `look`, `state`, `update(word)`, `delete`
    and `run(value, strategy)`, which waits for the end.

    A run steps into the line, then passes a checkpoint after another when it is its turn.  What is
    told to who waits for a run that made way is up to the server.  An update is refused while there
    are runs; no run begins before the row shows one that was let in.
    """

    initial: State = None
    looks = frozenset({"look", "state"})

    def steps(self, state: State, operation: Operation, *, begun: bool) -> Steps:
        """Runs have several steps, all else has one."""
        if begun and state is not None:
            return (
                _go_on(state, operation) if operation.name == "run" else _update(state, operation)
            )
        if operation.name == "run":
            return _take(state, operation)
        if operation.name == "update" and state is not None and not state.queue:
            is_free = state.updated_by is None
            return [(replace(state, updated_by=operation), False)] if is_free else []
        following, result = _answer(state, operation)
        return [(following, True)] if operation.result == result else []

    def gone(self, state: State, operation: Operation) -> State:
        """Clients of a server that lives do not get lost."""
        raise AssertionError(operation)


def _answer(state: State, operation: Operation) -> tuple[State, Hashable]:
    """What becomes of a thread that is asked something at once, and the answer."""
    if operation.name == "create":
        (tag,) = operation.given
        return (Served(str(tag)), "done") if state is None else (state, CONFLICT)
    if state is None:
        return None, MISSING
    match operation.name, operation.given:
        case "tag", (str(word),):
            return replace(state, tag=word), "done"
        case "look", ():
            return state, state.shown
        case "state", ():
            return state, (state.thread.log, state.thread.next, state.thread.asked)
        case "update", _:
            return state, CONFLICT
        case _:
            raise AssertionError(operation)


def _update(state: Served, operation: Operation) -> Steps:
    """An update that was let in is made, then shown by the row."""
    (word,) = operation.given
    if operation.result != "done":
        return []
    if word not in state.thread.log:
        return [(replace(state, thread=state.thread.updated(str(word))), False)]
    return [(replace(state, updated_by=None).settled(), True)]


def _take(state: State, operation: Operation) -> Steps:
    """A run comes."""
    _, strategy = operation.given
    if state is None:
        return [(None, True)] if operation.result == MISSING else []
    if strategy == "reject" and state.queue:
        return [(state, True)] if operation.result == CONFLICT else []
    if strategy in ("interrupt", "rollback"):
        stopped = tuple(replace(each, stopped=str(strategy)) for each in state.queue)
        state = replace(state, queue=stopped)
    return [(replace(state, queue=(*state.queue, Entry(operation))), False)]


def _go_on(state: Served, operation: Operation) -> Iterator[tuple[State, bool]]:
    """A run that was taken takes a step, or makes way."""
    at = next(n for n, each in enumerate(state.queue) if each.operation == operation)
    entry, thread = state.queue[at], state.thread
    if entry.path is None:
        if entry.stopped and state.queue[0].path is not None:  # another one says how it stands
            yield replace(state.without(at, thread), row=state.row), True
        elif entry.stopped:
            yield state.without(at, thread), True
        if at == 0 and state.updated_by is None:
            path = path_of(thread, operation.given[0])
            fails = path is None
            yield state.with_entry(0, path=path or (), before=thread, fails=fails), False
        return
    if entry.stopped:
        yield state.without(0, entry.before if entry.stopped == "rollback" else thread), True
    if entry.path:
        following = state.with_entry(0, path=entry.path[1:])
        yield replace(following, thread=entry.path[0]), False
    elif entry.fails:
        if entry.stopped or operation.result == "error":
            yield replace(state.without(0, thread), row=("error", state.row[1])), True
    elif entry.stopped or operation.result == (thread.log, thread.asked):
        yield state.without(0, thread), True


class HttpClients:
    """Ask a server by orders (name, thread, and what is given)."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def answer(self, order: Any) -> Any:
        """Carry out an order."""
        name, thread, *given = order
        at = f"/threads/{thread}"
        match name, given:
            case "create", [tag]:
                metadata = {"tag": tag, "graph_id": GRAPH_ID}
                body = {"thread_id": thread, "metadata": metadata}
                return _shown(await self._ask("POST", "/threads", body), _done)
            case "tag", [word]:
                return _shown(await self._ask("PATCH", at, {"metadata": {"tag": word}}), _done)
            case "look", []:
                found = await self._ask("GET", at)
                return _shown(
                    found,
                    lambda it: [it["metadata"]["tag"], it["status"], _log(it["values"] or {})],
                )
            case "state", []:
                found = await self._ask("GET", f"{at}/state")
                return _shown(
                    found, lambda it: [_log(it["values"]), it["next"], bool(it["interrupts"])]
                )
            case "update", [word]:
                body = {"values": {"log": [word]}, "as_node": "first"}
                return _shown(await self._ask("POST", f"{at}/state", body), _done)
            case _:
                return await self._run(at, *given)

    async def _run(self, at: str, value: Any, strategy: str) -> Any:
        body: dict[str, Any] = {"assistant_id": GRAPH_ID, "multitask_strategy": strategy}
        match value:
            case ["input", word]:
                body["input"] = {"log": [word]}
            case _:
                body["command"] = {"resume": value[1]}
        found = await self._ask("POST", f"{at}/runs/wait", body)
        if "__error__" in found:
            return "error"
        return _shown(found, lambda it: [_log(it), "__interrupt__" in it])

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self._http.request(method, path, json=body)
        return answer.json() if answer.is_success else ["status", answer.status_code]


def _shown(found: Any, show: Callable[[Any], Any]) -> Any:
    """What an answer shows; a refusal as it is."""
    return found if isinstance(found, list) else show(found)


def _done(_: Any) -> str:
    return "done"


def _log(values: Any) -> list[str]:
    return values.get("log", [])


def server_order(dice: random.Random, word: str) -> list[Any]:
    """Something to ask of a thread of the server: name, and what is given."""
    value = dice.choices([["input", word], ["answer", word]], [3, 1])[0]
    strategy = dice.choice(["reject", "enqueue", "interrupt", "rollback"])
    return dice.choices(
        [["run", value, strategy], ["state"], ["look"], ["tag", word], ["update", word]],
        [8, 4, 4, 2, 3],
    )[0]
