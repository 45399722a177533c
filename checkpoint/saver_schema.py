"""The tables that a saver adds to those every file has; they are made when one first opens it.

run_thread       which thread a run's events came with (`run_threads.py`)
seal             one row, if values were encrypted: a mark, sealed with the same key (`sealing.py`)
"""

from .upgrades import Part

_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS run_thread (thread INTEGER NOT NULL, run INTEGER NOT NULL UNIQUE,
        PRIMARY KEY (thread, run)) WITHOUT ROWID
    """,
    "CREATE TABLE IF NOT EXISTS seal (id INTEGER PRIMARY KEY, mark BLOB NOT NULL)",
)

SAVER = Part("saver", 1, _TABLES, sign="run_thread")
