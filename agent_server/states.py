"""The states of a thread: looked at, listed, changed from outside."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actors import (
    ActorsError,
    CompiledGraph,
    ConfigError,
    InvalidUpdateError,
    StateSnapshot,
    StateUpdate,
    ThreadStateError,
)
from checkpoint import DatabaseError, InvalidArgumentError, InvalidIdError, ThreadBusyError

from .dispatcher import Dispatcher
from .errors import BadRequestError, ConflictError, NotFoundError, RequestError
from .failures import error_json
from .ids import uuid_of
from .records import Json, Thread

if TYPE_CHECKING:
    from .graphs import Access, Graphs
    from .threads import Threads

_ASKED_WRONG = (
    ConfigError,
    InvalidArgumentError,
    InvalidIdError,
    InvalidUpdateError,
    ThreadStateError,
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a thread to look; nothing given: at its newest checkpoint."""

    checkpoint_id: str | None = None
    checkpoint_ns: str | None = None
    """Of a graph inside the graph: "node:task_id|…"."""
    checkpoint_map: Json | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Place:
        """The place that a checkpoint object, or a config around one, names.

        Raises InvalidError for an id that is no UUID.
        """
        known: Mapping[str, Any] = given.get("configurable") or given
        id_ = known.get("checkpoint_id")
        return cls(
            None if id_ is None else uuid_of("checkpoint", str(id_)),
            known.get("checkpoint_ns"),
            known.get("checkpoint_map"),
        )

    def config(self, thread: Thread) -> dict[str, Any]:
        """The config of the place in a thread."""
        named = {
            "thread_id": thread.thread_id,
            "checkpoint_ns": self.checkpoint_ns,
            "checkpoint_id": self.checkpoint_id,
            "checkpoint_map": self.checkpoint_map,
            "graph_id": thread.metadata.get("graph_id"),
        }
        known: Json = thread.config.get("configurable") or {}
        kept = {key: value for key, value in known.items() if key not in named}
        told = {key: value for key, value in named.items() if value is not None}
        return {"configurable": kept | told}


NEWEST = Place()


class States:
    """The states of threads, as the graphs that ran on them see them.

    A thread's graph is the one its metadata names as `graph_id`.  What a request asks wrongly (an
    unknown namespace, node or key) raises BadRequestError.
    """

    def __init__(self, threads: Threads, graphs: Graphs, dispatcher: Dispatcher) -> None:
        self._threads = threads
        self._graphs = graphs
        self._dispatcher = dispatcher

    async def get(self, thread_id: str, place: Place, *, subgraphs: bool) -> StateSnapshot | None:
        """The state; None of a thread on which no graph ran yet.

        Raises NotFoundError for an unknown thread or checkpoint.
        """
        thread = await self._threads.get(thread_id)
        async with self._graph(thread, "threads.read") as graph:
            if graph is None:
                found = None
            else:
                with _refused():
                    found = await graph.aget_state(place.config(thread), subgraphs=subgraphs)
        if found is None or found.created_at is None:
            await self._threads.get(thread_id)  # it may have been deleted after it was found
        if place.checkpoint_id is not None and (found is None or found.created_at is None):
            raise NotFoundError(
                f"Thread {thread.thread_id} has no checkpoint {place.checkpoint_id}; "
                "its history lists those it has"
            )
        return found

    async def history(
        self,
        thread_id: str,
        place: Place,
        *,
        limit: int,
        before: str | None,
        metadata: Json | None,
    ) -> Sequence[StateSnapshot]:
        """The states, newest first; none of a thread on which no graph ran yet."""
        thread = await self._threads.get(thread_id)
        wanted = dict(metadata or {})
        if wanted.get("thread_id") == thread.thread_id:
            del wanted["thread_id"]  # every answer shows it, no checkpoint holds it
        async with self._graph(thread, "threads.read") as graph:
            if graph is None:
                return []
            with _refused():
                found = graph.aget_state_history(
                    place.config(thread), filter=wanted, before=before, limit=limit
                )
                states = [each async for each in found]
        if len(states) < limit:  # they are read in portions
            await self._threads.get(thread_id)  # as above
        return states

    async def update(
        self, thread_id: str, place: Place, supersteps: Sequence[Sequence[StateUpdate]]
    ) -> Json:
        """Write to a thread as its nodes; gives the `configurable` of the last new checkpoint.
        Runs that come meanwhile begin when the thread's row shows the new state.

        Raises ConflictError while runs wait or run, BadRequestError for a thread without a graph
        and for an update that the graph does not take, and NotFoundError.
        """
        async with self._dispatcher.alone(uuid_of("thread", thread_id)):
            thread = await self._threads.get(thread_id)  # who had it before may have deleted it
            return await self._update(thread, place, supersteps)

    async def _update(
        self, thread: Thread, place: Place, supersteps: Sequence[Sequence[StateUpdate]]
    ) -> Json:
        if runs := await self._threads.open_runs(thread.thread_id):
            raise ConflictError(
                f"Thread {thread.thread_id} has in-flight runs: {', '.join(runs)}; wait for them "
                "or cancel them first"
            )
        async with self._graph(thread, "threads.update") as graph:
            if graph is None:
                raise BadRequestError(
                    f"Thread '{thread.thread_id}' has no assigned graph ID. A graph decides what "
                    "it can take: start a run on the thread, or put 'graph_id' into its metadata"
                )
            with _refused_update():
                config = await graph.abulk_update_state(place.config(thread), supersteps)
            newest = await graph.aget_state(NEWEST.config(thread))
        await self._threads.take_values(thread.thread_id, newest)
        return config["configurable"]

    @asynccontextmanager
    async def _graph(self, thread: Thread, access: Access) -> AsyncGenerator[CompiledGraph | None]:
        graph_id = thread.metadata.get("graph_id")
        if graph_id is None:
            yield None
            return
        config = NEWEST.config(thread)
        async with self._graphs.open(str(graph_id), config, access=access) as graph:
            yield graph


@contextmanager
def _refused() -> Generator[None]:
    """What the caller asked wrongly is told; anything else is ours."""
    try:
        yield
    except _ASKED_WRONG as error:
        raise BadRequestError(str(error)) from error


@contextmanager
def _refused_update() -> Generator[None]:
    """An update runs reducers and validators, which are user code and refuse in their own ways."""
    try:
        yield
    except (DatabaseError, RequestError):
        raise
    except ThreadBusyError as error:
        raise ConflictError(str(error)) from error
    except ActorsError as error:
        raise BadRequestError(str(error)) from error
    except Exception as error:
        told = error_json(error)
        raise BadRequestError(
            f"The graph does not take the update: {told['error']}: {told['message']}"
        ) from error
