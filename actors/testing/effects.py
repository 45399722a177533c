"""A place where nodes note what they do to the world, for proofs to look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any


class Effects:
    """A list of effects that nodes add to, where a real service would be called.

    effects = Effects()
    async def charge(state):
        effects.record("charged", state["order"])
    proof = prove_resume(graph, {"order": 7}, effects=effects)
    """

    def __init__(self) -> None:
        self._all: list[tuple[Any, ...]] = []

    def record(self, *what: Any) -> None:
        """Note an effect: anything with a repr that says what it is."""
        self._all.append(what)

    def __call__(self) -> Sequence[tuple[Any, ...]]:
        """All effects so far, of all processes: the world does not forget."""
        return tuple(self._all)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(tuple(self._all))

    def __len__(self) -> int:
        return len(self._all)
