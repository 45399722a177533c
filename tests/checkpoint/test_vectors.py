"""Packing and comparing vectors, and what does it on which machine."""

from __future__ import annotations

import math
import sqlite3
import struct
from functools import partial

import pytest

from checkpoint import EmbeddingError, InvalidArgumentError, VectorsUnavailableError
from checkpoint.vectors import (
    BLOCK,
    available_cosines,
    best_first,
    choose_cosines,
    numpy_cosines,
    pack_vector,
    sqlite_vec_cosines,
)


def pack(*numbers: float) -> bytes:
    return pack_vector(numbers, len(numbers))


def test_a_vector_is_packed_with_length_1() -> None:
    assert struct.unpack("<2f", pack(3, 4)) == pytest.approx((0.6, 0.8))
    assert struct.unpack("<2f", pack(1e300, 0)) == (1.0, 0.0)
    assert struct.unpack("<2f", pack(0, 0)) == (0.0, 0.0)


@pytest.mark.parametrize(
    "vector", [[1.0], [1.0, math.inf], [1.0, math.nan], "ab", None, [None, 1], [10**400, 1]]
)
def test_what_is_no_vector_is_refused(vector: object) -> None:
    with pytest.raises(EmbeddingError, match=r"the embedding function gave .*; m"):
        pack_vector(vector, 2)


def test_the_nearest_come_first_and_those_without_a_vector_last() -> None:
    candidates = [("none", None), ("far", pack(0, 1)), ("near", pack(1, 0)), ("far", pack(1, 1))]
    best = best_first(candidates, pack(1, 0), numpy_cosines, 10)
    assert best == [("near", 1.0), ("far", pytest.approx(math.sqrt(0.5))), ("none", None)]
    assert best_first(candidates, pack(1, 0), numpy_cosines, 1) == [("near", 1.0)]
    assert best_first([], pack(1, 0), numpy_cosines, 5) == []


def test_blocks_are_joined() -> None:
    near = {7: pack(1, 0), BLOCK + 7: pack(2, 1), 2 * BLOCK + 4: pack(3, 1)}
    candidates = [(n, near.get(n, pack(0, 1))) for n in range(2 * BLOCK + 5)]
    best = best_first(candidates, pack(1, 0), numpy_cosines, 3)
    assert [n for n, _ in best] == [7, 2 * BLOCK + 4, BLOCK + 7]


def test_vectors_of_another_index_are_reported() -> None:
    with pytest.raises(InvalidArgumentError, match=r"has 3 numbers, the query has 2.*`dims`; open"):
        best_first([("k", pack(1, 2, 3))], pack(1, 0), numpy_cosines, 5)


def test_numpy_is_chosen_before_sqlite_vec() -> None:
    choose = partial(choose_cosines, loads_extensions=True)
    assert choose(lambda _: True) is numpy_cosines
    assert choose(lambda name: name == "sqlite_vec") is sqlite_vec_cosines
    assert available_cosines() is numpy_cosines


@pytest.mark.parametrize("installed", [(), ("sqlite_vec",)])
def test_without_either_the_error_says_what_to_install(installed: tuple[str, ...]) -> None:
    with pytest.raises(VectorsUnavailableError, match=r"neither numpy .*: pip install numpy"):
        choose_cosines(installed.__contains__, loads_extensions=False)


def test_sqlite_vec_gives_what_numpy_gives() -> None:
    """Through a connection that has its function; the extension is not loaded everywhere."""

    def distance(one: bytes, other: bytes) -> float | None:
        first, second = struct.unpack("<3f", one), struct.unpack("<3f", other)
        if not any(second):
            return None
        product = sum(x * y for x, y in zip(first, second, strict=True))
        return 1 - product / (math.hypot(*first) * math.hypot(*second))

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(":memory:")
        connection.create_function("vec_distance_cosine", 2, distance)
        return connection

    vectors = [pack(1, 2, 3), pack(-1, 0, 0.5), pack(0, 0, 0)]
    query = pack(3, 2, 1)
    given = sqlite_vec_cosines(query, vectors, connect)
    assert given == pytest.approx(numpy_cosines(query, vectors), abs=1e-6)
