"""The event loop of a server process, which no code of its users ends.

asyncio lets SystemExit and KeyboardInterrupt out of the loop at once, whichever task raised them:
one node that calls `sys.exit` would end the process, and with it everybody's runs.  The task has
failed with it by then, and whoever waits for that gets it; so the loop just goes on.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")

_GOES_ON = "code that the server runs raised %s, which ends no server; it goes on"


def run(main: Coroutine[Any, Any, T]) -> T:
    """The same as `asyncio.run`, on such a loop."""
    loop = ServerLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        try:
            return runner.run(_begun(main, loop))
        finally:
            loop.main = None


async def _begun(main: Coroutine[Any, Any, T], loop: ServerLoop) -> T:
    loop.main = asyncio.current_task()
    return await main


class ServerLoop(asyncio.SelectorEventLoop):
    """A loop that goes on until its main task is done, or somebody presses Ctrl-C."""

    main: asyncio.Task[Any] | None = None
    """None: it has not begun, or is over and what is left is cleared up."""

    def run_forever(self) -> None:
        """Run until it is told to stop."""
        while True:
            try:
                super().run_forever()
            except (SystemExit, KeyboardInterrupt) as error:
                main = self.main
                if main is None or (isinstance(error, KeyboardInterrupt) and _is_asked_for(main)):
                    raise
                if main.done():
                    return  # the request to stop may be what the exit has cut short
                logger.warning(_GOES_ON, type(error).__name__)
            else:
                return


def _is_asked_for(main: asyncio.Task[Any]) -> bool:
    """True if a KeyboardInterrupt may be Ctrl-C: that raises where nobody handles it, as once a
    server was asked to stop; under `asyncio.run` it cancels the main task first, and then raises.
    """
    return main.cancelling() > 0 or signal.getsignal(signal.SIGINT) is signal.default_int_handler
