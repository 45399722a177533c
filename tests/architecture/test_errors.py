"""Errors: one root per package, every class in its tree, every docstring with its mend."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Mapping

import pytest

from tests.architecture.source import PACKAGES, last_part, modules_below

UNTYPED = frozenset(
    {"BaseException", "Exception", "OSError", "RuntimeError", "TypeError", "ValueError"}
)
"""Built-in errors that say nothing of whose fault it is; a typed child is raised instead."""

OTHER_ROOTS: Mapping[str, str] = {
    "ProcessKilled": "no error: no `except Exception` may stop the death of a simulated process"
}
"""Error class outside its package's tree -> the reason."""


def _error_classes(package: str) -> dict[str, type[BaseException]]:
    """Every public exception class that a module of the package defines."""
    found: dict[str, type[BaseException]] = {}
    for module in modules_below(package):
        for name, value in vars(importlib.import_module(module.name)).items():
            if (
                inspect.isclass(value)
                and issubclass(value, BaseException)
                and value.__module__.split(".")[0] == package
                and not name.startswith("_")  # control flow that no user ever sees
            ):
                found[value.__name__] = value
    return found


def _root(package: str) -> type[BaseException]:
    errors = importlib.import_module(f"{package}.errors")
    (root,) = (
        cls
        for cls in _error_classes(package).values()
        if cls.__bases__ == (Exception,) and cls.__module__ == errors.__name__
    )
    return root


@pytest.mark.parametrize("package", PACKAGES)
def test_every_error_is_a_child_of_its_packages_root(package: str) -> None:
    root = _root(package)
    strangers = {name for name, cls in _error_classes(package).items() if not issubclass(cls, root)}
    assert strangers == set(OTHER_ROOTS) & _error_classes(package).keys()


@pytest.mark.parametrize("package", PACKAGES)
def test_every_error_says_how_to_mend_it(package: str) -> None:
    root = _root(package)
    mute = [
        name
        for name, cls in _error_classes(package).items()
        if cls is not root and not _says_more_than_what(vars(cls).get("__doc__") or "")
    ]
    assert mute == []


@pytest.mark.parametrize("package", PACKAGES)
def test_the_tree_in_the_docstring_names_every_error(package: str) -> None:
    doc = importlib.import_module(f"{package}.errors").__doc__ or ""
    drawn = set(re.findall(r"\b[A-Z]\w+", doc))
    assert _error_classes(package).keys() - drawn == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_no_root_and_no_untyped_error_is_raised(package: str) -> None:
    never = UNTYPED | {_root(package).__name__}
    raised = [
        f"{module.place(node)}: {ast.unparse(node)}"
        for module in modules_below(package)
        for node in module.nodes(never)
        if isinstance(node, ast.Raise) and node.exc is not None
        if _name_of(node.exc) in never
    ]
    assert raised == []


def _name_of(raised: ast.expr) -> str:
    return last_part(raised.func if isinstance(raised, ast.Call) else raised)


def _says_more_than_what(doc: str) -> bool:
    """True if something follows the first clause: `what happened; what to do`."""
    return re.search(r"[;:.]\s+\S", doc) is not None
