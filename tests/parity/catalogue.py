"""All scenarios."""

from . import (
    branches,
    chains,
    channels,
    custom,
    failures,
    fanout,
    reducers,
    schemas,
    sends,
    subgraphs,
    threads,
)
from .scenario import found_in

SCENARIOS = found_in(
    chains,
    fanout,
    branches,
    sends,
    reducers,
    channels,
    subgraphs,
    failures,
    schemas,
    threads,
    custom,
)
