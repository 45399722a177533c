"""A bug that is put in by hand, to see whether the suite notices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class StaleBugError(Exception):
    """The text that a bug replaces is not in the code exactly once: mend the table of bugs."""


@dataclass(frozen=True, slots=True)
class Bug:
    """One piece of code replaced by another."""

    name: str
    promise: str
    """Of P1 to P7, as the documents number them: what it breaks."""
    file: str
    old: str
    """Must stand in the file exactly once."""
    new: str
    caught_by: str
    """Id of the test that must fail; without parameters, some of a parametrised test's cases."""

    def plant(self, root: Path) -> None:
        """Put it into the code below `root`.  Raises StaleBugError; nothing is changed then."""
        path = root / self.file
        code = path.read_text(encoding="utf-8")
        found = code.count(self.old)
        if found != 1:
            raise StaleBugError(
                f"{self.name!r}: {self.old!r} stands in {self.file} {found} times, not once; "
                "give the table the text that the code has now"
            )
        path.unlink()  # it may be a link to the code of others
        path.write_text(code.replace(self.old, self.new), encoding="utf-8")
