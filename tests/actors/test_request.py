"""A call, checked before anything is touched."""

from __future__ import annotations

from typing import Any

import pytest

from actors import ConfigError
from actors.errors import OptionError
from actors.report import WATCH_NONE, Watch
from actors.request import WATCH_STATES, Request, watch_of, watch_of_run


def parse(config: Any = None, bound: Any = None, **options: Any) -> Request:
    return Request.parse(config, bound, options)  # pyright: ignore[reportArgumentType]


def test_nothing_said_gives_the_defaults() -> None:
    request = parse()
    assert (request.durability, request.stateless, request.context) == ("async", False, None)
    assert (request.on_busy, request.busy_timeout, request.claim_timeout) == ("wait", 30.0, 30.0)


def test_everything_said_is_kept() -> None:
    request = parse(
        {"configurable": {"thread_id": "t"}},
        context={"user": 1},
        durability="exit",
        stateless=True,
        on_busy="wait",
        busy_timeout=None,
    )
    assert (request.context, request.durability, request.stateless) == ({"user": 1}, "exit", True)
    assert request.config.thread_id == "t"
    assert request.claim_timeout is None


def test_rejecting_waits_for_nothing_whatever_the_timeout() -> None:
    assert parse(on_busy="reject", busy_timeout=None).claim_timeout == 0.0


def test_the_bound_config_stands_under_the_calls() -> None:
    request = parse({"configurable": {"thread_id": "t"}}, {"recursion_limit": 5})
    assert (request.config.thread_id, request.config.recursion_limit) == ("t", 5)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"on_busy": "queue"}, "on_busy='queue'"),
        ({"busy_timeout": -1}, "busy_timeout=-1"),
        ({"busy_timeout": float("nan")}, "busy_timeout=nan"),
        ({"durability": "now"}, "durability='now'"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(**options)
    assert named in str(caught.value)


def test_an_unknown_keyword_is_refused_with_the_list_of_those_there_are() -> None:
    with pytest.raises(OptionError) as caught:
        parse(durabillity="sync")
    assert isinstance(caught.value, TypeError)
    assert "'durabillity'" in str(caught.value)
    assert "durability" in str(caught.value).split(";")[1]


def test_a_wrong_busy_timeout_of_another_type_is_refused_too() -> None:
    with pytest.raises(ConfigError):
        parse(busy_timeout="30")


@pytest.mark.parametrize(
    ("modes", "watch"),
    [
        (("values",), Watch(values=True)),
        (("updates",), Watch(updates=True)),
        (("tasks",), Watch(tasks=True)),
        (("checkpoints",), Watch(checkpoints=True)),
        (("debug",), Watch(tasks=True, checkpoints=True)),
        (("custom",), Watch()),
        (("custom", "messages"), Watch(messages=True)),
        (("events",), Watch(events=True)),
        (("values", "debug"), Watch(values=True, tasks=True, checkpoints=True)),
    ],
)
def test_modes_watch_for_what_they_show(modes: Any, watch: Watch) -> None:
    assert watch_of(modes) == watch


def test_a_run_that_may_be_joined_watches_all_states_and_what_it_was_asked_for() -> None:
    states = Watch(values=True, updates=True, tasks=True, checkpoints=True)
    assert watch_of_run(["updates"]) == WATCH_STATES == states
    assert watch_of_run(["messages"]) == states.union(Watch(messages=True))
    assert watch_of_run(["values", "events"]) == states.union(Watch(events=True))
    assert Watch() == WATCH_NONE


def test_of_graphs_in_graphs_only_spans_are_seen_by_who_reads_the_outermost() -> None:
    assert Watch(updates=True, messages=True).below == WATCH_NONE
    assert Watch(updates=True, events=True).below == Watch(events=True)
