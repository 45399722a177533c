"""Words on a terminal: wrapped as they come, dimmed where they are not the point."""

from __future__ import annotations

import os
import shutil
import sys

MAX_WIDTH = 100


class Screen:
    """Shows an answer token by token, each line indented and no wider than the terminal."""

    def __init__(self, indent: str = "") -> None:
        self._indent = indent
        self._width = min(shutil.get_terminal_size().columns, MAX_WIDTH) - 1
        self._column = 0

    def say(self, token: str) -> None:
        """Show the next token; a word that does not fit begins a new line."""
        for part in token.splitlines(keepends=True):
            word = part.rstrip("\r\n")
            if self._column and self._column + len(word) > self._width:
                self.end()
                word = "  " + word.lstrip()
            if word and not self._column:
                word = self._indent + word
            sys.stdout.write(word)
            self._column += len(word)
            if part.endswith(("\n", "\r")):
                self.end()
        sys.stdout.flush()

    def end(self) -> None:
        """End the line, if one is begun."""
        if self._column:
            print(flush=True)
        self._column = 0


def dim(text: str) -> str:
    """The text as a side note, on a terminal that can show it so."""
    shown = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return f"\x1b[2m{text}\x1b[0m" if shown else text
