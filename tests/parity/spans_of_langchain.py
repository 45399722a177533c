"""Models, chains, tools and retrievers of LangChain inside of nodes, as spans."""

from typing import Any

from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event
from langchain_core.documents import Document
from langchain_core.language_models.fake import FakeListLLM, FakeStreamingListLLM
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_core.tools import tool

from .spans import traced
from .spans_of_graphs import chain, says


def model(**known: Any) -> GenericFakeChatModel:
    def replies():
        while True:
            yield AIMessage("Cats nap.", id="m1")

    return GenericFakeChatModel(messages=replies(), **known)


def pipeline() -> Any:
    return ChatPromptTemplate.from_messages([("user", "{topic}")]) | model() | StrOutputParser()


@tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@tool
def fail(a: int) -> int:
    """Fail."""
    raise LookupError(f"no {a}")


class Library(BaseRetriever):
    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [Document(f"of {query}")]


def one(k, node):
    return chain(k, n=node).compile()


@traced({"topic": "t"}, config={"tags": ["run"]})
def a_model_that_is_invoked(k):
    return one(k, lambda state: {"log": [model(tags=["joke"]).invoke("hi").content]})


@traced({"topic": "t"})
def a_model_that_is_awaited(k):
    async def node(state):
        return {"log": [(await model().ainvoke("hi")).content]}

    return one(k, node)


@traced({"topic": "t"})
def a_model_that_is_streamed(k):
    async def node(state):
        return {"log": [chunk.content async for chunk in model().astream("hi")]}

    return one(k, node)


async def awaits_a_model(state):
    return {"log": [(await model().ainvoke("hi")).content]}


@traced({"topic": "t"}, stream_mode="messages")
def a_model_whose_tokens_the_graph_streams(k):
    return one(k, awaits_a_model)


@traced({"topic": "t"}, stream_mode=["messages", "values", "custom"], order="per span")
def a_model_whose_tokens_are_one_of_several_modes(k):
    """In LangGraph custom data come after what happens right after them."""

    async def node(state):
        k.get_stream_writer()("before")
        said = await awaits_a_model(state)
        k.get_stream_writer()("after")
        return said

    return one(k, node)


@traced({"topic": "t"}, stream_mode="messages", order="per span")
def a_model_in_a_thread_whose_tokens_the_graph_streams(k):
    """In LangGraph it depends on the threads when the graph streams them."""
    return one(k, lambda state: {"log": [model().invoke("hi").content]})


@traced({"topic": "t"})
def a_model_that_is_given_the_config(k):
    def node(state, config):
        return {"log": [model().invoke("hi", config).content]}

    return one(k, node)


@traced({"topic": "t"})
def a_bound_model_that_is_given_the_config(k):
    async def node(state, config):
        bound = model(tags=["joke"]).bind(stop=["x"]).with_config(tags=["bound"])
        return {"log": [(await bound.ainvoke("hi", config)).content]}

    return one(k, node)


@traced({"topic": "t"})
def a_chain_that_is_given_the_config(k):
    return one(k, lambda state, config: {"log": [pipeline().invoke({"topic": "cats"}, config)]})


@traced({"topic": "t"})
def a_chain_that_is_invoked(k):
    return one(k, lambda state: {"log": [pipeline().invoke({"topic": "cats"})]})


@traced({"topic": "t"})
def a_chain_that_is_streamed(k):
    async def node(state):
        return {"log": [chunk async for chunk in pipeline().astream({"topic": "cats"})]}

    return one(k, node)


@traced({"topic": "t"})
def a_chain_that_is_streamed_in_a_thread(k):
    return one(k, lambda state: {"log": list(pipeline().stream({"topic": "cats"}))})


@traced({"topic": "t"})
def a_lambda_with_a_name(k):
    step = RunnableLambda(str.upper, name="shout")
    return one(k, lambda state: {"log": [step.invoke(state["topic"])]})


