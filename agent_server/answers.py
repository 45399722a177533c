"""What the server stores, and what graphs show of threads, as the JSON that clients read.

Everything here gives values for `to_json`; users' own values stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from actors import Interrupt, StateSnapshot, TaskSnapshot

from .records import Assistant, Cron, Json, Order, Run, Thread

Answer = dict[str, Any]


def moment(seconds: float) -> str:
    """A time as text: 2026-11-21T00:01:22.210048+00:00."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


def picked(answer: Answer, select: Iterable[str] | None) -> Answer:
    """Only the fields that were asked for; none: all."""
    wanted = set(select or ())
    if not wanted:
        return answer
    return {name: value for name, value in answer.items() if name in wanted}


# --- assistants, threads, runs, crons --------------------------------------------------------


def assistant_json(assistant: Assistant) -> Answer:
    """An assistant as it is now."""
    return {
        "assistant_id": assistant.assistant_id,
        "graph_id": assistant.graph_id,
        "config": assistant.config,
        "context": assistant.context,
        "metadata": assistant.metadata,
        "name": assistant.name,
        "created_at": moment(assistant.created_at),
        "updated_at": moment(assistant.updated_at),
        "version": assistant.version,
        "description": assistant.description,
    }


def thread_json(thread: Thread, *, ttl: bool = False) -> Answer:
    """A thread; once something has happened on it, with a whole config, what it asks and its last
    error.

    `ttl`: with its time to live, if it has one.
    """
    answer: Answer = {
        "thread_id": thread.thread_id,
        "created_at": moment(thread.created_at),
        "updated_at": moment(thread.updated_at),
        "state_updated_at": moment(thread.state_updated_at),
        "metadata": thread.metadata,
        "status": thread.status,
        "config": thread.config,
        "values": thread.values,
    }
    if thread.values is not None or thread.error is not None or thread.interrupts:
        answer |= {
            "config": {"configurable": {}, **thread.config},
            "error": thread.error,
            "interrupts": thread.interrupts,
        }
    if ttl and thread.ttl is not None:
        answer["ttl"] = {
            "strategy": thread.ttl.strategy,
            "ttl_minutes": thread.ttl.minutes,
            "expires_at": moment(thread.ttl.expires_at),
        }
    return answer


RUN_FIELDS = (
    "run_id",
    "thread_id",
    "assistant_id",
    "metadata",
    "status",
    "kwargs",
    "multitask_strategy",
    "created_at",
    "updated_at",
    "langsmith_session_name",
)


def run_json(run: Run) -> Answer:
    """A run."""
    return {
        "run_id": run.run_id,
        "thread_id": run.thread_id,
        "assistant_id": run.assistant_id,
        "metadata": run.order.metadata,
        "status": run.status,
        "kwargs": {
            **order_json(run.order, temporary=run.stateless),
            "config": _config_of(run),
        },
        "multitask_strategy": run.multitask_strategy,
        "created_at": moment(run.created_at),
        "updated_at": moment(run.updated_at),
        "langsmith_session_name": None,
    }


def _config_of(run: Run) -> Answer:
    """A run's config with its ids and metadata, as its nodes find it."""
    order = run.order
    ids = {
        "run_id": run.run_id,
        "thread_id": run.thread_id,
        "graph_id": run.graph_id,
        "assistant_id": run.assistant_id,
        "user_id": (order.user or {}).get("identity", ""),
    }
    given: Mapping[str, Any] = order.config
    return {
        **given,
        "configurable": {**(given.get("configurable") or {}), **ids},
        "metadata": {**(given.get("metadata") or {}), **order.metadata},
    }


def order_json(order: Order, *, temporary: bool = False) -> Answer:
    """What a run was asked to do; clients know it as its kwargs."""
    return {
        "input": order.input,
        "command": order.command,
        "config": order.config,
        "context": order.context or {},
        "stream_mode": order.stream_mode,
        "interrupt_before": order.interrupt_before,
        "interrupt_after": order.interrupt_after,
        "webhook": order.webhook,
        "feedback_keys": order.feedback_keys,
        "temporary": temporary,
        "subgraphs": order.stream_subgraphs,
        "resumable": order.stream_resumable,
        "checkpoint_during": order.durability != "exit",
        "durability": order.durability,
    }


def version_json(assistant: Assistant) -> Answer:
    """One version of an assistant."""
    return {
        "assistant_id": assistant.assistant_id,
        "version": assistant.version,
        "graph_id": assistant.graph_id,
        "config": assistant.config,
        "context": assistant.context,
        "metadata": assistant.metadata,
        "created_at": moment(assistant.created_at),
        "name": assistant.name,
        "description": assistant.description,
    }


