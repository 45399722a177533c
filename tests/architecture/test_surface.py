"""What a package shows: sorted, whole, documented, and nothing by accident."""

from __future__ import annotations

import ast
import importlib
import inspect
import types
from collections.abc import Iterator

import pytest

from tests.architecture.source import PACKAGES, ROOT, Module, is_ours, public_objects


@pytest.mark.parametrize("package", PACKAGES)
def test_an_init_is_imports_and_all_and_nothing_else(package: str) -> None:
    module = Module(ROOT / package / "__init__.py")
    docstring, *statements = module.tree.body
    assert ast.get_docstring(module.tree), f"{module.label} has no docstring"
    assert isinstance(docstring, ast.Expr)
    *imports, last = statements
    assert all(isinstance(node, ast.ImportFrom) for node in imports)
    assert isinstance(last, ast.Assign)
    assert [ast.unparse(target) for target in last.targets] == ["__all__"]


@pytest.mark.parametrize("package", PACKAGES)
def test_all_is_sorted_and_names_each_thing_once(package: str) -> None:
    names = list(importlib.import_module(package).__all__)
    assert names == sorted(set(names))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_in_all_exists(package: str) -> None:
    assert public_objects(package)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_that_the_package_binds_is_in_all(package: str) -> None:
    module = importlib.import_module(package)
    bound = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert bound - {"annotations"} == set(module.__all__)


@pytest.mark.parametrize("package", PACKAGES)
def test_everything_public_has_a_docstring_of_its_own(package: str) -> None:
    bare = [
        name
        for name, value in public_objects(package).items()
        if is_ours(value) and not _described(name, value)
    ]
    assert bare == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_method_has_a_docstring(package: str) -> None:
    bare = [
        f"{name}.{attribute}"
        for name, value in public_objects(package).items()
        if inspect.isclass(value) and is_ours(value)
        for attribute in _public_routines(value)
        if not inspect.getdoc(getattr(value, attribute))
    ]
    assert bare == []


def _described(name: str, value: object) -> bool:
    doc = value.__doc__ or ""
    # dataclass() and NamedTuple write "Name(field, …)" where there is no docstring.
    return bool(doc) and not doc.startswith(f"{name}(")


def _public_routines(cls: type) -> Iterator[str]:
    for name, value in vars(cls).items():
        if not name.startswith("_") and (
            inspect.isroutine(value) or isinstance(value, property | classmethod | staticmethod)
        ):
            yield name
