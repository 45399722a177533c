"""Which parameters of tools are filled in, and with what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import InjectedToolArg
from langgraph.prebuilt import InjectedState as TheirState
from langgraph.prebuilt import ToolRuntime as TheirRuntime

from actors.prebuilt import (
    InjectedState,
    InjectedStore,
    InjectedToolCallId,
    ToolDefinitionError,
    ToolInjectionError,
    ToolRuntime,
)
from actors.prebuilt.wants import Want, filled_in, hints_of, wants_of
from checkpoint import MemoryStore
from streaming import SILENT_WRITER, StreamWriter


def never(name: str) -> bool:
    return False


def kinds(**hints: Any) -> dict[str, str]:
    return {name: want.kind for name, want in wants_of(hints, never).items()}


def test_markers_are_known_as_classes_as_instances_and_in_unions() -> None:
    assert kinds(
        a=Annotated[dict, InjectedState],
        b=Annotated[str, InjectedState("city")],
        c=Annotated[Any, InjectedStore()] | None,
        d=Annotated[str, "described", InjectedToolCallId],
        e=Annotated[int, InjectedToolArg],
        f=int,
        g=list[int] | None,
    ) == {"a": "state", "b": "state", "c": "store", "d": "tool_call_id", "e": "hidden"}


def test_classes_are_known_alone_with_parameters_and_in_unions() -> None:
    assert kinds(
        a=ToolRuntime,
        b=ToolRuntime[int, dict],
        c=ToolRuntime | None,
        d=RunnableConfig,
        e=StreamWriter,
        runtime=Any,
    ) == {
        "a": "runtime",
        "b": "runtime",
        "c": "runtime",
        "d": "config",
        "e": "writer",
        "runtime": "runtime",
    }


def test_langgraphs_own_markers_count_too() -> None:
    found = wants_of({"a": Annotated[str, TheirState("city")], "b": TheirRuntime}, never)
    assert found == {"a": Want("state", "city"), "b": Want("runtime", like=TheirRuntime)}
    made = fill(found["b"], runtime({"city": "Bern"}))
    assert isinstance(made, TheirRuntime)
    assert (made.state, made.tool_call_id) == ({"city": "Bern"}, "call-1")


def test_a_parameter_gets_one_thing() -> None:
    with pytest.raises(ToolDefinitionError, match="should not be annotated with more than one"):
        wants_of({"a": Annotated[str, InjectedState("a"), InjectedStore()]}, never)


def test_annotations_that_mean_nothing_here_are_any() -> None:
    def take(a: Unknown, b, c: int) -> None:  # noqa: F821
        ...

    assert hints_of(take) == {"a": Any, "b": Any, "c": int}


def runtime(state: Any, store: Any = None) -> ToolRuntime:
    return ToolRuntime(state, "ctx", {"tags": []}, SILENT_WRITER, "call-1", store)


def fill(want: Want, given: ToolRuntime) -> Any:
    return filled_in({"it": want}, "tool", given, "messages").get("it", "nothing")


def test_each_gets_its_own() -> None:
    store = MemoryStore()
    given = runtime({"city": "Bern"}, store)
    assert fill(Want("state"), given) == {"city": "Bern"}
    assert fill(Want("state", "city"), given) == "Bern"
    assert fill(Want("store"), given) is store
    assert fill(Want("runtime"), given) is given
    assert fill(Want("tool_call_id"), given) == "call-1"
    assert fill(Want("config"), given) == {"tags": []}
    assert fill(Want("writer"), given) is SILENT_WRITER
    assert fill(Want("hidden"), given) == "nothing"


def test_a_state_that_is_an_instance_has_its_fields() -> None:
    @dataclass
    class State:
        city: str

    assert fill(Want("state", "city"), runtime(State("Bern"))) == "Bern"


def test_a_list_of_messages_is_a_state_with_messages() -> None:
    assert fill(Want("state"), runtime(["m"])) == {"messages": ["m"]}
    assert fill(Want("state", "messages"), runtime(["m"])) == ["m"]


def test_a_key_that_is_missing_is_refused_unless_there_is_a_default() -> None:
    assert fill(Want("state", "city", optional=True), runtime({})) == "nothing"
    with pytest.raises(ToolInjectionError, match="should contain fields city"):
        fill(Want("state", "city"), runtime({}))


def test_a_store_that_is_missing_is_refused() -> None:
    with pytest.raises(ToolInjectionError, match="please compile your graph with a store"):
        fill(Want("store"), runtime({}))
