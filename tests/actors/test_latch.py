"""The latch: what waits for it goes on when it opens, and it never closes again."""

from __future__ import annotations

import asyncio

from actors.latch import Latch


async def test_all_who_wait_go_on_when_it_opens_and_nobody_waits_after() -> None:
    latch = Latch()
    waiting = [asyncio.ensure_future(latch.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    assert not latch.is_open
    assert not any(each.done() for each in waiting)
    latch.open()
    await asyncio.gather(*waiting)
    await latch.wait()
    latch.open()
    assert latch.is_open


async def test_who_is_cancelled_holds_up_nobody() -> None:
    latch = Latch()
    gone, late, other = (asyncio.ensure_future(latch.wait()) for _ in range(3))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait({gone})
    late.cancel()
    latch.open()
    await other
    await asyncio.wait({late})
    assert (gone.cancelled(), late.cancelled(), other.cancelled()) == (True, True, False)
