"""Taking a thread away while runs may be on it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .errors import ConflictError, ElsewhereError, InFlightError, NotFoundError

if TYPE_CHECKING:
    from .dispatcher import Dispatcher
    from .threads import Threads

_TRIES = 20


async def remove_thread(threads: Threads, dispatcher: Dispatcher, thread_id: str) -> None:
    """Cancel a thread's runs, then delete it with all it has.

    Raises NotFoundError, InvalidError, and ConflictError if new runs come as fast as old ones go,
    or if somebody else has it or a run of it; then it is there as it was.
    """
    thread_id = (await threads.get(thread_id)).thread_id
    for _ in range(_TRIES):
        await dispatcher.clear(thread_id)
        async with dispatcher.alone(thread_id):
            with contextlib.suppress(InFlightError):
                await threads.delete(thread_id)
                return
    for run_id in await threads.open_runs(thread_id):
        if dispatcher.live(run_id) is None:
            raise ElsewhereError(run_id)
    raise ConflictError(
        f"Thread {thread_id} gets new runs as fast as they are cancelled; stop who starts them"
    )


async def remove_threads(
    threads: Threads, dispatcher: Dispatcher, thread_ids: Iterable[str]
) -> None:
    """The same for the threads of an assistant that is deleted; one that is gone is none of them.

    Raises ConflictError about those that stay, once all others are away.
    """
    staying: dict[str, ConflictError] = {}
    for thread_id in thread_ids:
        try:
            with contextlib.suppress(NotFoundError):  # somebody else has deleted it
                await remove_thread(threads, dispatcher, thread_id)
        except ConflictError as error:
            staying[thread_id] = error
    if staying:
        raise ConflictError(
            "The assistant is deleted, but of its threads these stay, to be deleted one by one: "
            + "; ".join(f"{thread_id} ({error})" for thread_id, error in staying.items())
        )
