"""Whatever the published description allows to be asked, nothing is answered with a 5xx."""

from __future__ import annotations

import asyncio
import sys

import pytest

from tests.agent_server.harness.server import ROOT, ServerProcess

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

EXAMPLES = "2"
"""For each operation."""


async def test_no_request_makes_the_server_fail(server: ServerProcess) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.agent_server.harness.fuzz", server.url, EXAMPLES),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
