"""One request under the auth hook: what handlers are shown of it, and what their answer means.

Handlers may change what they are shown; what they changed of a thing that is made, of a search or
of a namespace is what the route gets.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, urlencode

from .access import Aim
from .errors import ConflictError, ForbiddenError, InvalidError
from .permits import NAMES, Permit, as_uuid, with_metadata

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from .grants import Grant

logger = logging.getLogger(__name__)

NAMESPACES = {"search": "namespace_prefix", "list_namespaces": "prefix"}
"""Action on the store -> what its body calls the namespace, where not `namespace`."""


class Visit:
    """A request that a handler is asked about.

    `body` is its JSON, b"" where it brings none; afterwards it is what the route is to get.
    """

    def __init__(self, permit: Permit, aim: Aim, request: HTTPConnection, body: Any) -> None:
        self.body: object = body
        self._permit = permit
        self._aim = aim
        self._request = request

    async def check(self) -> None:
        """Return if the route may go on.  Raises ForbiddenError, NotFoundError, ConflictError."""
        match self._aim.rule.scope:
            case "new":
                await self._new()
            case "search":
                await self._search()
            case "start":
                await self._runs()
            case "session":
                await self._permit.open_thread(self._aim.ids["thread_id"])
            case "command":  # which asks for itself what it needs beyond that
                await self._permit.use_thread(self._aim.ids["thread_id"], "read")
            case "threads":
                await self._threads()
            case "cancel":
                await self._cancel()
            case "store":
                await self._store()
            case "thread" | "assistant" | "cron" | "run":
                await self._existing()

    # --- by scope ----------------------------------------------------------------------------

    async def _new(self) -> None:
        value = self._object()
        grant = await self._decided(value)
        noun = self._aim.rule.resource.removesuffix("s")
        id_ = value.get(f"{noun}_id")
        if noun == "cron":
            await self._permit.use_assistant(value.get("assistant_id"))
        if grant is None or not isinstance(id_, str):
            return
        if await self._permit.holds(noun, id_, grant) is False:
            raise ConflictError(f"{NAMES[noun]} with ID {id_} already exists")

    async def _search(self) -> None:
        self._request.scope["grant"] = await self._decided(self._object())

    async def _existing(self) -> None:
        """What the path names; what is changed of it, or made below it, may be stamped."""
        rule = self._aim.rule
        ids: dict[str, Any] = {name: as_uuid(text) for name, text in self._aim.ids.items()}
        if self._request.scope.get("method") == "PATCH" or rule.action == "create":
            value = self._object()
            value.update(ids)
            grant = await self._decided(value)
            for name in ids:
                value.pop(name, None)
        else:
            grant = await self._decided(ids)
        noun, id_ = next(iter(self._aim.ids.items()))
        await self._permit.check(noun.removesuffix("_id"), id_, grant)
        if rule.resource == "crons" and rule.action == "create":
            await self._permit.use_thread(id_, "create_run")
            await self._permit.use_assistant(self._object().get("assistant_id"))

    async def _runs(self) -> None:
        """One run, or several."""
        several = isinstance(self.body, list)
        bodies = cast("list[Any]", self.body) if several else [self._object()]
        for given in bodies:
            if not isinstance(given, dict):
                raise InvalidError("The request body must be a JSON object, or an array of them")
            body = cast("dict[str, Any]", given)
            named = body.get("thread_id") if several else self._aim.ids.get("thread_id")
            await self._permit.start(body, named)

    async def _threads(self) -> None:
        named = self._object().get("thread_ids")
        for id_ in cast("list[Any]", named) if isinstance(named, list) else []:
            grant = await self._decided({"thread_id": as_uuid(id_)})
            await self._permit.check("thread", id_, grant)

    async def _cancel(self) -> None:
        id_ = self._object().get("thread_id")
        grant = await self._decided({"thread_id": as_uuid(id_)})
        if grant is not None and not isinstance(id_, str):
            raise ForbiddenError("Name the thread; runs of all threads are not yours to cancel")
        await self._permit.check("thread", id_, grant)

    # --- the store ---------------------------------------------------------------------------

    async def _store(self) -> None:
        """Handlers see `namespace`, and what they make of it is where the store looks."""
        action = self._aim.rule.action
        if action == "get":
            await self._store_get()
            return
        body = self._object(stamp=False)
        name = NAMESPACES.get(action, "namespace")
        value = {**body, "namespace": _namespace(body.get(name))}
        await self._decided_of_item(value)
        body.update({key: value[key] for key in body if key in value and key != name})
        if value["namespace"] is not None:
            body[name] = list(value["namespace"])

    async def _store_get(self) -> None:
        asked = parse_qsl(self._request.scope["query_string"].decode("latin-1"))
        given = [text for name, text in asked if name == "namespace"]
        labels = given if len(given) > 1 else [text for text in "".join(given).split(".") if text]
        rest = {name: text for name, text in asked if name != "namespace"}
        value: dict[str, Any] = {"namespace": tuple(labels), "key": rest.get("key", "")}
        await self._decided_of_item(value)
        for label in value["namespace"]:  # in a query, a period would part it
            if not isinstance(label, str) or not label or "." in label:
                raise InvalidError(
                    f"Namespace label {label!r:.80} must be a non-empty string without periods"
                )
        changed = {**rest, "namespace": ".".join(value["namespace"]), "key": value["key"]}
        self._request.scope["query_string"] = urlencode(changed).encode()

    async def _decided_of_item(self, value: dict[str, Any]) -> None:
        """Items have no metadata that a filter could hold for."""
        if await self._decided(value) is not None:
            logger.error(
                "the handler of store.%s answers with a filter, which items cannot be held "
                "against; let it check or change value['namespace'] instead",
                self._aim.rule.action,
            )
            raise ForbiddenError("Forbidden")

    # --- what they share ---------------------------------------------------------------------

    def _object(self, *, stamp: bool = True) -> dict[str, Any]:
        """The body, which is to be an object; with metadata that handlers can add to."""
        if self.body == b"":
            self.body = {}
        given = self.body
        if not isinstance(given, dict):
            raise InvalidError("The request body must be a JSON object")
        body = cast("dict[str, Any]", given)
        return with_metadata(body) if stamp else body

    async def _decided(self, value: dict[str, Any]) -> Grant | None:
        rule = self._aim.rule
        return await self._permit.decide(rule.resource, rule.action, value)


def _namespace(given: Any) -> tuple[Any, ...] | None:
    return tuple(cast("list[Any]", given)) if isinstance(given, list) else None