@traced({"topic": "t"}, order="per span")
def runnables_side_by_side(k):
    both = RunnableParallel(
        a=RunnableLambda(str.upper, name="loud"), b=RunnableLambda(str.lower, name="soft")
    )

    async def node(state):
        return {"log": [await both.ainvoke("Cats")]}

    return one(k, node)


@traced({"topic": "t"})
def a_tool(k):
    return one(k, lambda state: {"log": [add.invoke({"a": 1, "b": 2})]})


@traced({"topic": "t"})
def a_tool_call(k):
    call = {"type": "tool_call", "id": "c1", "name": "add", "args": {"a": 1, "b": 2}}

    async def node(state):
        return {"log": [(await add.ainvoke(call)).content]}

    return one(k, node)


@traced({"topic": "t"})
def a_tool_that_fails(k):
    return one(k, lambda state: {"log": [fail.invoke({"a": 1})]})


@traced({"topic": "t"})
def a_tool_whose_failure_is_caught(k):
    def node(state):
        try:
            fail.invoke({"a": 1})
        except LookupError:
            return {"log": ["caught"]}

    return one(k, node)


@traced({"topic": "t"})
def a_retriever(k):
    return one(k, lambda state: {"log": [Library().invoke("cats")[0].page_content]})


@traced({"topic": "t"})
def a_model_of_text(k):
    return one(k, lambda state: {"log": [FakeListLLM(responses=["ab"]).invoke("hi")]})


@traced({"topic": "t"})
def a_model_of_text_that_is_streamed(k):
    async def node(state):
        return {"log": [c async for c in FakeStreamingListLLM(responses=["ab"]).astream("hi")]}

    return one(k, node)


@traced({"topic": "t"})
def an_event_of_ones_own(k):
    async def node(state):
        await adispatch_custom_event("progress", {"done": 1})

    return one(k, node)


@traced({"topic": "t"})
def an_event_of_ones_own_in_a_lambda(k):
    def step(x):
        dispatch_custom_event("progress", {"done": x})
        return x

    return one(k, lambda state: {"log": [RunnableLambda(step).invoke(1)]})


@traced({"topic": "t"})
def a_model_in_a_conditional_edge(k):
    async def route(state):
        await model().ainvoke("where to?")
        return "b"

    builder = chain(k, a=says("a")).add_node("b", says("b"))
    return builder.add_conditional_edges("a", route, ["b"]).compile()


@traced({"topic": "t"})
def a_runnable_as_a_conditional_edge(k):
    route = RunnableLambda(lambda state: "b", name="route")
    builder = chain(k, a=says("a")).add_node("b", says("b"))
    return builder.add_conditional_edges("a", route, ["b"]).compile()


@traced({"topic": "t"})
def a_model_in_a_graph_in_a_graph(k):
    inner = chain(k, call=lambda state: {"log": [model().invoke("hi").content]}).compile()
    return chain(k, inner=inner).compile()


@traced({"topic": "t"})
def a_graph_that_a_lambda_calls(k):
    inner = chain(k, a=lambda state: {"log": [add.invoke({"a": 1, "b": 2})]}).compile(name="inner")

    async def node(state):
        await RunnableLambda(inner.ainvoke, name="calls").ainvoke(state)
        return {"log": ["called"]}

    return one(k, node)


@traced({"topic": "t"})
def a_graph_that_is_given_the_config(k):
    inner = chain(k, a=lambda state: {"log": [add.invoke({"a": 1, "b": 2})]}).compile(name="inner")

    async def node(state, config):
        await inner.ainvoke(state, config)
        return {"log": ["called"]}

    return one(k, node)


@traced({"topic": "t"}, exclude_types=["chat_model", "prompt"], exclude_tags=["seq:step:3"])
def a_chain_without_some_of_its_parts(k):
    return one(k, lambda state: {"log": [pipeline().invoke({"topic": "cats"})]})
