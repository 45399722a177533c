"""`understudy db repair`: what it says, what it leaves alone, and what it does when told to."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent_server.cli.database import db_app
from agent_server.errors import DatabaseInUseError, SettingsError
from agent_server.left_rows import find_webhook, keep_webhook
from agent_server.lock import hold
from agent_server.tables import server_tables
from checkpoint import EncryptedSerializer, KeyRequiredError, SqliteSaver
from checkpoint.tales import told
from tests.checkpoint.test_places import change, empty_index

HEAD = "DELETE FROM checkpoint WHERE seq=(SELECT seq FROM scope WHERE id=1)"


async def fill(path: Path, key: bytes | None = None) -> None:
    serializer = None if key is None else EncryptedSerializer(key)
    async with SqliteSaver(path, serializer=serializer) as saver, server_tables(path) as tables:
        for thread in ("one", "two"):
            await told(saver, 5, thread)
        await tables.write(lambda db: keep_webhook(db, "id", "url", b"\0"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "server.db"
    asyncio.run(fill(path))
    return path


def said(*arguments: object, **environ: str) -> Result:
    return CliRunner(env=environ).invoke(db_app, [str(each) for each in arguments])


def test_a_sound_file_is_said_to_be_sound(path: Path) -> None:
    result = said("repair", path)
    assert (result.exit_code, result.output) == (0, "everything is sound\n")


def test_what_mending_costs_is_said_and_nothing_is_done(path: Path) -> None:
    change(path, HEAD)
    content = path.read_bytes()
    result = said("repair", path)
    assert result.exit_code == 1
    assert "thread one: loses 1 checkpoints and the pending writes of 0 tasks; goes on" in (
        result.output
    )
    assert "nothing was changed; mend it with --fall-back" in result.output
    assert path.read_bytes() == content
    assert "or look at `understudy db repair`" in said("verify", "--database", path).output


def test_damage_of_a_thread_without_a_name_is_not_told_as_the_files(tmp_path: Path) -> None:
    with SqliteSaver(tmp_path / "kept.db") as saver:
        asyncio.run(told(saver, 5, ""))
    change(tmp_path / "kept.db", "UPDATE blob SET data=x'00' WHERE seq=1")
    output = said("verify", "--database", tmp_path / "kept.db").output
    assert "'': blob 0:0 does not match its checksum" in output
    assert "the file:" not in output


def test_it_is_mended_when_that_is_asked_for(path: Path) -> None:
    change(path, HEAD)
    result = said("repair", path, "--fall-back")
    assert result.exit_code == 0
    assert "thread one: lost 1 checkpoints" in result.output
    assert f"mended; the damaged file is {path}.damaged" in result.output
    assert "everything is sound" in said("verify", "--database", path).output
    assert "everything is sound" in said("repair", path).output


def test_a_thread_of_which_nothing_is_left_is_said_to_be_gone(path: Path) -> None:
    change(path, "UPDATE checkpoint SET crc=0 WHERE scope=2")
    result = said("repair", path)
    assert "thread two: loses 5 checkpoints" in result.output
    assert "nothing is left" in result.output


def test_damage_that_costs_nothing_is_said_to(path: Path) -> None:
    empty_index(path, "thread_mark")
    assert "nothing that is stored gets lost" in said("repair", path).output


def test_the_servers_rows_come_along(path: Path) -> None:
    change(path, HEAD)
    said("repair", path, "--fall-back")

    async def kept() -> tuple[str, bytes] | None:
        async with server_tables(path) as tables:
            return await tables.read(lambda db: find_webhook(db, "id"))

    assert asyncio.run(kept()) == ("url", b"\0")


def test_a_file_that_a_server_has_is_refused(path: Path) -> None:
    with hold(path):
        result = said("repair", path, "--fall-back")
    assert isinstance(result.exception, DatabaseInUseError)


def test_no_file_is_made(tmp_path: Path) -> None:
    result = said("repair", tmp_path / "none.db")
    assert isinstance(result.exception, SettingsError)
    assert list(tmp_path.iterdir()) == []


def test_the_key_of_an_encrypted_file_is_taken_from_the_environment(tmp_path: Path) -> None:
    path, key = tmp_path / "sealed.db", "k" * 16
    asyncio.run(fill(path, key.encode()))
    change(path, HEAD)
    assert isinstance(said("repair", path).exception, KeyRequiredError)
    result = said("repair", path, "--fall-back", UNDERSTUDY_AES_KEY=key)
    assert "mended" in result.output
