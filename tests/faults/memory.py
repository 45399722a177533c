"""How much memory is held."""

from __future__ import annotations

import gc
import sys


def blocks_in_use() -> int:
    """Blocks of memory that something still refers to: garbage in circles is taken out first."""
    gc.collect()
    return sys.getallocatedblocks()
