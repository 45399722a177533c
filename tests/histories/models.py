"""Threads and stores as they would be if all clients asked one after another."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

from tests.histories.linear import Operation, Violation, violation_in
from tests.histories.threads import Thread

Items = frozenset[tuple[str, Any]]


class StoreModel:
    """A namespace of a store: `put(key, value)`, `remove(key)`, `get(key)`, `search()`."""

    initial: Items = frozenset()
    looks = frozenset({"get", "search"})

    def steps(
        self, state: Items, operation: Operation, *, begun: bool
    ) -> Iterable[tuple[Items, bool]]:
        """Each operation has one step."""
        match operation.name, operation.given:
            case "put", (key, value):
                return [(_without(state, key) | {(str(key), value)}, True)]
            case "remove", (key,):
                return [(_without(state, key), True)]
            case "get", (key,):
                return [(state, True)] if _saw(operation, dict(state).get(str(key))) else []
            case "search", ():
                return [(state, True)] if _saw(operation, tuple(sorted(state))) else []
            case _:
                raise AssertionError(operation)

    def gone(self, state: Items, operation: Operation) -> Items:
        """Nothing is left of it."""
        return state


def _without(items: Items, key: Hashable) -> Items:
    return frozenset(item for item in items if item[0] != key)


def _saw(operation: Operation, value: Hashable) -> bool:
    return operation.lost or operation.result == value


EMPTY = Thread()


@dataclass(frozen=True, slots=True)
class Held:
    """A thread, and the run on it."""

    thread: Thread = EMPTY
    holder: Operation | None = None
    path: tuple[Thread, ...] = ()
    """What the run has to pass yet."""
    before: Thread = EMPTY
    """The thread as the run found it."""


class ThreadModel:
    """A thread: `state`, `history`, `update(word)`, `delete`, and runs, each alone on the thread:
    `invoke(value)` and `run_and_cancel(value, action)`.

    A run takes a step for each checkpoint, which all can see.
    """

    initial = Held()
    looks = frozenset({"state", "history"})

    def steps(
        self, state: Held, operation: Operation, *, begun: bool
    ) -> Iterable[tuple[Held, bool]]:
        """Runs have several steps, all else has one; while there is a run, all can only look."""
        thread = state.thread
        match operation.name, operation.given:
            case "state", ():
                return [(state, True)] if _saw(operation, shown(thread)) else []
            case "history", ():
                return [(state, True)] if _saw(operation, thread.past) else []
            case "update" | "delete", _ if state.holder is not None:
                return []
            case "update", (str(word),):
                return [(replace(state, thread=thread.updated(word)), True)]
            case "delete", ():
                return [(Held(), True)]
            case _:
                return self._run(state, operation, begun=begun)

    def gone(self, state: Held, operation: Operation) -> Held:
        """Its run holds the thread no more."""
        return Held(state.thread) if state.holder == operation else state

    def _run(
        self, state: Held, operation: Operation, *, begun: bool
    ) -> Iterator[tuple[Held, bool]]:
        if not begun:
            if _may_be_cancelled(operation):
                yield state, True  # before it had the thread
            if state.holder is not None:
                return
            path = path_of(state.thread, operation.given[0])
            if path is None:
                if _saw(operation, _refusal(operation)):
                    yield state, True
                return
            state = Held(state.thread, operation, path, state.thread)
        elif state.holder != operation:
            return
        if _may_be_cancelled(operation):
            yield Held(state.before if "rollback" in operation.given else state.thread), True
        if state.path:
            yield replace(state, thread=state.path[0], path=state.path[1:]), False
        elif _saw(operation, _result(operation, state.thread)):
            yield Held(state.thread), True


def shown(thread: Thread) -> Hashable:
    """A thread as clients see it."""
    return thread.log, thread.next, thread.asked


def path_of(thread: Thread, value: Hashable) -> tuple[Thread, ...] | None:
    """What a run passes that begins with an input, an answer, or nothing; None: it cannot."""
    match value:
        case ("input", str(word)):
            return tuple(thread.after_input(word))
        case _ if not thread.past:
            return None
        case ("answer", str(word)) if thread.next == ("ask",):
            return tuple(thread.answered(word))
        case _:
            return tuple(thread.going_on())


def _result(operation: Operation, thread: Thread) -> Hashable:
    """What a run gives that came to its end."""
    if operation.name == "invoke":
        return thread.log, thread.asked
    return "interrupted" if thread.asked else "success"


def _refusal(operation: Operation) -> Hashable:
    """What a run is told that has nothing to run."""
    is_answer = "answer" in cast("tuple[str, ...]", operation.given[0])
    return "error", "ResumeError" if is_answer else "EmptyInputError"


def _may_be_cancelled(operation: Operation) -> bool:
    is_asked = operation.name == "run_and_cancel"
    return is_asked and (operation.lost or operation.result == "cancelled")


def unexplained(history: Iterable[Operation]) -> Violation | None:
    """What no order explains in a history of threads and of namespaces of a store."""
    of_stores: list[Operation] = []
    of_threads: list[Operation] = []
    for operation in history:
        is_of_store = operation.name in ("put", "get", "remove", "search")
        (of_stores if is_of_store else of_threads).append(operation)
    return violation_in(of_threads, ThreadModel()) or violation_in(of_stores, StoreModel())
