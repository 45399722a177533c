"""The items of a store in a database: units of work for the committer and the pool."""

from __future__ import annotations

from .embedding import Embedded
from .store_plan import Plan
from .store_reads import Answers, ReadItems
from .store_tables import SweepItems, WriteItems
from .value import Value, slotted
from .vectors import Cosines


@slotted
class StoreUnits(Value):
    """What a store asks of its database; `cosines` compares vectors."""

    cosines: Cosines | None

    def read(self, asked: Plan, embedded: Embedded, now: float) -> ReadItems:
        """Gives Answers."""
        return ReadItems(asked, embedded, self.cosines, now)

    def unread(self, asked: Plan) -> Answers:
        """The answers of a batch that reads nothing."""
        return Answers([None] * asked.size, [])

    def write(self, asked: Plan, answers: Answers, embedded: Embedded, now: float) -> WriteItems:
        """Writes what a batch puts, and what its reads refresh."""
        return WriteItems(asked.puts, answers.refreshed, embedded, now)

    def sweep(self, now: float) -> SweepItems | None:
        """Gives Swept, with what goes on."""
        return SweepItems(now)
