"""One request under the auth hook: what handlers are shown of it, and what their answer means.

Handlers may change what they are shown; what they changed of a thing that is made, of a search or
of a namespace is what the route gets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from .access import Aim, matches, narrowed, stamped
from .errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, RequestError
from .responses import JsonResponse
from .services import Services, services_of

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection
    from starlette.responses import Response

    from .auth import Gatekeeper, User
    from .records import Json

RUN_FIELDS = (
    *("input", "command", "config", "context", "stream_mode", "interrupt_before"),
    *("interrupt_after", "webhook", "checkpoint", "checkpoint_id"),
)
"""Parts of a run's body that handlers see, and may change, as `kwargs`."""
NAMESPACES = {"search": "namespace_prefix", "list_namespaces": "prefix"}
"""Action on the store -> what its body calls the namespace, where not `namespace`."""
NAMES = {"assistant": "Assistant", "cron": "Cron", "run": "Run", "thread": "Thread"}


class Visit:
    """A request that a handler is asked about.

    `body` is its JSON, b"" where it brings none; afterwards it is what the route is to get.
    """

    def __init__(
        self,
        gatekeeper: Gatekeeper,
        user: User | None,
        aim: Aim,
        request: HTTPConnection,
        body: Any,
    ) -> None:
        self.body: object = body
        self._gatekeeper = gatekeeper
        self._user = user
        self._aim = aim
        self._request = request

    async def refusal(self) -> Response | None:
        """None if the route may go on, or what is answered at once.

        Raises ForbiddenError, NotFoundError, ConflictError.
        """
        match self._aim.rule.scope:
            case "new":
                await self._new()
            case "search":
                return await self._search()
            case "start":
                await self._start()
            case "session":
                await self._session()
            case "stateless":
                await self._stateless()
            case "threads" | "cancel":
                await self._threads()
            case "store":
                await self._store()
            case "run":
                await self._run()
            case "thread" | "assistant" | "cron":
                await self._existing()
        return None

    # --- by scope ----------------------------------------------------------------------------

    async def _new(self) -> None:
        value = self._object()
        wanted = await self._decided(value)
        id_ = value.get(f"{self._noun()}_id")
        if wanted is None or not isinstance(id_, str):
            return
        there = await self._metadata(self._noun(), id_)
        if there is not None and not matches(there, wanted):
            raise ConflictError(f"{NAMES[self._noun()]} with ID {id_} already exists")

    async def _search(self) -> Response | None:
        value = self._object()
        wanted = await self._decided(value)
        if wanted is None:
            return None
        both = narrowed(value["metadata"], wanted)
        if both is None:
            return JsonResponse(0 if self._request.url.path.endswith("/count") else [])
        value["metadata"] = both
        return None

    async def _existing(self) -> None:
        """What the path names; what is changed of it, or made below it, may be stamped."""
        rule = self._aim.rule
        ids = {name: _uuid(text) for name, text in self._aim.ids.items()}
        if self._request.scope.get("method") == "PATCH" or rule.action == "create":
            value = self._object()
            value.update(ids)
            wanted = await self._decided(value)
            for name in ids:
                del value[name]
        else:
            wanted = await self._decided(dict(ids))
        ((name, id_),) = self._aim.ids.items()
        await self._check(name.removesuffix("_id"), id_, wanted)

    async def _start(self) -> None:
        thread_id = self._aim.ids["thread_id"]
        body = self._object()
        wanted = await self._run_decided(body, thread_id)
        if wanted is None:
            return
        if body.get("if_not_exists") == "create":
            await self._make(thread_id, wanted)
        await self._check("thread", thread_id, wanted)

    async def _session(self) -> None:
        thread_id = self._aim.ids["thread_id"]
        wanted = await self._run_decided({}, thread_id)
        if wanted is not None:
            await self._make(thread_id, wanted)
            await self._check("thread", thread_id, wanted)

    async def _make(self, thread_id: str, wanted: Json) -> None:
        """A thread that a run would make belongs to the caller from its beginning."""
        await self._services.threads.create(
            thread_id, metadata=stamped(wanted), if_exists="do_nothing"
        )

    async def _stateless(self) -> None:
        several = isinstance(self.body, list)
        bodies = cast("list[Any]", self.body) if several else [self._object()]
        for body in bodies:
            if not isinstance(body, dict):
                raise InvalidError("The request body must be a JSON object, or an array of them")
            run = cast("dict[str, Any]", body)
            thread_id = run.get("thread_id")
            wanted = await self._run_decided(run, thread_id)
            if isinstance(thread_id, str):
                await self._check("thread", thread_id, wanted)

    async def _threads(self) -> None:
        body = self._object()
        named = body.get("thread_ids", body.get("thread_id"))
        ids = cast("list[Any]", named) if isinstance(named, list) else [named]
        for id_ in ids:
            wanted = await self._decided({"thread_id": _uuid(id_)})
            if wanted is not None and not isinstance(id_, str):
                raise ForbiddenError("Name the thread; runs of all threads are not yours to cancel")
            await self._check("thread", str(id_), wanted)

    async def _run(self) -> None:
        run_id = self._aim.ids["run_id"]
        wanted = await self._decided({"run_id": _uuid(run_id), "thread_id": None})
        live = self._services.dispatcher.live(run_id)
        if wanted is None or live is None:
            return
        order = live.run.order
        owner = (order.user or {}).get("identity")
        mine = self._user is not None and owner == self._user["identity"]
        if not mine and not matches(order.metadata, wanted):
            raise NotFoundError("Run not found")

    async def _store(self) -> None:
        """Handlers see `namespace`, and what they make of it is where the store looks."""
        action = self._aim.rule.action
        if action == "get":
            await self._store_get()
            return
        body = self._object(stamp=False)
        name = NAMESPACES.get(action, "namespace")
        value = {**body, "namespace": _namespace(body.get(name))}
        await self._decided(value)
        body.update({key: value[key] for key in body if key in value and key != name})
        if value["namespace"] is not None:
            body[name] = list(value["namespace"])

    async def _store_get(self) -> None:
        asked = dict(parse_qsl(self._request.scope["query_string"].decode("latin-1")))
        labels = tuple(asked["namespace"].split(".")) if asked.get("namespace") else ()
        value: dict[str, Any] = {"namespace": labels, "key": asked.get("key", "")}
        await self._decided(value)
        changed = {**asked, "namespace": ".".join(value["namespace"]), "key": value["key"]}
        self._request.scope["query_string"] = urlencode(changed).encode()

    # --- what they share ---------------------------------------------------------------------

    @property
    def _services(self) -> Services:
        return services_of(self._request)

    def _noun(self) -> str:
        return self._aim.rule.resource.removesuffix("s")

    def _object(self, *, stamp: bool = True) -> dict[str, Any]:
        """The body, which is to be an object; with metadata that handlers can add to."""
        if self.body == b"":
            self.body = {}
        given = self.body
        if not isinstance(given, dict):
            raise InvalidError("The request body must be a JSON object")
        body = cast("dict[str, Any]", given)
        if stamp and not isinstance(body.get("metadata"), dict):
            if body.get("metadata") is not None:
                raise InvalidError(f"metadata: must be an object, not {body['metadata']!r:.80}")
            body["metadata"] = {}
        return body

    async def _decided(self, value: dict[str, Any]) -> Json | None:
        rule = self._aim.rule
        return await self._gatekeeper.decide(self._user, rule.resource, rule.action, value)

    async def _run_decided(self, body: dict[str, Any], thread_id: Any) -> Json | None:
        """The same for a run: handlers see what clients call kwargs apart from the rest."""
        kwargs = {name: body[name] for name in RUN_FIELDS if name in body}
        value: dict[str, Any] = {
            "thread_id": _uuid(thread_id),
            "assistant_id": body.get("assistant_id"),
            "run_id": None,
            "status": "pending",
            "metadata": body.get("metadata") or {},
            "prevent_insert_if_inflight": body.get("multitask_strategy") == "reject",
            "multitask_strategy": body.get("multitask_strategy") or "enqueue",
            "if_not_exists": body.get("if_not_exists") or "reject",
            "after_seconds": body.get("after_seconds") or 0,
            "kwargs": kwargs,
        }
        wanted = await self._decided(value)
        body.update(kwargs)
        body["metadata"] = value["metadata"]
        return wanted

    async def _check(self, noun: str, id_: str, wanted: Json | None) -> None:
        """Raises NotFoundError for what is there, but not for this caller."""
        if wanted is None:
            return
        there = await self._metadata(noun, id_)
        if there is not None and not matches(there, wanted):
            raise NotFoundError(f"{NAMES[noun]} with ID {id_} not found")

    async def _metadata(self, noun: str, id_: str) -> Json | None:
        """That of a thing; None if there is none, which its route will say better."""
        services = self._services
        try:
            match noun:
                case "thread":
                    return (await services.threads.get(id_)).metadata
                case "assistant":
                    return (await services.assistants.resolve(id_)).metadata
                case _:
                    return (await services.crons.get(id_)).metadata
        except RequestError:
            return None


def _uuid(text: Any) -> Any:
    """An id as handlers get it; what is none stays, and the route will refuse it."""
    try:
        return UUID(text) if isinstance(text, str) else text
    except ValueError:
        return text


def _namespace(given: Any) -> tuple[Any, ...] | None:
    return tuple(cast("list[Any]", given)) if isinstance(given, list) else None
