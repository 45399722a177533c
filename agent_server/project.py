"""What a server is started for: graphs, of langgraph.json or of the command line, and what they
need around them."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from checkpoint import IndexConfig

from .config_file import ConfigFile, GraphEntry, read_file
from .errors import ConfigFileError, GraphLoadError
from .loading import load, put_on_path, split_target

CONFIG_NAME = "langgraph.json"


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
    file = read_file(config)
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
