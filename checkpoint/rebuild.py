"""The steps of a repair: a copy of the damaged file is read, a new file is built beside it, and the
two change places.

The log belongs to the file by its name alone, so the two cannot be exchanged at once.  First the
file gives way to a copy with the log moved into it, beside which the log changes nothing; then the
log goes; then the new file takes the place.  At each moment what stands there is the old database
or the new one.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path

from .alone import alone, in_use
from .errors import (
    CheckpointError,
    CorruptDataError,
    DatabaseError,
    KeyRequiredError,
    NotADatabaseError,
    WrongKeyError,
)
from .lease import shut
from .log_pages import LogPages, read_log
from .mend import Mender, Mending
from .pages import HEADER, PageFile
from .repair_reports import Repair
from .reports import Damage
from .salvage import Salvage
from .saver_schema import SAVER
from .schema import APPLICATION_ID, PAGE_SIZE, SCHEMA, flush_folder, typed_error
from .sealing import check_key, check_mark, payload_of
from .serde import MsgpackSerializer, Serializer
from .soundness_reads import VerifyFile
from .sqlite_cache import CACHE
from .store_schema import STORE
from .upgrades import Part, check_not_newer

_OURS = {"thread", "scope", "checkpoint"}
_CHUNK = 1 << 20


class Rebuild:
    """A repair of one file."""

    def __init__(self, path: str, serializer: Serializer | None, parts: tuple[Part, ...]) -> None:
        self._path = Path(path)
        self._serializer = serializer or MsgpackSerializer()
        self._parts = (SAVER, STORE, CACHE, *parts)
        self._folder = self._beside("-repair")

    def run(self, *, fall_back: bool) -> Repair:
        """See `sqlite.repair_database`."""
        if not self._path.is_file():
            raise NotADatabaseError(f"{str(self._path)!r} is no file; give the path of a database")
        try:
            with shut(self._path, in_use), alone(self._path) as file:
                shutil.rmtree(self._folder, ignore_errors=True)  # of one that died
                self._folder.mkdir()
                try:
                    return self._repaired(file, fall_back=fall_back)
                finally:
                    shutil.rmtree(self._folder, ignore_errors=True)
        except (sqlite3.Error, OSError) as error:
            raise typed_error(error, str(self._path)) from error

    def _repaired(self, file: int, *, fall_back: bool) -> Repair:
        raw = self._folder / "damaged"
        _copy(file, raw)
        log, merged = self._merged(raw)
        self._check_ours(merged)
        damage = self._damage(merged)
        if not damage:
            return Repair()
        fresh = self._folder / "repaired"
        mending = self._build(merged, fresh)
        backup = self._swap(raw, merged, fresh, log) if fall_back else None
        return Repair(damage, mending.threads, mending.runs, mending.rows, backup)

    def _merged(self, raw: Path) -> tuple[LogPages, Path]:
        """The damaged file with its log moved into it."""
        journal = self._beside("-journal")
        if journal.exists() and journal.stat().st_size:
            raise DatabaseError(
                f"{str(self._path)!r} cannot be repaired: it has a rollback journal, of a process "
                "that died when it made or upgraded the file; nothing was changed; open it once"
            )
        kept = self._beside("-wal")
        data = kept.read_bytes() if kept.exists() else b""
        log = read_log(data)
        if not log.length:
            return log, raw
        merged = self._folder / "merged"
        shutil.copyfile(raw, merged)
        with merged.open("r+b") as file:
            for number, at in log.places.items():
                file.seek((number - 1) * log.size)
                file.write(data[at : at + log.size])
            file.truncate(log.length * log.size)
        return log, merged

    def _check_ours(self, merged: Path) -> None:
        with merged.open("rb") as file:
            head = file.read(HEADER).ljust(HEADER, b"\0")
        version, application = _int(head, 60), _int(head, 68)
        if application == APPLICATION_ID:
            check_not_newer(version, SCHEMA.version, repr(str(self._path)))
        pages = PageFile(merged.read_bytes(), _page_size(head))
        names = {name for cell in pages.walk(1) for name in cell.values[1:2]}
        if application != APPLICATION_ID and not names >= _OURS:
            raise NotADatabaseError(
                f"{str(self._path)!r} is no database of this program, or nothing of it can be "
                "read; it was left untouched; give another path"
            )

    def _damage(self, merged: Path) -> tuple[Damage, ...]:
        """What there is to say of the file as it stands."""
        address = f"{merged.as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            try:
                check_key(connection, self._serializer, str(self._path))
                return VerifyFile(self._serializer).read(connection).damage
            except (KeyRequiredError, WrongKeyError):
                raise
            except (sqlite3.Error, UnicodeDecodeError, CheckpointError) as error:
                return (Damage(None, "", None, str(error)),)

    def _build(self, merged: Path, fresh: Path) -> Mending:
        """Make the new file.  Raises CorruptDataError if what comes of it is not sound."""
        data = merged.read_bytes()
        with closing(sqlite3.connect(fresh, isolation_level=None)) as target:
            target.execute(f"PRAGMA page_size={PAGE_SIZE}")
            target.execute("PRAGMA synchronous=OFF")
            target.execute("PRAGMA trusted_schema=OFF")
            target.execute("BEGIN")
            salvage = Salvage(PageFile(data, _page_size(data)), target, self._parts)
            salvage.take()
            self._mark(target)
            mending = Mender(target, self._serializer, salvage).mend()
            target.execute("COMMIT")
            left = VerifyFile(self._serializer).read(target).damage
        if left:
            raise CorruptDataError(
                f"{str(self._path)!r} cannot be repaired: {left[0].what}; nothing was changed; "
                "restore the file from a backup"
            )
        return mending

    def _mark(self, target: sqlite3.Connection) -> None:
        """See that the mark that tells whose key the file needs is there, and whole."""
        if not target.execute("SELECT 1 FROM sqlite_master WHERE name='seal'").fetchone():
            return
        try:
            check_key(target, self._serializer, str(self._path))
        except (KeyRequiredError, WrongKeyError):
            raise
        except CheckpointError:
            target.execute("DELETE FROM seal")
        values = target.execute("SELECT data FROM blob ORDER BY seq DESC LIMIT 100")
        if any(payload_of(value) is not None for (value,) in values):
            check_mark(target, self._serializer, str(self._path))

    def _swap(self, raw: Path, merged: Path, fresh: Path, log: LogPages) -> str:
        """Put the new file in the place of the damaged one; gives where that is now."""
        backup = self._backup()
        if self._beside("-wal").exists():
            kept = self._folder / "damaged-wal"
            shutil.copyfile(self._beside("-wal"), kept)
            self._settle(kept)
            kept.rename(backup.with_name(backup.name + "-wal"))
        self._settle(raw)
        raw.rename(backup)
        self._settle(fresh)
        with ExitStack() as locked:
            if log.length:
                self._settle(merged)
                locked.enter_context(alone(merged))
                merged.replace(self._path)
                flush_folder(self._path)
            locked.enter_context(alone(fresh))
            for suffix in ("-wal", "-shm"):
                self._beside(suffix).unlink(missing_ok=True)
            flush_folder(self._path)
            fresh.replace(self._path)
            flush_folder(self._path)
        return str(backup)

    def _settle(self, file: Path) -> None:
        """Give a file the rights of the damaged one, and flush it to the disk."""
        shutil.copymode(self._path, file)
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _backup(self) -> Path:
        """A name that is free."""
        first = self._beside(".damaged")
        others = (first.with_name(f"{first.name}-{number}") for number in range(2, 10_000))
        return next(each for each in (first, *others) if not each.exists())

    def _beside(self, suffix: str) -> Path:
        return self._path.with_name(self._path.name + suffix)


def _copy(file: int, to: Path) -> None:
    with to.open("wb") as copy:
        at = 0
        while data := os.pread(file, _CHUNK, at):
            copy.write(data)
            at += len(data)


def _page_size(head: bytes) -> int:
    size = int.from_bytes(head[16:18], "big")
    return size if size >= 512 and not size & (size - 1) else PAGE_SIZE


def _int(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")
