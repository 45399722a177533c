"""Who asks, and whether they may: the hook that langgraph.json's `auth` names.

The hook is an object of `langgraph_sdk.Auth`, or anything of its shape; nothing of the SDK is
imported here.  What it raises with a `status_code` is answered as it says.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast

from starlette.exceptions import HTTPException

from .errors import ForbiddenError, GraphLoadError, HandlerError, UnauthorizedError
from .grants import Grant, grant_of
from .records import Json

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

logger = logging.getLogger(__name__)

Handler = Callable[..., Awaitable[Any]]


class User(Mapping[str, Any]):
    """Who asks, as the hook has said: `user.identity` and `user["identity"]` are the same."""

    def __init__(self, facts: Json) -> None:
        self._facts = dict(facts)

    def __getitem__(self, name: str) -> Any:
        return self._facts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts)

    def __len__(self) -> int:
        return len(self._facts)

    def __getattr__(self, name: str) -> Any:
        try:
            return self._facts[name]
        except KeyError:
            raise AttributeError(name) from None

    def as_dict(self) -> dict[str, Any]:
        """The same as a plain dict, as runs carry it."""
        return dict(self._facts)


@dataclass(frozen=True, slots=True)
class AuthContext:
    """What an authorization handler finds as `ctx`."""

    permissions: Sequence[str]
    user: User
    resource: str
    action: str


class Gatekeeper:
    """The hook, as the server asks it.

    Raises GraphLoadError for an object that is none.
    """

    def __init__(self, hook: Any) -> None:
        try:
            read = attrgetter("_authenticate_handler", "_handlers", "_global_handlers")
            authenticate, handlers, everywhere = read(hook)
        except AttributeError:
            raise GraphLoadError(
                f"auth names {type(hook).__name__}, which does not authenticate; give an object of "
                "langgraph_sdk.Auth"
            ) from None
        self._authenticate = cast("Handler | None", authenticate)
        self._handlers = cast("Mapping[tuple[str, str], Sequence[Handler]]", handlers)
        self._everywhere = cast("Sequence[Handler]", everywhere)

    async def authenticate(self, request: HTTPConnection, path: str) -> User | None:
        """Who asks; None where the hook only authorizes.  Raises UnauthorizedError."""
        if self._authenticate is None:
            return None
        known = _facts_of_request(request, path)
        wanted = inspect.signature(self._authenticate).parameters
        call = self._authenticate
        said = await _told(lambda: call(**{n: v for n, v in known.items() if n in wanted}), 401)
        return _user_of(said)

    async def decide(
        self, user: User | None, resource: str, action: str, value: dict[str, Any]
    ) -> Grant | None:
        """What everything of this resource must be for this user to have it; None: it may be
        anything.

        The handler may change the value.  Raises ForbiddenError, also for an answer that cannot
        be applied; the log says why.
        """
        handler = self._handler(resource, action)
        if handler is None:
            return None
        who = user or User({"identity": "", "permissions": [], "is_authenticated": False})
        context = AuthContext(who.permissions, who, resource, action)
        said = await _told(lambda: handler(ctx=context, value=value), 403)
        if said is None or said is True:
            return None
        if said is False:
            raise ForbiddenError("Forbidden")
        try:
            return grant_of(said) if said != {} else None
        except HandlerError as error:
            told = "the handler of %s.%s answers with what cannot be followed: %s"
            logger.error(told, resource, action, error)  # noqa: TRY400 - whose fault is said
            raise ForbiddenError("Forbidden") from None

    def _handler(self, resource: str, action: str) -> Handler | None:
        """The most specific one there is."""
        for key in ((resource, action), (resource, "*"), ("*", action)):
            if found := self._handlers.get(key):
                return found[-1]
        return self._everywhere[-1] if self._everywhere else None


async def _told(call: Callable[[], Any], status: int) -> Any:
    """What a handler says; an exception that says a status is one for the client."""
    try:
        said = call()
        return await said if inspect.isawaitable(said) else said
    except AssertionError as error:
        raise HTTPException(status, str(error) or None) from None
    except Exception as error:
        if isinstance(code := getattr(error, "status_code", None), int):
            detail = getattr(error, "detail", None)
            headers = getattr(error, "headers", None)
            raise HTTPException(code, detail and str(detail), dict(headers or {})) from None
        raise


def _facts_of_request(request: HTTPConnection, path: str) -> dict[str, Any]:
    """What a function that authenticates may ask for by name."""
    return {
        "request": request,
        "path": path,
        "method": request.scope.get("method", "GET"),
        "path_params": request.scope.get("path_params", {}),
        "query_params": dict(request.query_params),
        "headers": dict(request.scope["headers"]),
        "authorization": request.headers.get("authorization"),
        "scopes": None,
    }


def _user_of(said: Any) -> User:
    """A user from an id, a mapping, or an object with the same names."""
    facts: dict[str, Any]
    match said:
        case str():
            facts = {"identity": said}
        case Mapping():
            facts = dict(cast("Json", said))
        case None:
            raise UnauthorizedError("Unauthorized")
        case _:
            names = ("identity", "permissions", "display_name", "is_authenticated")
            facts = {name: getattr(said, name) for name in names if hasattr(said, name)}
    if not isinstance(facts.get("identity"), str):
        raise UnauthorizedError("Unauthorized")
    shown: dict[str, Any] = {
        "display_name": facts["identity"],
        "is_authenticated": True,
        "permissions": [],
    }
    return User({**shown, **facts})
