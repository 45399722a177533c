"""Ids: their form, their order whatever the clock does, threads, forks."""

from __future__ import annotations

import contextvars
import itertools
import os
import subprocess
import sys
import threading
import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint.errors import InvalidIdError
from checkpoint.ids import Entropy, IdSource, id_from_bytes, id_to_bytes, ids_from, new_id

MS = 1_000_000


def source(*clock_ns: int, random: bytes = b"\x12" * 10) -> IdSource:
    """A source whose clock shows the given times and then stands still."""
    times = itertools.chain(clock_ns, itertools.repeat(clock_ns[-1]))
    return IdSource(times.__next__, lambda size: random[:size])


def test_the_worked_example_of_the_rfc_comes_out() -> None:
    random = (0xCC3 << 62 | 0x18C4DC0C0C07398F).to_bytes(10, "big")
    made = source(0x017F22E279B0 * MS, random=random).new()
    assert made == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_an_id_is_a_uuid_of_version_7_that_holds_its_millisecond(ms: int, random: bytes) -> None:
    made = uuid.UUID(source(ms * MS + 999_999, random=random).new())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == ms
    bits = int.from_bytes(random, "big")
    assert made.int >> 64 & 0xFFF == bits >> 62 & 0xFFF
    assert made.int & 2**62 - 1 == bits & 2**61 - 1, "with room to count up"


@pytest.mark.parametrize("ns", [-1, 2**48 * MS])
def test_a_moment_that_does_not_fit_is_refused(ns: int) -> None:
    with pytest.raises(InvalidIdError, match="mend the clock"):
        source(ns).new()


@given(st.binary(min_size=16, max_size=16))
def test_bytes_and_text_of_an_id_are_the_same_thing(data: bytes) -> None:
    assert id_to_bytes(id_from_bytes(data)) == data
    assert id_from_bytes(data) == str(uuid.UUID(bytes=data))


@pytest.mark.parametrize(
    "text", ["", "abc", "0" * 32, "g" * 36, "00000000-0000-0000-0000-0000000000-0"]
)
def test_other_texts_are_no_ids(text: str) -> None:
    with pytest.raises(InvalidIdError, match="is no id"):
        id_to_bytes(text)


def test_other_sizes_are_no_ids() -> None:
    with pytest.raises(InvalidIdError, match="16 bytes"):
        id_from_bytes(b"short")


@pytest.mark.parametrize(
    "clock",
    [
        pytest.param([5 * MS], id="stands still"),
        pytest.param([5 * MS, 3 * MS, 1 * MS, 5 * MS], id="jumps back"),
        pytest.param([5 * MS, 5 * MS + 1, 6 * MS, 6 * MS, 9 * MS], id="goes on"),
    ],
)
def test_ids_increase_whatever_the_clock_does(clock: list[int]) -> None:
    ids = source(*clock)
    made = [ids.new() for _ in range(50)]
    assert made == sorted(set(made))
    assert {uuid.UUID(one).version for one in made} == {7}


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 2**80 - 1)), min_size=1))
def test_ids_increase_for_any_clock_and_any_randomness(turns: list[tuple[int, int]]) -> None:
    clock = (ms * MS for ms, _ in turns)
    random = itertools.cycle(value.to_bytes(10, "big") for _, value in turns)
    ids = IdSource(lambda: next(clock), lambda _size: next(random))
    made = [ids.new() for _ in turns]
    assert made == sorted(set(made))


def test_counting_up_has_room_when_all_random_bits_are_set() -> None:
    ids = source(MS, random=b"\xff" * 10)
    first, second = ids.new(), ids.new()
    assert int(second.replace("-", ""), 16) - int(first.replace("-", ""), 16) == 1


