"""The model of a disk that power cuts are tried on: it may do what disks do, and no more."""

from __future__ import annotations

from random import Random

from tests.faults.cut_disk import CUTS, SECTOR, Disk, Entry, Image, kept

FOLDER, FILE = "/f", "/f/file"
MADE = [Entry("o", FILE, 0, b""), Entry("s", FOLDER, 0, b""), Entry("d", FOLDER, 0, b"")]
OLD, NEW = b"a" * SECTOR, b"b" * SECTOR


def written(number: int, data: bytes) -> Entry:
    """A write of a whole sector."""
    return Entry("w", FILE, number * SECTOR, data)


def synced(number: int) -> list[Entry]:
    return [Entry("s", FILE, number, b""), Entry("d", FILE, number, b"")]


def disk_after(*entries: Entry) -> Disk:
    disk = Disk(FOLDER)
    for entry in entries:
        disk.happens(entry)
    return disk


def left(disk: Disk) -> list[Image]:
    """What many cuts leave."""
    return [disk.left(cut(Random(seed))) for seed in range(100) for cut in CUTS]


def contents(disk: Disk) -> set[bytes]:
    return {image[FILE] for image in left(disk)}


def test_what_was_synced_is_there_whatever_happens() -> None:
    disk = disk_after(*MADE, written(0, OLD), written(1, NEW), *synced(1))
    assert contents(disk) == {OLD + NEW}


def test_writes_that_were_not_synced_are_lost_kept_and_there_before_older_ones() -> None:
    made = [written(0, OLD), written(1, OLD), *synced(1)]
    found = contents(disk_after(*MADE, *made, written(0, NEW), written(1, NEW)))
    assert found == {OLD + OLD, OLD + NEW, NEW + OLD, NEW + NEW}


def test_a_write_during_a_sync_is_not_synced_by_it() -> None:
    begin, done = synced(1)
    disk = disk_after(*MADE, written(0, OLD), begin, written(0, NEW), done)
    assert contents(disk) == {OLD, NEW}


def test_a_sector_holds_what_it_held_at_some_instant() -> None:
    """Not the first and the third of three writes without the second."""
    half = SECTOR // 2
    start, rest = Entry("w", FILE, 0, b"1" * half), Entry("w", FILE, half, b"2" * half)
    found = contents(disk_after(*MADE, written(0, OLD), *synced(1), start, rest, written(0, NEW)))
    assert found == {OLD, b"1" * half + OLD[half:], b"1" * half + b"2" * half, NEW}


def test_a_file_that_grew_may_have_its_new_length_and_zeros() -> None:
    found = contents(disk_after(*MADE, written(0, NEW)))
    assert found == {b"", bytes(SECTOR), NEW}


def test_a_file_that_was_cut_and_grew_again_may_hold_what_it_held_before_zeros_or_the_new() -> None:
    cut = Entry("t", FILE, 0, b"")
    found = contents(disk_after(*MADE, written(0, OLD), *synced(1), cut, written(0, NEW)))
    assert found == {b"", OLD, bytes(SECTOR), NEW}


def test_a_name_is_there_or_not_until_its_folder_is_synced() -> None:
    made, *sync = MADE
    assert {FILE in image for image in left(disk_after(made))} == {False, True}
    assert {FILE in image for image in left(disk_after(made, *sync))} == {True}
    gone = Entry("u", FILE, 0, b"")
    assert {FILE in image for image in left(disk_after(*MADE, gone))} == {False, True}


def test_a_removed_file_may_come_back_in_place_of_the_new_one_of_that_name() -> None:
    again = [Entry("u", FILE, 0, b""), Entry("o", FILE, 0, b""), written(0, NEW), *synced(2)]
    disk = disk_after(*MADE, written(0, OLD), *synced(1), *again)
    assert {image.get(FILE) for image in left(disk)} == {OLD, None, NEW}


def test_when_the_process_alone_dies_all_is_there() -> None:
    disk = disk_after(MADE[0], written(0, OLD), written(0, NEW))
    assert disk.left(kept()) == {FILE: NEW}
