"""The packages' source, as the architecture tests read it."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ("actors", "checkpoint", "streaming")
PACKAGES = (*ENGINE, "agent_server")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One Python file."""

    path: Path

    @property
    def label(self) -> str:
        """Its path below the repository's root."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def name(self) -> str:
        """Its dotted name; a package's is that of its folder."""
        return self.label.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.label)

    def functions(self) -> Iterator[Function]:
        for node in ast.walk(self.tree):
            if isinstance(node, Function):
                yield node

    def calls(self, names: Collection[str]) -> Iterator[tuple[str, ast.Call]]:
        """Calls of these, by the last part of the name: `loop.create_task(x)` is `create_task`."""
        for node in self.nodes(names):
            if isinstance(node, ast.Call) and last_part(node.func) in names:
                yield last_part(node.func), node

    def nodes(self, words: Collection[str]) -> Iterator[ast.AST]:
        """Every node; none where none of the words is in the text, which then is not parsed."""
        if any(word in self.text for word in words):
            yield from ast.walk(self.tree)

    def place(self, node: ast.expr | ast.stmt) -> str:
        return f"{self.label}:{node.lineno}"


def last_part(node: ast.expr) -> str:
    """The name that an expression such as `a.b.c` or `c` ends in; "" when it is neither."""
    match node:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""


def modules_below(*folders: str) -> list[Module]:
    """Every Python file below the folders, sorted by path."""
    return [Module(path) for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def package_modules() -> list[Module]:
    """Every module of the packages."""
    found = modules_below(*PACKAGES)
    assert {module.name.split(".")[0] for module in found} == set(PACKAGES)
    return found


def public_objects(package: str) -> dict[str, object]:
    """What the package's `__all__` names."""
    module = importlib.import_module(package)
    return {name: getattr(module, name) for name in module.__all__}


def is_ours(value: object) -> bool:
    """True for a class or function that one of the packages defines."""
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        return False
    return getattr(value, "__module__", "").split(".")[0] in PACKAGES
