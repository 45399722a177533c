"""What of a langgraph.json is named, because nothing comes of it."""

from __future__ import annotations

from typing import Any

import pytest

from agent_server.config_file import (
    Auth,
    Checkpointer,
    ConfigFile,
    Cors,
    Http,
    Store,
    StoreIndex,
    StoreTtl,
    ThreadTtl,
)
from agent_server.errors import ConfigFileError
from agent_server.unheeded import HEEDED, unheeded


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({}, []),
        ({"graphs": {"a": "b"}, "python_version": "3.12", "dockerfile_lines": []}, []),
        ({"agents": {}}, ["agents"]),
        ({"priority": {"path": "x"}, "webhooks": {}}, ["priority", "webhooks"]),
        (
            {"http": {"configurable_headers": {}, "disable_mcp": True}},
            ["http.configurable_headers"],
        ),
        ({"http": {"cors": {"allow_origin": "*"}}}, ["http.cors.allow_origin"]),
        ({"auth": {"path": "x", "cache": {}, "disable_studio_auth": True}}, ["auth.cache"]),
        ({"checkpointer": {"path": "x"}}, ["checkpointer.path"]),
        ({"checkpoint": {"ttl": {"sweep_limit": 3}}}, ["checkpointer.ttl.sweep_limit"]),
        ({"store": {"ttl": {"sweep_interval": 3}}}, ["store.ttl.sweep_interval"]),
        ({"http": None, "store": []}, []),
        ([], []),
    ],
    ids=repr,
)
def test_each_key_that_nothing_comes_of_is_named(said: Any, named: list[str]) -> None:
    assert [line.partition(" is not heeded")[0] for line in unheeded(said)] == named


def test_what_must_not_be_read_over_is_refused() -> None:
    with pytest.raises(ConfigFileError, match="plain data"):
        list(unheeded({"encryption": {"path": "./x.py:y"}}))


def test_what_the_file_s_model_reads_is_heeded() -> None:
    models = {
        "": ConfigFile,
        "http": Http,
        "http.cors": Cors,
        "auth": Auth,
        "checkpointer": Checkpointer,
        "checkpointer.ttl": ThreadTtl,
        "store": Store,
        "store.ttl": StoreTtl,
        "store.index": StoreIndex,
    }
    assert models.keys() == HEEDED.keys()
    for section, model in models.items():
        assert HEEDED[section] - {"checkpoint"} == model.model_fields.keys()
