"""Models called inside of graphs: what `messages` shows of them, token by token."""

import contextvars
import threading
from collections.abc import Iterator
from typing import Any

from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler, CallbackManager
from langchain_core.language_models import BaseChatModel, GenericFakeChatModel
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_core.tools import tool

from .chains import chain
from .fanout import edges
from .scenario import Run, resume, scenario

ASK = {"messages": [("user", "hi")]}


def model(text: str = "a b", **known: Any) -> GenericFakeChatModel:
    """A model that says the same each time, a word at a time."""

    def replies() -> Iterator[AIMessage]:
        while True:
            yield AIMessage(text)

    return GenericFakeChatModel(messages=replies(), **known)


class Whole(BaseChatModel):
    """A model that does not stream."""

    text: str = "whole"

    @property
    def _llm_type(self) -> str:
        return "whole"

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.text))])


class Pieces(Whole):
    """A model that says the pieces that it was given, and then breaks if it is to."""

    pieces: list[AIMessageChunk]
    breaks: bool = False

    def _stream(self, *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
        for piece in self.pieces:
            yield ChatGenerationChunk(message=piece.model_copy())
        if self.breaks:
            raise ConnectionError("gone")

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        return generate_from_stream(self._stream())


def call_piece(name: str | None, args: str, place: int = 0) -> AIMessageChunk:
    """A piece of a tool call; its name and id come with the first."""
    found = "call" if name else None
    piece = {"name": name, "args": args, "id": found, "index": place, "type": "tool_call_chunk"}
    return AIMessageChunk("", tool_call_chunks=[piece])


def asks(llm: Any) -> Any:
    """A sync node that asks a model, and returns what it said."""
    return lambda state: {"messages": [llm.invoke(state["messages"])]}


def aasks(llm: Any) -> Any:
    """The same, async."""

    async def node(state):
        return {"messages": [await llm.ainvoke(state["messages"])]}

    return node


def one(k: Any, node: Any, **known: Any) -> Any:
    """A graph of one node."""
    return k.StateGraph(k.MessagesState).add_node("call", node, **known).add_edge(k.START, "call")


# --- how the model is called --------------------------------------------------------------------


@scenario(ASK)
def invoked_in_a_sync_node(k):
    return one(k, asks(model()))


@scenario(ASK, awaits=True)
def awaited_in_an_async_node(k):
    return one(k, aasks(model()))


@scenario(ASK, awaits=True)
def invoked_in_an_async_node(k):
    async def node(state):
        return {"messages": [model().invoke("x")]}

    return one(k, node)


@scenario(ASK)
def streamed_in_a_sync_node(k):
    def node(state):
        *_, last = model("a b c").stream("x")
        return {"messages": [last.content]}

    return one(k, node)


@scenario(ASK, awaits=True)
def streamed_in_an_async_node(k):
    async def node(state):
        whole = None
        async for piece in model("a b c").astream("x"):
            whole = piece if whole is None else whole + piece
        return {"messages": [whole]}

    return one(k, node)


@scenario(ASK)
def called_twice_in_one_node(k):
    first, second = model("first one"), model("second one")
    return one(k, lambda s: {"messages": [first.invoke("x"), second.invoke("x")]})


@scenario(ASK)
def called_and_not_returned(k):
    return one(k, lambda s: model().invoke("x") and None)


@scenario(ASK)
def only_the_text_is_returned(k):
    return one(k, lambda s: {"messages": [model().invoke("x").content]})


@scenario(ASK)
def a_model_that_does_not_stream(k):
    return one(k, asks(Whole()))


@scenario(ASK)
def a_model_that_does_not_stream_and_is_not_returned(k):
    return one(k, lambda s: Whole().invoke("x") and None)


@scenario(ASK, awaits=True)
def a_model_that_does_not_stream_in_an_async_node(k):
    return one(k, aasks(Whole()))


@scenario(ASK)
def a_model_that_is_told_not_to_stream(k):
    return one(k, asks(model(disable_streaming=True)))


@scenario(ASK)
def a_model_that_says_nothing(k):
    return one(k, asks(Pieces(pieces=[AIMessageChunk("")])))


@scenario(ASK)
def a_batch_of_calls(k):
    def node(state):
        return {"messages": model().batch(["x", "y"], {"max_concurrency": 1})}

    return one(k, node)


@scenario(ASK)
def tool_calls_in_pieces(k):
    pieces = [
        AIMessageChunk("let me "),
        AIMessageChunk("see"),
        call_piece("search", ""),
        call_piece(None, '{"q": '),
        call_piece(None, '"x"}'),
        AIMessageChunk(
            "", usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
        ),
    ]
    return one(k, asks(Pieces(pieces=pieces)))


@scenario(ASK)
def content_blocks(k):
    pieces = [
        AIMessageChunk([{"type": "text", "text": "a", "index": 0}]),
        AIMessageChunk([{"type": "text", "text": "b", "index": 0}]),
    ]
    return one(k, asks(Pieces(pieces=pieces)))


@scenario(ASK)
def pieces_with_an_id_of_their_own(k):
    pieces = [AIMessageChunk("a", id="own"), AIMessageChunk("b", id="own")]
    return one(k, asks(Pieces(pieces=pieces)))


# --- tags ---------------------------------------------------------------------------------------


@scenario(ASK)
def tags_on_the_model(k):
    return one(k, asks(model(tags=["joke"])))


@scenario(ASK)
def tags_on_the_call(k):
    return one(k, lambda s: model().invoke("x", {"tags": ["call"]}) and None)


@scenario(ASK)
def tags_of_with_config(k):
    llm = model(tags=["made"]).with_config({"tags": ["bound"]})
    return one(k, lambda s: llm.invoke("x") and None)


@scenario(Run(ASK, {"tags": ["run"]}))
def tags_on_the_run(k):
    return one(k, asks(model(tags=["model"])))


@scenario(Run(ASK, {"tags": ["run"]}))
def tags_of_a_run_whose_node_only_returns_a_message(k):
    return one(k, lambda s: {"messages": [AIMessage("made by hand")]})


@scenario(Run(ASK, {"tags": ["same"]}))
def the_same_tag_twice(k):
    return one(k, lambda s: model(tags=["same"]).invoke("x", {"tags": ["same"]}) and None)


@scenario(ASK)
def tags_on_a_chain(k):
    first = RunnableLambda(lambda x: x)
    linked = (first | model(tags=["inner"])).with_config({"tags": ["chain"]})
    return one(k, lambda s: linked.invoke("x") and None)


@scenario(ASK)
def two_models_told_apart_by_their_tags(k):
    joke, poem = model("a joke", tags=["joke"]), model("a poem", tags=["poem"])
    return one(k, lambda s: joke.invoke("x") and poem.invoke("x") and None)


@scenario(ASK)
def nostream_on_the_model(k):
    return one(k, lambda s: model(tags=["nostream"]).invoke("x") and None)


@scenario(ASK)
def nostream_on_a_model_whose_message_is_returned(k):
    return one(k, asks(model(tags=["nostream"])))


@scenario(ASK)
def nostream_on_the_call(k):
    return one(k, lambda s: model().invoke("x", {"tags": ["nostream"]}) and None)


@scenario(Run(ASK, {"tags": ["nostream"]}))
def nostream_on_the_run(k):
    return one(k, asks(model()))


# --- metadata -----------------------------------------------------------------------------------


@scenario(Run(ASK, {"metadata": {"user": "u", "n": 1}}))
def metadata_of_the_run(k):
    return one(k, asks(model()))


@scenario(ASK)
def metadata_of_the_node(k):
    return one(k, asks(model()), metadata={"of": "node", "langgraph_step": "hidden"})


@scenario(Run(ASK, {"metadata": {"who": "run", "of": "run"}}))
def metadata_of_node_run_model_and_call(k):
    llm = model(metadata={"who": "model", "made": True})
    node = lambda s: llm.invoke("x", {"metadata": {"called": True}}) and None  # noqa: E731
    return one(k, node, metadata={"of": "node"})


@scenario(Run(ASK, {"configurable": {"user_id": "u1", "__secret": 1, "n": 2, "obj": {"a": 1}}}))
def configurable_keys(k):
    return one(k, asks(model()))


@scenario(Run(ASK, {"run_name": "named"}))
def a_name_for_the_run(k):
    return one(k, asks(model()))


@scenario(ASK, ASK)
def a_second_run_on_the_thread(k):
    return one(k, asks(model()))


@scenario(ASK)
def two_nodes_in_a_row(k):
    return chain(k, k.MessagesState, first=asks(model("one")), second=asks(model("two")))


@scenario(ASK, order="any")
def two_nodes_at_once(k):
    builder = k.StateGraph(k.MessagesState)
    builder.add_node("a", asks(model("from a"))).add_node("b", asks(model("from b")))
    return edges(builder, k, "^>a ^>b")


# --- configs and callbacks ----------------------------------------------------------------------


@scenario(Run(ASK, {"tags": ["run"], "metadata": {"user": "u"}}))
def a_config_handed_to_the_model(k):
    def node(state, config):
        return {"messages": [model(tags=["model"]).invoke("x", config)]}

    return one(k, node)


@scenario(Run(ASK, {"tags": ["run"]}), awaits=True)
def a_config_handed_to_the_model_in_async_code(k):
    async def node(state, config):
        return {"messages": [await model().ainvoke("x", config)]}

    return one(k, node)


@scenario(Run(ASK, {"tags": ["run"]}))
def a_config_handed_to_a_chain(k):
    linked = RunnableLambda(lambda x: x) | model() | RunnableLambda(lambda m: [m])

    def node(state, config):
        return {"messages": linked.invoke("x", config)}

    return one(k, node)


@scenario(Run(ASK, {"tags": ["run"]}))
def a_config_handed_to_a_bound_model(k):
    def node(state, config):
        return {"messages": [model().bind(stop=["x"]).invoke("x", config)]}

    return one(k, node)


@scenario(ASK)
def a_config_handed_to_a_chain_of_a_prompt_and_a_bound_model(k):
    linked = RunnableLambda(lambda x: x) | model().with_config({"tags": ["bound"]})

    def node(state, config):
        return {"messages": [linked.invoke("x", config)]}

    return one(k, node)


@scenario(Run(ASK, {"tags": ["run"]}))
def a_config_from_get_config(k):
    return one(k, lambda s: {"messages": [model().invoke("x", k.get_config())]})


@scenario(Run(ASK, {"callbacks": [BaseCallbackHandler()]}))
def a_list_of_callbacks(k):
    return one(k, asks(model()))


@scenario(Run(ASK, {"callbacks": [AsyncCallbackHandler()]}), awaits=True)
def an_async_callback(k):
    return one(k, aasks(model()))


@scenario(Run(ASK, {"callbacks": CallbackManager([BaseCallbackHandler()])}))
def a_callback_manager(k):
    return one(k, asks(model()))


@scenario(Run(ASK, {"callbacks": CallbackManager([], inheritable_tags=["managed"])}))
def a_callback_manager_with_tags(k):
    return one(k, asks(model()))


@scenario(Run(ASK, {"callbacks": CallbackManager([], inheritable_metadata={"managed": 1})}))
def a_callback_manager_with_metadata(k):
    return one(k, asks(model()))


@scenario(ASK)
def callbacks_on_the_call(k):
    def node(state):
        return {"messages": [model().invoke("x", {"callbacks": [BaseCallbackHandler()]})]}

    return one(k, node)


@scenario(ASK)
def callbacks_on_the_model(k):
    return one(k, asks(model(callbacks=[BaseCallbackHandler()])))


@scenario(Run(ASK, {"tags": ["bound"]}))
def a_config_bound_to_the_graph(k):
    return lambda saver: (
        one(k, asks(model())).compile(checkpointer=saver).with_config({"metadata": {"bound": True}})
    )


# --- runnables and tools ------------------------------------------------------------------------


@scenario(ASK)
def a_model_inside_of_a_runnable(k):
    runnable = RunnableLambda(lambda x: model(tags=["deep"]).invoke(x))
    return one(k, lambda s: {"messages": [runnable.invoke("x")]})


@scenario(ASK, awaits=True)
def a_model_inside_of_an_async_runnable(k):
    async def inside(x):
        return await model().ainvoke(x)

    return one(k, aasks(RunnableLambda(inside)))


@scenario(ASK)
def a_model_inside_of_a_tool(k):
    @tool
    def search(query: str) -> str:
        """Search."""
        return model("in a tool").invoke(query).content

    return one(k, lambda s: {"messages": [search.invoke({"query": "x"})]})


@scenario(ASK, awaits=True)
def a_model_inside_of_an_async_tool(k):
    @tool
    async def search(query: str) -> str:
        """Search."""
        return (await model("in a tool").ainvoke(query)).content

    async def node(state):
        return {"messages": [await search.ainvoke({"query": "x"})]}

    return one(k, node)


@scenario(ASK)
def a_tool_message(k):
    @tool
    def search(query: str) -> str:
        """Search."""
        return "found"

    known = {"name": "search", "args": {"query": "x"}, "id": "c1", "type": "tool_call"}
    return one(k, lambda s: {"messages": [search.invoke(known)]})


@scenario(ASK, order="any")
def models_in_parallel_runnables(k):
    both = RunnableParallel(a=model("from a", tags=["a"]), b=model("from b", tags=["b"]))
    return one(k, lambda s: both.invoke("x") and None)


@scenario(ASK)
def a_model_with_a_fallback(k):
    broken = Pieces(pieces=[AIMessageChunk("bro")], breaks=True)
    return one(k, asks(broken.with_fallbacks([model("spare")])))


@scenario(ASK)
def a_runnable_as_a_node(k):
    return one(k, RunnableLambda(lambda s: {"messages": [model().invoke("x")]}))


@scenario(ASK)
def a_model_bound_to_tools(k):
    return one(k, asks(model().bind(stop=["x"])))


# --- where the model is called ------------------------------------------------------------------


@scenario(ASK)
def in_a_conditional_edge(k):
    def path(state):
        return "b" if model("to b").invoke("x").content else k.END

    builder = k.StateGraph(k.MessagesState).add_node("a", lambda s: None)
    builder.add_node("b", asks(model("in b"))).add_edge(k.START, "a")
    return builder.add_conditional_edges("a", path, ["b", k.END])


@scenario(ASK)
def in_an_entry_path(k):
    def path(state):
        model("begin").invoke("x")
        return "b"

    builder = k.StateGraph(k.MessagesState).add_node("b", asks(model("in b")))
    return builder.add_conditional_edges(k.START, path, ["b"])


@scenario(ASK)
def in_a_thread_with_the_context_copied(k):
    def node(state):
        context, said = contextvars.copy_context(), []
        thread = threading.Thread(
            target=context.run, args=(lambda: said.append(model().invoke("x")),)
        )
        thread.start()
        thread.join()
        return {"messages": said}

    return one(k, node)


@scenario(ASK)
def in_a_thread_without_the_context(k):
    def node(state):
        said = []
        thread = threading.Thread(target=lambda: said.append(model().invoke("x")))
        thread.start()
        thread.join()
        return {"messages": said}

    return one(k, node)


@scenario(ASK, order="any")
def in_tasks_of_a_fan_out(k):
    def leaf(given):
        return {"messages": [model(f"leaf {given['i']}").invoke("x")]}

    builder = k.StateGraph(k.MessagesState).add_node("leaf", leaf)
    return builder.add_conditional_edges(
        k.START, lambda s: [k.Send("leaf", {"i": i}) for i in range(3)], ["leaf"]
    )


@scenario(ASK)
def in_a_task_of_an_entrypoint(k):
    @k.task
    def ask(text):
        return model(f"about {text}", tags=["task"]).invoke("x").content

    def flow(given):
        return [ask("cats").result(), ask("dogs").result()]

    return lambda saver: k.entrypoint(checkpointer=saver)(flow)


@scenario(ASK, awaits=True)
def in_an_async_task_of_an_entrypoint(k):
    @k.task
    async def ask(text):
        return (await model(f"about {text}").ainvoke("x")).content

    async def flow(given):
        return await ask("cats")

    return lambda saver: k.entrypoint(checkpointer=saver)(flow)


@scenario(ASK)
def in_an_entrypoint_itself(k):
    return lambda saver: k.entrypoint(checkpointer=saver)(lambda given: model().invoke("x"))


@scenario(ASK)
def in_a_task_that_a_task_calls(k):
    @k.task
    def inner(text):
        return model(text).invoke("x").content

    @k.task
    def outer(text):
        return inner(f"{text} deep").result()

    return lambda saver: k.entrypoint(checkpointer=saver)(lambda given: outer("so").result())


@scenario(ASK)
def in_a_task_that_a_node_calls(k):
    @k.task
    def ask():
        return model("in a task").invoke("x")

    return one(k, lambda s: {"messages": [ask().result()]})


# --- failures, pauses, retries ------------------------------------------------------------------


@scenario(ASK)
def a_model_that_breaks_in_the_middle(k):
    return one(k, asks(Pieces(pieces=[AIMessageChunk("so "), AIMessageChunk("far")], breaks=True)))


@scenario(ASK, awaits=True)
def a_model_that_breaks_in_async_code(k):
    return one(k, aasks(Pieces(pieces=[AIMessageChunk("so"), AIMessageChunk("far")], breaks=True)))


@scenario(ASK)
def a_model_that_breaks_before_its_first_word(k):
    return one(k, asks(Pieces(pieces=[], breaks=True)))


@scenario(ASK)
def a_node_that_fails_after_its_model(k):
    def node(state):
        model("said").invoke("x")
        raise ValueError("after")

    return one(k, node)


@scenario(ASK, None)
def a_node_that_catches_a_broken_model(k):
    def node(state):
        try:
            Pieces(pieces=[AIMessageChunk("bro")], breaks=True).invoke("x")
        except ConnectionError:
            return {"messages": [AIMessage("sorry", id="sorry")]}

    return one(k, node)


@scenario(ASK)
def a_node_that_is_retried(k):
    tried = []

    def node(state):
        tried.append(1)
        said = model(f"try {len(tried)}").invoke("x")
        if len(tried) == 1:
            raise ConnectionError("once")
        return {"messages": [said]}

    return one(
        k, node, retry_policy=k.RetryPolicy(initial_interval=0.001, max_attempts=2, jitter=False)
    )


@scenario(ASK, resume("yes"))
def a_node_that_asks_after_its_model(k):
    def node(state):
        said = model("may I").invoke("x")
        answer = k.interrupt("sure?")
        return {"messages": [said, AIMessage(answer, id="answer")]}

    return one(k, node)


@scenario(ASK, resume("yes"))
def a_node_that_asks_before_its_model(k):
    def node(state):
        k.interrupt("sure?")
        return {"messages": [model("thanks").invoke("x")]}

    return one(k, node)


@scenario(ASK, None, interrupt_after=["first"])
def a_pause_between_two_models(k):
    return chain(k, k.MessagesState, first=asks(model("one")), second=asks(model("two")))


@scenario(ASK, None)
def a_run_that_goes_on_after_a_failure(k):
    tried = []

    def node(state):
        tried.append(1)
        said = model(f"try {len(tried)}").invoke("x")
        if len(tried) == 1:
            raise ConnectionError("once")
        return {"messages": [said]}

    return chain(k, k.MessagesState, first=asks(model("first")), second=node)