@pytest.mark.parametrize(
    "after",
    [
        pytest.param("0000000f-4240-7fff-bfff-ffffffffffff", id="a clock far ahead"),
        pytest.param("00000000-0005-7fff-bfff-ffffffffffff", id="this millisecond, all bits set"),
        pytest.param("1f0a2b3c-4d5e-6f70-8a9b-0c1d2e3f4a5b", id="another version"),
        pytest.param("1F0A2B3C-4D5E-7F70-8A9B-0C1D2E3F4A5B", id="capital letters"),
        pytest.param("00000000-0000-0000-0000-000000000000", id="long ago"),
    ],
)
def test_an_id_is_greater_than_the_one_it_follows(after: str) -> None:
    ids = source(5 * MS)
    before = ids.new()
    following = ids.new(after)
    assert following > after
    assert following > before
    assert ids.new() > following


def test_a_refused_request_does_not_stop_the_source() -> None:
    ids = source(5 * MS)
    first = ids.new()
    with pytest.raises(InvalidIdError, match="start a new thread"):
        ids.new("ffffffff-ffff-7fff-bfff-ffffffffffff")
    with pytest.raises(InvalidIdError, match="is no id"):
        ids.new("zebra")
    assert ids.new() > first


def test_threads_never_get_the_same_id_and_each_sees_its_own_increase() -> None:
    ids = source(5 * MS)
    start = threading.Barrier(4)
    made: list[list[str]] = [[] for _ in range(4)]

    def work(mine: list[str]) -> None:
        start.wait()
        mine.extend(ids.new() for _ in range(2_000))

    threads = [threading.Thread(target=work, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one for mine in made for one in mine}) == 8_000
    assert all(mine == sorted(mine) for mine in made)


def test_a_forked_source_leaves_its_parents_path() -> None:
    random = iter([b"\x01" * 10, b"\x02" * 10])
    ids = IdSource(lambda: 5 * MS, lambda _size: next(random))
    parent = ids.new()
    ids.forked()
    child = ids.new()
    assert child > parent
    assert child[:13] > parent[:13]


def test_a_forked_process_makes_other_ids_than_its_parent() -> None:
    script = """
import os
from checkpoint.ids import new_id
new_id(after="f0000000-0000-7000-8000-000000000000")  # the clock will stay behind from here on
reader, writer = os.pipe()
if os.fork() == 0:
    os.write(writer, " ".join(new_id() for _ in range(100)).encode())
    os._exit(0)
mine = {new_id() for _ in range(100)}
os.wait()
os.close(writer)
with os.fdopen(reader) as pipe:
    theirs = set(pipe.read().split())
print(len(mine | theirs))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "200"


def test_children_of_one_process_make_other_ids_than_each_other() -> None:
    script = """
import os
from checkpoint.ids import new_id
new_id(after="f0000000-0000-7000-8000-000000000000")  # all stay in one millisecond from here on
reader, writer = os.pipe()
for _ in range(2):
    if os.fork() == 0:
        os.write(writer, (new_id() + "\\n").encode())
        os._exit(0)
    os.wait()
os.close(writer)
with os.fdopen(reader) as pipe:
    print(len(set(pipe.read().split())))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "2"


def test_entropy_gives_no_bytes_twice_and_as_many_as_it_is_asked_for() -> None:
    entropy = Entropy()
    drawn = [entropy(size) for size in (10, 16) * 200]
    assert [len(each) for each in drawn] == [10, 16] * 200
    assert len(set(drawn)) == 400
    joined = b"".join(drawn)
    assert len({joined[at : at + 8] for at in range(0, len(joined), 8)}) == len(joined) // 8


def test_new_ids_of_the_process_increase_and_follow_their_parent() -> None:
    first, second = new_id(), new_id()
    assert first < second
    ahead = source(4_000_000_000_000 * MS).new()
    with ids_from(IdSource(time.time_ns, os.urandom)):  # those of other tests stay in their time
        assert new_id(ahead) > ahead


def test_ids_come_from_another_source_inside_a_block_and_in_contexts_copied_there() -> None:
    elsewhere = contextvars.copy_context()
    with ids_from(source(5 * MS)):
        first = new_id()
        assert first.startswith("00000000-0005-7")
        assert contextvars.copy_context().run(new_id) > first
        with ids_from(source(9 * MS)):
            assert new_id().startswith("00000000-0009-7")
        assert elsewhere.run(new_id) > "01"
    assert new_id() > "01"
