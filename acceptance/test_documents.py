"""The JavaScript clients that the documents show, with both versions, against the real server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from acceptance.node import NODE
from acceptance.test_javascript import SDKS
from tests.agent_server.harness.server import ServerProcess
from tests.docs.documents import blocks

ROOT = Path(__file__).resolve().parents[1]
SHOWN = "http://127.0.0.1:2024"
PACKAGE = '"@langchain/langgraph-sdk"'


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)
@pytest.mark.parametrize("name", ["README.md", "docs/server.md"])
async def test_the_client_prints_what_the_document_shows(
    server: ServerProcess, name: str, sdk: Path, tmp_path: Path
) -> None:
    found = blocks(ROOT / name)
    (at,) = [at for at, block in enumerate(found) if block.info == "js"]
    text = found[at].text
    assert SHOWN in text
    assert PACKAGE in text
    program = tmp_path / "client.mjs"
    text = text.replace(PACKAGE, f'"{(sdk / "sdk.js").as_uri()}"')
    program.write_text(text.replace(SHOWN, server.url))
    client = await asyncio.create_subprocess_exec(
        NODE, str(program), stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await client.communicate()
    assert found[at + 1].info == "output"
    assert printed.decode() == found[at + 1].text
