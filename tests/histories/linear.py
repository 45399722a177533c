"""Is there an order of operations, one after another, that explains what concurrent clients saw?

A history is *linearizable* if each operation can be given a moment between its call and its return
so that, carried out at these moments one by one, they give the results that were seen (Herlihy and
Wing, "Linearizability: a correctness condition for concurrent objects", TOPLAS 12, 1990).  It is
enough that this holds for each object by itself, so a history is checked key by key.

The search is the just-in-time linearization of Gavin Lowe ("Testing for linearizability",
Concurrency and Computation 29, 2017), after Wing and Gong ("Testing and verifying concurrent
objects", JPDC 17, 1993): walk through calls and returns in the order of time and keep the set of
all *configurations* that explain what was seen so far, each a state of the object and what the
operations under way have come to.  Only a return asks for more: its operation must have taken
effect, so those under way are carried out, in all orders, until it has.  The set is the memory: two
orders that lead to the same configuration are one.

Two things are added.  An operation may take effect in several steps, in order, each at a moment of
its own (a run commits more than once).  And an operation may be lost, because its client died: by
then it has taken some of its steps, or none, and takes no more.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

S = TypeVar("S", bound=Hashable)
State = TypeVar("State", bound=Hashable)

NEVER = float("inf")
_CALL, _KILL, _RETURN = range(3)


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """What one client asked of one object, and what it saw; each is like none but itself."""

    client: str
    key: str
    """The object."""
    name: str
    given: tuple[Hashable, ...]
    began: float
    """When it was called."""
    ended: float = NEVER
    """When it returned, or was certain to do nothing any more."""
    result: Hashable = None
    lost: bool = False
    """True: it did not return; it may have taken effect until `ended`."""
    killed: float = NEVER
    """From when on its client may have been dead."""

    def __str__(self) -> str:
        given = ", ".join(map(repr, self.given))
        result = "lost" if self.lost else repr(self.result)
        return (
            f"{self.began:.6f} … {self.ended:.6f} {self.client}: {self.key}.{self.name}({given})"
            f" -> {result}"
        )


class Model(Protocol[S]):
    """An object, as it would be if all asked one after another."""

    @property
    def initial(self) -> S:
        """Its state before all."""
        ...

    @property
    def looks(self) -> Container[str]:
        """Names of operations that change nothing."""
        ...

    def steps(self, state: S, operation: Operation, *, begun: bool) -> Iterable[tuple[S, bool]]:
        """What may come of the operation's next step (its first, unless it has `begun`): states,
        and whether the operation is done then.  None: it cannot take a step now, or what it saw
        cannot have come of it."""
        ...

    def gone(self, state: S, operation: Operation) -> S:
        """The state when a lost operation is certain to do nothing any more."""
        ...


@dataclass(frozen=True, slots=True)
class Configuration(Generic[State]):
    """One way to explain what was seen: a state, and what operations under way have come to."""

    state: State
    begun: frozenset[int] = frozenset()
    """Operations that have taken a step and are not done."""
    done: frozenset[int] = frozenset()

    def without(self, number: int) -> Configuration[State]:
        """The same when an operation is over."""
        return Configuration(self.state, self.begun - {number}, self.done - {number})


@dataclass(frozen=True, slots=True)
class Violation:
    """There is no order that explains a history."""

    operation: Operation
    """The first to return what cannot be."""
    history: Sequence[Operation]
    """What was asked of its object until then."""
    states: Sequence[object]
    """What the object could have been before."""

    def __str__(self) -> str:
        before = "\n  ".join(map(str, self.history))
        states = "\n  ".join(map(repr, self.states[:5]))
        return f"nothing explains\n  {self.operation}\nafter\n  {before}\nfrom any of\n  {states}"


def violation_in(history: Iterable[Operation], model: Model[S]) -> Violation | None:
    """The first thing that no order explains, of the first object that has one."""
    for operations in by_key(history).values():
        if (found := Search(operations, model).violation()) is not None:
            return found
    return None


def by_key(history: Iterable[Operation]) -> Mapping[str, Sequence[Operation]]:
    """A history's operations by object, in the order in which they were called."""
    found: dict[str, list[Operation]] = {}
    for operation in sorted(history, key=lambda each: each.began):
        found.setdefault(operation.key, []).append(operation)
    return found


class Search(Generic[State]):
    """The search for an order of the operations on one object."""

    def __init__(self, operations: Sequence[Operation], model: Model[State]) -> None:
        self._operations = operations
        self._model = model
        self._open: set[int] = set()
        """Operations under way."""
        self._dying: set[int] = set()
        """Those of them whose clients may be dead."""

    def violation(self) -> Violation | None:
        """What no order explains; None: there is one that explains it all."""
        configurations = {Configuration(self._model.initial)}
        for number, kind in self._moments():
            if kind != _RETURN:
                (self._open if kind == _CALL else self._dying).add(number)
                continue
            before, operation = configurations, self._operations[number]
            if operation.lost:
                configurations = self._after_loss(before, number)
            else:
                configurations = self._after_return(before, number)
            self._open.discard(number)
            if not configurations:
                known = [each for each in self._operations if each.began < operation.ended]
                return Violation(operation, known, [each.state for each in before])
        return None

    def _moments(self) -> Iterator[tuple[int, int]]:
        """Calls, kills and returns in order; at the same moment calls come first, which forbids
        less."""
        moments: list[tuple[float, int, int]] = []
        for number, operation in enumerate(self._operations):
            moments.append((operation.began, _CALL, number))
            if operation.killed < NEVER:
                moments.append((max(operation.began, operation.killed), _KILL, number))
            if operation.ended < NEVER:
                moments.append((operation.ended, _RETURN, number))
        for _, kind, number in sorted(moments):
            yield number, kind

    def _after_return(
        self, before: set[Configuration[State]], number: int
    ) -> set[Configuration[State]]:
        reached = self._reached(before, number)
        return {each.without(number) for each in reached if number in each.done}

    def _after_loss(
        self, before: set[Configuration[State]], number: int
    ) -> set[Configuration[State]]:
        operation = self._operations[number]
        return {
            Configuration(self._model.gone(each.state, operation), each.begun, each.done).without(
                number
            )
            for each in self._reached(before, number)
        }

    def _reached(self, before: set[Configuration[State]], number: int) -> set[Configuration[State]]:
        """All that operations under way can lead to; none goes on once the asked one is done."""
        reached, left = set(before), list(before)
        while left:
            configuration = left.pop()
            if number in configuration.done:
                continue
            for following in self._following(configuration):
                if following not in reached:
                    reached.add(following)
                    left.append(following)
        return reached

    def _following(self, at: Configuration[State]) -> Iterator[Configuration[State]]:
        """What one more step of any operation under way leads to.

        Who only looks and sees what was seen may as well look now: that leaves all else open.
        """
        left = self._open - at.done
        for number in left:
            operation = self._operations[number]
            if operation.name in self._model.looks and any(
                self._model.steps(at.state, operation, begun=False)
            ):
                yield Configuration(at.state, at.begun, at.done | {number})
                return
        for number in left:
            operation = self._operations[number]
            if number in self._dying and number in at.begun:
                gone = self._model.gone(at.state, operation)
                yield Configuration(gone, at.begun - {number}, at.done | {number})
            steps = self._model.steps(at.state, operation, begun=number in at.begun)
            for state, is_done in steps:
                if is_done:
                    yield Configuration(state, at.begun - {number}, at.done | {number})
                else:
                    yield Configuration(state, at.begun | {number}, at.done)
