"""Clients of one server, in many histories (a sample: `tests/histories/test_server.py`), and of one
that is killed and started again while they ask, or while they read streams."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.scale import HISTORIES, WHOLE, client_histories, numbers
from tests.histories.asking import seen_of_a_killed_server, seen_of_a_server
from tests.histories.linear import violation_in
from tests.histories.server import ServerModel

EACH = 10
KILLED = numbers(HISTORIES // 20, 1, share=20) if WHOLE else range(1)
"""Each starts two servers."""


@pytest.mark.timeout(200)
@pytest.mark.parametrize("batch", client_histories(EACH))
async def test_what_clients_of_a_server_see_is_explained_by_one_order(
    batch: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    questions = 0
    for seed in range(100 + batch * EACH, 100 + (batch + 1) * EACH):
        folder = tmp_path / str(seed)
        folder.mkdir()
        history = await seen_of_a_server(folder, seed)
        assert (found := violation_in(history, ServerModel())) is None, f"seed {seed}: {found}"
        questions += len(history)
    record_property("questions of clients", questions)
    record_property("histories of clients", EACH)


@pytest.mark.timeout(200)
@pytest.mark.parametrize("seed", KILLED)
async def test_what_clients_of_a_server_see_that_is_killed_is_explained_by_one_order(
    seed: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    history = await seen_of_a_killed_server(tmp_path, seed)
    assert (found := violation_in(history, ServerModel())) is None, str(found)
    record_property("questions of clients", len(history))
    record_property("histories of clients whose server is killed", 1)
