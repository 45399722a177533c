"""LangChain's tools as the node that runs tools sees them."""

from __future__ import annotations

import threading
from typing import Annotated, Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, InjectedToolArg, StructuredTool, tool
from langgraph.prebuilt import ToolRuntime as TheirRuntime
from pydantic import ValidationError

from actors.prebuilt import InjectedState, ToolDefinitionError, ToolInvocationError, ToolNode
from actors.prebuilt.langchain_tools import LangChainTool, is_langchain_tool, tool_of

from .scripts import add, asks, call, shout


def ungettable(n: NoSuchType) -> int:  # noqa: F821
    """Take what cannot be looked up."""
    return n


class Lookup(BaseTool):
    name: str = "lookup"
    description: str = "Look up."

    def _run(self, word: str) -> str:
        return f"{word} in {threading.current_thread().name}"


def test_functions_become_its_tools_with_or_without_a_docstring() -> None:
    def bare(n: int) -> int:
        return n

    assert is_langchain_tool(tool_of(add))
    assert tool_of(add).description == "Add two numbers."
    assert tool_of(bare).description == "bare"
    with pytest.raises(ToolDefinitionError, match="has no name"):
        tool_of(lambda n: n)
    with pytest.raises(ToolDefinitionError, match="LangChain makes none of it"):
        tool_of(ungettable)
    for no_tool in (5, (n for n in "x"), len):
        with pytest.raises(ToolDefinitionError, match="cannot be a tool"):
            tool_of(no_tool)
    assert not is_langchain_tool(add)


def test_a_model_is_told_what_langchain_tells_it() -> None:
    schema = LangChainTool(tool_of(add)).schema()
    assert schema["function"]["parameters"]["required"] == ["a"]


async def test_its_sync_code_runs_in_a_thread_and_its_async_code_on_the_loop() -> None:
    here = threading.current_thread().name
    said = await LangChainTool(Lookup()).use(call("lookup", word="x"), {}, None)
    assert said.content != f"x in {here}"

    async def where() -> str:
        """Tell where."""
        return threading.current_thread().name

    said = await LangChainTool(tool_of(where)).use(call("where"), {}, None)
    assert said.content == here


async def test_of_sync_and_async_code_that_of_the_call_is_taken() -> None:
    async def awaited() -> str:
        return "async"

    made = StructuredTool.from_function(
        lambda: "sync", name="either", description="Either.", coroutine=awaited
    )
    asked = {"messages": [asks(call("either"))]}
    (said,) = (await ToolNode([made]).ainvoke(asked))["messages"]
    (told,) = ToolNode([made]).invoke(asked)["messages"]
    assert (said["content"], told["content"]) == ("async", "sync")


async def test_arguments_that_no_model_gives_are_taken_from_the_node_only() -> None:
    def find(
        word: str,
        secret: Annotated[str, InjectedToolArg] = "none",
        state: Annotated[Any, InjectedState] = None,
    ) -> str:
        """Find."""
        return f"{word} {secret} {state}"

    made = LangChainTool(tool_of(find))
    forged = call("find", word="x", secret="forged", state="forged")
    said = await made.use(forged, {"state": "real"}, None)
    assert said.content == "x none real"
    assert set(made.wants) == {"secret", "state"}


async def test_wrong_arguments_are_an_error_of_the_model() -> None:
    made = LangChainTool(tool_of(add))
    for args, why in (({"a": "x"}, "a: Input should be"), ("text", "no JSON object")):
        with pytest.raises(ToolInvocationError, match=why):
            await made.use({**call("add"), "args": args}, {}, None)


def test_a_tool_gets_the_config_and_its_callbacks_are_told() -> None:
    class Heard(BaseCallbackHandler):
        def __init__(self) -> None:
            self.names: list[str] = []

        def on_tool_start(self, serialized: Any, input_str: str, **_: Any) -> None:
            self.names.append(serialized["name"])

    def tell(config: RunnableConfig) -> str:
        """Tell."""
        return str(config["tags"])

    heard = Heard()
    node = ToolNode([tell, shout], tags=["tagged"])
    calls = asks(call("tell"), call("shout", word="x"))
    answers = node.invoke([calls], {"callbacks": [heard]})
    assert [one["content"] for one in answers] == ["['tagged']", "X"]
    assert sorted(heard.names) == ["shout", "tell"]


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # about that library's class
def test_a_tool_written_for_another_librarys_runtime_gets_one() -> None:
    def known(runtime: TheirRuntime) -> str:
        """Tell the id."""
        return f"{type(runtime).__module__} {runtime.tool_call_id}"

    (answer,) = ToolNode([tool(known)]).invoke([asks(call("known", "1"))])
    assert answer["content"] == f"{TheirRuntime.__module__} 1"


async def test_what_is_wrong_with_a_filled_in_value_is_no_mistake_of_the_model() -> None:
    def count(numbers: Annotated[list[int], InjectedState("numbers")]) -> int:
        """Count."""
        return len(numbers)

    with pytest.raises(ValidationError):
        await LangChainTool(tool_of(count)).use(call("count"), {"numbers": "none"}, None)


def test_an_artifact_is_kept() -> None:
    def draw() -> tuple[str, Any]:
        """Draw."""
        return "drawn", {"pixels": 3}

    made = StructuredTool.from_function(draw, response_format="content_and_artifact")
    (answer,) = ToolNode([made]).invoke([asks(call("draw"))])
    assert (answer["content"], answer["artifact"]) == ("drawn", {"pixels": 3})


@tool
def nothing() -> str:
    """Do nothing."""
    return "nothing"


def test_a_tool_without_parameters() -> None:
    (answer,) = ToolNode([nothing]).invoke([asks(call("nothing"))])
    assert answer["content"] == "nothing"


async def test_the_text_of_a_free_form_call_is_given_to_the_only_parameter() -> None:
    from langchain_openai import custom_tool

    asked = call("shout", "1", __arg1="hey")
    assert (await LangChainTool(tool_of(shout)).use(asked, {}, {})).content == "HEY"
    given: Any = custom_tool(shout)
    (block,) = (await LangChainTool(given).use(asked, {}, {})).content
    assert block == {"type": "custom_tool_call_output", "output": "HEY"}
