"""Who may import whom, and what an import may cost.

The floors and the pure modules are contracts of import-linter (`pyproject.toml`); here stands what
it does not see: cycles of modules, lazy imports, and what is loaded in fact.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.source import ENGINE, PACKAGES, ROOT, Module, modules_below, package_modules

IMPORT_BUDGET = 97_000
"""Calls that `import actors` may make where asyncio is loaded already.

Calls can be counted and come out the same each time, which no clock does; how many milliseconds
they take is what the benchmark `import` prints (about 75 for as many as these)."""

FORBIDDEN = frozenset(
    {
        "aiohttp",
        "http.client",
        "httpx",
        "langchain_core",
        "langgraph",
        "langsmith",
        "numpy",
        "pydantic",
        "requests",
        "starlette",
        "urllib3",
        "uvicorn",
        "websockets",
    }
)

BELOW: Mapping[str, frozenset[str]] = {
    "actors": frozenset({"actors", "checkpoint", "streaming"}),
    "agent_server": frozenset(PACKAGES),
    "checkpoint": frozenset({"checkpoint"}),
    "streaming": frozenset({"streaming"}),
}
"""Package -> the packages that importing it may load."""


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the fresh processes keep compiled modules, whatever the environment says of that."""
    return tmp_path_factory.mktemp("bytecode")


COUNTED = """
import asyncio, json, sys
calls = 0
def count(frame, event, callee):
    global calls
    calls += event in ("call", "c_call")
sys.setprofile(count)
import actors
sys.setprofile(None)
print(json.dumps(calls))
"""

LOADED = "import json, sys, {package}; print(json.dumps(sorted(sys.modules)))"


def _probe(script: str, bytecode: Path) -> Any:
    """What the script prints in a fresh process, as JSON."""
    environ = {**os.environ, "PYTHONPYCACHEPREFIX": str(bytecode)}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def _loaded(package: str, bytecode: Path) -> set[str]:
    """The modules that importing the package loads in a fresh process."""
    return set(_probe(LOADED.format(package=package), bytecode))


def test_import_actors_stays_within_its_budget(bytecode: Path) -> None:
    _loaded("actors", bytecode)  # compiles the modules, which is no part of an import
    assert _probe(COUNTED, bytecode) < IMPORT_BUDGET


@pytest.mark.parametrize("package", ENGINE)
def test_an_import_loads_no_network_and_no_heavy_library(package: str, bytecode: Path) -> None:
    assert _loaded(package, bytecode) & FORBIDDEN == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_an_import_loads_no_package_of_an_upper_floor_or_a_sibling(
    package: str, bytecode: Path
) -> None:
    loaded = {name.split(".")[0] for name in _loaded(package, bytecode)}
    assert loaded & {*PACKAGES, "tests", "examples", "benchmarks"} <= BELOW[package]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_modules_of_a_package_import_each_other_without_a_cycle(package: str) -> None:
    modules = {module.name: module for module in modules_below(package)}
    graph = {name: set(_imported(module, modules)) for name, module in modules.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_another_package_is_imported_by_its_public_names_only() -> None:
    crossings = [
        f"{module.place(node)}: {ast.unparse(node)}"
        for module in package_modules()
        for node in _imports(module)
        if isinstance(node, ast.ImportFrom) and not node.level
        for target in [(node.module or "").split(".")[0]]
        if target in PACKAGES and target != module.name.split(".")[0]
        if not _is_public(node.module or "", module)
        or any(alias.name.startswith("_") for alias in node.names)
    ]
    assert crossings == []


def _is_public(target: str, module: Module) -> bool:
    """True for a package itself; what a package has for tests, the others' `testing` may use."""
    return target in PACKAGES or (".testing" in target and ".testing" in module.name)


def test_the_packages_never_import_what_they_replace() -> None:
    named = [
        f"{module.place(node)}: {ast.unparse(node)}"
        for module in package_modules()
        for node in _imports(module)
        if any(name.split(".")[0] in {"langgraph", "langchain"} for name in _targets(node))
    ]
    assert named == []


@cache  # three tests look at them
def _imports(module: Module) -> tuple[ast.Import | ast.ImportFrom, ...]:
    """Every import that is carried out, at the top or inside a function."""
    found: list[ast.Import | ast.ImportFrom] = []
    pending: list[ast.AST] = [module.tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.append(node)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending.extend(node.orelse)
        else:
            pending.extend(ast.iter_child_nodes(node))
    return tuple(found)


def _targets(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif not node.level:
        yield node.module or ""


def _imported(module: Module, modules: Mapping[str, Module]) -> Iterator[str]:
    """Names of the modules among `modules` that the module imports."""
    for node in _imports(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
            continue
        base = _absolute(module, node)
        inner = {f"{base}.{alias.name}" for alias in node.names}
        yield from inner & modules.keys()
        if base in modules and inner - modules.keys():
            yield base


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    folder = module.path.relative_to(ROOT).parts[: -node.level]
    return ".".join([*folder, *([node.module] if node.module else [])])
