"""Agents, and the nodes they are made of, written once for both engines."""

import operator
from typing import Annotated, Any

from langchain_core.messages import HumanMessage, RemoveMessage, SystemMessage, ToolMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import InjectedToolCallId, StructuredTool, ToolException, tool
from pydantic import BaseModel
from typing_extensions import TypedDict

from .agent_lib import asks, call, resume, says, script, story


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def fail(why: str) -> str:
    """Fail."""
    raise RuntimeError(why)


async def look_up(word: str) -> dict[str, str]:
    """Look a word up."""
    return {"word": word, "means": "…"}


ADD = call("add", a=1, b=2)
SUM = (asks(ADD), says("It is 3."))


@story()
def without_tools(k, saver):
    return k.create_react_agent(script(says("Hello there.")), [], checkpointer=saver)


@story()
def one_tool(k, saver):
    return k.create_react_agent(script(*SUM), [add], checkpointer=saver)


@story(version="v2", config={"recursion_limit": 10})
def parts_of_version_2(k, saver):
    return k.create_react_agent(script(*SUM), [add], checkpointer=saver)


@story(awaits=True)
def a_tool_that_is_async_only(k, saver):
    model = script(asks(call("look_up", word="cat")), says("Done."))
    return k.create_react_agent(model, [look_up], checkpointer=saver)


@story(order="any")
def two_tools_in_tasks_of_their_own(k, saver):
    model = script(asks(ADD, call("add", "second", a=5, b=5)), says("3 and 10."))
    return k.create_react_agent(model, [add], checkpointer=saver)


@story()
def two_tools_in_one_task(k, saver):
    model = script(asks(ADD, call("add", "second", a=5, b=5)), says("3 and 10."))
    return k.create_react_agent(model, [add], version="v1", checkpointer=saver)


@story()
def several_turns(k, saver):
    model = script(asks(ADD), asks(call("add", "two", a=3, b=4)), says("7."))
    return k.create_react_agent(model, [add], checkpointer=saver)


@story({"messages": [("user", "hi")]}, {"messages": [("user", "again")]})
def a_conversation(k, saver):
    model = script(says("one"), says("two"))
    return k.create_react_agent(model, [add], checkpointer=saver)


@story()
def a_name(k, saver):
    return k.create_react_agent(script(*SUM), [add], name="adder", checkpointer=saver)


def repeating(**options: Any) -> Any:
    return script(says("-"), says_what_it_was_given=True, **options)


@story()
def a_prompt_that_is_a_text(k, saver):
    return k.create_react_agent(repeating(), [add], prompt="Be brief.", checkpointer=saver)


@story()
def a_prompt_that_is_a_message(k, saver):
    prompt = SystemMessage("Be kind.")
    return k.create_react_agent(repeating(), [add], prompt=prompt, checkpointer=saver)


@story()
def a_prompt_that_is_a_function(k, saver):
    def prompt(state):
        return [SystemMessage(f"{len(state['messages'])} before"), *state["messages"]]

    return k.create_react_agent(repeating(), [add], prompt=prompt, checkpointer=saver)


@story(awaits=True)
def a_prompt_that_is_an_async_function(k, saver):
    async def prompt(state):
        return [SystemMessage("async"), *state["messages"]]

    return k.create_react_agent(repeating(), [add], prompt=prompt, checkpointer=saver)


@story()
def a_prompt_that_is_a_runnable(k, saver):
    prompt = RunnableLambda(lambda state: [HumanMessage("runnable"), *state["messages"]])
    return k.create_react_agent(repeating(), [add], prompt=prompt, checkpointer=saver)


class Who(TypedDict):
    who: str


@story(config={"configurable": {"thread_id": "t", "who": "Ada"}})
def a_prompt_that_reads_the_config(k, saver):
    def prompt(state, config: RunnableConfig):
        return [SystemMessage(config["configurable"]["who"]), *state["messages"]]

    return k.create_react_agent(repeating(), [add], prompt=prompt, checkpointer=saver)


@story(context={"who": "Ada"})
def a_prompt_that_reads_the_runtime(k, saver):
    def prompt(state, runtime: k.Runtime):
        return [SystemMessage(runtime.context["who"]), *state["messages"]]

    return k.create_react_agent(
        repeating(), [add], prompt=prompt, context_schema=Who, checkpointer=saver
    )


