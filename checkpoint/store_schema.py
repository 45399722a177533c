"""The tables of a store; they are made when a store first opens a file.

store_namespace  `name`: the labels in UTF-8 with a NUL between them, so that names sort as
                 tuples do; `id` tells which was first
store_item       `id` tells which was first in its namespace; `value` is JSON in ASCII; times
                 are seconds since the epoch, `ttl` is in seconds
store_vector     packed vectors (`vectors.py`) of an item, numbered

Every row has a checksum, `crc`, over its other columns.
"""

from .upgrades import Part

_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS store_namespace (id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE,
        crc INTEGER NOT NULL)
    """,
    """
    CREATE TABLE IF NOT EXISTS store_item (id INTEGER PRIMARY KEY, ns INTEGER NOT NULL,
        key TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL, ttl REAL, expires REAL,
        crc INTEGER NOT NULL, value TEXT NOT NULL, UNIQUE (ns, key))
    """,
    "CREATE INDEX IF NOT EXISTS store_item_ns ON store_item (ns)",
    """
    CREATE INDEX IF NOT EXISTS store_item_end ON store_item (expires) WHERE expires IS NOT NULL
    """,
    """
    CREATE TABLE IF NOT EXISTS store_vector (item INTEGER NOT NULL, number INTEGER NOT NULL,
        crc INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (item, number)) WITHOUT ROWID
    """,
)

STORE = Part("store", 1, _TABLES, sign="store_item")
