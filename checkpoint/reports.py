"""What administration tells: the threads there are, what was removed, what is damaged."""

from __future__ import annotations

from dataclasses import dataclass

from .value import Value


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ThreadInfo(Value):
    """One thread in a list of them."""

    thread_id: str
    checkpoints: int
    """How many are stored, in all its namespaces."""
    newest_id: str
    """The newest checkpoint of the root graph (of any namespace, if the root has none)."""
    updated_at: float
    """When that was written, in seconds since the epoch."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
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


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Damage(Value):
    """One thing that is wrong with what is stored."""

    thread_id: str | None
    """None: of the file, or of a run's events."""
    ns: str
    checkpoint_id: str | None
    what: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
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


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Vacuumed(Value):
    """The size of a database, with its log, before and after it was packed; in bytes."""

    before: int
    after: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ThreadLoss(Value):
    """What a thread loses by a repair."""

    thread_id: str
    newest_id: str | None
    """The checkpoint it goes on from; None: nothing is left of it."""
    checkpoints: int
    """How many go, in all namespaces."""
    writes: int
    """Tasks whose pending writes are lost, after checkpoints that stay: of the newest one, they
    run again."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RunLoss(Value):
    """What a run's log of events loses by a repair: its end."""

    run_id: str
    last: int
    """The last event that stays; 0: none."""
    events: int
    """How many go."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RowLoss(Value):
    """Rows of the store, of the cache or of other tables that a repair cannot save."""

    table: str
    rows: int
    """How many there were, as far as can be told: an index counts them too."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Repair(Value):
    """What is damaged in a file, what mending it costs, and whether that was done."""

    damage: tuple[Damage, ...] = ()
    """What `verify` has to say of it."""
    threads: tuple[ThreadLoss, ...] = ()
    runs: tuple[RunLoss, ...] = ()
    rows: tuple[RowLoss, ...] = ()
    backup: str | None = None
    """Where the damaged file is now; None: nothing was changed."""

    @property
    def ok(self) -> bool:
        """True if nothing was damaged."""
        return not self.damage
