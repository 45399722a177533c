"""The tests keep to their own rules: no waiting by the clock, no mocks, no skips."""

from __future__ import annotations

import ast

import pytest

from tests.architecture.source import Module, last_part, modules_below

TESTS = modules_below("tests")

PATCHES = frozenset({"delattr", "delitem", "setattr", "setitem"})
SKIPS = frozenset({"importorskip", "skip", "skipIf", "skipif", "xfail"})


ON_REAL_CLOCKS = [module for module in TESTS if not module.label.startswith("tests/simulation/")]
"""In simulations the clock is virtual: an hour takes no time."""


@pytest.mark.parametrize("module", ON_REAL_CLOCKS, ids=lambda module: module.label)
def test_no_test_waits_by_the_clock(module: Module) -> None:
    waits = [
        module.place(call) for _name, call in module.calls({"sleep"}) if not _gives_one_turn(call)
    ]
    assert waits == []


@pytest.mark.parametrize("module", TESTS, ids=lambda module: module.label)
def test_no_test_mocks_or_patches(module: Module) -> None:
    imports = [
        module.place(node)
        for node in module.nodes({"mock"})
        if isinstance(node, ast.Import | ast.ImportFrom) and "mock" in ast.unparse(node).split(".")
    ]
    patches = [
        module.place(call)
        for _name, call in module.calls(PATCHES)
        if isinstance(call.func, ast.Attribute)
        and last_part(call.func.value) in {"monkeypatch", "mocker"}
    ]
    assert imports + patches == []


@pytest.mark.parametrize("module", TESTS, ids=lambda module: module.label)
def test_no_test_is_skipped_or_expected_to_fail(module: Module) -> None:
    skips = [
        module.place(node)
        for node in module.nodes(SKIPS)
        if isinstance(node, ast.Attribute)
        and node.attr in SKIPS
        and last_part(node.value) in {"mark", "pytest", "unittest"}
    ]
    assert skips == []


def _gives_one_turn(call: ast.Call) -> bool:
    """True for `sleep(0)`, which lets the loop turn once and waits for nothing."""
    return [ast.unparse(argument) for argument in call.args] == ["0"]
