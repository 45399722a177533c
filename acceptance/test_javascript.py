"""The JavaScript clients, both versions as they come, against the real server.

The tests are in `javascript/`; each file runs once with each client that is installed in `sdk-…/`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from acceptance.control import Control
from acceptance.node import run_tests
from tests.agent_server.harness.server import ServerProcess

HERE = Path(__file__).parent
SDKS = sorted(HERE.glob("sdk-*"))
FILES = sorted((HERE / "javascript").glob("*.test.mjs"))
ALONE = frozenset({"restart"})
"""Files that kill their server, and get one each."""

pytestmark = pytest.mark.timeout(120)
in_session = pytest.mark.asyncio(loop_scope="session")
each_client = pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)


def files(*, alone: bool) -> pytest.MarkDecorator:
    chosen = [file for file in FILES if (_name(file) in ALONE) is alone]
    return pytest.mark.parametrize("file", chosen, ids=_name)


def _name(file: Path) -> str:
    return file.name.removesuffix(".test.mjs")


async def passes(file: Path, sdk: Path, passed: dict[str, int], **environ: str) -> None:
    version = sdk.name.removeprefix("sdk-")
    source = (sdk / "sdk.js").as_uri()
    report = await run_tests(file, {"SDK": source, "SDK_VERSION": version, **environ})
    assert report.good, report.output
    passed[version] += report.counts["pass"]


def test_both_clients_and_their_tests_are_there() -> None:
    assert [sdk.name for sdk in SDKS] == ["sdk-1.15.0", "sdk-2.0.0"]
    assert {_name(file) for file in FILES} >= ALONE


@in_session
@each_client
@files(alone=False)
async def test_the_client_works_unchanged(
    server: ServerProcess, sdk: Path, file: Path, passed: dict[str, int]
) -> None:
    await passes(file, sdk, passed, SERVER=server.url)


@in_session
@each_client
@files(alone=True)
async def test_the_client_outlives_its_server(
    tmp_path: Path, sdk: Path, file: Path, passed: dict[str, int]
) -> None:
    async with ServerProcess(tmp_path / "server.db") as server, Control(server) as control:
        await passes(file, sdk, passed, SERVER=server.url, CONTROL=control.address)
