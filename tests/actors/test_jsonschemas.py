"""JSON schemas where LangGraph has none, and what cannot be described."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from operator import add
from typing import Annotated, Any, TypedDict, cast

import msgspec
import pytest

from actors import (
    START,
    ConfigError,
    EphemeralValue,
    JsonSchemaError,
    LastValue,
    NodeBuilder,
    Pregel,
    StateGraph,
    Topic,
    entrypoint,
)


class Old(TypedDict):
    """Made with `typing`'s own TypedDict."""

    a: int


class Struct(msgspec.Struct):
    name: str
    size: int = 1


@dataclass
class Odd:
    call: Callable[[], int]


def compiled(state: Any, **schemas: Any) -> Any:
    builder = StateGraph(state, **schemas).add_node("n", lambda state: None)
    return builder.add_edge(START, "n").compile(name="thing")


def test_a_struct_is_described_by_msgspec() -> None:
    graph = compiled(Old, input_schema=Struct, output_schema=Struct, context_schema=Struct)
    expected = {
        "$ref": "#/$defs/Struct",
        "$defs": {
            "Struct": {
                "title": "Struct",
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "size": {"type": "integer", "default": 1},
                },
                "required": ["name"],
            }
        },
    }
    assert graph.get_input_jsonschema() == expected
    assert graph.get_output_jsonschema() == expected
    assert graph.get_context_jsonschema() == expected


def test_the_typed_dict_of_typing_is_described_on_every_python() -> None:
    assert compiled(Old).get_input_jsonschema() == {
        "description": "Made with `typing`'s own TypedDict.",
        "properties": {"a": {"title": "A", "type": "integer"}},
        "required": ["a"],
        "title": "Old",
        "type": "object",
    }


def test_a_state_is_described_with_the_keys_that_are_neither_taken_nor_given() -> None:
    class Taken(TypedDict):
        a: int

    class Whole(Taken):
        inside: Annotated[list[str], add]

    graph = compiled(Whole, input_schema=Taken, output_schema=Taken)

    assert graph.get_state_jsonschema() == {
        "properties": {
            "a": {"default": None, "title": "A", "type": "integer"},
            "inside": {
                "default": None,
                "items": {"type": "string"},
                "title": "Inside",
                "type": "array",
            },
        },
        "title": "thing_state",
        "type": "object",
    }
    assert graph.get_input_jsonschema()["properties"].keys() == {"a"}


def test_a_state_of_one_value_is_described_by_it() -> None:
    @entrypoint()
    def spoken(number: int) -> str:
        return str(number)

    assert compiled(Annotated[int, add]).get_state_jsonschema()["type"] == "integer"
    assert spoken.get_state_jsonschema()["type"] == "string"
    with pytest.raises(ConfigError):
        spoken.get_state_jsonschema(cast("Any", 5))


def test_models_check_what_they_are_given() -> None:
    graph = compiled(Old)
    assert graph.get_input_schema().model_validate({"a": "3"}).model_dump() == {"a": 3}
    assert graph.get_output_schema()().a is None
    with pytest.raises(ValueError, match="valid integer"):
        graph.get_output_schema()(a="x")


def test_a_type_that_json_does_not_have_is_refused_by_name() -> None:
    with pytest.raises(JsonSchemaError, match=r"Odd.*has no JSON schema.*[Cc]allable"):
        compiled(Odd).get_input_jsonschema()


def test_a_struct_with_such_a_type_is_refused_too() -> None:
    class Strange(msgspec.Struct):
        call: type

    with pytest.raises(JsonSchemaError, match="Strange"):
        compiled(Strange).get_output_jsonschema()


def test_a_graph_without_context_has_no_context_schema() -> None:
    assert compiled(Old).get_context_jsonschema() is None
    assert compiled(Old).get_config_jsonschema()["properties"] == {}


def test_a_config_that_is_none_is_refused() -> None:
    graph = compiled(Old)
    for ask in (graph.get_input_jsonschema, graph.get_output_schema):
        with pytest.raises(ConfigError, match="no mapping"):
            ask("thread")


def test_without_pydantic_it_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['pydantic'] = None\n"
        "from typing import TypedDict\n"
        "from actors import START, StateGraph\n"
        "State = TypedDict('State', {'a': int})\n"
        "graph = StateGraph(State).add_node('n', dict).add_edge(START, 'n').compile()\n"
        "print(graph.invoke({'a': 1}))\n"
        "try:\n"
        "    graph.get_input_jsonschema()\n"
        "except ImportError as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    ran, said = done.stdout.splitlines()
    assert ran == "{'a': 1}"
    assert said.startswith("JsonSchemaUnavailableError The JSON schema of <class '__main__.State'>")
    assert "pip install 'understudy[pydantic]'" in said


def test_a_raw_graph_is_described_by_its_channels() -> None:
    node = NodeBuilder().subscribe_to("a").do(lambda values: values["a"]).write_to("b", "t")
    channels = {"a": EphemeralValue(int), "b": LastValue(str), "t": Topic(int)}
    several = Pregel(
        nodes={"n": node}, channels=channels, input_channels=["a"], output_channels=["b", "t"]
    )
    assert several.get_input_jsonschema() == {
        "properties": {"a": {"default": None, "title": "A", "type": "integer"}},
        "title": "PregelInput",
        "type": "object",
    }
    assert list(several.get_output_schema().model_fields) == ["b", "t"]
    bare = Pregel(nodes={"n": node}, channels=channels, input_channels="a", output_channels="b")
    assert bare.get_input_jsonschema() == {"title": "PregelInput", "type": "integer"}
    assert bare.get_output_jsonschema() == {"title": "PregelOutput", "type": "string"}


def test_an_entrypoint_is_described_by_its_annotations() -> None:
    @entrypoint()
    def typed(numbers: list[int]) -> entrypoint.final[str, int]:
        raise NotImplementedError

    @entrypoint()
    def plain(value):  # type: ignore[no-untyped-def]
        return value

    assert typed.get_input_jsonschema() == {
        "items": {"type": "integer"},
        "title": "typed_input",
        "type": "array",
    }
    assert typed.get_output_jsonschema() == {"title": "typed_output", "type": "string"}
    assert plain.get_input_jsonschema() == {"title": "plain_input"}
