"""langgraph.json as it is: the graphs, and what they need around them.

What says nothing to a server (docker lines, python versions, pip settings, …) is read over; what
this one does not do, or does not know, is named in a warning.
"""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from checkpoint import IndexConfig

from .errors import ConfigFileError, GraphLoadError
from .loading import load, put_on_path, split_target
from .unheeded import unheeded

logger = logging.getLogger(__name__)

CONFIG_NAME = "langgraph.json"


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


@dataclass(frozen=True, slots=True)
class Project:
    """What a server is started for."""

    graphs: Mapping[str, str]
    """Name -> "file.py:name"."""
    base: Path
    """What their paths are relative to."""
    file: ConfigFile = field(default_factory=ConfigFile)
    folders: Sequence[Path] = field(default_factory=tuple[Path, ...])
    """What is put on the path."""
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    """Put into the environment, where it does not say otherwise."""

    def prepare(self) -> None:
        """Make the process fit for the graphs: environment and path."""
        for name, value in self.env.items():
            os.environ.setdefault(name, value)
        for folder in (*self.folders, self.base):
            put_on_path(folder)

    def load_graphs(self) -> dict[str, Any]:
        """The graphs.  Raises GraphLoadError."""
        return {name: load(target, self.base) for name, target in self.graphs.items()}

    def load_auth(self) -> Any:
        """The object that authenticates, or None.  Raises GraphLoadError."""
        said = self.file.auth
        return None if said is None else load(said.path, self.base)

    def load_app(self) -> Any:
        """The user's own app, or None.  Raises GraphLoadError."""
        said = self.file.http.app
        return None if said is None else load(said, self.base)

    def load_index(self) -> IndexConfig | None:
        """What the store is searched by, with its function.  Raises GraphLoadError."""
        said = self.file.store.index
        if said is None:
            return None
        return {"dims": said.dims, "embed": _embedder(said.embed, self.base), "fields": said.fields}


def _embedder(said: str, base: Path) -> Any:
    """A function of a file or a module, or a model of LangChain's as "provider:model"."""
    place, _, name = said.partition(":")
    if place.endswith(".py") or "/" in place or name.isidentifier():
        return load(said, base)
    try:
        return import_module("langchain.embeddings").init_embeddings(said)
    except Exception as error:
        raise GraphLoadError(
            f"store.index.embed={said!r} cannot be made: {' '.join(str(error).split())}; install "
            "its provider, or name a function of yours, as in ./embed.py:embed"
        ) from error


def read_project(config: Path, named: Project | None = None) -> Project:
    """A project from its langgraph.json, with graphs that are named elsewhere instead of its own.

    Raises ConfigFileError.
    """
    file = _parsed(config)
    if not file.graphs and named is None:
        raise ConfigFileError(
            f'{config} names no graphs; write "graphs": {{"agent": "./graph.py:graph"}}'
        )
    base = config.parent.resolve()
    return Project(
        graphs=_places_of(file) if named is None else _whole_places(named),
        base=base,
        file=file,
        folders=tuple(_folders(file.dependencies, base)),
        env=_environment(file.env, base, config),
    )


def named_graphs(targets: Sequence[str], base: Path) -> Project:
    """A project of graphs from the command line: "file.py:name", or "id=file.py:name".

    Raises ConfigFileError for two of one name, GraphLoadError for what names no graph.
    """
    graphs: dict[str, str] = {}
    for target in targets:
        name, equals, place = target.partition("=")
        graph_id = name if equals else target.rpartition(":")[2]
        if graph_id in graphs:
            raise ConfigFileError(
                f"two graphs are called {graph_id!r}; give one another name, as in "
                f'"other={place or target}"'
            )
        graphs[graph_id] = place if equals else target
        split_target(graphs[graph_id])
    return Project(graphs, base.resolve())


def _places_of(file: ConfigFile) -> Mapping[str, str]:
    return {name: _place(entry) for name, entry in file.graphs.items()}


def _whole_places(project: Project) -> Mapping[str, str]:
    """Its graphs' places, wherever they are looked for from."""
    found: dict[str, str] = {}
    for graph_id, target in project.graphs.items():
        place, name = split_target(target)
        is_file = place.endswith(".py") or "/" in place
        found[graph_id] = f"{project.base / place}:{name}" if is_file else target
    return found


def _parsed(config: Path) -> ConfigFile:
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


def _place(entry: str | GraphEntry) -> str:
    return entry if isinstance(entry, str) else entry.path


def _folders(dependencies: Sequence[str], base: Path) -> list[Path]:
    """The dependencies that are folders here; packages are installed already, or fail to import."""
    local = [base / each for each in dependencies if each.startswith((".", "/"))]
    return [folder.resolve() for folder in local if folder.is_dir()]


def _environment(env: str | Mapping[str, str], base: Path, config: Path) -> Mapping[str, str]:
    if not isinstance(env, str):
        return env
    from dotenv import dotenv_values  # pydantic-settings brings it

    text = io.StringIO(_env_text(base / env, f"{config}: env: {env}"))
    return {name: value for name, value in dotenv_values(stream=text).items() if value is not None}


def _env_text(path: Path, place: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigFileError(f"{place} is not there; write it, or take the line out") from None
    except OSError as error:
        raise ConfigFileError(f"{place} cannot be read: {error.strerror}; mend that") from None
    except UnicodeDecodeError:
        raise ConfigFileError(f"{place} is not UTF-8; save it as UTF-8") from None
