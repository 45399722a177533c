"""Every shape: the same JSON schemas as LangGraph's, dict by dict."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

from .lib import Engine
from .shapes import SHAPES, Fixed, Shape

each_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)


def compiled(shape: Shape, k: Engine, name: str = "thing") -> Any:
    builder = k.StateGraph(**shape.given(k)).add_node("n", lambda state: None)
    return builder.add_edge(k.START, "n").compile(name=name)


def asked(ask: Callable[[Any], Any], graph: Any) -> Any:
    """What the graph answers; that a class was asked for its deprecated name is no concern here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ask(graph)


@each_shape
@pytest.mark.parametrize("name", ["thing", "Thing"])
def test_input_and_output_have_the_same_json_schema(
    shape: Shape, name: str, ours: Engine, theirs: Engine
) -> None:
    our, their = compiled(shape, ours, name), compiled(shape, theirs, name)
    for ask in (lambda g: g.get_input_jsonschema(), lambda g: g.get_output_jsonschema()):
        assert asked(ask, our) == asked(ask, their)


@each_shape
def test_the_models_of_input_and_output_have_the_same_json_schema(
    shape: Shape, ours: Engine, theirs: Engine
) -> None:
    our, their = compiled(shape, ours), compiled(shape, theirs)
    for ask in (
        lambda g: g.get_input_schema().model_json_schema(),
        lambda g: g.get_output_schema().model_json_schema(),
    ):
        assert asked(ask, our) == asked(ask, their)


def test_a_key_that_is_only_read_has_the_same_json_schema(ours: Engine, theirs: Engine) -> None:
    """LangGraph makes no model of it."""
    shape = Shape("", lambda k: {"state_schema": Fixed})
    our, their = compiled(shape, ours), compiled(shape, theirs)
    assert asked(lambda g: g.get_input_jsonschema(), our) == asked(
        lambda g: g.get_input_jsonschema(), their
    )
    assert our.get_output_schema()(value="x").value == "x"


@each_shape
def test_context_and_config_have_the_same_json_schema(
    shape: Shape, ours: Engine, theirs: Engine
) -> None:
    our, their = compiled(shape, ours), compiled(shape, theirs)
    every = ["configurable", "tags", "metadata", "run_name", "max_concurrency", "recursion_limit"]
    for ask in (
        lambda g: g.get_context_jsonschema(),
        lambda g: g.get_config_jsonschema(),
        lambda g: g.get_config_jsonschema(include=every),
        lambda g: g.get_config_jsonschema(include=["run_id"]),
    ):
        assert asked(ask, our) == asked(ask, their)


def test_a_context_that_is_no_schema_is_refused_with_the_same_words(
    ours: Engine, theirs: Engine
) -> None:
    shape = Shape("", lambda k: {"state_schema": dict, "context_schema": int})
    with pytest.raises(ValueError, match="Invalid context schema type") as expected:
        compiled(shape, theirs).get_context_jsonschema()
    with pytest.raises(ValueError, match=str(expected.value).removesuffix(".")):
        compiled(shape, ours).get_context_jsonschema()
