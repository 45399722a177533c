"""Ids as requests bring them: UUIDs, and nothing else."""

from __future__ import annotations

import re
from uuid import UUID, uuid5

from .errors import InvalidError

_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
GRAPHS = UUID("6ba7b821-9dad-11d1-80b4-00c04fd430c8")
"""The namespace of the ids that graphs' own assistants have; clients compute them too."""


def is_uuid(text: str) -> bool:
    """True for a UUID in any case, with its dashes or without."""
    return _UUID.fullmatch(text.lower()) is not None


def uuid_of(noun: str, text: str) -> str:
    """The UUID in its usual form.  Raises InvalidError, which names the noun."""
    if not is_uuid(text):
        raise InvalidError(f"Invalid {noun} ID: must be a UUID")
    return str(UUID(text))


def default_assistant_id(graph_id: str) -> str:
    """The id of the assistant that each graph has from the start."""
    return str(uuid5(GRAPHS, graph_id))
