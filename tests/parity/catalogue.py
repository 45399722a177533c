"""All scenarios, and a parametrisation over those that can be compared in one respect."""

import pytest

from . import (
    branches,
    caches,
    chains,
    channels,
    commands,
    custom,
    drains,
    failures,
    fanout,
    functional,
    handlers,
    interrupts,
    interrupts_below,
    looks,
    policies,
    raw,
    reducers,
    runtime,
    schemas,
    sends,
    states,
    states_deferred,
    subgraphs,
    threads,
)
from .scenario import found_in

ALL = found_in(
    chains,
    fanout,
    branches,
    sends,
    reducers,
    channels,
    subgraphs,
    failures,
    schemas,
    states,
    states_deferred,
    threads,
    custom,
    interrupts,
    interrupts_below,
    commands,
    looks,
    raw,
    functional,
    policies,
    handlers,
    caches,
    drains,
    runtime,
)


def each_scenario(respect: str) -> pytest.MarkDecorator:
    """Parametrise over the scenarios in which the engines agree on "call", "chunks" or "state"."""
    chosen = [scenario for scenario in ALL if respect in scenario.compare.split()]
    return pytest.mark.parametrize("scenario", chosen, ids=lambda scenario: scenario.name)
