"""Settings: from arguments, from the environment, checked, and told in one line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from agent_server import Settings, SettingsError


@pytest.fixture(autouse=True)
def environment_as_before() -> Iterator[None]:
    names = dict(os.environ)
    yield
    for name in set(os.environ) - set(names):
        del os.environ[name]


def test_without_anything_it_listens_on_the_loopback_and_asks_for_no_key() -> None:
    settings = Settings.read()
    assert (settings.host, settings.port) == ("127.0.0.1", 2024)
    assert settings.database == Path("understudy.db")
    assert settings.keys() == ()


def test_arguments_win_over_the_environment_which_wins_over_the_defaults() -> None:
    os.environ["UNDERSTUDY_PORT"] = "3000"
    os.environ["UNDERSTUDY_MAX_BODY"] = "1000"
    settings = Settings.read(port=4000, host=None)
    assert (settings.port, settings.max_body, settings.host) == (4000, 1000, "127.0.0.1")


def test_several_keys_come_from_the_environment_and_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# ours\nthree\n\n  four  \n")
    os.environ["UNDERSTUDY_API_KEYS"] = "one, two,"
    settings = Settings.read(api_keys_file=file)
    assert settings.keys() == ("one", "two", "three", "four")
    assert "one" not in repr(settings)


def test_origins_are_listed_with_commas() -> None:
    os.environ["UNDERSTUDY_ALLOW_ORIGINS"] = "https://a.example,https://b.example"
    assert Settings.read().allow_origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    ("name", "value"), [("port", 70_000), ("port", "x"), ("max_body", 0), ("log_level", "loud")]
)
def test_a_setting_that_cannot_be_is_told_by_its_name(name: str, value: object) -> None:
    with pytest.raises(SettingsError, match=rf"^{name}=.* cannot be: .*UNDERSTUDY_{name.upper()}$"):
        Settings.read(**{name: value})


def test_a_setting_that_does_not_exist_is_refused() -> None:
    with pytest.raises(SettingsError, match="colour"):
        Settings.read(colour="red")


def test_a_file_of_keys_without_a_key_locks_nobody_in() -> None:
    with pytest.raises(SettingsError, match="has no key in it"):
        Settings.read(api_keys_file=Path(os.devnull)).keys()
    with pytest.raises(SettingsError, match="cannot be read"):
        Settings.read(api_keys_file=Path("no/such/file")).keys()


def test_settings_do_not_change() -> None:
    settings = Settings.read()
    with pytest.raises(ValidationError):
        settings.port = 1
