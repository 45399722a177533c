"""The command line: `understudy`."""

from .main import app, main

__all__ = ["app", "main"]