@story(awaits=True)
def a_prompt_that_reads_the_store(k, saver):
    async def prompt(state, *, store, writer):
        writer("reading")
        return [SystemMessage(store.get(("notes",), "1").value["text"]), *state["messages"]]

    store = k.MemoryStore()
    store.put(("notes",), "1", {"text": "Likes tea."})
    return k.create_react_agent(repeating(), [add], prompt=prompt, store=store, checkpointer=saver)


@story(context={"who": "Ada"})
def a_model_that_is_chosen(k, saver):
    def choose(state, runtime):
        return script(says(f"{runtime.context['who']}, {len(state['messages'])}"))

    return k.create_react_agent(choose, [add], context_schema=Who, checkpointer=saver)


@story(awaits=True)
def a_model_that_is_chosen_by_async_code(k, saver):
    async def choose(state, runtime):
        return script(says("chosen")).bind_tools([tool(add)])

    return k.create_react_agent(choose, [add], checkpointer=saver)


@story()
def an_answer_in_a_form(k, saver):
    return k.create_react_agent(
        script(*SUM), [add], response_format={"title": "Sum"}, checkpointer=saver
    )


@story()
def an_answer_in_a_form_with_a_prompt(k, saver):
    form = ("Sum up.", {"title": "Sum"})
    return k.create_react_agent(script(*SUM), [add], response_format=form, checkpointer=saver)


@story()
def an_answer_in_a_form_without_tools(k, saver):
    model = script(says("Hello."))
    return k.create_react_agent(model, [], response_format={"title": "X"}, checkpointer=saver)


@story()
def a_hook_before_that_changes_the_models_input(k, saver):
    def hook(state):
        return {"llm_input_messages": [HumanMessage("instead"), *state["messages"][-1:]]}

    return k.create_react_agent(repeating(), [add], pre_model_hook=hook, checkpointer=saver)


@story()
def a_hook_before_that_changes_the_messages(k, saver):
    def hook(state):
        kept = state["messages"][-1:]
        return {"messages": [RemoveMessage(id="__remove_all__"), *kept]}

    return k.create_react_agent(repeating(), [add], pre_model_hook=hook, checkpointer=saver)


@story()
def a_hook_after(k, saver):
    class State(k.AgentState):
        seen: Annotated[list, operator.add]

    def hook(state):
        return {"seen": [state["messages"][-1].type]}

    return k.create_react_agent(
        script(*SUM), [add], post_model_hook=hook, state_schema=State, checkpointer=saver
    )


@story()
def a_hook_after_that_answers_a_call(k, saver):
    def hook(state):
        calls = getattr(state["messages"][-1], "tool_calls", ())
        return {"messages": [ToolMessage("no", tool_call_id=c["id"], name="add") for c in calls]}

    return k.create_react_agent(script(*SUM), [add], post_model_hook=hook, checkpointer=saver)


@story()
def hooks_and_a_form_without_tools(k, saver):
    return k.create_react_agent(
        script(says("Hi.")),
        [],
        pre_model_hook=lambda state: {"llm_input_messages": state["messages"]},
        post_model_hook=lambda state: None,
        response_format={"title": "X"},
        checkpointer=saver,
    )


@story()
def a_tool_whose_result_ends_the_turn(k, saver):
    final = StructuredTool.from_function(add, return_direct=True)
    return k.create_react_agent(script(*SUM), [final], checkpointer=saver)


@story(order="any")
def a_tool_whose_result_ends_the_turn_beside_another(k, saver):
    final = StructuredTool.from_function(add, return_direct=True)
    other = StructuredTool.from_function(add, name="other")
    model = script(asks(ADD, call("other", a=1, b=1)), says("never"))
    return k.create_react_agent(model, [final, other], checkpointer=saver)


@story(config={"recursion_limit": 3})
def too_few_steps_for_another_turn(k, saver):
    model = script(asks(ADD), asks(call("add", "again", a=1, b=1)), says("never"))
    return k.create_react_agent(model, [add], checkpointer=saver)


@story(config={"recursion_limit": 2})
def too_few_steps_for_any_tool(k, saver):
    return k.create_react_agent(script(*SUM), [add], checkpointer=saver)


@story()
def a_tool_that_is_not_there(k, saver):
    model = script(asks(call("subtract", a=1)), says("Sorry."))
    return k.create_react_agent(model, [add], checkpointer=saver)


