"""The `extra` of checkpoints' metadata as bytes: the same bytes for all checkpoints of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import SerializationError
from .sealing import sealing_of
from .serde import Serializer

_KEPT = 256


class ExtraEncoder:
    """Encodes what many checkpoints have in common; any thread may use it.

    What is encrypted gives other bytes each time, and would be stored again with each checkpoint:
    so sealed bytes are kept for a while, and given again for an equal `extra`.
    """

    def __init__(self, serializer: Serializer) -> None:
        self._sealing = sealing_of(serializer)
        self._sealed: dict[bytes, bytes] = {}

    def encode(self, extra: Mapping[str, Any]) -> bytes:
        """The bytes, b"" if it is empty.

        Raises SerializationError (or its subclass) naming the key.
        """
        if not extra:
            return b""
        plain = _encoded(self._sealing.plain, extra)
        sealed = self._sealed.get(plain)
        if sealed is None:
            if len(self._sealed) >= _KEPT:
                self._sealed = {}
            sealed = self._sealed[plain] = self._sealing.seal(plain)
        return sealed


def _encoded(serializer: Serializer, extra: Mapping[str, Any]) -> bytes:
    try:
        return serializer.dumps(dict(extra))
    except SerializationError:
        for key, value in extra.items():
            try:
                serializer.dumps(value)
            except SerializationError as error:
                error.args = (f"config['metadata'][{key!r}]: {error}",)
                raise error from None
        raise
