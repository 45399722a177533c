"""One server per database."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from agent_server import DatabaseInUseError, SettingsError
from agent_server.lock import hold, owner_of

CHILD = """
import sys
from contextlib import ExitStack
from pathlib import Path
from agent_server.lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


def child(database: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_server_is_refused_with_the_first_ones_process_id(tmp_path: Path) -> None:
    database = tmp_path / "a.db"
    process = child(database)
    try:
        with (
            pytest.raises(DatabaseInUseError, match=rf"process id {process.pid}; stop that one"),
            hold(database),
        ):
            pass
        assert owner_of(database) == process.pid
    finally:
        process.communicate("\n")


def test_a_killed_owner_frees_it(tmp_path: Path) -> None:
    process = child(tmp_path / "a.db")
    process.kill()
    process.communicate()
    with hold(tmp_path / "a.db"):
        assert owner_of(tmp_path / "a.db") == os.getpid()
    assert owner_of(tmp_path / "a.db") is None


def test_every_way_to_write_the_path_is_the_same_file(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "a.db")
    with (
        hold(tmp_path / "a.db"),
        pytest.raises(DatabaseInUseError),
        hold(tmp_path / "x" / ".." / "link.db"),
    ):
        pass


def test_two_databases_have_two_owners(tmp_path: Path) -> None:
    with hold(tmp_path / "a.db"), hold(tmp_path / "b.db"):
        assert owner_of(tmp_path / "a.db") == owner_of(tmp_path / "b.db") == os.getpid()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be opened"), hold(tmp_path / "no" / "a.db"):
        pass
    assert owner_of(tmp_path / "no" / "a.db") is None


def test_memory_is_no_database_of_a_server() -> None:
    with pytest.raises(SettingsError, match="needs one; give a path"), hold(Path(":memory:")):
        pass


def test_servers_that_were_told_to_share_a_database_do_and_one_of_them_keeps_it(
    tmp_path: Path,
) -> None:
    database = tmp_path / "a.db"
    with hold(database, shared=True) as first:
        assert (first.alone, first.keeps) == (True, True)
        with hold(database, shared=True) as second, hold(database, shared=True) as third:
            assert (second.alone, second.keeps) == (third.alone, third.keeps) == (False, False)
        with hold(database, shared=True) as again:
            assert not again.alone
    with hold(database, shared=True) as next_one:
        assert (next_one.alone, next_one.keeps) == (True, True)


def test_a_new_keeper_is_not_alone_while_another_server_is_there(tmp_path: Path) -> None:
    database = tmp_path / "a.db"
    with ExitStack() as first:
        first.enter_context(hold(database, shared=True))
        with hold(database, shared=True) as second:
            first.close()
            with hold(database, shared=True) as third:
                assert (third.alone, third.keeps) == (False, True)
            assert not second.keeps


def test_who_shares_and_who_does_not_refuse_each_other(tmp_path: Path) -> None:
    database = tmp_path / "a.db"
    for one, other in ((True, False), (False, True), (False, False)):
        with (
            hold(database, shared=one),
            pytest.raises(DatabaseInUseError, match="UNDERSTUDY_SHARED=true for all"),
            hold(database, shared=other),
        ):
            pass


def test_a_database_that_is_shared_has_an_owner(tmp_path: Path) -> None:
    with hold(tmp_path / "a.db", shared=True):
        assert owner_of(tmp_path / "a.db") == os.getpid()
    assert owner_of(tmp_path / "a.db") is None