@story()
def arguments_that_a_tool_does_not_take(k, saver):
    model = script(asks(call("add", a="one")), says("Sorry."))
    return k.create_react_agent(model, [add], checkpointer=saver)


def failing(k, saver, **options):
    model = script(asks(call("fail", why="broken")), says("Sorry."))
    return k.create_react_agent(model, k.ToolNode([fail], **options), checkpointer=saver)


@story()
def a_tool_that_fails(k, saver):
    return failing(k, saver)


@story()
def a_failure_that_is_answered(k, saver):
    return failing(k, saver, handle_tool_errors=True)


@story()
def a_failure_that_is_answered_by_a_text(k, saver):
    return failing(k, saver, handle_tool_errors="Try something else.")


@story()
def a_failure_that_is_answered_by_a_function(k, saver):
    def answer(error: RuntimeError) -> str:
        return f"because {error}"

    return failing(k, saver, handle_tool_errors=answer)


@story()
def a_failure_of_a_kind_that_is_not_answered(k, saver):
    def answer(error: KeyError | IndexError) -> str:
        return "never"

    return failing(k, saver, handle_tool_errors=answer)


@story()
def a_failure_of_one_of_the_kinds_that_are_answered(k, saver):
    return failing(k, saver, handle_tool_errors=(KeyError, RuntimeError))


@story()
def a_failure_of_the_kind_that_is_answered(k, saver):
    return failing(k, saver, handle_tool_errors=RuntimeError)


@story()
def failures_that_are_all_raised(k, saver):
    model = script(asks(call("add", a="one")), says("Sorry."))
    node = k.ToolNode([add], handle_tool_errors=False)
    return k.create_react_agent(model, node, checkpointer=saver)


@story()
def a_tool_exception_that_the_tool_answers_itself(k, saver):
    def refuse() -> str:
        """Refuse."""
        raise ToolException("not today")

    made = StructuredTool.from_function(refuse, handle_tool_error=True)
    return k.create_react_agent(
        script(asks(call("refuse")), says("Sorry.")), [made], checkpointer=saver
    )


@story()
def a_tool_that_reads_the_state(k, saver):
    class State(k.AgentState):
        city: str

    @tool
    def where(
        word: str,
        state: Annotated[dict, k.InjectedState],
        city: Annotated[str, k.InjectedState("city")],
        known: Annotated[str, InjectedToolCallId],
    ) -> str:
        """Tell where."""
        return f"{word} {city} {len(state['messages'])} {sorted(state)} {known}"

    model = script(asks(call("where", word="in", city="forged")), says("There."))
    return k.create_react_agent(model, [where], state_schema=State, checkpointer=saver)


where_in = a_tool_that_reads_the_state
where_in.turns = ({"messages": [("user", "where?")], "city": "Bern"},)


@story(context={"who": "Ada"})
def a_tool_with_a_runtime(k, saver):
    @tool
    def greet(word: str, runtime: k.ToolRuntime) -> str:
        """Greet."""
        runtime.stream_writer({"greets": runtime.tool_call_id})
        found = runtime.store.get(("greetings",), "en").value["text"]
        return f"{found} {runtime.context['who']} {word} {len(runtime.state['messages'])}"

    store = k.MemoryStore()
    store.put(("greetings",), "en", {"text": "hello"})
    model = script(asks(call("greet", word="!")), says("Greeted."))
    return k.create_react_agent(model, [greet], context_schema=Who, store=store, checkpointer=saver)


@story()
def a_tool_with_a_store(k, saver):
    @tool
    def remember(what: str, store: Annotated[Any, k.InjectedStore()]) -> str:
        """Remember."""
        store.put(("notes",), "1", {"what": what})
        return store.get(("notes",), "1").value["what"]

    model = script(asks(call("remember", what="milk")), says("Noted."))
    return k.create_react_agent(model, [remember], store=k.MemoryStore(), checkpointer=saver)


@story()
def a_tool_without_the_store_it_asks_for(k, saver):
    @tool
    def remember(what: str, store: Annotated[Any, k.InjectedStore()]) -> str:
        """Remember."""
        return what

    model = script(asks(call("remember", what="milk")), says("Noted."))
    return k.create_react_agent(model, [remember], checkpointer=saver)


