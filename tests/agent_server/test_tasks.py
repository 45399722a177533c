"""Tasks that other tasks stand by for."""

from __future__ import annotations

import asyncio
from typing import Any

from actors import Supervisor
from agent_server.tasks import seen


async def test_an_error_that_somebody_sees_is_told_to_nobody_else() -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    supervisor = Supervisor("tasks")

    async def fail() -> None:
        raise ConnectionResetError

    failing = supervisor.spawn(fail(), name="failing", on_done=seen)
    endless = supervisor.spawn(asyncio.Event().wait(), name="endless", on_done=seen)
    await asyncio.wait([failing])
    endless.cancel()
    await asyncio.wait([endless])
    await supervisor.stop()
    del failing, endless
    assert told == []
