"""Errors of the storage packages: what was asked, why it cannot be, what to do.

    CheckpointError
    ├── SerializationError                 a value cannot become bytes
    │   └── UnregisteredTypeError (TypeError)  its class is not registered
    ├── DeserializationError               bytes cannot become a value
    │   └── UnknownTypeTagError            they name a type this process has not registered
    ├── SaverClosedError                   the saver is not open
    ├── ThreadBusyError                    another scheduler holds the thread
    ├── StaleClaimError                    the thread was taken over since
    ├── CheckpointConflictError            a checkpoint, blob or event with this id is there already
    └── DatabaseError                      the file
        ├── NotADatabaseError
        ├── NewerSchemaError
        ├── DatabaseUnwritableError        read-only folder, disk full, I/O error
        └── CorruptDataError               a checksum does not match
"""


class CheckpointError(Exception):
    """Root of the storage errors; never raised itself."""


class SerializationError(CheckpointError):
    """A value cannot become bytes (too deep, too large, or of a kind that has no code)."""


class UnregisteredTypeError(SerializationError, TypeError):
    """The value's class is not registered; register it with `checkpoint.register_type(cls)`."""


class DeserializationError(CheckpointError):
    """The bytes are damaged or not what this serializer writes; restore them from a backup."""


class UnknownTypeTagError(DeserializationError):
    """The bytes name a type that is not registered here; import the module that registers it."""


class SaverClosedError(CheckpointError):
    """The saver is not open; use it inside its `with` or `async with` block."""


class ThreadBusyError(CheckpointError):
    """Another scheduler holds the thread; wait for it, cancel it, or use another thread."""

    def __init__(self, message: str, *, thread_id: str = "", owner: str = "") -> None:
        super().__init__(message)
        self.thread_id = thread_id
        self.owner = owner


class StaleClaimError(CheckpointError):
    """The thread was taken over by another scheduler since this claim; load it again and go on."""


class CheckpointConflictError(CheckpointError):
    """A row with this id is stored already; nothing was changed; load the thread again."""


class DatabaseError(CheckpointError):
    """Something is wrong with the database file; the message says what to do."""


class NotADatabaseError(DatabaseError):
    """The file is no SQLite database of ours; it was left untouched; give another path."""


class NewerSchemaError(DatabaseError):
    """The database was written by a newer version; it was left untouched; upgrade understudy."""


class DatabaseUnwritableError(DatabaseError):
    """The database cannot be written (read-only, full or failing disk); mend that and try again."""


class CorruptDataError(DatabaseError):
    """A stored row does not match its checksum; restore the file from a backup."""
