"""What administration tells: the threads there are, what was removed, what is damaged."""

from __future__ import annotations

from .value import Value, slotted


@slotted
class ThreadInfo(Value):
    """One thread in a list of them."""

    thread_id: str
    checkpoints: int
    """How many are stored, in all its namespaces."""
    newest_id: str
    """The newest checkpoint of the root graph (of any namespace, if the root has none)."""
    updated_at: float
    """When that was written, in seconds since the epoch."""


@slotted
class Removed(Value):
    """What an operation removed."""

    checkpoints: int = 0
    blobs: int = 0
    """Values and pieces of lists that nothing needs any more."""
    bytes: int = 0
    """Their size; small values, which ride in their checkpoints, come on top."""

    def __add__(self, other: Removed) -> Removed:
        return Removed(
            self.checkpoints + other.checkpoints,
            self.blobs + other.blobs,
            self.bytes + other.bytes,
        )


@slotted
class Damage(Value):
    """One thing that is wrong with what is stored."""

    thread_id: str | None
    """None: of the file, or of a run's events."""
    ns: str
    checkpoint_id: str | None
    what: str


@slotted
class Verification(Value):
    """What a look at everything that is stored came to."""

    threads: int = 0
    checkpoints: int = 0
    blobs: int = 0
    damage: tuple[Damage, ...] = ()

    @property
    def ok(self) -> bool:
        """True if nothing is damaged."""
        return not self.damage

    def __add__(self, other: Verification) -> Verification:
        return Verification(
            self.threads + other.threads,
            self.checkpoints + other.checkpoints,
            self.blobs + other.blobs,
            self.damage + other.damage,
        )


@slotted
class Vacuumed(Value):
    """The size of a database, with its log, before and after it was packed; in bytes."""

    before: int
    after: int
