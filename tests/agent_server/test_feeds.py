from __future__ import annotations

import asyncio

from agent_server.feeds import MOST, Feeds, Missed, RunBegins, StateWritten


async def test_a_feed_tells_what_happens_on_its_thread_from_now_on() -> None:
    feeds = Feeds()
    feeds.tell("t", RunBegins("before"))
    feed = feeds.watch("t")
    feeds.tell("other", RunBegins("elsewhere"))
    feeds.tell("t", RunBegins("run"))
    feeds.tell("t", StateWritten(1.0, {}))
    assert [await feed.next(), await feed.next()] == [RunBegins("run"), StateWritten(1.0, {})]


async def test_one_that_waits_is_woken() -> None:
    feeds = Feeds()
    feed = feeds.watch("t")
    waiting = asyncio.ensure_future(feed.next())
    await asyncio.sleep(0)
    feeds.tell("t", RunBegins("run"))
    assert await waiting == RunBegins("run")


async def test_a_slow_reader_loses_the_oldest_and_is_told_how_many() -> None:
    feeds = Feeds()
    feed = feeds.watch("t")
    for number in range(MOST + 2):
        feeds.tell("t", RunBegins(str(number)))
    assert await feed.next() == Missed(2)
    assert await feed.next() == RunBegins("2")


async def test_closing_ends_the_wait_and_forgets_the_feed() -> None:
    feeds = Feeds()
    feed = feeds.watch("t")
    assert feeds.is_watched("t")
    waiting = asyncio.ensure_future(feed.next())
    await asyncio.sleep(0)
    feed.close()
    assert await waiting is None
    assert not feeds.is_watched("t")


async def test_when_the_server_stops_all_feeds_end_and_new_ones_too() -> None:
    feeds = Feeds()
    one, two = feeds.watch("t"), feeds.watch("t")
    feeds.close()
    assert [await one.next(), await two.next(), await feeds.watch("t").next()] == [None] * 3
