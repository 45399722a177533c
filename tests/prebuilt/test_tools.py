"""Plain functions as tools: what models are told of them, what they take, what they give."""

from __future__ import annotations

import functools
import threading
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from actors.prebuilt import (
    InjectedState,
    InjectedToolCallId,
    Tool,
    ToolDefinitionError,
    ToolInvocationError,
    ToolRuntime,
)

from .scripts import add, call, shout


class Colour(Enum):
    RED = "red"


class Place(BaseModel):
    city: str
    zip: int = 0


class Unlike: ...


class Size(TypedDict):
    width: int


async def used(tool: Tool, **args: Any) -> Any:
    return await tool.use(call(tool.name, **args), {}, None)


def test_a_model_is_told_name_docstring_and_parameters() -> None:
    assert Tool(add).schema() == {
        "type": "function",
        "function": {
            "name": "add",
            "description": "Add two numbers.",
            "parameters": {
                "type": "object",
                "properties": {
                    "a": {"type": "integer"},
                    "b": {"type": "integer", "default": 1},
                },
                "required": ["a"],
            },
        },
    }


def test_a_text_beside_a_type_describes_the_parameter() -> None:
    def find(city: Annotated[str, "where to look"], most: Annotated[int, Field(ge=1)] = 3) -> None:
        """Find."""

    properties = Tool(find).schema()["function"]["parameters"]["properties"]
    assert properties["city"]["description"] == "where to look"
    assert properties["most"]["minimum"] == 1


def test_a_function_that_takes_nothing_has_an_empty_schema() -> None:
    def now() -> str:
        return "now"

    function = Tool(now).schema()["function"]
    assert function["parameters"] == {"type": "object", "properties": {}}
    assert function["description"] == ""


def test_name_and_description_can_be_others() -> None:
    made = Tool(functools.partial(add, b=5), name="add_five", description="Adds five.")
    assert (made.name, made.description) == ("add_five", "Adds five.")
    assert repr(made) == "Tool('add_five')"


async def test_a_partial_keeps_what_it_binds() -> None:
    assert await used(Tool(functools.partial(add, b=5), name="five"), a=1) == 6


async def test_arguments_become_what_the_annotations_say() -> None:
    taken: list[Any] = []

    def take(colour: Colour, place: Place, size: Size, kind: Literal["a", "b"], n: float) -> None:
        taken.extend([colour, place, size, kind, n])

    place = {"city": "Bern"}
    await used(Tool(take), colour="red", place=place, size={"width": 3}, kind="a", n=1)
    assert taken == [Colour.RED, Place(city="Bern"), {"width": 3}, "a", 1.0]


async def test_a_parameter_may_have_any_name() -> None:
    def odd(schema: str, model_config: str, _x: str, copy: str = "c") -> str:
        return schema + model_config + _x + copy

    assert await used(Tool(odd), schema="s", model_config="m", _x="x") == "smxc"


async def test_defaults_stay_the_functions_own() -> None:
    default: list[int] = []

    def grow(items: list[int] = default) -> list[int]:
        return items

    assert await used(Tool(grow)) is default


async def test_arguments_that_it_does_not_have_are_dropped() -> None:
    assert await used(Tool(add), a=1, c=5) == 2


async def test_async_code_runs_on_the_loop_and_sync_code_beside_it() -> None:
    def where() -> str:
        return threading.current_thread().name

    assert await used(Tool(shout), word="hi") == "HI"
    assert await used(Tool(where)) != threading.current_thread().name


async def test_a_callable_object_may_be_a_tool() -> None:
    class Doubler:
        async def __call__(self, n: int) -> int:
            return n * 2

    assert await used(Tool(Doubler(), name="double"), n=4) == 8


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ({}, "a: Field required"),
        ({"a": "one"}, "a: Input should be a valid integer"),
        ("{a: 1", "the arguments are no JSON object"),
        ([1], "the arguments are no JSON object"),
    ],
)
async def test_arguments_it_does_not_take_are_an_error_of_the_model(args: Any, why: str) -> None:
    wrong = {**call("add"), "args": args}
    with pytest.raises(ToolInvocationError) as raised:
        await Tool(add).use(wrong, {}, None)
    assert why in raised.value.message
    assert raised.value.message.startswith(
        f"Error invoking tool 'add' with kwargs {args} with error:\n"
    )
    assert raised.value.message.endswith("Please fix the error and try again.")
    assert (raised.value.tool_name, raised.value.tool_kwargs) == ("add", args)


def test_what_the_node_fills_in_no_model_sees() -> None:
    def find(
        query: str,
        state: Annotated[dict[str, Any], InjectedState],
        known: Annotated[str, InjectedToolCallId],
        runtime: ToolRuntime,
    ) -> None: ...

    parameters = Tool(find).schema()["function"]["parameters"]
    assert list(parameters["properties"]) == ["query"]
    assert set(Tool(find).wants) == {"state", "known", "runtime"}


def generator() -> Any:
    yield 1


def positional(a: int, /) -> int:
    return a


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (5, "cannot be called"),
        (generator, "a generator"),
        (positional, "by position only"),
        (lambda a: a, "has no name"),
        (functools.partial(add), "has no name"),
        (dict.fromkeys, "cannot be described|nothing tells|by position only"),
    ],
)
def test_what_is_no_tool_is_refused(given: Any, why: str) -> None:
    with pytest.raises(ToolDefinitionError, match=why):
        Tool(given)


def test_a_type_that_json_does_not_have_is_refused() -> None:
    def take(a: Unlike) -> None: ...

    with pytest.raises(ToolDefinitionError, match="cannot be described"):
        Tool(take)


async def test_the_text_of_a_free_form_call_is_given_to_the_only_parameter() -> None:
    assert await used(Tool(shout), __arg1="hey") == await used(Tool(shout), word="hey")
    with pytest.raises(ToolInvocationError, match="a: Field required"):
        await used(Tool(add), __arg1="1")
