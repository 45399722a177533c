"""What clients ask of a run, checked, and made into a run to be queued; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeAlias, cast, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from checkpoint import new_id

from .errors import BadRequestError, InvalidError
from .records import (
    Assistant,
    Json,
    Multitask,
    OnCompletion,
    OnDisconnect,
    Order,
    Run,
    WireMode,
)

Nodes: TypeAlias = Literal["*"] | list[str] | None
Count: TypeAlias = Annotated[int, Field(strict=True, ge=1, le=1 << 31)]

WIRE_MODES: tuple[WireMode, ...] = get_args(WireMode)
_LONGEST_DELAY = 10 * 365 * 86_400.0
_CHECKPOINT_KEYS = ("checkpoint_id", "checkpoint_ns", "checkpoint_map")
_WEBHOOK_SCHEMES = ("http", "https")


class ConfigBody(BaseModel):
    """The `config` of a request; what else clients put into it is ignored."""

    model_config = ConfigDict(extra="ignore")

    configurable: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    tags: list[str] | None = None
    recursion_limit: Count | None = None
    max_concurrency: Count | None = None
    run_name: str | None = None


class GotoBody(BaseModel):
    """A task for one node, with an input of its own."""

    model_config = ConfigDict(extra="ignore")

    node: str
    input: Any = None


class CommandBody(BaseModel):
    """The `command` of a request: an answer, an update, where to go."""

    model_config = ConfigDict(extra="ignore")

    update: dict[str, Any] | list[tuple[str, Any]] | None = None
    resume: Any = None
    goto: str | GotoBody | list[str | GotoBody] | None = None


class RunBody(BaseModel):
    """The body of every request that starts a run.  Unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore")

    assistant_id: str
    input: Any = None
    command: CommandBody | None = None
    config: ConfigBody | None = None
    context: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    stream_mode: WireMode | list[WireMode] | None = None
    stream_subgraphs: bool | None = None
    stream_resumable: bool | None = None
    interrupt_before: Nodes = None
    interrupt_after: Nodes = None
    feedback_keys: list[str] | None = None
    webhook: str | None = None
    checkpoint: dict[str, Any] | None = None
    checkpoint_id: str | None = None
    checkpoint_during: bool | None = None
    """What `durability` was called before: False is "exit"."""
    durability: Literal["sync", "async", "exit"] | None = None
    multitask_strategy: Multitask | None = None
    if_not_exists: Literal["create", "reject"] | None = None
    on_disconnect: OnDisconnect | None = None
    on_completion: OnCompletion | None = None
    after_seconds: Annotated[float, Field(strict=True, ge=0, le=_LONGEST_DELAY)] | None = None

    @field_validator("stream_mode", mode="before")
    @classmethod
    def _check_modes(cls, value: Any) -> Any:
        """One of them that is unknown, told in fewer words than by the alternatives of its type."""
        given = cast("list[object]", value) if isinstance(value, list) else [cast("object", value)]
        for mode in given:
            if isinstance(mode, str) and mode not in WIRE_MODES:
                known = ", ".join(WIRE_MODES)
                raise InvalidError(f"Invalid stream_mode: {mode[:80]!r}; send some of {known}")
        return cast("object", value)

    @field_validator("webhook")
    @classmethod
    def _check_webhook(cls, value: str | None) -> str | None:
        return value if value is None else checked_webhook(value)


def checked_webhook(url: str) -> str:
    """A webhook's address, as far as its text shows it.  Raises InvalidError."""
    try:
        parts = urlsplit(url)
        scheme, host, _ = parts.scheme, parts.hostname, parts.port
    except ValueError:
        raise InvalidError(f"webhook {url!r} is no URL; give one such as https://…") from None
    if scheme not in _WEBHOOK_SCHEMES:
        raise InvalidError(f"Webhook host blocked: scheme {scheme!r} not allowed")
    if not host or any(char.isspace() or not char.isprintable() for char in url):
        raise InvalidError(f"webhook {url!r} is no URL; give one such as https://host/path")
    return url


