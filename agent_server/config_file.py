"""langgraph.json as it is: what may stand in it, and reading it.

What says nothing to a server (docker lines, python versions, pip settings, …) is read over; what
this one does not do, or does not know, is named in a warning.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from .errors import ConfigFileError
from .unheeded import unheeded

logger = logging.getLogger(__name__)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Cors(_Section):
    """Which pages of other origins may ask what."""

    allow_origins: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ("*",)
    allow_headers: tuple[str, ...] = ("*",)
    allow_credentials: bool = False
    allow_origin_regex: str | None = None
    expose_headers: tuple[str, ...] = ()
    max_age: int = 600


class Http(_Section):
    """The section `http`."""

    cors: Cors | None = None
    app: str | None = None
    """The user's own app, "file.py:name"."""
    disable_assistants: bool = False
    disable_threads: bool = False
    disable_runs: bool = False
    disable_store: bool = False
    disable_meta: bool = False
    disable_webhooks: bool = False
    enable_custom_route_auth: bool = False
    middleware_order: Literal["auth_first", "middleware_first"] | None = None
    mount_prefix: str | None = Field(default=None, pattern=r"^(/[^/?#\s]+)+$")


class ThreadTtl(_Section):
    """How long threads live after their last change, in minutes."""

    default_ttl: float | None = Field(default=None, gt=0)
    strategy: Literal["delete", "keep_latest"] = "delete"
    sweep_interval_minutes: float | None = Field(default=None, gt=0)


class StoreTtl(_Section):
    """How long items live, in minutes."""

    default_ttl: float | None = Field(default=None, gt=0)
    refresh_on_read: bool = True
    sweep_interval_minutes: float | None = Field(default=None, gt=0)


class StoreIndex(_Section):
    """What the store can be searched by."""

    dims: int = Field(gt=0)
    embed: str
    fields: list[str] | None = None


class Store(_Section):
    """The section `store`."""

    ttl: StoreTtl | None = None
    index: StoreIndex | None = None


class Checkpointer(_Section):
    """The section `checkpointer`."""

    ttl: ThreadTtl | None = None


class Auth(_Section):
    """The section `auth`."""

    path: str


class GraphEntry(_Section):
    """A graph that is more than its place."""

    path: str
    description: str | None = None


class ConfigFile(_Section):
    """What langgraph.json says."""

    graphs: Mapping[str, str | GraphEntry] = Field(default_factory=dict[str, str | GraphEntry])
    dependencies: tuple[str, ...] = ()
    env: str | Mapping[str, str] = Field(default_factory=dict[str, str])
    http: Http = Http()
    auth: Auth | None = None
    checkpointer: Checkpointer = Field(
        default=Checkpointer(), validation_alias=AliasChoices("checkpointer", "checkpoint")
    )
    store: Store = Store()


def read_file(config: Path) -> ConfigFile:
    """What the file says.  Raises ConfigFileError, which names the place in it."""
    try:
        said = json.loads(config.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigFileError(
            f"{config} is not there; write it, or name graphs on the command line, as in "
            "graph.py:graph"
        ) from None
    except OSError as error:
        raise ConfigFileError(f"{config} cannot be read: {error.strerror}; mend that") from None
    except json.JSONDecodeError as error:
        raise ConfigFileError(
            f"{config}, line {error.lineno}: {error.msg}; mend it there"
        ) from None
    except UnicodeDecodeError:
        raise ConfigFileError(f"{config} is not UTF-8; save it as UTF-8") from None
    for told in unheeded(said):
        logger.warning("%s: %s", config, told)
    try:
        return ConfigFile.model_validate(said)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        missing = first["loc"][-1:] if first["type"] == "missing" else ()
        place = ".".join([*_places(said, first["loc"]), *map(str, missing)]) or "the whole file"
        raise ConfigFileError(
            f"{config}: {place}: {_in_json(first['msg'])}; mend it there"
        ) from None


def _places(said: Any, loc: Sequence[int | str]) -> Iterator[str]:
    """The parts of a place that are in the file, not the names of types that were tried there."""
    for part in loc:
        try:
            said = said[part]
        except (KeyError, IndexError, TypeError):
            return
        yield str(part)


def _in_json(message: str) -> str:
    """pydantic's words as those of who writes JSON."""
    for python, json_word in _JSON_WORDS.items():
        message = message.replace(python, json_word)
    return message


_JSON_WORDS = {
    "a valid dictionary or instance of ConfigFile": "an object",
    "a valid tuple": "a list",
    "a valid dictionary": "an object",
}
