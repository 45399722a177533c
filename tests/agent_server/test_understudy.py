"""The command where the server's packages are not installed."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import understudy
from tests.agent_server.harness.server import ROOT

# Python without its site-packages has none of the packages; those made in the folder stand for
# the ones that are there.
ALONE = "import sys; sys.path[:0] = sys.argv[1:3]; sys.argv[1:] = []; import understudy; {}"


def alone(folder: Path, what: str = "understudy.main()") -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-I", "-S", "-c", ALONE.format(what), str(ROOT), str(folder))
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_without_the_extra_the_command_says_in_one_line_how_to_get_it(tmp_path: Path) -> None:
    said = alone(tmp_path)
    assert (said.returncode, said.stdout) == (1, "")
    (line,) = said.stderr.splitlines()
    assert line.startswith("understudy: starlette, uvicorn, ")
    assert line.endswith("pip install 'understudy[server]'")


@pytest.mark.parametrize("missing", ["starlette", "typer"])
def test_the_package_that_is_missing_is_named(tmp_path: Path, missing: str) -> None:
    for name in understudy.SERVER_EXTRA:
        if name != missing:
            (tmp_path / f"{name}.py").touch()
    (line,) = alone(tmp_path).stderr.splitlines()
    assert line.startswith(f"understudy: {missing} cannot be imported")


def test_the_packages_looked_for_are_those_of_the_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    always = [each for each in project["optional-dependencies"]["server"] if ";" not in each]
    names = [re.split("[<>=]", each)[0].replace("-", "_") for each in always]
    assert tuple(names) == understudy.SERVER_EXTRA
    assert project["scripts"] == {"understudy": "understudy:main"}


def test_with_the_extra_it_is_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.argv[1:]
    sys.argv[1:] = ["--version"]
    try:
        with pytest.raises(SystemExit) as ended:
            understudy.main()
    finally:
        sys.argv[1:] = before
    assert not ended.value.code
    assert re.match(r"understudy \d", capsys.readouterr().out)


COUNTED = """
import gc, sys, understudy
at = []
gc.callbacks.append(lambda *_: at.append("agent_server.cli.main" in sys.modules))
sys.argv[1:] = ["--version"]
try:
    understudy.main()
finally:
    print(gc.isenabled(), gc.get_freeze_count() > 10_000, at.count(False))
"""


def test_what_it_imports_is_not_looked_through_for_garbage() -> None:
    done = subprocess.run(
        [sys.executable, "-c", COUNTED], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "True True 0"