def run_from(
    body: RunBody,
    assistant: Assistant,
    *,
    thread_id: str | None,
    now: float,
    user: Json | None = None,
    make_id: Callable[[], str] = new_id,
) -> Run:
    """The run that a request asks for, on a thread or (None) without one.

    Without a thread and with `on_completion="keep"` it gets a thread of its own, which stays.
    Raises BadRequestError for a request that contradicts itself.
    """
    keep = body.on_completion == "keep" and thread_id is None
    stateless = thread_id is None and not keep
    _check_whole(body, stateless=stateless)
    delay = body.after_seconds or 0.0
    return Run(
        run_id=make_id(),
        thread_id=make_id() if thread_id is None else thread_id,
        assistant_id=assistant.assistant_id,
        graph_id=assistant.graph_id,
        order=_order(body, assistant, user, keep=keep),
        status="pending",
        created_at=now,
        updated_at=now,
        multitask_strategy=body.multitask_strategy or "enqueue",
        stateless=stateless,
        due_at=now + delay if delay else 0.0,
    )


def _check_whole(body: RunBody, *, stateless: bool) -> None:
    configurable = body.config.configurable if body.config else None
    if body.context and configurable:
        raise BadRequestError(
            "Cannot specify both configurable and context: they are two ways to say the same; "
            "send context alone"
        )
    if body.command is None:
        return
    if body.input is not None:
        raise BadRequestError(
            "Cannot specify both input and command: a run goes on with one of them; send an input "
            "to begin, a command to go on"
        )
    if stateless and body.command.resume is not None:
        raise BadRequestError("You must provide a thread_id when resuming.")


def _order(body: RunBody, assistant: Assistant, user: Json | None, *, keep: bool) -> Order:
    config = _config(body, assistant)
    return Order(
        input=body.input,
        command=_command(body.command),
        config=config,
        context={**assistant.context, **_context(body)} or None,
        metadata={
            **assistant.metadata,
            "graph_id": assistant.graph_id,
            "assistant_id": assistant.assistant_id,
            **(body.metadata or {}),
        },
        stream_mode=_modes(body.stream_mode),
        stream_subgraphs=bool(body.stream_subgraphs),
        stream_resumable=bool(body.stream_resumable),
        interrupt_before=body.interrupt_before,
        interrupt_after=body.interrupt_after,
        checkpoint=_checkpoint(body, config["configurable"]),
        durability=body.durability or ("exit" if body.checkpoint_during is False else "async"),
        webhook=body.webhook,
        feedback_keys=body.feedback_keys,
        on_disconnect=body.on_disconnect or "continue",
        on_completion="keep" if keep else "delete",
        user=user,
    )


def _context(body: RunBody) -> Json:
    """The request's context, which older clients send as `configurable`."""
    if body.context:
        return body.context
    given = (body.config and body.config.configurable) or {}
    return {key: value for key, value in given.items() if key not in _CHECKPOINT_KEYS}


def _config(body: RunBody, assistant: Assistant) -> dict[str, Any]:
    """The request's config over the assistant's; "configurable" and "metadata" key by key."""
    given = body.config.model_dump(exclude_none=True) if body.config else {}
    base = assistant.config
    merged: dict[str, Any] = {**base, **given}
    for key in ("configurable", "metadata"):
        merged[key] = {**_mapping(base.get(key)), **_mapping(given.get(key))}
    return merged


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _command(command: CommandBody | None) -> Json | None:
    return None if command is None else command.model_dump(exclude_unset=True)


def _modes(given: WireMode | list[WireMode] | None) -> tuple[WireMode, ...]:
    modes = (given,) if isinstance(given, str) else tuple(dict.fromkeys(given or ()))
    return modes or ("values",)


def _checkpoint(body: RunBody, configurable: Json) -> Json | None:
    """The checkpoint to start from, wherever the request names it."""
    given = body.checkpoint or configurable
    found = {key: given[key] for key in _CHECKPOINT_KEYS if given.get(key)}
    if body.checkpoint_id:
        found["checkpoint_id"] = body.checkpoint_id
    wrong = [key for key in _CHECKPOINT_KEYS[:2] if not isinstance(found.get(key, ""), str)]
    if wrong:
        raise InvalidError(f"checkpoint.{wrong[0]}: {found[wrong[0]]!r} is no text; send an id")
    return found if "checkpoint_id" in found else None