@story()
def a_tool_that_streams(k, saver):
    @tool
    def count() -> str:
        """Count."""
        for number in range(3):
            k.get_stream_writer()({"number": number})
        return "counted"

    return k.create_react_agent(
        script(asks(call("count")), says("Counted.")), [count], checkpointer=saver
    )


@story()
def a_tool_that_updates_the_state(k, saver):
    class State(k.AgentState):
        city: str

    @tool
    def move(city: str, known: Annotated[str, InjectedToolCallId]) -> Any:
        """Move."""
        done = ToolMessage(f"moved to {city}", tool_call_id=known)
        return k.Command(update={"city": city, "messages": [done]})

    model = script(asks(call("move", city="Rome")), says("Moved."))
    return k.create_react_agent(model, [move], state_schema=State, checkpointer=saver)


@story()
def a_command_that_leaves_the_call_unanswered(k, saver):
    @tool
    def move(city: str) -> Any:
        """Move."""
        return k.Command(update={"messages": []})

    model = script(asks(call("move", city="Rome")), says("Moved."))
    node = k.ToolNode([move])
    return k.create_react_agent(model, node, checkpointer=saver)


@story(unlike="messages")  # LangGraph does not show what is written to the graph above
def a_tool_that_hands_over_to_another_node(k, saver):
    @tool
    def transfer(known: Annotated[str, InjectedToolCallId]) -> Any:
        """Transfer."""
        done = ToolMessage("transferred", tool_call_id=known)
        update = {"messages": [done]}
        return k.Command(goto="bob", graph=k.Command.PARENT, update=update)

    alice = k.create_react_agent(script(asks(call("transfer"))), [transfer], name="alice")
    bob = k.create_react_agent(script(says("a"), says("I am Bob.")), [], name="bob")
    builder = k.StateGraph(k.MessagesState)
    builder.add_node("alice", alice).add_node("bob", bob).add_edge(k.START, "alice")
    return builder.compile(checkpointer=saver)


@story(order="any")
def tools_that_send_in_the_graph_above(k, saver):
    @tool
    def dispatch(to: str) -> Any:
        """Dispatch."""
        return k.Command(graph=k.Command.PARENT, goto=[k.Send("work", {"to": to})])

    class State(k.MessagesState):
        done: Annotated[list, operator.add]

    calls = [call("dispatch", "x", to="x"), call("dispatch", "y", to="y")]
    agent = k.create_react_agent(script(asks(*calls)), [dispatch], version="v1")
    builder = k.StateGraph(State)
    builder.add_node("agent", agent).add_node("work", lambda s: {"done": [s["to"]]})
    return builder.add_edge(k.START, "agent").compile(checkpointer=saver)


@story({"messages": [("user", "pay")]}, resume("yes"))
def a_tool_that_asks(k, saver):
    @tool
    def pay(amount: int) -> str:
        """Pay."""
        return f"{amount}: {k.interrupt({'pay': amount})}"

    return k.create_react_agent(
        script(asks(call("pay", amount=3)), says("Paid.")), [pay], checkpointer=saver
    )


def answers(kit, graph, config):
    pending = graph.get_state(config).interrupts
    return kit.Command(resume={each.id: f"yes to {each.value}" for each in pending})


@story({"messages": [("user", "pay")]}, answers, order="any")
def two_tools_that_ask_at_once(k, saver):
    @tool
    def pay(amount: int) -> str:
        """Pay."""
        return k.interrupt(amount)

    calls = [call("pay", "x", amount=1), call("pay", "y", amount=2)]
    return k.create_react_agent(script(asks(*calls), says("Paid.")), [pay], checkpointer=saver)


@story({"messages": [("user", "sum")]}, None)
def a_pause_before_the_tools(k, saver):
    return k.create_react_agent(script(*SUM), [add], interrupt_before=["tools"], checkpointer=saver)


@story({"messages": [("user", "sum")]}, None, None)
def pauses_after_the_agent(k, saver):
    return k.create_react_agent(
        script(*SUM), [add], interrupt_after=["agent"], version="v1", checkpointer=saver
    )


@story(subgraphs=True)
def an_agent_as_a_node(k, saver):
    agent = k.create_react_agent(script(*SUM), [add], name="adder")
    builder = k.StateGraph(k.MessagesState).add_node("adder", agent)
    return builder.add_edge(k.START, "adder").compile(checkpointer=saver)


