"""Talk to an assistant with two tools, one of which asks before it does anything.

    python -m examples.assistant                     talks in the terminal
    python -m examples.assistant --demo              shows itself and ends

Answers come from the model that OPENAI_BASE_URL (OPENAI_API_KEY, OPENAI_MODEL) names, through the
official `openai` package; without one, from a few rules.  The transfer is made once, however often
its tool runs: that is what `runtime.once` is for.

Prints:
    you: How much is in savings?
    assistant: There are 500 in savings.
    you: Transfer 200 to Ada.
    approve? transfer 200 to Ada
    you: no
    assistant: Nothing was transferred.
    you: Transfer 50 to Ada.
    approve? transfer 50 to Ada
    you: yes
    assistant: 50 transferred to Ada; 450 left.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from actors import Command, CompiledGraph, Interrupt, get_runtime, interrupt, stream_message
from actors.prebuilt import create_react_agent
from checkpoint import MemorySaver

ACCOUNTS = {"savings": 500}
QUESTIONS = ("How much is in savings?", "Transfer 200 to Ada.", "Transfer 50 to Ada.")
ANSWERS = ("no", "yes")

Message = dict[str, Any]


def balance(account: str) -> str:
    """Tell how much is in an account."""
    if account not in ACCOUNTS:
        return f"There is no account {account}, only {', '.join(ACCOUNTS)}."
    return f"There are {ACCOUNTS[account]} in {account}."


async def transfer(amount: int, to: str) -> str:
    """Transfer an amount from savings to somebody."""
    if interrupt(f"transfer {amount} to {to}") != "yes":
        return "Nothing was transferred."
    return await get_runtime().once("transfer", pay, amount, to)


def pay(amount: int, to: str) -> str:
    left = ACCOUNTS["savings"] - amount
    if amount <= 0 or left < 0:
        return f"{amount} cannot be transferred: there are {ACCOUNTS['savings']} in savings."
    ACCOUNTS["savings"] = left
    return f"{amount} transferred to {to}; {left} left."


async def rules(messages: list[Message], tools: list[Any]) -> Message:
    """Stands in for a model: knows two sentences, and says what the tools gave."""
    last = messages[-1]
    asked = re.fullmatch(r"Transfer (\d+) to (\w+)\.", last["content"])
    if last["role"] == "tool" or not (asked or "How much" in last["content"]):
        text = last["content"] if last["role"] == "tool" else "I know of balances and transfers."
        async with stream_message() as said:
            for word in re.findall(r"\S+\s*", text):
                await said.token(word)
        return said.message
    name, args = "balance", {"account": "savings"}
    if asked:
        name, args = "transfer", {"amount": asked[1], "to": asked[2]}
    call = {"name": name, "args": args, "id": f"call-{len(messages)}"}
    return {"role": "assistant", "content": "", "tool_calls": [call]}


async def service(messages: list[Message], tools: list[Any]) -> Message:
    """A model that speaks the protocol of OpenAI."""
    from openai import AsyncOpenAI

    known = ("role", "content", "tool_calls", "tool_call_id")
    given: Any = [{key: one[key] for key in known if key in one} for one in messages]
    model = os.environ.get("OPENAI_MODEL", "gpt-4o-mini")
    async with AsyncOpenAI() as client, stream_message() as said:
        create = client.chat.completions.create
        return await said.follow(
            await create(model=model, messages=given, tools=tools, stream=True)
        )


def show(agent: CompiledGraph, given: Any, thread: Any, ask: Callable[[str], str]) -> None:
    """One turn: what the assistant says, as it says it, and the questions of its tools, which may
    be several at once."""
    while given is not None:
        asked: list[Interrupt] = []
        speaking = False
        for mode, chunk in agent.stream(given, thread, stream_mode=["messages", "updates"]):
            if mode == "messages" and chunk[1]["langgraph_node"] == "agent" and chunk[0].content:
                print("" if speaking else "assistant: ", chunk[0].content, sep="", end="")
                speaking = True
            elif mode == "updates" and "__interrupt__" in chunk:
                asked += chunk["__interrupt__"]
        if speaking:
            print(flush=True)
        answers = {each.id: ask(f"approve? {each.value}") for each in asked}
        given = Command(resume=answers) if answers else None


def scripted(lines: tuple[str, ...]) -> Callable[[str], str]:
    """Somebody who types these lines."""
    left: Iterator[str] = iter(lines)

    def ask(question: str) -> str:
        answer = next(left)
        print(f"{question}\n" if question else "", f"you: {answer}", sep="", flush=True)
        return answer

    return ask


def main() -> None:
    model = service if "OPENAI_BASE_URL" in os.environ else rules
    prompt = "You help with a bank account. Use the tools."
    agent = create_react_agent(
        model, [balance, transfer], prompt=prompt, checkpointer=MemorySaver()
    )
    thread = {"configurable": {"thread_id": "main"}}
    if "--demo" in sys.argv:
        typed, ask = scripted(QUESTIONS), scripted(ANSWERS)
        for _ in QUESTIONS:
            show(agent, {"messages": typed("")}, thread, ask)
        return
    print(json.dumps(ACCOUNTS), "– an empty line ends it")
    with suppress(EOFError):
        while line := input("you: "):
            show(agent, {"messages": line}, thread, lambda question: input(f"{question}\nyou: "))


if __name__ == "__main__":
    main()
