"""Mending a damaged database file, by building a new one of what can be read of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .repair_reports import Repair
    from .serde import Serializer
    from .upgrades import Part


def repair_database(
    path: str | os.PathLike[str],
    *,
    serializer: Serializer | None = None,
    fall_back: bool = False,
    parts: Sequence[Part] = (),
) -> Repair:
    """Tell what is damaged in a file and what mending it costs; with `fall_back`, do it.

    Threads of which checkpoints are lost fall back to the newest checkpoint that is intact with all
    it needs; logs of events end before the first one that is lost; other rows are saved one by one.
    The damaged file stays beside the new one, as `Repair.backup`.  Who dies in the middle leaves
    the one or the other::

        found = repair_database("threads.db")
        print(found.damage, found.threads)
        repair_database("threads.db", fall_back=True)

    `serializer` is that of the savers, `parts` are tables of one's own.  It blocks until it is done
    (in async code: `asyncio.to_thread`), and needs room beside the file for three copies of it.

    Raises DatabaseBusyError for a file that is open anywhere, NotADatabaseError, NewerSchemaError,
    DatabaseUnwritableError, KeyRequiredError or WrongKeyError, and CorruptDataError if nothing
    sound can be made of it; nothing is changed then.
    """
    from .rebuild import Rebuild  # not before somebody repairs a file

    real = Path(os.path.realpath(os.fspath(path)))
    return Rebuild(real, serializer, tuple(parts)).run(fall_back=fall_back)
