"""The auth hook: who asks, which handler decides, and what its answers mean."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from langgraph_sdk import Auth
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from agent_server import ForbiddenError, GraphLoadError, UnauthorizedError
from agent_server.auth import AuthContext, Gatekeeper, User
from agent_server.grants import Is


def request(**headers: str) -> HTTPConnection:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return HTTPConnection(
        {"type": "http", "method": "GET", "path": "/x", "query_string": b"a=1", "headers": raw}
    )


async def who(authenticate: Any, **headers: str) -> User | None:
    hook = Auth()
    hook.authenticate(authenticate)
    return await Gatekeeper(hook).authenticate(request(**headers), "/x")


@pytest.mark.parametrize(
    "said",
    ["me", {"identity": "me"}, SimpleNamespace(identity="me", permissions=["read"])],
    ids=["id", "dict", "object"],
)
async def test_a_user_may_be_an_id_a_dict_or_an_object(said: Any) -> None:
    async def authenticate() -> Any:
        return said

    user = await who(authenticate)
    assert user is not None
    assert user.identity == user["identity"] == user.display_name == "me"
    assert user.is_authenticated


async def test_what_else_the_hook_says_of_a_user_is_kept() -> None:
    async def authenticate() -> Any:
        return {"identity": "me", "org": "us", "permissions": ["read"]}

    user = await who(authenticate)
    assert user is not None
    assert "org" in user
    assert (user.org, user.permissions) == ("us", ["read"])
    assert user.as_dict() == dict(user)
    with pytest.raises(AttributeError):
        _ = user.colour


async def test_the_hook_gets_what_it_asks_for_by_name() -> None:
    given: dict[str, Any] = {}

    async def authenticate(authorization: str, path: str, method: str, query_params: Any) -> str:
        given.update(a=authorization, p=path, m=method, q=query_params)
        return "me"

    await who(authenticate, authorization="Bearer x")
    assert given == {"a": "Bearer x", "p": "/x", "m": "GET", "q": {"a": "1"}}


async def test_a_hook_that_is_not_async_will_do() -> None:
    def authenticate(headers: dict[bytes, bytes]) -> str:
        return headers[b"x-user"].decode()

    user = await who(authenticate, **{"x-user": "me"})
    assert user is not None
    assert user.identity == "me"


@pytest.mark.parametrize("said", [None, {}, {"identity": 3}, SimpleNamespace()], ids=repr)
async def test_who_has_no_identity_is_not_let_in(said: Any) -> None:
    async def authenticate() -> Any:
        return said

    with pytest.raises(UnauthorizedError):
        await who(authenticate)


async def test_what_the_hook_raises_with_a_status_is_answered_so() -> None:
    async def authenticate() -> Any:
        raise Auth.exceptions.HTTPException(status_code=402, detail="pay", headers={"x-a": "b"})

    with pytest.raises(HTTPException) as caught:
        await who(authenticate)
    error = caught.value
    assert (error.status_code, error.detail, error.headers) == (402, "pay", {"x-a": "b"})


async def test_a_failed_assertion_is_a_refusal() -> None:
    async def authenticate(authorization: str | None) -> Any:
        assert authorization, "no token"

    with pytest.raises(HTTPException, match="401: no token"):
        await who(authenticate)


async def test_a_bug_in_the_hook_is_no_refusal() -> None:
    async def authenticate() -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await who(authenticate)


def deciding() -> tuple[Auth, list[str]]:
    hook, told = Auth(), list[str]()

    @hook.on
    async def everything(ctx: Any, value: Any) -> bool:
        told.append("everything")
        return False

    @hook.on.threads
    async def threads(ctx: Any, value: Any) -> dict[str, str]:
        told.append("threads")
        return {"owner": ctx.user.identity}

    @hook.on.threads.create
    async def create(ctx: Any, value: Any) -> None:
        told.append("create")
        value["metadata"]["owner"] = ctx.user.identity

    @hook.on(resources="assistants", actions=["read", "search"])
    async def look(ctx: Any, value: Any) -> bool:
        told.append("look")
        return True

    return hook, told


ME = User({"identity": "me", "permissions": ["p"]})


async def test_the_most_specific_handler_decides() -> None:
    hook, told = deciding()
    gatekeeper = Gatekeeper(hook)
    value: dict[str, Any] = {"metadata": {}}
    assert await gatekeeper.decide(ME, "threads", "create", value) is None
    assert value == {"metadata": {"owner": "me"}}
    assert await gatekeeper.decide(ME, "threads", "read", {}) == Is("owner", "me")
    assert await gatekeeper.decide(ME, "assistants", "search", {}) is None
    with pytest.raises(ForbiddenError):
        await gatekeeper.decide(ME, "assistants", "create", {})
    assert told == ["create", "threads", "look", "everything"]


async def test_a_handler_is_told_who_does_what() -> None:
    seen: list[AuthContext] = []
    hook = Auth()

    @hook.on
    async def everything(ctx: Any, value: Any) -> None:
        seen.append(ctx)

    await Gatekeeper(hook).decide(ME, "crons", "delete", {})
    assert seen == [AuthContext(["p"], ME, "crons", "delete")]


async def test_without_a_handler_everything_is_allowed() -> None:
    assert await Gatekeeper(Auth()).decide(ME, "threads", "read", {}) is None
    assert await Gatekeeper(Auth()).authenticate(request(), "/x") is None


@pytest.mark.parametrize(
    "said", ["yes", 1, [], {"$or": []}, {"owner": None}, {"owner": {"$in": ["me"]}}], ids=repr
)
async def test_an_answer_that_cannot_be_followed_refuses_and_the_log_says_why(
    said: Any, caplog: pytest.LogCaptureFixture
) -> None:
    hook = Auth()

    @hook.on
    async def everything(ctx: Any, value: Any) -> Any:
        return said

    with pytest.raises(ForbiddenError, match=r"^Forbidden$"):
        await Gatekeeper(hook).decide(None, "threads", "read", {})
    assert "threads.read" in caplog.text
    assert "filter" in caplog.text


async def test_an_empty_filter_asks_for_nothing() -> None:
    hook = Auth()

    @hook.on
    async def everything(ctx: Any, value: Any) -> Any:
        return {}

    assert await Gatekeeper(hook).decide(ME, "threads", "read", {}) is None


def test_an_object_that_does_not_authenticate_is_refused_at_the_start() -> None:
    with pytest.raises(GraphLoadError, match="auth names dict, which does not authenticate"):
        Gatekeeper({})
