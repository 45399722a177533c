"""A serializer that counts what it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from checkpoint import MsgpackSerializer


class Counting(MsgpackSerializer):
    """Counts whole values and items that are packed, and calls that read items or cut them out."""

    def __init__(self) -> None:
        super().__init__()
        self.dumped = self.packed = self.read = self.cut = 0

    def dumps(self, value: Any) -> bytes:
        self.dumped += 1
        return super().dumps(value)

    def pack_items(self, values: Sequence[Any]) -> list[bytes]:
        self.packed += len(values)
        return super().pack_items(values)

    def unpack_items(self, data: bytes) -> list[Any]:
        self.read += 1
        return super().unpack_items(data)

    def split_items(self, data: bytes) -> list[bytes]:
        self.cut += 1
        return super().split_items(data)