def cron_json(cron: Cron) -> Answer:
    """A cron; its runs find its id in their config."""
    config: Json = cron.payload.get("config") or {}
    named: Answer = {**(config.get("configurable") or {}), "cron_id": cron.cron_id}
    return {
        "cron_id": cron.cron_id,
        "assistant_id": cron.assistant_id,
        "thread_id": cron.thread_id,
        "user_id": cron.user_id,
        "end_time": _moment(cron.end_at),
        "schedule": cron.schedule,
        "timezone": cron.timezone,
        "payload": {**cron.payload, "config": {**config, "configurable": named}},
        "next_run_date": _moment(cron.next_at),
        "metadata": cron.metadata,
        "on_run_completed": cron.on_run_completed if cron.thread_id is None else None,
        "enabled": cron.enabled,
        "created_at": moment(cron.created_at),
        "updated_at": moment(cron.updated_at),
    }


# --- states ----------------------------------------------------------------------------------


def state_json(snapshot: StateSnapshot, select: Sequence[str] | None = None) -> Answer:
    """A thread's state at a checkpoint.

    `select`: only these fields; "values.messages" is that key of the values alone.
    """
    checkpoint = checkpoint_json(snapshot.config)
    parent = checkpoint_json(snapshot.parent_config)
    answer: Answer = {
        "values": snapshot.values,
        "next": snapshot.next,
        "tasks": [_task_json(task) for task in snapshot.tasks],
        "metadata": checkpoint
        and {**(snapshot.metadata or {}), "thread_id": checkpoint["thread_id"]},
        "created_at": snapshot.created_at,
        "checkpoint": checkpoint,
        "parent_checkpoint": parent,
        "interrupts": [interrupt_json(each) for each in snapshot.interrupts],
        "checkpoint_id": checkpoint and checkpoint["checkpoint_id"],
        "parent_checkpoint_id": parent and parent["checkpoint_id"],
    }
    return answer if not select else _selected(answer, select)


def empty_state_json(select: Sequence[str] | None = None) -> Answer:
    """The state of a thread on which no graph ever ran."""
    return state_json(_NOTHING, select)


def checkpoint_json(config: Json | None) -> Answer | None:
    """The checkpoint that a config names; None if it names none."""
    known: Mapping[str, Any] = (config or {}).get("configurable", {})
    if known.get("checkpoint_id") is None:
        return None
    answer = {
        "checkpoint_id": known["checkpoint_id"],
        "thread_id": known.get("thread_id"),
        "checkpoint_ns": known.get("checkpoint_ns", ""),
    }
    if known.get("checkpoint_map"):
        answer["checkpoint_map"] = known["checkpoint_map"]
    return answer


def interrupt_json(interrupt: Interrupt) -> Answer:
    """What a task asks, in a state and in a thread's row."""
    answer: Answer = {"id": interrupt.id, "value": interrupt.value}
    if interrupt.response_schema is not None:
        answer["response_schema"] = interrupt.response_schema
    return answer


def interrupts_of(snapshot: StateSnapshot) -> dict[str, list[Answer]]:
    """What a thread's tasks ask, by task id: the `interrupts` of its row."""
    return {
        task.id: [interrupt_json(each) for each in task.interrupts]
        for task in snapshot.tasks
        if task.interrupts
    }


def _task_json(task: TaskSnapshot) -> Answer:
    inner = task.state
    whole = isinstance(inner, StateSnapshot)
    config = inner.config if whole else inner
    return {
        "id": task.id,
        "name": task.name,
        "path": task.path,
        "error": task.error,
        "interrupts": [interrupt_json(each) for each in task.interrupts],
        "checkpoint": None if config is None else dict(config["configurable"]),
        "state": state_json(inner) if whole else None,
        "result": task.result,
    }


def _selected(answer: Answer, select: Sequence[str]) -> Answer:
    chosen = picked(answer, select)
    keys = [name.removeprefix("values.") for name in select if name.startswith("values.")]
    values: Any = answer["values"]
    if keys and "values" not in chosen and isinstance(values, dict):
        known = cast("dict[str, Any]", values)
        chosen = {"values": {key: known[key] for key in keys if key in known}, **chosen}
    return chosen


_NOTHING = StateSnapshot(
    values={},
    next=(),
    config={},
    metadata=None,
    created_at=None,
    parent_config=None,
    tasks=(),
)
