"""The log of a quiet run: nothing of it is stored, nobody watches, and nobody is told.

Most such runs end before anything has asked for their log or for their id, so both are made when
that happens.
"""

from __future__ import annotations

from checkpoint import new_id
from streaming import RunLog


class QuietLog:
    """Makes a log when it is first asked for; from any thread."""

    _closed = False
    _log: RunLog | None = None
    _run_id: str | None = None

    def __init__(self, run_id: str | None) -> None:
        if run_id is not None:
            self._run_id = run_id

    @property
    def run_id(self) -> str:
        """The run whose log it is."""
        # The first of several threads that ask at once gives it to the others.
        return self._run_id or vars(self).setdefault("_run_id", new_id())

    def open(self) -> RunLog:
        """The log."""
        log = self._log
        if log is None:
            log = vars(self).setdefault("_log", RunLog(self.run_id, keep=False))
            if self._closed:  # seen here, or the log by who closes it
                log.close()
        return log

    def close(self) -> None:
        """Say that nothing follows."""
        self._closed = True
        if self._log is not None:
            self._log.close()
