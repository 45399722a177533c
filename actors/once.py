"""An effect that is done once: what is noted before and after it, and what that says later.

Four stages, each noted in place of the one before it:

    intent   the call is about to be made; found later: whether it was made is not known
    done     the call gave this result, which is given back from then on
    failed   the call raised, so nothing came of it: it may be made again
    lost     the call gave a result that cannot be stored, so there is nothing to give back

Who asks first for an effect makes the call; who asks meanwhile waits for its end and looks again.
`perform` is one coroutine for async and sync code: under a `World` that never waits on a loop it
runs through at once (`run_through`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from checkpoint import SerializationError

from .digests import id_digest
from .errors import OutcomeUnknown, OwnTaskError

T = TypeVar("T")

Stage = Literal["intent", "done", "failed", "lost"]
OnUnknown = Literal["retry", "raise"]

_inside: ContextVar[frozenset[str]] = ContextVar("effects_inside", default=frozenset())
"""Effects whose calls this code is part of."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect of one task."""

    id: str
    """The same whenever the task runs; also the effect's idempotency key."""
    key: str
    on_unknown: OnUnknown


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Known:
    """What was noted of an effect."""

    stage: Stage
    read: Callable[[], Any] | None = None
    """Gives the result, as often as it is asked for (done)."""
    noted: bool = True
    """False: done, but whoever made the call was given up before that was noted."""


class World(Protocol):
    """Where an effect takes place."""

    async def note(self, effect: Effect, stage: Stage, result: Any = None) -> Known:
        """Commit a stage.  Raises SerializationError for a result that cannot be stored."""
        ...

    async def act(self) -> Any:
        """Make the call."""
        ...

    async def join(self, over: Future[None]) -> None:
        """Wait until another call is over."""
        ...


class Book:
    """What is known of a task's effects, shared by all its threads."""

    __slots__ = ("_busy", "_kept", "_known", "_lock")

    def __init__(self, kept: Mapping[str, Known]) -> None:
        self._kept = kept
        """What earlier runs have noted."""
        self._known: dict[str, Known] = {}
        self._busy: dict[str, Future[None]] = {}
        self._lock = threading.Lock()

    def begin(self, effect: Effect) -> Known | Future[None] | None:
        """None: make the call, and `end` it.  Else what is known (to `end` too, if it is yet to be
        noted), or the call to wait for."""
        with self._lock:
            busy = self._busy.get(effect.id)
            if busy is not None:
                return busy
            known = self._known.get(effect.id) or self._kept.get(effect.id)
            if known is not None and _may_call(known, effect):
                known = None
            if known is None or not known.noted:
                self._busy[effect.id] = Future()
            return known

    def learn(self, effect: Effect, known: Known) -> Known:
        """What has come of a call that was begun."""
        self._known[effect.id] = known
        return known

    def end(self, effect: Effect) -> None:
        """The call is over, however."""
        with self._lock:
            over = self._busy.pop(effect.id)
        over.set_result(None)


def _may_call(known: Known, effect: Effect) -> bool:
    if known.stage == "intent":
        return effect.on_unknown == "retry"
    return known.stage == "failed"


async def perform(effect: Effect, book: Book, world: World) -> Any:
    """The effect's result: of the call that is made now, or of the one that was.

    Raises what the call raises, OutcomeUnknown, OwnTaskError, SerializationError.
    """
    if effect.id in _inside.get():
        raise OwnTaskError(
            f"once({effect.key!r}) was called by the very function that it calls, and would wait "
            "for itself; give the inner effect a key of its own"
        )
    while isinstance(found := book.begin(effect), Future):
        await world.join(found)
    if found is not None and found.noted:
        return given_back(effect, found)
    try:
        if found is None:
            result = await _called(effect, book, world)
            await _note_done(effect, book, world, result)
            return result
        return given_back(effect, await _note_done(effect, book, world, given_back(effect, found)))
    finally:
        book.end(effect)


async def _called(effect: Effect, book: Book, world: World) -> Any:
    await world.note(effect, "intent")
    book.learn(effect, Known("intent"))
    try:
        result = await _inwards(effect, world)
    except Exception:
        book.learn(effect, Known("failed"))
        await world.note(effect, "failed")
        raise
    book.learn(effect, Known("done", lambda: result, noted=False))
    return result


async def _note_done(effect: Effect, book: Book, world: World, result: Any) -> Known:
    try:
        return book.learn(effect, await world.note(effect, "done", result))
    except SerializationError as error:
        book.learn(effect, Known("lost"))
        error.add_note(_LOST.format(key=effect.key))
        await world.note(effect, "lost")
        raise


async def _inwards(effect: Effect, world: World) -> Any:
    outside = _inside.set(_inside.get() | {effect.id})
    try:
        return await world.act()
    finally:
        _inside.reset(outside)


def given_back(effect: Effect, known: Known) -> Any:
    """The result of a call that was made before.  Raises OutcomeUnknown when there is none."""
    if known.read is not None:
        return known.read()
    text = _NO_RESULT if known.stage == "lost" else _UNKNOWN
    raise OutcomeUnknown(
        text.format(key=effect.key, id=effect.id), key=effect.key, idempotency_key=effect.id
    )


def run_through(coro: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits on a loop."""
    try:
        coro.send(None)
    except StopIteration as end:
        return end.value
    coro.close()
    raise OwnTaskError(
        "once_sync() came to wait on an event loop, which its thread has none of; await once() "
        "from async code"
    )


def effect_id(task_id: str, key: str) -> str:
    """The id of a task's effect, written like a UUID."""
    return id_digest(f"once\x1f{task_id}\x1f{key}")


_UNKNOWN = (
    "The effect {key!r} was begun when its task ran before, and nothing says whether it was done: "
    "the process or the call was stopped in between. Look in the other system for the idempotency "
    "key {id!r}, then go on with update_state, or run again with on_unknown='retry'"
)
_NO_RESULT = (
    "The effect {key!r} (idempotency key {id!r}) was done when its task ran before, but its result "
    "could not be stored, so it cannot be given back, and calling again would repeat the effect. "
    "Let the function return something that can be stored; go on with update_state"
)
_LOST = "The effect {key!r} was done all the same, so it is not repeated when the task runs again"
