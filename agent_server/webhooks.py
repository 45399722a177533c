"""Webhooks: the end of a run is told to an address that its request named.

A webhook is sent at least once: what is to be sent stands in the database until it was taken, or
until the last try.  The address is looked up once, and what was looked up is what is connected to,
so that a name cannot point elsewhere a moment later.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from actors import Supervisor
from checkpoint import CheckpointError, CorruptDataError, SqliteTables

from .errors import InvalidError
from .left_rows import drop_webhook, find_webhook, kept_webhooks
from .records import Run

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger(__name__)

PAUSES = (1.0, 5.0, 25.0, 125.0)
"""Seconds before the second, third, … try."""
TIMEOUT = 10.0
"""Seconds that one try may take."""
MOST = 1_000
"""Webhooks that are being sent at once; those beyond that wait for a restart."""
MOST_BYTES = 64 << 20
"""Of what those send; once there are so many, further ones wait for a restart, too."""
_AGAIN = frozenset({408, 425, 429})


class Webhooks:
    """Sends webhooks, and tries again where that may help.

    `sleep` waits between tries; `max_bytes` bounds what is on its way at once.  Redirects
    are not followed, answers are not read.
    """

    def __init__(
        self,
        tables: SqliteTables,
        *,
        allow_private: bool = False,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        max_bytes: int = MOST_BYTES,
    ) -> None:
        self._tables = tables
        self._allow_private = allow_private
        self._sleep = sleep
        self._max_bytes = max_bytes
        self._supervisor = Supervisor("webhooks")
        self._sending = self._bytes = 0

    def check(self, url: str | None) -> None:
        """Raise InvalidError for an address that is private by its text."""
        host = urlsplit(url).hostname if url else None
        if host is None or self._allow_private:
            return
        if host == "localhost" or _is_private(host):
            raise InvalidError(
                f"Webhook host blocked: {host!r} is a private address; give a public one, or allow "
                "private ones in the server's settings"
            )

    def send(self, run: Run, payload: bytes) -> None:
        """Send what the run's webhook is told, in the background."""
        url = run.order.webhook
        if url is not None:
            self._spawn(run.run_id, url, payload)

    async def resend(self) -> None:
        """Go on with those that an earlier process did not come to the end of."""
        for run_id in await self._tables.read(kept_webhooks):
            if self._is_full:
                return
            try:
                kept = await self._tables.read(lambda db, of=run_id: find_webhook(db, of))
            except CorruptDataError as error:
                logger.error("the webhook of run %s is not sent: %s", run_id, error)  # noqa: TRY400
                continue
            if kept is not None:
                self._spawn(run_id, *kept)

    async def aclose(self) -> None:
        """Stop sending; what was not taken is sent after the next start."""
        await self._supervisor.stop()

    @property
    def _is_full(self) -> bool:
        return self._sending >= MOST or self._bytes >= self._max_bytes

    def _spawn(self, run_id: str, url: str, payload: bytes) -> None:
        if self._is_full or self._supervisor.closed:
            logger.warning(
                "the webhook of run %s waits for the next start", run_id, extra=_facts(payload)
            )
            return
        self._sending += 1
        self._bytes += len(payload)
        self._supervisor.spawn(self._deliver(run_id, url, payload), name=f"webhook {run_id}")

    async def _deliver(self, run_id: str, url: str, payload: bytes) -> None:
        import httpx  # 60 ms that a server without webhooks does not pay

        try:
            async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as client:
                failure = await self._try(client, url, payload)
                for pause in PAUSES:
                    if failure is None or not failure.again:
                        break
                    await self._sleep(pause)
                    failure = await self._try(client, url, payload)
            if failure is not None:
                logger.warning(
                    "the webhook of run %s was not taken: %s",
                    run_id,
                    failure.why,
                    extra=_facts(payload),
                )
            await self._tables.write(lambda db: drop_webhook(db, run_id))
        except CheckpointError as error:
            logger.warning(
                "the webhook of run %s may be sent again: %s", run_id, error, extra=_facts(payload)
            )
        finally:
            self._sending -= 1
            self._bytes -= len(payload)

    async def _try(self, client: httpx.AsyncClient, url: str, payload: bytes) -> _Failure | None:
        import httpx

        try:
            address = await self._address(url)
            if address is None:
                return _Failure(f"{url!r} leads to a private address", again=False)
            request = _request(client, url, address, payload)
            answer = await client.send(request, stream=True)
            await answer.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return _Failure(repr(error), again=True)
        if answer.is_success:
            return None
        status = answer.status_code
        return _Failure(f"it answered {status}", again=status >= 500 or status in _AGAIN)

    async def _address(self, url: str) -> str | None:
        """An address of the URL's host; None if one of them is private."""
        parts = urlsplit(url)
        loop = asyncio.get_running_loop()
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = await loop.getaddrinfo(parts.hostname, port, type=1)
        addresses = [str(each[4][0]) for each in found]
        if not self._allow_private and any(map(_is_private, addresses)):
            return None
        return addresses[0]


class _Failure:
    """Why a try failed, and whether another may help."""

    __slots__ = ("again", "why")

    def __init__(self, why: str, *, again: bool) -> None:
        self.why = why
        self.again = again


def _request(client: httpx.AsyncClient, url: str, address: str, payload: bytes) -> httpx.Request:
    """A request to the very address; the name is for the other side, and for its certificate."""
    import httpx

    target = httpx.URL(url)
    return client.build_request(
        "POST",
        target.copy_with(host=address),
        content=payload,
        headers={"host": target.netloc.decode("ascii"), "content-type": "application/json"},
        extensions={"sni_hostname": target.host},
    )


def _is_private(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.split("%", maxsplit=1)[0])
    except ValueError:
        return False  # a name: looked up when it is used
    mapped = getattr(address, "ipv4_mapped", None) or address
    return not mapped.is_global or mapped.is_multicast


def _facts(payload: bytes) -> dict[str, object]:
    """What a line about a webhook says of its run."""
    told = json.loads(payload)
    return {name: told.get(name) for name in ("run_id", "thread_id", "assistant_id")}
