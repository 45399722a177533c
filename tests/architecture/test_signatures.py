"""A sync method is a door to its async twin: it takes the same arguments."""

from __future__ import annotations

import inspect

import pytest

import actors
from tests.architecture.source import PACKAGES, is_ours, public_objects

TWINS = (
    "abatch",
    "abatch_as_completed",
    "abulk_update_state",
    "aget_graph",
    "aget_state",
    "aget_state_history",
    "aget_subgraphs",
    "ainvoke",
    "astream",
    "astream_events",
    "aupdate_state",
)
"""Async methods of a compiled graph that a sync one must accompany."""


def _all_twins() -> list[tuple[type, str, str]]:
    """(class, sync name, async name) of every pair of methods that are public."""
    return [
        (cls, name[1:], name)
        for package in PACKAGES
        for cls in public_objects(package).values()
        if inspect.isclass(cls) and is_ours(cls)
        for name in sorted(dir(cls))
        if name.startswith("a") and hasattr(cls, name[1:]) and not hasattr(object, name[1:])
    ]


def _parameters(method: object) -> list[tuple[str, str, str, str]]:
    assert callable(method)
    return [
        (parameter.name, parameter.kind.name, str(parameter.annotation), repr(parameter.default))
        for parameter in inspect.signature(method).parameters.values()
    ]


@pytest.mark.parametrize("name", TWINS)
def test_a_compiled_graph_has_both_doors(name: str) -> None:
    assert callable(getattr(actors.CompiledGraph, name))
    assert callable(getattr(actors.CompiledGraph, name.removeprefix("a")))


def test_twins_take_the_same_arguments() -> None:
    different = {
        f"{cls.__name__}.{sync}": (
            _parameters(getattr(cls, sync)),
            _parameters(getattr(cls, twin)),
        )
        for cls, sync, twin in _all_twins()
        if _parameters(getattr(cls, sync)) != _parameters(getattr(cls, twin))
    }
    assert different == {}
