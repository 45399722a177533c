"""The config argument: parsed once, merged, and shown again."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from actors import ConfigError, RunConfig
from actors.config import (
    check_durability,
    checkpoint_extra,
    inherited,
    merge_configs,
    parse_config,
    storable_metadata,
)
from actors.values import DEFAULT_RECURSION_LIMIT
from checkpoint import MsgpackSerializer


def test_no_config_is_the_default_one() -> None:
    assert parse_config(None) == parse_config({}) == RunConfig()
    assert RunConfig().recursion_limit == DEFAULT_RECURSION_LIMIT == 10_007


def test_every_key_that_users_know_is_read() -> None:
    config = parse_config(
        {
            "configurable": {
                "thread_id": "t",
                "checkpoint_id": "c",
                "checkpoint_ns": "n",
                "own": 1,
            },
            "recursion_limit": 7,
            "max_concurrency": 3,
            "run_id": UUID(int=5),
            "run_name": "name",
            "tags": ["x"],
            "metadata": {"m": 1},
            "callbacks": [object],
            "unknown": "ignored",
        }
    )
    assert (config.thread_id, config.checkpoint_id, config.checkpoint_ns) == ("t", "c", "n")
    assert (config.recursion_limit, config.max_concurrency) == (7, 3)
    assert (config.run_id, config.run_name) == (str(UUID(int=5)), "name")
    assert (config.tags, config.metadata, config.callbacks) == (("x",), {"m": 1}, [object])
    assert config.configurable["own"] == 1


@pytest.mark.parametrize(("given", "read"), [(7, "7"), (UUID(int=1), str(UUID(int=1))), ("t", "t")])
def test_a_thread_id_may_be_a_number_or_a_uuid(given: Any, read: str) -> None:
    assert parse_config({"configurable": {"thread_id": given}}).thread_id == read


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (5, "config=5"),
        ([("configurable", {})], "config="),
        ({"configurable": 5}, "config['configurable']=5"),
        ({"metadata": "x"}, "config['metadata']='x'"),
        ({"configurable": {"thread_id": 1.5}}, "'thread_id']=1.5"),
        ({"configurable": {"thread_id": True}}, "'thread_id']=True"),
        ({"configurable": {"thread_id": ["t"]}}, "'thread_id']=['t']"),
        ({"configurable": {"checkpoint_id": b"c"}}, "'checkpoint_id']=b'c'"),
        ({"configurable": {"checkpoint_ns": 5}}, "'checkpoint_ns']=5"),
        ({"recursion_limit": 0}, "config['recursion_limit']=0"),
        ({"recursion_limit": "5"}, "config['recursion_limit']='5'"),
        ({"recursion_limit": True}, "config['recursion_limit']=True"),
        ({"max_concurrency": -1}, "config['max_concurrency']=-1"),
        ({"max_concurrency": 1.5}, "config['max_concurrency']=1.5"),
        ({"tags": "tag"}, "config['tags']='tag'"),
        ({"tags": 5}, "config['tags']=5"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(config: Any, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(config)
    assert named in str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("base", "over", "merged"),
    [
        (None, None, None),
        ({"run_name": "x"}, None, {"run_name": "x"}),
        (None, {"run_name": "x"}, {"run_name": "x"}),
        ({"run_name": "x"}, {"run_name": "y"}, {"run_name": "y"}),
        ({"tags": ["a", "b"]}, {"tags": ["b", "c"]}, {"tags": ["a", "b", "c"]}),
        ({"metadata": {"a": 1, "b": 1}}, {"metadata": {"b": 2}}, {"metadata": {"a": 1, "b": 2}}),
        (
            {"configurable": {"a": 1}},
            {"configurable": {"thread_id": "t"}},
            {"configurable": {"a": 1, "thread_id": "t"}},
        ),
    ],
)
def test_the_later_config_wins_key_by_key_and_tags_add_up(
    base: Any, over: Any, merged: Any
) -> None:
    assert merge_configs(base, over) == merged


def test_merging_changes_neither_config() -> None:
    base, over = {"metadata": {"a": 1}, "tags": ["a"]}, {"metadata": {"b": 2}, "tags": ["b"]}
    merge_configs(base, over)
    assert base == {"metadata": {"a": 1}, "tags": ["a"]}
    assert over == {"metadata": {"b": 2}, "tags": ["b"]}


def test_bound_values_stand_under_those_of_the_call() -> None:
    bound = {"recursion_limit": 5, "tags": ["b"], "configurable": {"a": 1, "thread_id": "b"}}
    call = {"configurable": {"thread_id": "t"}, "tags": ["c"]}
    config = parse_config(merge_configs(bound, call))
    assert (config.recursion_limit, config.tags, config.thread_id) == (5, ("b", "c"), "t")
    assert config.configurable == {"a": 1, "thread_id": "t"}


def test_a_call_can_ask_for_the_default_limit_over_a_bound_one() -> None:
    asked = {"recursion_limit": DEFAULT_RECURSION_LIMIT}
    config = parse_config(merge_configs({"recursion_limit": 5}, asked))
    assert config.recursion_limit == DEFAULT_RECURSION_LIMIT


def test_checkpoints_keep_metadata_and_plain_configurable_values() -> None:
    config = parse_config(
        {
            "metadata": {"m": [1]},
            "configurable": {
                "thread_id": "t",
                "checkpoint_id": "c",
                "__secret": 1,
                "user": "ada",
                "level": 3,
                "object": object(),
            },
        }
    )
    kept = checkpoint_extra(config, MsgpackSerializer())
    assert kept == {"m": [1], "user": "ada", "level": 3}


def test_metadata_that_cannot_be_stored_is_left_out_of_what_is() -> None:
    metadata = {"none": None, "when": date(2030, 1, 2), "client": object(), "few": [1, object()]}
    kept = storable_metadata(metadata, MsgpackSerializer())
    assert kept == {"none": None, "when": date(2030, 1, 2)}


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_the_three_durabilities_are_known(durability: str) -> None:
    assert check_durability(durability) == durability


@pytest.mark.parametrize("wrong", ["", "Sync", None, 5])
def test_another_durability_is_refused_with_the_list(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="'sync', 'async', 'exit'"):
        check_durability(wrong)


# --- graphs that a task calls --------------------------------------------------------------------


def test_a_graph_called_without_a_config_has_that_of_its_run_but_for_the_checkpoint() -> None:
    given = {"configurable": {"thread_id": "t", "own": 1}, "metadata": {"m": 1}, "run_id": "r"}
    parent = parse_config(given)
    assert inherited(parent, parse_config(None)) == parent
    there = parse_config({**given, "configurable": {**given["configurable"], "checkpoint_id": "c"}})
    inside = inherited(there, parse_config(None))
    assert (inside.thread_id, inside.checkpoint_id, inside.run_id) == ("t", None, "r")


def test_tags_that_a_called_graph_inherits_come_once() -> None:
    parent = parse_config({"tags": ["a", "b", "a"]})
    assert inherited(parent, parse_config(None)).tags == ("a", "b")
    assert inherited(parent, parse_config({"tags": ["c", "b"]})).tags == ("a", "b", "c")
