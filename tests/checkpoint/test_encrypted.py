"""Values that are encrypted where they are stored."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from checkpoint import (
    CorruptDataError,
    DeserializationError,
    EncryptedSerializer,
    EventRow,
    InvalidKeyError,
    KeyRequiredError,
    MemorySaver,
    MsgpackSerializer,
    Serializer,
    SqliteSaver,
    WrongKeyError,
    register_type,
)
from checkpoint.decoder import Decoder
from checkpoint.story import LONG, Story, values_of
from checkpoint.tales import told

KEY = bytes(range(32))
SECRET = "the cat's name is Mog"
OTHER_KEYS = (bytes(32), bytes(16), os.urandom(24))


@register_type
@dataclass
class Note:
    """A class of an application."""

    text: str


def files_of(path: Path) -> bytes:
    """All that is on the disk: the database, its log, and what stands beside them.

    Read by another process: to close a file in this one would give its locks back.
    """
    files = sorted(path.parent.glob(path.name + "*"))
    return subprocess.run(["cat", *files], capture_output=True, check=True).stdout


# ------------------------------------------------------------------------------- the serializer


@pytest.mark.parametrize("value", [None, 0, SECRET, [1, [SECRET]], {"a": (1, b"x")}, Note("mine")])
def test_a_value_comes_back_and_its_bytes_tell_nothing(value: Any) -> None:
    serializer: Serializer = EncryptedSerializer(KEY)
    data = serializer.dumps(value)
    assert serializer.loads(data) == value
    assert SECRET.encode() not in data
    assert data != serializer.dumps(value)


@pytest.mark.parametrize("size", [0, 1, 200, 221, 222, 223, 70_000])
def test_values_of_every_length_come_back(size: int) -> None:
    serializer = EncryptedSerializer(KEY)
    assert serializer.loads(serializer.dumps(b"x" * size)) == b"x" * size


def test_items_one_after_the_other_come_back() -> None:
    serializer = EncryptedSerializer(KEY)
    values: list[Any] = [1, SECRET, [LONG], Note("mine")]
    items = serializer.pack_items(values)
    assert [serializer.loads(item) for item in items] == values
    assert serializer.unpack_items(b"".join(items)) == values
    together = serializer.seal(b"".join(serializer.plain.pack_items(values)))
    assert serializer.unpack_items(together + items[0]) == [*values, 1]
    assert [serializer.loads(item) for item in serializer.split_items(together)] == values


def test_what_was_stored_before_anything_was_encrypted_can_be_read() -> None:
    plain, serializer = MsgpackSerializer(), EncryptedSerializer(KEY)
    assert serializer.loads(plain.dumps((1, SECRET))) == (1, SECRET)
    mixed = b"".join([*plain.pack_items([1, (2,)]), *serializer.pack_items([SECRET])])
    assert serializer.unpack_items(mixed) == [1, (2,), SECRET]


@pytest.mark.parametrize("other", OTHER_KEYS, ids=["zeros-32", "zeros-16", "random-24"])
def test_another_key_is_named_as_wrong(other: bytes) -> None:
    data = EncryptedSerializer(KEY).dumps(SECRET)
    with pytest.raises(WrongKeyError, match="nothing was changed") as caught:
        EncryptedSerializer(other).loads(data)
    assert other.hex() not in str(caught.value)


def test_without_a_key_it_is_said_that_one_is_needed() -> None:
    data = EncryptedSerializer(KEY).dumps(SECRET)
    for read in (MsgpackSerializer().loads, MsgpackSerializer().unpack_items):
        with pytest.raises(KeyRequiredError, match="EncryptedSerializer"):
            read(data)


def test_every_changed_bit_is_noticed() -> None:
    serializer = EncryptedSerializer(KEY)
    data = serializer.dumps(SECRET)
    for at in range(3, len(data)):  # behind the head of the extension
        changed = bytearray(data)
        changed[at] ^= 1
        with pytest.raises(DeserializationError):
            serializer.loads(bytes(changed))
    with pytest.raises(DeserializationError):
        serializer.loads(data[:-1])


@pytest.mark.parametrize("key", [b"", b"short", bytes(17), bytes(64)])
def test_a_key_of_another_length_is_refused_without_being_shown(key: bytes) -> None:
    with pytest.raises(InvalidKeyError, match=rf"{len(key)} bytes.*16, 24 or 32"):
        EncryptedSerializer(key)


def test_a_text_is_no_key() -> None:
    key: Any = "0123456789abcdef"
    with pytest.raises(InvalidKeyError, match="a str is no key") as caught:
        EncryptedSerializer(key)
    assert key not in str(caught.value)


def in_a_process(script: str, **environ: str) -> str:
    clean = {name: value for name, value in os.environ.items() if "AES_KEY" not in name}
    done = subprocess.run(
        [sys.executable, "-c", f"from checkpoint import *\n{script}"],
        env={**clean, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_the_key_may_come_from_the_environment() -> None:
    data = EncryptedSerializer(b"0123456789abcdef").dumps(SECRET)
    script = f"print(EncryptedSerializer().loads({data!r}))"
    for name in ("UNDERSTUDY_AES_KEY", "LANGGRAPH_AES_KEY"):
        assert in_a_process(script, **{name: "0123456789abcdef"}) == SECRET + "\n"
    both = {"UNDERSTUDY_AES_KEY": "0123456789abcdef", "LANGGRAPH_AES_KEY": "fedcba9876543210"}
    assert in_a_process(script, **both) == SECRET + "\n"
    assert "there is no key" in in_a_process(script)
    assert "a key of 3 bytes" in in_a_process(script, UNDERSTUDY_AES_KEY="abc")


def test_without_the_library_it_is_said_what_to_install() -> None:
    blocked = "import sys\nsys.modules['cryptography'] = None\nEncryptedSerializer(bytes(32))"
    found = in_a_process(blocked)
    assert "EncryptionUnavailableError" in found
    assert "understudy[encryption]" in found


def test_the_library_is_loaded_by_who_encrypts_only() -> None:
    assert in_a_process("import sys\nprint('cryptography' in sys.modules)") == "False\n"


async def test_the_names_of_langgraph_work_too() -> None:
    serializer = EncryptedSerializer.from_pycryptodome_aes(key=KEY)
    assert EncryptedSerializer(KEY).loads(serializer.dumps(SECRET)) == SECRET
    assert MemorySaver(serde=serializer).serializer is serializer
    assert SqliteSaver(":memory:", serde=serializer).serializer is serializer


# --------------------------------------------------------------------------------- the database


async def write_secrets(saver: SqliteSaver) -> None:
    """The secret as a value, as an item, small and large, in pending writes, events, metadata."""
    story = await Story.begin(saver)
    for n in range(20):
        values = {"small": SECRET, "large": SECRET * n, "items": [SECRET + LONG] * n}
        await story.step(values, extra={"user": SECRET}, run_id="run")
    await story.write("task", [("__interrupt__", [SECRET * 9]), ("small", SECRET)])
    batch = story.batch({"note": Note(SECRET)})
    events = (EventRow("run", 1, saver.serializer.dumps({"event": SECRET})),)
    await story.commit(replace(batch, events=events))
    story.end()


async def test_no_byte_of_a_value_is_in_the_files(path: Path) -> None:
    async with SqliteSaver(path, serializer=EncryptedSerializer(KEY)) as saver:
        await write_secrets(saver)
        assert SECRET.encode() not in files_of(path)
        await saver.aprune(["thread"], keep_last=3)
        await saver.acopy_thread("thread", "copy")
        await saver.adelete_thread("thread")
        assert SECRET.encode() not in files_of(path)
        assert await values_of(saver, "copy") == {
            "small": SECRET,
            "large": SECRET * 19,
            "items": [SECRET + LONG] * 19,
            "note": Note(SECRET),
        }
        assert (await saver.averify()).ok
    assert SECRET.encode() not in files_of(path)
    assert b"copy" in files_of(path)


async def test_the_same_secrets_without_encryption_are_found(path: Path) -> None:
    async with SqliteSaver(path) as saver:
        await write_secrets(saver)
        assert SECRET.encode() in files_of(path)


@pytest.mark.parametrize(
    "other", [*OTHER_KEYS, None], ids=["zeros-32", "zeros-16", "random-24", "none"]
)
async def test_without_the_right_key_it_does_not_open_and_nothing_is_changed(
    path: Path, other: bytes | None
) -> None:
    async with SqliteSaver(path, serializer=EncryptedSerializer(KEY)) as saver:
        await write_secrets(saver)
    before = files_of(path)
    serializer = None if other is None else EncryptedSerializer(other)
    error = KeyRequiredError if other is None else WrongKeyError
    with pytest.raises(error, match="nothing was changed"):
        SqliteSaver(path, serializer=serializer).open()
    with pytest.raises(error, match="nothing was changed"):
        async with SqliteSaver(path, serializer=serializer):
            pass
    assert files_of(path) == before
    async with SqliteSaver(path, serializer=EncryptedSerializer(KEY)) as saver:
        assert (await saver.averify()).ok


@pytest.mark.parametrize("mark", ["x'00'", "'text'", "x'c70100'"])
def test_a_damaged_mark_lets_nobody_in(path: Path, mark: str) -> None:
    SqliteSaver(path, serializer=EncryptedSerializer(KEY)).open().close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"UPDATE seal SET mark={mark}")
    with pytest.raises(CorruptDataError, match=r"threads\.db.* mark .*damaged.*; restore"):
        SqliteSaver(path, serializer=EncryptedSerializer(KEY)).open()


async def test_a_second_saver_with_another_key_is_refused_while_the_first_is_open(
    path: Path,
) -> None:
    async with SqliteSaver(path, serializer=EncryptedSerializer(KEY)) as saver:
        await told(saver, 2)
        with pytest.raises(WrongKeyError):
            SqliteSaver(path, serializer=EncryptedSerializer(bytes(32))).open()
        assert len(await saver.history("thread")) == 2


async def test_a_database_can_be_encrypted_from_now_on(path: Path) -> None:
    async with SqliteSaver(path) as saver:
        await told(saver, 3)
    async with SqliteSaver(path, serializer=EncryptedSerializer(KEY)) as saver:
        await told(saver, 3)
        decoder = Decoder(saver.serializer)
        counts = [decoder.values(each)["n"] for each in await saver.history("thread")]
        assert counts == [6, 5, 4, 3, 2, 1]
    with pytest.raises(KeyRequiredError):
        SqliteSaver(path).open()


async def grow(path: Path, serializer: Serializer | None, steps: int) -> None:
    """A database with a list that grows by an item each step."""
    async with SqliteSaver(path, serializer=serializer) as saver:
        for step in range(0, steps, 10):  # each time loaded again, as runs do
            story = await Story.begin(saver)
            for n in range(step, step + 10):
                items = [f"{i} {LONG}" for i in range(n)]
                values = {"items": items, "same": LONG}
                await story.step(values, extra={"user": LONG, "tags": [1]}, run_id=f"run {step}")
            story.end()


def test_an_encrypted_database_grows_with_what_is_new_too(tmp_path: Path) -> None:
    plain, encrypted = tmp_path / "plain.db", tmp_path / "encrypted.db"
    asyncio.run(grow(plain, None, 200))
    asyncio.run(grow(encrypted, EncryptedSerializer(KEY), 200))
    assert encrypted.stat().st_size < 1.5 * plain.stat().st_size
