"""Time zones by key, held ready so that reading never opens a file.

`ZoneInfo(key)` opens a file, and for an unknown key imports a package named after it: neither may
happen because of stored bytes.  So the whole time zone database (600 zones, 3 MB, 30 ms) is loaded
once per process, when a serializer is made in a process that uses `zoneinfo`, or when the first
zone is written.  Reading only looks up what is there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .errors import DeserializationError, SerializationError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_zones: dict[str, ZoneInfo] = {}


def load_zones() -> None:
    """Load every zone of the time zone database, once; later calls do nothing."""
    from zoneinfo import TZPATH, ZoneInfo, available_timezones

    if _zones:
        return
    keys = {key for root in TZPATH for key in _keys_below(root)}
    loaded: dict[str, ZoneInfo] = {}
    for key in keys or available_timezones():  # the latter finds the tzdata package, but slowly
        try:
            loaded[key] = ZoneInfo(key)
        except (OSError, LookupError, ValueError):  # no time zone, such as "leapseconds"
            continue
    _zones.update(loaded)


def load_zones_if_used() -> None:
    """Load the zones if something in this process has imported `zoneinfo`."""
    if "zoneinfo" in sys.modules:
        load_zones()


def key_of_zone(zone: ZoneInfo) -> str:
    """The key that `zone_of_key` finds the zone by.  Raises SerializationError if it has none."""
    load_zones()
    key: str | None = zone.key
    if key not in _zones:
        raise SerializationError(
            f"{zone!r} cannot be stored: it is not in the time zone database of this machine; "
            "use a zone made by ZoneInfo(key), or a fixed offset"
        )
    return key


def zone_of_key(key: str) -> ZoneInfo:
    """The zone, from memory.  Raises DeserializationError if it is not loaded."""
    zone = _zones.get(key)
    if zone is None:
        why = "is unknown on this machine" if _zones else "was not loaded: nothing used zoneinfo"
        raise DeserializationError(
            f"the time zone {key!r} {why}, and reading opens no files; "
            "install the tzdata package, and call checkpoint.load_zones() before reading"
        )
    return zone


def _keys_below(root: str) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        prefix = folder[len(root) + 1 :].replace(os.sep, "/")
        if not prefix:
            folders[:] = {*folders} - {"posix", "right"}  # the same zones once more
        for name in files:
            if "." not in name:
                yield f"{prefix}/{name}" if prefix else name
