"""A thread of the server, as it would be if all clients asked one after another, and clients."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx

from tests.histories.following import Again, Follower
from tests.histories.linear import Operation
from tests.histories.models import EMPTY, path_of
from tests.histories.threads import Thread

GRAPH_ID = "graph"
RUNS = ("run", "run_and_cancel", "stream")
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

    @property
    def in_the_way(self) -> bool:
        """True if there are runs that may do something yet."""
        return any(not each.stopped or each.path is not None for each in self.queue)

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
    """A thread of the server: `create(tag)`, `tag(word)`, `look`, `state`, `update(word)`,
    `delete`, and runs: `run(value, strategy)`, which waits for the end,
    `stream(value, strategy, cut)`, which reads along to the end and comes back after so many
    events, also to a server that was killed meanwhile, and
    `run_and_cancel(value, strategy, action)`.

    A run steps into the line, then passes a checkpoint after another when it is its turn.  What is
    told to who waits for a run that made way is up to the server.  An update is refused while there
    are runs that may do something yet; no run begins, and none that was stopped before its turn is
    over, before the row shows an update that was let in.

    What was lost with a server that was killed has happened or not; a run that had been taken goes
    on when the server is there again.
    """

    initial: State = None
    looks = frozenset({"look", "state"})

    def steps(self, state: State, operation: Operation, *, begun: bool) -> Steps:
        """Runs have several steps, all else has one."""
        if operation.name == "delete":
            return _remove(state, operation)
        if begun and operation.name == "update":
            return _update(state, operation)
        if operation.name in RUNS:
            return _go_on(state, operation) if begun and state else _take(state, operation)
        if operation.name == "update" and state is not None and not state.in_the_way:
            is_free = state.updated_by is None
            return [(replace(state, updated_by=operation), False)] if is_free else []
        following, result = _answer(state, operation)
        return [(following, True)] if _saw(operation, result) else []

    def gone(self, state: State, operation: Operation) -> State:
        """An update that was cut short is in the state, or is not; its row may not say so."""
        if state is None or state.updated_by != operation:
            return state
        return replace(state, updated_by=None)


def _saw(operation: Operation, value: Hashable) -> bool:
    return operation.lost or operation.result == value


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


def _remove(state: State, operation: Operation) -> Steps:
    """A deletion rolls back what is in its way, and again what comes meanwhile; it may give up."""
    if state is None:
        return [(None, True)] if _saw(operation, MISSING) else []
    if state.queue:
        stopped = _stopped(state, "rollback")
        again = [] if stopped == state else [(stopped, False)]
        return [*again, (stopped, True)] if operation.result == CONFLICT else again
    if operation.result == CONFLICT:
        return []
    return [(None, True)] if _saw(operation, "done") else []


def _stopped(state: Served, how: str) -> Served:
    """The same when its runs are to make way, each as it was told first."""
    queue = tuple(replace(each, stopped=each.stopped or how) for each in state.queue)
    return replace(state, queue=queue)


def _update(state: State, operation: Operation) -> Steps:
    """An update that was let in is made, then shown by the row."""
    (word,) = operation.given
    if not _saw(operation, "done"):
        return []
    if state is None or state.updated_by != operation:  # the thread was deleted meanwhile
        return [(state, True)]
    if word not in state.thread.log:
        return [(replace(state, thread=state.thread.updated(str(word))), False)]
    return [(replace(state, updated_by=None).settled(), True)]


def _take(state: State, operation: Operation) -> Steps:
    """A run comes."""
    strategy = operation.given[1]
    if state is None:
        return [(None, True)] if _saw(operation, MISSING) else []
    if strategy == "reject" and state.in_the_way:
        return [(state, True)] if _saw(operation, CONFLICT) else []
    if strategy in ("interrupt", "rollback"):
        state = _stopped(state, str(strategy))
    return [(replace(state, queue=(*state.queue, Entry(operation))), False)]


def _go_on(state: Served, operation: Operation) -> Iterator[tuple[State, bool]]:
    """A run that was taken takes a step, or makes way."""
    at = next(n for n, each in enumerate(state.queue) if each.operation == operation)
    entry, thread = state.queue[at], state.thread
    if operation.name == "run_and_cancel" and not entry.stopped and _saw(operation, "cancelled"):
        yield state.with_entry(at, stopped=str(operation.given[2])), False
    if entry.path is None:
        yield from _wait(state, operation, at)
        return
    if entry.stopped:
        yield state.without(0, entry.before if entry.stopped == "rollback" else thread), True
    if entry.path:
        following = state.with_entry(0, path=entry.path[1:])
        yield replace(following, thread=entry.path[0]), False
    elif entry.fails:
        if entry.stopped or _saw(operation, "error"):
            yield replace(state.without(0, thread), row=("error", state.row[1])), True
    elif entry.stopped or _saw_end(operation, thread):
        yield state.without(0, thread), True


def _wait(state: Served, operation: Operation, at: int) -> Iterator[tuple[State, bool]]:
    """A run that has not begun makes way, or begins."""
    entry, thread = state.queue[at], state.thread
    if state.updated_by is not None:
        return
    if entry.stopped and state.queue[0].path is not None:  # another one says how it stands
        yield replace(state.without(at, thread), row=state.row), True
    elif entry.stopped:
        yield state.without(at, thread), True
    if at == 0:
        path = path_of(thread, operation.given[0])
        yield state.with_entry(0, path=path or (), before=thread, fails=path is None), False


def _saw_end(operation: Operation, thread: Thread) -> bool:
    """Who asks later for what it came to may be told that it was deleted with its thread."""
    gone = operation.name in ("run_and_cancel", "stream") and operation.result == MISSING
    return gone or _saw(operation, (thread.log, thread.asked))


class HttpClients:
    """Ask a server by orders (name, thread, and what is given).

    `seen` is called at each event of a stream; `again` waits for a server that was killed.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        seen: Callable[[], object] = lambda: None,
        again: Again | None = None,
    ) -> None:
        self._http = http
        self._seen = seen
        self._again = again

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
            case "delete", []:
                return _shown(await self._ask("DELETE", at), _done)
            case _:
                return await self._run(name, at, given)

    async def _run(self, name: str, at: str, given: list[Any]) -> Any:
        value, strategy, *more = given
        match name:
            case "run_and_cancel":
                return await self._run_and_cancel(at, _body(value, strategy), *more)
            case "stream":
                return await self._stream(at, _body(value, strategy), *more)
            case _:
                return _ending(await self._ask("POST", f"{at}/runs/wait", _body(value, strategy)))

    async def _stream(self, at: str, body: Any, cut: int) -> Any:
        follower = Follower(self._http, cut=cut, seen=self._seen, again=self._again)
        refused = await follower.start(at, {**body, "stream_mode": ["values", "updates"]})
        if refused is not None:
            return ["status", refused]
        while True:
            try:
                await follower.check()
                ended = await self._ask("GET", f"{follower.run}/join")
                run = await self._ask("GET", follower.run)
                break
            except httpx.TransportError:
                if self._again is None:
                    raise
                await self._again()
        shown = [frame.data for frame in follower.frames if frame.name == "values"]
        if isinstance(run, dict) and run["status"] == "success" and shown and "log" in ended:
            assert shown[-1]["log"] == ended["log"]
        return _ending(ended)

    async def _run_and_cancel(self, at: str, body: Any, action: str) -> Any:
        begun = await self._ask("POST", f"{at}/runs", body)
        if isinstance(begun, list):
            return begun
        run = f"{at}/runs/{begun['run_id']}"
        cancelled = await self._ask("POST", f"{run}/cancel?action={action}")
        ended = await self._ask("GET", f"{run}/join")
        return _ending(ended) if cancelled == list(MISSING) else "cancelled"

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self._http.request(method, path, json=body)
        if not answer.is_success:
            return ["status", answer.status_code]
        return answer.json() if answer.content else None


def _body(value: Any, strategy: str) -> dict[str, Any]:
    """The request of a run."""
    body: dict[str, Any] = {"assistant_id": GRAPH_ID, "multitask_strategy": strategy}
    match value:
        case ["input", word]:
            return {**body, "input": {"log": [word]}}
        case _:
            return {**body, "command": {"resume": value[1]}}


def _ending(found: Any) -> Any:
    """How a run ended."""
    if "__error__" in found:
        return "error"
    return _shown(found, lambda it: [_log(it), "__interrupt__" in it])


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
        [
            ["run", value, strategy],
            ["run_and_cancel", value, strategy, dice.choice(["interrupt", "rollback"])],
            ["stream", value, strategy, dice.randint(0, 8)],
            *(["state"], ["look"], ["tag", word], ["update", word], ["delete"]),
            ["create", word],
        ],
        [8, 3, 5, 4, 4, 2, 3, 1, 1],
    )[0]
