"""Errors of the storage packages: what was asked, why it cannot be, what to do.

CheckpointError
├── SerializationError                 a value cannot become bytes
│   └── UnregisteredTypeError (TypeError)  its class is not registered
├── DeserializationError               bytes cannot become a value
│   ├── UnknownTypeTagError            they name a type this process has not registered
│   ├── WrongKeyError                  they were encrypted with another key
│   └── KeyRequiredError               they are encrypted, and there is no key
├── TypeRegistrationError (TypeError)  a class cannot be registered, or not under this name
├── RemoteError                        stands for a stored exception whose class is unknown
├── InvalidIdError (ValueError)        a text is no id, or no id can come after it
├── InvalidArgumentError (ValueError)  a saver, a store or a cache cannot do what was asked
│   ├── InvalidNamespaceError              no namespace of a store
│   ├── InvalidFilterError                 no filter of a search
│   ├── InvalidLimitError                  no limit of what to keep
│   └── InvalidKeyError                    no key to encrypt with
├── EmbeddingError                     an embedding function gave no usable vectors
├── VectorsUnavailableError (ImportError)  nothing is installed that compares vectors
├── EncryptionUnavailableError (ImportError)  nothing is installed that encrypts
├── UnknownThreadError (LookupError)   nothing is stored of the thread
├── SaverClosedError                   the saver is not open
├── ThreadBusyError                    another scheduler holds the thread
├── StaleClaimError                    the thread was taken over since
├── CheckpointConflictError            a checkpoint, blob or event with this id is there already
│   └── ThreadNotEmptyError            a thread to copy to holds something
└── DatabaseError                      the file
    ├── NotADatabaseError
    ├── NewerSchemaError
    ├── SchemaUpgradeError             tables of an older version cannot become those of today
    ├── DatabaseUnwritableError        read-only folder, disk full, I/O error
    ├── DatabaseBusyError              others use it, and it is needed alone
    ├── RowTooLargeError               a value is too large for a row
    └── CorruptDataError               a checksum does not match
"""


class CheckpointError(Exception):
    """Root of the storage errors; never raised itself."""


class SerializationError(CheckpointError):
    """A value cannot become bytes: too deep, too long, or without a code; give a plainer value."""


class UnregisteredTypeError(SerializationError, TypeError):
    """The value's class is not registered; register it with `checkpoint.register_type(cls)`."""


class DeserializationError(CheckpointError):
    """The bytes are damaged or not what this serializer writes; restore them from a backup."""


class UnknownTypeTagError(DeserializationError):
    """The bytes name a type that is not registered here; import the module that registers it."""


class WrongKeyError(DeserializationError):
    """The bytes were encrypted with another key; nothing was changed; give the key they need."""


class KeyRequiredError(DeserializationError):
    """The bytes are encrypted, and no key was given; use an EncryptedSerializer with their key."""


class TypeRegistrationError(CheckpointError, TypeError):
    """The class cannot be registered like this; the message says which argument to change."""


class RemoteError(CheckpointError):
    """Stands for a stored exception of a class that was not registered; register it to keep it.

    `type_name` is the module-qualified name of the class, `message` what `str` made of it.
    """

    def __init__(self, type_name: str, message: str) -> None:
        super().__init__(type_name, message)
        self.type_name = type_name
        self.message = message

    def __str__(self) -> str:
        return f"{self.type_name}: {self.message}" if self.message else self.type_name


class InvalidIdError(CheckpointError, ValueError):
    """The text is no id in UUID form, or none can follow it; make ids with `new_id`."""


class InvalidArgumentError(CheckpointError, ValueError):
    """What was asked cannot be; nothing was changed; the message says which argument to change."""


class InvalidNamespaceError(InvalidArgumentError):
    """Not a store's namespace; give a tuple of labels, texts without dots."""


class InvalidFilterError(InvalidArgumentError):
    """Not a search's filter; give values to equal, or operators such as {"$gte": 3}."""


class InvalidLimitError(InvalidArgumentError):
    """Not a limit of what to keep; nothing was changed; give a number of at least 1, or a time."""


class InvalidKeyError(InvalidArgumentError):
    """Not a key to encrypt with; give 16, 24 or 32 bytes, such as os.urandom(32)."""


class EmbeddingError(CheckpointError):
    """An embedding function gave no usable vectors; nothing was changed; mend the function."""


class VectorsUnavailableError(CheckpointError, ImportError):
    """Nothing is installed that compares vectors; install numpy."""


class EncryptionUnavailableError(CheckpointError, ImportError):
    """Nothing is installed that encrypts; install understudy[encryption]."""


class UnknownThreadError(CheckpointError, LookupError):
    """Nothing is stored of the thread; look at `threads()` for those there are."""


class SaverClosedError(CheckpointError):
    """The saver (store, cache) is not open; use it inside its `with` or `async with` block."""


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


class ThreadNotEmptyError(CheckpointConflictError):
    """A thread to copy to holds something; nothing was changed; delete it or give another id."""


class DatabaseError(CheckpointError):
    """Something is wrong with the database file; the message says what to do."""


class NotADatabaseError(DatabaseError):
    """The file is no SQLite database of ours; it was left untouched; give another path."""


class NewerSchemaError(DatabaseError):
    """The database was written by a newer version; it was left untouched; upgrade understudy."""


class SchemaUpgradeError(DatabaseError):
    """Tables of an older version cannot become those of today; they were left as they were."""


class DatabaseUnwritableError(DatabaseError):
    """The database cannot be written (read-only, full or failing disk); mend that and try again."""


class DatabaseBusyError(DatabaseError):
    """Others use the database, and this needs it alone; try again when they are done."""


class RowTooLargeError(DatabaseError):
    """A value is larger than a row can be (1 GB); nothing was stored; keep it elsewhere."""


class CorruptDataError(DatabaseError):
    """A stored row does not match its checksum; restore the file from a backup."""
