"""Assistants: graphs with settings of their own, in versions."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from checkpoint import SqliteTables

from .assistant_rows import (
    AssistantQuery,
    add_version,
    choose_version,
    count_assistants,
    erase_assistant,
    find_assistant,
    find_assistants,
    find_version,
    has_assistant,
    newest_version,
    versions_of,
)
from .errors import BadRequestError, ConflictError, InvalidError, NotFoundError
from .ids import default_assistant_id, is_uuid, uuid_of
from .paging import Page
from .records import Assistant, Json

_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class AssistantChange:
    """What a request sets; None leaves it as it is."""

    graph_id: str | None = None
    config: Json | None = None
    context: Json | None = None
    metadata: Json | None = None
    """Merged into what there is."""
    name: str | None = None
    description: str | None = None

    def applied(self, old: Assistant) -> Assistant:
        """The assistant with the change.

        `context` and the config's `configurable` are the same thing under two names: what is given
        for one is set for both.  Raises BadRequestError if both are given.
        """
        config, context = self._agreed(old)
        return replace(
            old,
            graph_id=self.graph_id or old.graph_id,
            name=old.name if self.name is None else self.name,
            config=old.config if config is None else config,
            context=old.context if context is None else context,
            metadata={**old.metadata, **(self.metadata or {})},
            description=old.description if self.description is None else self.description,
        )

    def _agreed(self, old: Assistant) -> tuple[Json | None, Json | None]:
        configurable = None if self.config is None else self.config.get("configurable")
        if configurable and self.context:
            raise BadRequestError(
                "context and config.configurable are two names for the same, and both were given; "
                "give context alone"
            )
        if self.context is None:
            return self.config, configurable
        config = old.config if self.config is None else self.config
        if self.context or "configurable" in config:
            config = {**config, "configurable": self.context}
        return config, self.context


class Assistants:
    """The assistants of a server; each graph has one of its own from the start.

    An id that is no UUID raises InvalidError, one that no assistant has NotFoundError; so does a
    graph that the server has not, with the names of those it has.
    """

    def __init__(
        self, tables: SqliteTables, graph_ids: Sequence[str], clock: Callable[[], float]
    ) -> None:
        self._tables = tables
        self._graphs = tuple(graph_ids)
        self._clock = clock
        self._known: dict[str, Assistant] = {}
        """Those that runs asked for: this process is the only one that changes them."""
        self._changes = 0

    async def ensure_defaults(self) -> None:
        """Make the assistants that graphs have from the start, where they are missing."""
        made = [self._default(graph_id) for graph_id in self._graphs]

        def unit(db: sqlite3.Connection) -> None:
            for assistant in made:
                if not has_assistant(db, assistant.assistant_id):
                    add_version(db, assistant)

        await self._tables.write(unit)

    async def resolve(self, assistant_id: str) -> Assistant:
        """The assistant that a run names, by its id or by its graph's name.

        Raises InvalidError for a name that no graph has.
        """
        if assistant_id in self._graphs:
            found = await self._find(default_assistant_id(assistant_id))
        elif is_uuid(assistant_id):
            found = await self._find(uuid_of("assistant", assistant_id))
        else:
            raise InvalidError(
                f"Invalid assistant: {assistant_id!r}. Must be either:\n- A valid assistant UUID, "
                f"or\n- One of the registered graphs: {', '.join(self._graphs)}"
            )
        if found is None:
            raise NotFoundError("Thread or assistant not found.")
        return found

    async def get(self, assistant_id: str) -> Assistant:
        """The assistant as it is now."""
        return _there(await self._find(uuid_of("assistant", assistant_id)))

    async def create(
        self,
        graph_id: str,
        change: AssistantChange,
        *,
        assistant_id: str | None = None,
        do_nothing: bool = False,
    ) -> Assistant:
        """A new assistant, or with `do_nothing` the one that has the id.

        Raises ConflictError for an id that is taken, BadRequestError for both `context` and
        `configurable`.
        """
        self._check_graph(graph_id)
        id_ = str(uuid4()) if assistant_id is None else uuid_of("assistant", assistant_id)
        now = self._clock()
        blank = Assistant(id_, graph_id, "Untitled", {}, {}, {}, 1, now, now)
        made = change.applied(blank)

        def unit(db: sqlite3.Connection) -> Assistant | None:
            found = find_assistant(db, id_)
            if found is None:
                add_version(db, made)
            return found

        found = await self._write(unit)
        if found is not None and not do_nothing:
            raise ConflictError(f"Assistant {id_} already exists")
        return found or made

    async def patch(self, assistant_id: str, change: AssistantChange) -> Assistant:
        """The assistant with a new version that has the change.  Raises BadRequestError for both
        `context` and `configurable`."""
        id_, now = uuid_of("assistant", assistant_id), self._clock()
        if change.graph_id is not None:
            self._check_graph(change.graph_id)

        def unit(db: sqlite3.Connection) -> Assistant | None:
            old = find_assistant(db, id_)
            if old is None:
                return None
            version = newest_version(db, id_) + 1
            made = replace(change.applied(old), version=version, updated_at=now)
            add_version(db, made)
            return made

        return _there(await self._write(unit))

    async def set_latest(self, assistant_id: str, version: int) -> Assistant:
        """The assistant as one of its versions has it, which counts from now on."""
        id_, now = uuid_of("assistant", assistant_id), self._clock()

        def unit(db: sqlite3.Connection) -> Assistant | None:
            if not find_version(db, id_, version):
                return None
            choose_version(db, id_, version, now)
            return find_assistant(db, id_)

        return _there(await self._write(unit))

    async def delete(self, assistant_id: str) -> None:
        """Delete an assistant with its versions and crons.

        Raises ConflictError for the one that a graph has from the start.
        """
        id_ = uuid_of("assistant", assistant_id)
        if id_ in map(default_assistant_id, self._graphs):
            raise ConflictError(
                f"Assistant {id_} is its graph's own and stays as long as the graph; patch it, or "
                "take the graph away"
            )
        if not await self._write(lambda db: erase_assistant(db, id_)):
            _there(None)

    async def search(self, query: AssistantQuery) -> Page[Assistant]:
        """A page of assistants.  Raises InvalidError for a filter that is too large."""
        return await self._tables.read(lambda db: find_assistants(db, query))

    async def count(self, query: AssistantQuery) -> int:
        """How many assistants there are.  Raises InvalidError for a filter that is too large."""
        return await self._tables.read(lambda db: count_assistants(db, query))

    async def versions(
        self, assistant_id: str, *, metadata: Json | None = None, limit: int = 10, offset: int = 0
    ) -> Sequence[Assistant]:
        """The versions of an assistant, the newest first."""
        id_ = (await self.get(assistant_id)).assistant_id
        return await self._tables.read(
            lambda db: versions_of(db, id_, metadata or {}, limit, offset)
        )

    def _default(self, graph_id: str) -> Assistant:
        id_, now = default_assistant_id(graph_id), self._clock()
        return Assistant(id_, graph_id, graph_id, {}, {}, {"created_by": "system"}, 1, now, now)

    async def _find(self, assistant_id: str) -> Assistant | None:
        found = self._known.get(assistant_id)
        if found is None:
            before = self._changes
            found = await self._tables.read(lambda db: find_assistant(db, assistant_id))
            if found is not None and before == self._changes:
                if len(self._known) >= _REMEMBERED:
                    self._known.clear()
                self._known[assistant_id] = found
        return found

    async def _write(self, unit: Callable[[sqlite3.Connection], Any]) -> Any:
        """What the unit returns; nobody is answered by what was there before it."""
        try:
            return await self._tables.write(unit)
        finally:
            self._changes += 1
            self._known.clear()

    def _check_graph(self, graph_id: str) -> None:
        if graph_id not in self._graphs:
            raise NotFoundError(
                f"Graph {graph_id!r} not found. Expected one of: {sorted(self._graphs)}"
            )


def _there(found: Assistant | None) -> Assistant:
    if found is None:
        raise NotFoundError("Not Found")
    return found
