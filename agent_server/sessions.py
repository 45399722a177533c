"""A client's session on a thread over a WebSocket: commands in, answers and notices out.

Two tasks: one takes commands, one tells notices; each waits while the client does not take what
is sent, so a session holds one notice and what its socket holds.  A subscription begins with what
the thread has told so far: for that the thread is told anew, but for what other subscriptions
have had.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.websockets import WebSocketDisconnect, WebSocketState

from .bodies import from_json
from .commands import Commands, refused
from .errors import InvalidError, RequestError
from .permits import permit_of
from .services import services_of
from .subscriptions import Subscriptions
from .tasks import seen
from .thread_notices import ThreadNotices, notice_json

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

NO_JSON = "Protocol commands must be valid JSON."
NO_TEXT = "Protocol commands must be text frames."


class Session:
    """One client's session; `run` serves it."""

    def __init__(self, socket: WebSocket, thread_id: str) -> None:
        self._socket = socket
        self._thread_id = thread_id
        self._services = services_of(socket)
        self._subscriptions = Subscriptions(self._pause)
        self._commands = Commands(
            self._services,
            thread_id,
            socket.scope.get("user"),
            permit_of(socket),
            self._subscriptions,
        )
        self._notices: ThreadNotices | None = None
        self._paused = False
        self._sending = asyncio.Lock()
        self._telling: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Serve it until the client goes, or the server stops."""
        await self._socket.accept()
        try:
            while True:
                await self._take(await self._socket.receive())
        except WebSocketDisconnect:
            return
        finally:
            if self._notices is not None:
                self._notices.close()
            if self._telling is not None:
                self._telling.cancel()

    async def _take(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1000))
        settings = self._services.settings
        text: str | None = message.get("text")
        if text is None:
            await self._send(refused(None, "invalid_argument", NO_TEXT))
            return
        if len(text) > settings.max_body:
            told = f"The command is larger than {settings.max_body} bytes; send less"
            await self._send(refused(None, "invalid_argument", told))
            return
        try:
            given = from_json(text.encode("utf-8", "replace"), settings.max_nesting)
        except InvalidError as error:
            told = NO_JSON if "JSON" in str(error) else str(error)
            await self._send(refused(None, "invalid_argument", told))
            return
        await self._answer(given)

    async def _answer(self, given: object) -> None:
        told = 0 if self._notices is None else self._notices.told
        try:
            answer = await self._commands.answer(given, told)
        except RequestError as error:
            answer = refused(None, "invalid_argument", str(error))
        await self._send(answer)
        if self._paused:
            self._paused = False
            self._tell_anew()

    # --- telling -----------------------------------------------------------------------------

    def _pause(self) -> None:
        """Another subscription comes: tell nothing until it is answered."""
        self._paused = True
        if self._notices is not None:
            self._subscriptions.note(self._notices.told)
            self._notices.close()

    def _tell_anew(self) -> None:
        """Begin at the thread's beginning."""
        wants = self._subscriptions.wants
        notices = self._notices = ThreadNotices(self._services, self._thread_id, wants)
        self._telling = self._services.system.supervisor.spawn(
            self._tell(notices, self._telling), name="protocol", on_done=seen
        )

    async def _tell(self, notices: ThreadNotices, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])  # it may be sending its last one
        async for notice in notices:
            await self._send(notice)
        if notices.gone:  # no client tries again at that
            await self._socket.close(4404, "The thread was deleted")
        elif notices.ended:
            await self._socket.close(1001)

    async def _send(self, message: dict[str, Any]) -> None:
        async with self._sending:
            if self._socket.application_state is WebSocketState.DISCONNECTED:
                raise WebSocketDisconnect(1006)  # it was closed while a command was carried out
            await self._socket.send_text(notice_json(message).decode())
