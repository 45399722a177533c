"""From a cron to a run: what its body says, with its assistant's settings and its own id."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .assistants import Assistants
from .bodies import model_of
from .crons import Start
from .dispatcher import Dispatcher
from .orders import RunBody, run_from
from .records import Assistant, Cron, Run


def starter(assistants: Assistants, dispatcher: Dispatcher, clock: Callable[[], float]) -> Start:
    """What starts the runs of crons."""

    async def start(cron: Cron, run_id: str) -> None:
        assistant = await assistants.resolve(cron.assistant_id)
        await dispatcher.accept_background(run_of(cron, assistant, run_id, clock()))

    return start


def run_of(cron: Cron, assistant: Assistant, run_id: str, now: float) -> Run:
    """The run that a cron starts at a moment.

    Raises BadRequestError or InvalidError for a body that contradicts itself.
    """
    given = {
        **cron.payload,
        "assistant_id": cron.assistant_id,
        "metadata": dict(cron.metadata),
        "on_completion": cron.on_run_completed,
    }
    user = {"identity": cron.user_id} if cron.user_id else None
    run = run_from(
        model_of(given, RunBody), assistant, thread_id=cron.thread_id, now=now, user=user
    )
    config = run.order.config
    configurable: dict[str, Any] = {**config["configurable"], "cron_id": cron.cron_id}
    order = replace(run.order, config={**config, "configurable": configurable})
    return replace(run, run_id=run_id, order=order)
