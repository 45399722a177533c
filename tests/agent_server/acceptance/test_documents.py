"""The clients that the documents show, against the server that they start."""

from __future__ import annotations

import asyncio
import shlex
import sys
from pathlib import Path

import pytest

from tests.agent_server.harness.commands import talking
from tests.docs.documents import Block, blocks

ROOT = Path(__file__).resolve().parents[3]
SERVER = ROOT / "docs" / "server.md"
SHOWN = "http://127.0.0.1:2024"
"""Where the documents' server listens; here it takes a free port."""


def _starts(found: list[Block], start: str) -> str:
    (text,) = [block.text for block in found if block.text.startswith(start)]
    return text


@pytest.mark.parametrize("path", [ROOT / "README.md", SERVER], ids=lambda path: path.name)
async def test_the_client_prints_what_the_document_shows(path: Path, tmp_path: Path) -> None:
    found = blocks(path)
    (tmp_path / "joke.py").write_text(_starts(blocks(SERVER), "# joke.py"))
    _, *arguments = shlex.split(_starts(found, "understudy dev"))
    (at,) = [at for at, block in enumerate(found) if block.info == "py"]
    async with talking(*arguments, "--port", "0", cwd=tmp_path) as server:
        url = (await server.says(r"listening on (\S+)"))[1]
        assert SHOWN in found[at].text
        client = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", found[at].text.replace(SHOWN, url)),
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await client.communicate()
    assert found[at + 1].info == "output"
    assert printed.decode() == found[at + 1].text
