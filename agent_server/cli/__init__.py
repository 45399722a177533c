"""The command line: `understudy`."""

from .main import main

__all__ = ["main"]
