"""Codes of the extensions that are written and read by themselves, not by a codec of one type.

A code, once used, never changes its meaning; those of `codecs.py` lie between these.
"""

from __future__ import annotations

from typing import Final

REGISTERED: Final = -2
"""An instance of a registered class: its name, then its state."""
REMOTE_ERROR: Final = -3
"""What is kept of an exception that cannot be stored as itself."""
BYTEARRAY: Final = -4
ZONE: Final = -5
SEALED: Final = -64
"""Encrypted bytes (`sealing.py`)."""
