"""Tracebacks that show the user's frames; ours, and the libraries' under us, are left out."""

from __future__ import annotations

import sys
from types import FrameType, TracebackType

from checkpoint import CheckpointError
from streaming import StreamingError

from .errors import ActorsError

_TYPED = (ActorsError, CheckpointError, StreamingError)
_MACHINERY = frozenset(
    {
        "actors",
        "anyio",
        "asyncio",
        "checkpoint",
        "concurrent",
        "contextlib",
        "msgpack",
        "streaming",
        "threading",
    }
)
"""Packages whose frames say nothing about the user's mistake."""


def user_frames(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback without the frames of the machinery; as it is if no other frame is left."""
    kept: list[TracebackType] = []
    link = traceback
    while link is not None:
        if not _is_machinery(link.tb_frame):
            kept.append(link)
        link = link.tb_next
    shown: TracebackType | None = None
    for link in reversed(kept):
        shown = TracebackType(shown, link.tb_frame, link.tb_lasti, link.tb_lineno)
    return shown or traceback


def show_user_frames(error: BaseException) -> None:
    """Leave the machinery's frames out of an error's traceback.

    An error of our own that no user code raised says everything in its text: the frame that raised
    it is kept alone.
    """
    shown = user_frames(error.__traceback__)
    if isinstance(error, _TYPED) and shown is not None and _is_machinery(shown.tb_frame):
        while shown.tb_next is not None:
            shown = shown.tb_next
    error.with_traceback(shown)  # not by assignment: an exception may be a frozen dataclass


def _is_machinery(frame: FrameType) -> bool:
    """True if the frame belongs to a module of the machinery (the very object, not the name)."""
    name = frame.f_globals.get("__name__", "")
    module = sys.modules.get(name)
    return (
        name.partition(".")[0] in _MACHINERY
        and getattr(module, "__dict__", None) is frame.f_globals
    )
