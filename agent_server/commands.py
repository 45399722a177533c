"""The commands of the protocol of `threads.stream`: start a run, answer a question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from starlette.exceptions import HTTPException

from .bodies import model_of
from .errors import BadRequestError, NotFoundError, RequestError
from .orders import RunBody, run_from
from .records import Json
from .subscriptions import Subscriptions

if TYPE_CHECKING:
    from .permits import Permit
    from .services import Services

_MODES = ["values", "updates", "messages-tuple", "custom", "tasks", "checkpoints"]
_CODES = {
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    503: "overloaded",
}


class Commands:
    """Carries out commands on one thread; `user` is who sends them, `permit` what they may do."""

    def __init__(
        self,
        services: Services,
        thread_id: str,
        user: Json | None = None,
        permit: Permit | None = None,
        subscriptions: Subscriptions | None = None,
    ) -> None:
        self._services = services
        self._thread_id = thread_id
        self._user = user
        self._permit = permit
        # Where there is no session nobody is told.
        self._subscriptions = Subscriptions() if subscriptions is None else subscriptions

    async def answer(self, command: Any, seq: int = 0) -> dict[str, Any]:
        """What a command is answered with; `seq`: number of the last notice sent.

        Raises BadRequestError for what is no command.
        """
        given = cast("dict[str, Any]", command) if isinstance(command, dict) else {}
        number, method = given.get("id"), given.get("method")
        if type(number) is not int or not isinstance(method, str):
            raise BadRequestError("Protocol commands must include an integer id and string method.")
        params: Any = given.get("params") or {}
        if not isinstance(params, dict):
            return refused(number, "invalid_argument", "params must be an object")
        try:
            result = await self._carried_out(method, cast("dict[str, Any]", params))
        except RequestError as error:
            return refused(number, _CODES.get(error.status, "invalid_argument"), str(error))
        except HTTPException as error:  # what the auth hook says
            return refused(number, _CODES.get(error.status_code, "invalid_argument"), error.detail)
        if result is None:
            return refused(number, "unknown_command", f"Unknown protocol command: {method}")
        meta = {"applied_through_seq": seq}
        return {"type": "success", "id": number, "result": result, "meta": meta}

    async def _carried_out(self, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        if self._permit is not None and method != "run.start":
            await self._permit.open_thread(self._thread_id)
        match method:
            case "run.start":
                return {"run_id": await self._start(params)}
            case "input.respond":
                await self._respond(params)
                return {}
            case "subscription.subscribe":
                return {"subscription_id": self._subscriptions.add(params), "replayed_events": 0}
            case "subscription.unsubscribe":
                self._subscriptions.drop(params.get("subscription_id"))
                return {}
            case "agent.getTree":
                return {"tree": await self._tree()}
            case _:
                return None

    async def _start(self, params: dict[str, Any]) -> str:
        given = {"stream_subgraphs": True, **params, "stream_mode": _MODES}
        if self._permit is not None:
            await self._permit.start(given, self._thread_id)
        body = model_of(given, RunBody)
        services = self._services
        assistant = await services.assistants.resolve(body.assistant_id)
        run = run_from(
            body, assistant, thread_id=self._thread_id, now=services.clock(), user=self._user
        )
        await services.dispatcher.accept(run, if_not_exists=body.if_not_exists or "create")
        return run.run_id

    async def _respond(self, params: dict[str, Any]) -> None:
        # A run that has asked may not have settled yet; the answer waits for its turn then.
        running = await self._services.runs.list(self._thread_id, limit=1, status="running")
        thread = await self._services.threads.get(self._thread_id)
        asked = params.get("interrupt_id")
        open_ones = [one["id"] for waiting in thread.interrupts.values() for one in waiting]
        if asked not in open_ones and not running:
            raise NotFoundError(
                f"No question {asked!r} waits for an answer on this thread; answer one of those "
                "that input.requested told"
            )
        await self._start(
            {
                "assistant_id": thread.metadata.get("assistant_id"),
                "command": {"resume": {asked: params.get("response")}},
            }
        )

    async def _tree(self) -> dict[str, Any]:
        runs = await self._services.runs.list(self._thread_id, limit=1)
        if not runs:
            raise NotFoundError("No active run is bound to this thread.")
        thread = await self._services.threads.get(self._thread_id)
        status = "interrupted" if thread.status == "interrupted" else runs[0].status
        return {"namespace": [], "status": status, "graph_name": runs[0].graph_id}


def refused(number: int | None, code: str, message: str) -> dict[str, Any]:
    """Why a command was not carried out."""
    return {"type": "error", "id": number, "error": code, "message": message}