@story({"messages": [("user", "x"), asks(ADD)]})
def an_open_call_in_the_messages(k, saver):
    return k.create_react_agent(script(*SUM), [add], checkpointer=saver)


@story()
def results_of_many_kinds(k, saver):
    results = {
        "blocks": [{"type": "text", "text": "hi"}],
        "number": 1.5,
        "nothing": None,
        "umlauts": {"text": "ä"},
        "texts": ["a", "b"],
        "set": {1},
    }

    @tool
    def give(kind: str) -> Any:
        """Give."""
        return results[kind]

    calls = [call("give", kind, kind=kind) for kind in results]
    return k.create_react_agent(
        script(asks(*calls), says("All.")), [give], version="v1", checkpointer=saver
    )


@story()
def a_result_with_an_artifact(k, saver):
    def draw() -> tuple[str, dict[str, int]]:
        """Draw."""
        return "drawn", {"pixels": 5}

    made = StructuredTool.from_function(draw, response_format="content_and_artifact")
    return k.create_react_agent(
        script(asks(call("draw")), says("Look.")), [made], checkpointer=saver
    )


@story()
def calls_that_are_wrapped(k, saver):
    def wrap(request, execute):
        changed = {**request.tool_call, "args": {"a": 10, "b": 20}}
        result = execute(request.override(tool_call=changed))
        result.content = f"<{result.content}>"
        return result

    node = k.ToolNode([add], wrap_tool_call=wrap)
    return k.create_react_agent(script(*SUM), node, checkpointer=saver)


@story(awaits=True)
def calls_that_are_wrapped_in_async_code(k, saver):
    async def wrap(request, execute):
        if request.tool_call["args"]["a"] == 1:
            known = request.tool_call["id"]
            return ToolMessage("kept", tool_call_id=known, name="add", id="says-kept")
        return await execute(request)

    node = k.ToolNode([add], awrap_tool_call=wrap)
    return k.create_react_agent(script(*SUM), node, checkpointer=saver)


@story()
def a_wrapper_that_fails(k, saver):
    def wrap(request, execute):
        raise RuntimeError("wrapped badly")

    node = k.ToolNode([add], wrap_tool_call=wrap, handle_tool_errors=True)
    return k.create_react_agent(script(*SUM), node, checkpointer=saver)


@story()
def a_graph_of_ones_own(k, saver):
    model = script(*SUM).bind_tools([tool(add)])
    builder = k.StateGraph(k.MessagesState)
    builder.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    builder.add_node("tools", k.ToolNode([add]))
    builder.add_edge(k.START, "model").add_edge("tools", "model")
    return builder.add_conditional_edges("model", k.tools_condition).compile(checkpointer=saver)


@story([HumanMessage("sum", id="says-h"), asks(ADD)])
def a_state_that_is_its_messages(k, saver):
    builder = k.StateGraph(Annotated[list, k.add_messages])
    builder.add_node("tools", k.ToolNode([add]))
    return builder.add_edge(k.START, "tools").compile(checkpointer=saver)


@story({"chat": [asks(ADD)]})
def messages_under_another_key(k, saver):
    class State(TypedDict):
        chat: Annotated[list, k.add_messages]

    builder = k.StateGraph(State).add_node("tools", k.ToolNode([add], messages_key="chat"))
    return builder.add_edge(k.START, "tools").compile(checkpointer=saver)


class Sum(BaseModel):
    a: int
    b: int


@story({"messages": [asks(call("Sum", a=1, b=2), call("add", "x", a="one"))]})
def calls_that_are_only_validated(k, saver):
    node = k.ValidationNode([Sum, add], format_error=lambda e, c, s: f"wrong {c['name']}")
    builder = k.StateGraph(k.MessagesState).add_node("validation", node)
    return builder.add_edge(k.START, "validation").compile(checkpointer=saver)


@story()
def a_state_that_is_a_pydantic_model(k, saver):
    class State(BaseModel):
        messages: Annotated[list, k.add_messages]
        remaining_steps: k.RemainingSteps = 25
        city: str = "Bern"

    @tool
    def where(state: Annotated[Any, k.InjectedState]) -> str:
        """Tell where."""
        return state.city

    model = script(asks(call("where")), says("There."))
    return k.create_react_agent(
        model, [where], state_schema=State, prompt="Be brief.", checkpointer=saver
    )
