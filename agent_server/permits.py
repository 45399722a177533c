"""What the caller of one request may do: the auth hook's answers, held against what is stored.

What a grant does not allow is not there for the caller.  A stateless run has no thread that could
say whose it is; its own metadata does, and its user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from .errors import InvalidError, NotFoundError, RequestError
from .ids import is_uuid, uuid_of
from .services import Services, services_of

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from .auth import Gatekeeper, User
    from .grants import Grant
    from .records import Json, Run

RUN_FIELDS = (
    *("input", "command", "config", "context", "stream_mode", "interrupt_before"),
    *("interrupt_after", "webhook", "checkpoint", "checkpoint_id"),
)
"""Parts of a run's body that handlers see, and may change, as `kwargs`."""
NAMES = {"assistant": "Assistant", "cron": "Cron", "run": "Run", "thread": "Thread"}


class Permit:
    """The caller of one request, under the auth hook."""

    def __init__(
        self, gatekeeper: Gatekeeper, user: User | None, connection: HTTPConnection
    ) -> None:
        self._gatekeeper = gatekeeper
        self._user = user
        self._connection = connection

    async def decide(self, resource: str, action: str, value: dict[str, Any]) -> Grant | None:
        """What the hook lets the caller have; the handler may change the value.

        Raises ForbiddenError.
        """
        return await self._gatekeeper.decide(self._user, resource, action, value)

    async def _run_decided(self, body: dict[str, Any], thread_id: Any) -> Grant | None:
        """Handlers see what clients call kwargs apart from the rest, and what they make of it is in
        the body then."""
        with_metadata(body)
        kwargs = {name: body[name] for name in RUN_FIELDS if name in body}
        value: dict[str, Any] = {
            "thread_id": as_uuid(thread_id),
            "assistant_id": as_uuid(body.get("assistant_id")),
            "run_id": None,
            "status": "pending",
            "metadata": body["metadata"],
            "prevent_insert_if_inflight": body.get("multitask_strategy") == "reject",
            "multitask_strategy": body.get("multitask_strategy") or "enqueue",
            "if_not_exists": body.get("if_not_exists") or "reject",
            "after_seconds": body.get("after_seconds") or 0,
            "kwargs": kwargs,
        }
        grant = await self.decide("threads", "create_run", value)
        body.update(kwargs)
        body["metadata"] = value["metadata"]
        await self.use_assistant(body.get("assistant_id"))
        return grant

    async def start(self, body: dict[str, Any], thread_id: Any) -> None:
        """Let a run start on the thread, or (None) without one; it, or the thread that it makes, is
        the caller's from its beginning.

        Raises NotFoundError for a thread or an assistant that is another's.
        """
        grant = await self._run_decided(body, thread_id)
        if grant is None:
            return
        if thread_id is not None:
            await self.check("thread", thread_id, grant)
        if thread_id is None or await self._stored("thread", thread_id) is None:
            body["metadata"] = grant.stamp(body["metadata"])

    async def use_assistant(self, assistant_id: Any) -> None:
        """Raise NotFoundError for an assistant that the caller may not read; those that graphs have
        from the start are everybody's."""
        there = await self._stored("assistant", assistant_id)
        if there is None or there.get("created_by") == "system":
            return
        value: dict[str, Any] = {"assistant_id": as_uuid(assistant_id), "metadata": {}}
        grant = await self.decide("assistants", "read", value)
        if grant is not None and not grant.allows(there):
            raise NotFoundError("Thread or assistant not found.")

    async def use_thread(self, thread_id: str, action: str) -> None:
        """Raise NotFoundError for a thread that the caller may not have for this action."""
        grant = await self.decide("threads", action, {"thread_id": as_uuid(thread_id)})
        await self.check("thread", thread_id, grant)

    async def open_thread(self, thread_id: str) -> None:
        """The same, for reading; one that is not there is made, so that nobody else can make it
        while the caller waits for what happens on it."""
        grant = await self.decide("threads", "read", {"thread_id": as_uuid(thread_id)})
        if grant is not None and await self.holds("thread", thread_id, grant) is None:
            await self._services.threads.create(
                thread_id, metadata=grant.stamp({}), if_exists="do_nothing"
            )
        await self.check("thread", thread_id, grant)

    async def check(self, noun: str, id_: Any, grant: Grant | None) -> None:
        """Raise NotFoundError for what is there, but not for this caller."""
        if grant is not None and await self.holds(noun, id_, grant) is False:
            told = "" if noun == "run" else f" with ID {id_}"
            raise NotFoundError(f"{NAMES[noun]}{told} not found")

    async def holds(self, noun: str, id_: Any, grant: Grant) -> bool | None:
        """Whether the grant allows a thing; None if there is none, which its route says better."""
        run = await self._run(id_) if noun == "run" else None
        if run is not None:
            noun, id_ = "thread", run.thread_id
        metadata = await self._stored(noun, id_)
        if metadata is not None:
            return grant.allows(metadata)
        if noun == "thread":
            run = run or await self._stateless_on(id_)
        return None if run is None else self._owns(run, grant)

    # --- what is there -----------------------------------------------------------------------

    @property
    def _services(self) -> Services:
        return services_of(self._connection)

    async def _stored(self, noun: str, id_: Any) -> Json | None:
        """The metadata of a thing; None if there is none."""
        services = self._services
        if not isinstance(id_, str):
            return None  # nor will the route take it
        try:
            match noun:
                case "thread":
                    return (await services.threads.get(id_)).metadata
                case "assistant":
                    return (await services.assistants.resolve(id_)).metadata
                case "cron":
                    return (await services.crons.get(id_)).metadata
                case _:
                    return None
        except RequestError:
            return None

    async def _run(self, run_id: str) -> Run | None:
        if not is_uuid(run_id):
            return None
        services, id_ = self._services, uuid_of("run", run_id)
        known = services.dispatcher.live(id_) or services.dispatcher.ended.get(id_)
        return await services.runs.find(None, id_) if known is None else known.run

    async def _stateless_on(self, thread_id: Any) -> Run | None:
        """The run without a thread that has this id instead of one."""
        if not isinstance(thread_id, str) or not is_uuid(thread_id):
            return None
        services, id_ = self._services, uuid_of("thread", thread_id)
        for known in services.dispatcher.known_on(id_):
            return known.run
        rows = await services.runs.list(id_, limit=1)
        return rows[0] if rows else None

    def _owns(self, run: Run, grant: Grant) -> bool:
        """True for a stateless run of the caller's."""
        owner = (run.order.user or {}).get("identity")
        mine = self._user is not None and owner == self._user["identity"]
        return mine or grant.allows(run.order.metadata)


def permit_of(connection: HTTPConnection) -> Permit | None:
    """What the caller may do; None where everybody may do everything."""
    return cast("Permit | None", connection.scope.get("permit"))


def allowed_to(connection: HTTPConnection) -> Grant | None:
    """What things must be for a search's caller to find them; None: anything."""
    return cast("Grant | None", connection.scope.get("grant"))


def as_uuid(text: Any) -> Any:
    """An id as handlers get it; what is none stays, and the route will refuse it."""
    try:
        return UUID(text) if isinstance(text, str) else text
    except ValueError:
        return text


def with_metadata(body: dict[str, Any]) -> dict[str, Any]:
    """The body, with metadata that handlers can add to.  Raises InvalidError."""
    given = body.get("metadata")
    if given is not None and not isinstance(given, dict):
        raise InvalidError(f"metadata: must be an object, not {given!r:.80}")
    body["metadata"] = given or {}
    return body
