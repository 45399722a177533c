"""Vectors of a store's index: kept as 32-bit floats of length 1, compared by their cosine.

Every vector below a search's namespace is compared (no approximate index), in blocks, so that a
search needs the memory of one block.  numpy does it when it is installed, sqlite-vec otherwise;
neither is imported before the first search.
"""

from __future__ import annotations

import heapq
import math
import struct
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import closing
from importlib import util
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from .errors import EmbeddingError, InvalidArgumentError, VectorsUnavailableError

if TYPE_CHECKING:
    import sqlite3

K = TypeVar("K", bound=Hashable)

Cosines: TypeAlias = Callable[[bytes, Sequence[bytes]], list[float]]
"""The cosines of a packed query with each of some packed vectors."""

BLOCK = 4096
"""Vectors that are compared at a time."""
_FLOAT_BYTES = 4


def pack_vector(vector: object, dims: int) -> bytes:
    """The bytes of a vector, scaled to length 1; all zeros stay zeros.  Raises EmbeddingError."""
    try:
        numbers = [float(number) for number in cast(Iterable[Any], vector)]
    except (TypeError, ValueError, OverflowError) as error:
        raise EmbeddingError(
            f"the embedding function gave {vector!r:.100} for a text: it is not a list of numbers; "
            f"make it give {dims} numbers for each text"
        ) from error
    length = math.hypot(*numbers)
    if len(numbers) != dims or not math.isfinite(length):
        raise EmbeddingError(
            f"the embedding function gave {vector!r:.100} for a text: {len(numbers)} numbers of "
            f"length {length:g}, not {dims} finite ones; mend the function, or the `dims` of the "
            "index"
        )
    return struct.pack(f"<{dims}f", *(number / length if length else 0.0 for number in numbers))


def best_first(
    candidates: Iterable[tuple[K, bytes | None]], query: bytes, cosines: Cosines, count: int
) -> list[tuple[K, float | None]]:
    """The nearest candidates with their scores, those without a vector at the end.

    A candidate that comes with several vectors counts with its nearest one; of equal ones the
    first comes first.  Raises InvalidArgumentError for vectors of another length.
    """
    scores: dict[K, float] = {}
    unscored: dict[K, None] = {}
    block: list[tuple[K, bytes]] = []
    for key, vector in candidates:
        if vector is None:
            unscored[key] = None
        else:
            block.append((key, vector))
            if len(block) == BLOCK:
                _score(block, query, cosines, scores)
                block = []
    _score(block, query, cosines, scores)
    best: list[tuple[K, float | None]] = [
        *heapq.nlargest(count, scores.items(), key=lambda scored: scored[1])
    ]
    best.extend((key, None) for key in unscored)
    return best[:count]


def _score(
    block: list[tuple[K, bytes]], query: bytes, cosines: Cosines, scores: dict[K, float]
) -> None:
    vectors = [vector for _, vector in block]
    for vector in vectors:
        if len(vector) != len(query):
            raise InvalidArgumentError(
                f"a stored vector has {len(vector) // _FLOAT_BYTES} numbers, the query has "
                f"{len(query) // _FLOAT_BYTES}: the index was made with other `dims`; open the "
                "store with those, or put its items again"
            )
    for (key, _), score in zip(block, cosines(query, vectors) if block else (), strict=True):
        scores[key] = max(score, scores.get(key, -math.inf))


def choose_cosines(installed: Callable[[str], bool], *, loads_extensions: bool) -> Cosines:
    """What compares vectors here.  Raises VectorsUnavailableError, which says what to install."""
    if installed("numpy"):
        return numpy_cosines
    if installed("sqlite_vec") and loads_extensions:
        return sqlite_vec_cosines
    raise VectorsUnavailableError(
        "a store with an index cannot be made: neither numpy nor sqlite-vec (with an sqlite3 "
        "module that loads extensions) is installed; install one of them: pip install numpy"
    )


def available_cosines() -> Cosines:
    """What compares vectors in this process.  Raises VectorsUnavailableError."""
    import sqlite3

    loads_extensions = hasattr(sqlite3.Connection, "enable_load_extension")
    return choose_cosines(
        lambda name: util.find_spec(name) is not None, loads_extensions=loads_extensions
    )


def numpy_cosines(query: bytes, vectors: Sequence[bytes]) -> list[float]:
    """Cosines by one product of a matrix."""
    import numpy as np

    matrix = np.frombuffer(b"".join(vectors), "<f4").reshape(len(vectors), -1)
    return (matrix @ np.frombuffer(query, "<f4")).tolist()


def sqlite_vec_cosines(
    query: bytes,
    vectors: Sequence[bytes],
    connect: Callable[[], sqlite3.Connection] | None = None,
) -> list[float]:
    """Cosines by the function of the sqlite-vec extension, over a connection of its own."""
    with closing((connect or _with_sqlite_vec)()) as connection:
        scores: list[float] = []
        for vector in vectors:
            row = connection.execute("SELECT vec_distance_cosine(?, ?)", (query, vector))
            (distance,) = row.fetchone()
            scores.append(0.0 if distance is None or math.isnan(distance) else 1.0 - distance)
        return scores


def _with_sqlite_vec() -> sqlite3.Connection:
    import sqlite3

    import sqlite_vec  # pyright: ignore[reportMissingTypeStubs]

    connection = sqlite3.connect(":memory:")
    connection.enable_load_extension(True)
    cast(Any, sqlite_vec).load(connection)
    connection.enable_load_extension(False)
    return connection
