"""The versions of a file's parts, in its table `part`, each with a checksum.

A version that turned over would make a file one of a newer program, or have it upgraded once more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .errors import CorruptDataError
from .row_seals import is_sealed_row, row_seal

VERSIONS = (
    "CREATE TABLE IF NOT EXISTS part (name TEXT PRIMARY KEY, version INTEGER NOT NULL,"
    " row_seal INTEGER NOT NULL) WITHOUT ROWID"
)
# As bytes: a name that is no text any more is damage, and no error of Python's.
_FIND = "SELECT CAST(name AS BLOB), version, row_seal FROM part"
_UNSEALED = "SELECT name, version FROM part"
_STAMP = "INSERT OR REPLACE INTO part (name, version, row_seal) VALUES (?, ?, ?)"
_COLUMNS = "SELECT name FROM pragma_table_info('part')"
_MOST = 1000
"""The highest version that a damaged one is tried to be."""


def find_versions(connection: sqlite3.Connection, where: str) -> dict[str, int]:
    """Those of all parts: of a name that turned into another one, the part would seem to be new.

    Raises CorruptDataError.
    """
    found: dict[str, int] = {}
    for stored, version, seal in connection.execute(_FIND).fetchall():
        name = stored.decode(errors="replace") if isinstance(stored, bytes) else stored
        if not is_sealed_row("part", (name, version, seal)):
            raise CorruptDataError(
                f"{where} is damaged: the version of part {name!r}, {version!r}, does not match "
                "its checksum; restore the file from a backup, or repair it"
            )
        found[name] = version
    return found


def stamp(connection: sqlite3.Connection, name: str, version: int) -> None:
    """Write down the version of a part."""
    connection.execute(_STAMP, (name, version, row_seal("part", name, version)))


def seal_versions(connection: sqlite3.Connection) -> None:
    """The upgrade of files whose versions had no checksums: they are taken for what they are.

    Raises CorruptDataError for what can be none.
    """
    for what in damaged_versions(connection):
        raise CorruptDataError(f"{what}; restore the file from a backup, or repair it")
    if _is_unsealed(connection):
        rows = connection.execute(_UNSEALED).fetchall()
        connection.execute("DROP TABLE part")
        connection.execute(VERSIONS)
        for name, version in rows:
            stamp(connection, name, version)


def damaged_versions(connection: sqlite3.Connection) -> Iterator[str]:
    """Names what can be no version, in a file whose versions have no checksums yet."""
    if _is_unsealed(connection):
        for name, version in connection.execute(_UNSEALED):
            if not _is_version(version):
                yield f"the version of part {name!r} is {version!r}"


def _is_unsealed(connection: sqlite3.Connection) -> bool:
    columns = [name for (name,) in connection.execute(_COLUMNS)]
    return bool(columns) and "row_seal" not in columns


def believed(rows: Iterable[Sequence[Any]], known: Mapping[str, int]) -> dict[str, int]:
    """What rows of a damaged file say; a bit that turned over in one is turned back.  Rows of which
    nothing can be told are left out.  `known`: today's versions, by part.

    Raises CorruptDataError for a row whose part is not known and whose checksum fits no version.
    """
    found: dict[str, int] = {}
    for row in rows:
        match row:
            case (name, version):  # of a file whose versions have no checksums yet
                if isinstance(name, str) and _is_version(version):
                    found[name] = min(version, known.get(name, version))
            case (name, version, int() as seal):
                if pair := _resolved(name, version, seal, known):
                    found[pair[0]] = pair[1]
            case _:
                continue
    return found


def _resolved(
    name: object, version: object, seal: int, known: Mapping[str, int]
) -> tuple[str, int] | None:
    names = [name, *known] if isinstance(name, str) else known
    for each in names:
        for number in (version, *range(1, _MOST + 1)):
            if isinstance(number, int) and row_seal("part", each, number) == seal:
                return each, number
    if not (isinstance(name, str) and isinstance(version, int)):
        return None
    if name not in known:
        raise CorruptDataError(
            f"the version of part {name!r} is damaged, and nothing else knows it; nothing was "
            "changed; give the Part that it belongs to as parts="
        )
    return (name, version) if 0 < version <= known[name] else None  # the checksum is what changed


def _is_version(version: object) -> bool:
    return isinstance(version, int) and version > 0
