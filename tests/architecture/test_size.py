"""Small modules, small functions: the budget that keeps the code readable."""

from __future__ import annotations

import statistics
from functools import cache

import pytest

from tests.architecture.source import PACKAGES, Function, Module, package_modules

MODULE_CEILING = 400
FUNCTION_CEILING = 60
FUNCTION_MEDIAN = 10
FUNCTION_P90 = 30

LONGER_MODULES: dict[str, str] = {}
"""Path of a module that may be longer -> the reason."""


def _lines(module: Module) -> int:
    return len(module.text.splitlines())


@cache  # two tests ask for each module's, and trees take too much memory to be kept
def _lengths(module: Module) -> dict[str, int]:
    """Place and name of each function -> its lines."""
    return {
        f"{module.place(function)} {function.name}": _length(function)
        for function in module.functions()
    }


def _length(function: Function) -> int:
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


@pytest.mark.parametrize("module", package_modules(), ids=lambda module: module.label)
def test_a_module_fits_on_a_few_screens(module: Module) -> None:
    if module.label in LONGER_MODULES:
        assert _lines(module) > MODULE_CEILING, "it is short again: take it off the list"
    else:
        assert _lines(module) <= MODULE_CEILING


@pytest.mark.parametrize("module", package_modules(), ids=lambda module: module.label)
def test_a_function_fits_on_one_screen(module: Module) -> None:
    too_long = {
        function: length
        for function, length in _lengths(module).items()
        if length > FUNCTION_CEILING
    }
    assert too_long == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_most_functions_are_a_few_lines(package: str) -> None:
    lengths = [
        length
        for module in package_modules()
        if module.name.split(".")[0] == package
        for length in _lengths(module).values()
    ]
    assert statistics.median(lengths) < FUNCTION_MEDIAN
    assert statistics.quantiles(lengths, n=10)[-1] < FUNCTION_P90


def test_every_listed_exception_is_a_module_that_exists() -> None:
    assert set(LONGER_MODULES) <= {module.label for module in package_modules()}
