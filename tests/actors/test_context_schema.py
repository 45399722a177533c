"""The context argument of a run, and the schema it is to fit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
import pytest
from pydantic import BaseModel, ValidationError
from typing_extensions import TypedDict

from actors import ActorSystem, ConfigError, ContextTypeError, Runtime, StateGraph
from actors.context_schema import read_context
from actors.values import START
from tests.actors.engine import DEADLINE, State

T = TypeVar("T")


@dataclass
class Settings:
    tenant: str
    limit: int = 3


class Model(BaseModel):
    tenant: str
    limit: int = 3


class Struct(msgspec.Struct):
    tenant: str
    limit: int = 3


class Typed(TypedDict):
    tenant: str


@dataclass
class Boxed(Generic[T]):
    tenant: T


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE):
        yield


@pytest.mark.parametrize("schema", [Settings, Model, Struct])
def test_a_dict_becomes_an_instance_and_an_instance_stays_itself(schema: Any) -> None:
    made = schema(tenant="a", limit=5)
    assert read_context(schema, {"tenant": "a", "limit": 5}) == made
    assert read_context(schema, made) is made


def test_a_generic_schema_is_its_class() -> None:
    assert read_context(Boxed[str], {"tenant": "a"}) == Boxed("a")
    assert read_context(Boxed[str], Boxed("a")) == Boxed("a")


def test_an_instance_of_a_subclass_fits() -> None:
    class More(Settings):
        pass

    more = More("a")
    assert read_context(Settings, more) is more


@pytest.mark.parametrize("schema", [Settings, Model, Struct, Typed, dict, None])
def test_none_is_no_context_for_any_schema(schema: Any) -> None:
    assert read_context(schema, None) is None


@pytest.mark.parametrize("given", [{"tenant": "a"}, [1], 5])
@pytest.mark.parametrize("schema", [None, dict, object])
def test_a_schema_without_fields_takes_anything(schema: Any, given: Any) -> None:
    assert read_context(schema, given) is given


def test_a_typed_dict_stays_the_very_dict() -> None:
    given = {"tenant": "a", "more": 1}
    assert read_context(Typed, given) is given


@pytest.mark.parametrize("given", [5, "text", [("tenant", "a")], object])
@pytest.mark.parametrize("schema", [Settings, Model, Struct, Typed])
def test_what_is_neither_a_dict_nor_an_instance_is_refused(schema: Any, given: Any) -> None:
    with pytest.raises(ContextTypeError, match="context_schema; give a dict") as caught:
        read_context(schema, given)
    assert schema.__name__ in str(caught.value)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, ConfigError)


@pytest.mark.parametrize("given", [{}, {"tenant": "a", "more": 1}, {1: 2}])
@pytest.mark.parametrize("schema", [Settings, Struct])
def test_a_dict_of_other_fields_is_refused_with_what_is_wrong(schema: Any, given: Any) -> None:
    with pytest.raises(ContextTypeError, match="Give its fields") as caught:
        read_context(schema, given)
    assert isinstance(caught.value.__cause__, TypeError)


def test_a_model_says_itself_what_is_wrong() -> None:
    with pytest.raises(ValidationError, match="Field required"):
        read_context(Model, {"limit": 1})


def test_what_a_schemas_own_check_raises_is_raised() -> None:
    @dataclass
    class Checked:
        limit: int

        def __post_init__(self) -> None:
            if self.limit < 0:
                raise ValueError("limit below 0")

    with pytest.raises(ValueError, match="limit below 0"):
        read_context(Checked, {"limit": -1})


async def test_every_door_refuses_a_context_before_anything_runs() -> None:
    ran: list[Any] = []
    builder = StateGraph(State, Settings).add_node("a", ran.append)
    graph = builder.add_edge(START, "a").compile()
    async with ActorSystem() as system:
        for refused in (
            lambda: graph.ainvoke({}, context=5),
            lambda: system.start(graph, {}, context=5),
        ):
            with pytest.raises(ContextTypeError):
                await refused()
    for door in (graph.stream, graph.astream, graph.invoke):
        with pytest.raises(ContextTypeError):
            door({}, context=5)
    assert ran == []


async def test_a_started_run_has_its_context_as_the_schema_says() -> None:
    async def node(state: State, runtime: Runtime[Settings]) -> dict[str, Any]:
        return {"log": [runtime.context.limit]}

    graph = StateGraph(State, Settings).add_node("a", node).add_edge(START, "a").compile()
    async with ActorSystem() as system:
        run = await system.start(graph, {}, context={"tenant": "a"})
        assert await run.result() == {"log": [3]}
