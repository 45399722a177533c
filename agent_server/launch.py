"""A run of the server as the engine is asked for it: its input, config and options; pure."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypedDict, cast, get_origin

from actors import Command, Durability, Send
from streaming import StreamMode

from .records import Json, Order, Run

UNNAMED = "Graph"
"""The name of a graph that was compiled without one."""
_PASSED = ("tags", "recursion_limit", "max_concurrency", "run_name")
"""Keys of a request's config that the engine gets as they are."""
_PLACES = frozenset({"checkpoint_id", "checkpoint_ns", "checkpoint_map"})


class EngineOptions(TypedDict):
    """Keyword arguments of `ActorSystem.start`."""

    context: Any
    durability: Durability
    interrupt_before: Any
    interrupt_after: Any
    stateless: bool
    stream_mode: Sequence[StreamMode]
    busy_timeout: float | None


def engine_input(order: Order) -> Any:
    """What the graph is given: the input, or a Command."""
    command = order.command
    if command is None:
        return order.input
    return Command(
        update=_update(command.get("update")),
        resume=command.get("resume"),
        goto=_goto(command.get("goto")),
    )


def engine_config(run: Run, attempt: int, checkpoint: Json | None) -> dict[str, Any]:
    """The config of one attempt, which starts from a checkpoint or (None) the newest one.

    Our own keys win over the user's: a client cannot write to another thread.
    """
    order = run.order
    config: dict[str, Any] = {key: order.config[key] for key in _PASSED if order.config.get(key)}
    config["run_id"] = run.run_id
    config["configurable"] = {**_configurable(run), **(checkpoint or {})}
    config["metadata"] = {
        **_mapping(order.config.get("metadata")),
        **order.metadata,
        "graph_id": run.graph_id,
        "assistant_id": run.assistant_id,
        "run_id": run.run_id,
        "run_attempt": attempt,
    }
    return config


def factory_config(run: Run) -> dict[str, Any]:
    """What a graph factory is told of the run that it is called for."""
    return engine_config(run, run.attempt, None)


def engine_options(run: Run, context_keys: Collection[str] = ()) -> EngineOptions:
    """How the engine runs it.

    The context is what the request and its assistant say as `context` or, which is the same, as
    `configurable`; of that the graph gets the keys that its context has (none known: all), as
    assistants and clients say more than one graph needs.  There always is one, so that the fields
    of a context have their defaults where nobody says anything.
    The thread is free when its turn comes, but for an update of its state: so it waits for ever.
    """
    order = run.order
    said = {**_given(order), **(order.context or {})}
    return EngineOptions(
        context={key: said[key] for key in said if key in context_keys or not context_keys},
        durability=order.durability,
        interrupt_before=order.interrupt_before,
        interrupt_after=order.interrupt_after,
        stateless=run.stateless,
        stream_mode=engine_modes(order),
        busy_timeout=None,
    )


def context_keys_of(schema: Any) -> frozenset[str]:
    """The fields of a class that a graph's context is made of; none for anything else."""
    cls = get_origin(schema) or schema
    classes = cls.__mro__ if isinstance(cls, type) else ()
    names = {name for each in classes for name in inspect.get_annotations(each)}
    fields: Mapping[str, Any] = getattr(cls, "model_fields", {})  # of pydantic's models
    return frozenset(names | {field.alias for field in fields.values() if field.alias})


def engine_modes(order: Order) -> tuple[StreamMode, ...]:
    """What must be asked for from the start, as models are watched for it; the other modes are
    views of what is logged anyway."""
    modes: list[StreamMode] = ["values"]
    if "messages" in order.stream_mode or "messages-tuple" in order.stream_mode:
        modes.append("messages")
    if "events" in order.stream_mode:
        modes.append("events")
    return tuple(modes)


def _configurable(run: Run) -> dict[str, Any]:
    order = run.order
    user = order.user or {}
    return {
        **_given(order),
        **_without_places(order.context or {}),
        "thread_id": run.thread_id,
        "run_id": run.run_id,
        "graph_id": run.graph_id,
        "assistant_id": run.assistant_id,
        "user_id": user.get("identity", ""),
        "langgraph_auth_user": order.user,
        "langgraph_auth_user_id": user.get("identity", ""),
        "langgraph_auth_permissions": user.get("permissions", []),
    }


def _given(order: Order) -> Json:
    """The user's own keys of `configurable`."""
    return _without_places(_mapping(order.config.get("configurable")))


def _without_places(given: Json) -> Json:
    return {key: value for key, value in given.items() if key not in _PLACES}


def _update(update: Any) -> Any:
    """Pairs come as lists."""
    if isinstance(update, Sequence) and not isinstance(update, str):
        return [tuple(pair) for pair in cast("Sequence[Any]", update)]
    return update


def _goto(goto: Any) -> Any:
    if goto is None:
        return ()
    if isinstance(goto, Mapping):
        given = cast("Json", goto)
        return Send(given["node"], given.get("input"))
    if isinstance(goto, str):
        return goto
    return [_goto(each) for each in goto]


def _mapping(value: Any) -> Json:
    return cast("Json", value) if isinstance(value, Mapping) else {}
