"""A thread in an SQLite file: what is done stays done, and later runs go on from it.

Each `with` could be another process on another day.

    python -m examples.resumable_thread

Prints:
    reserving a lamp
    charging for a lamp
    failed: the card terminal is offline; next is ('charge',)
    charging for a lamp
    ['lamp reserved', 'lamp paid']
    reserving a desk
    charging for a desk
    ['lamp reserved', 'lamp paid', 'desk reserved', 'desk paid']
    step  6: 4 lines
    step  5: 3 lines, next charge
    step  4: 2 lines, next reserve
    step  3: 2 lines, next __start__
    step  2: 2 lines
    step  1: 1 lines, next charge
    step  0: 0 lines, next reserve
    step -1: 0 lines, next __start__
"""

from __future__ import annotations

import operator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, TypedDict

from actors import START, CompiledGraph, StateGraph
from checkpoint import SqliteSaver

THREAD = {"configurable": {"thread_id": "customer 7"}}
terminal_online = False


class State(TypedDict):
    item: str
    log: Annotated[list[str], operator.add]


def reserve(state: State) -> dict[str, list[str]]:
    print(f"reserving a {state['item']}")
    return {"log": [f"{state['item']} reserved"]}


def charge(state: State) -> dict[str, list[str]]:
    print(f"charging for a {state['item']}")
    if not terminal_online:
        raise ConnectionError("the card terminal is offline")
    return {"log": [f"{state['item']} paid"]}


def shop(saver: SqliteSaver) -> CompiledGraph:
    builder = StateGraph(State).add_sequence([reserve, charge]).add_edge(START, "reserve")
    return builder.compile(checkpointer=saver)


def main(path: Path) -> None:
    global terminal_online  # noqa: PLW0603 - the world outside changes

    with SqliteSaver.from_conn_string(path) as saver:
        graph = shop(saver)
        try:
            graph.invoke({"item": "lamp"}, THREAD)
        except ConnectionError as error:
            print(f"failed: {error}; next is {graph.get_state(THREAD).next}")

    terminal_online = True
    with SqliteSaver.from_conn_string(path) as saver:
        print(shop(saver).invoke(None, THREAD)["log"])  # None: go on where it stopped

    with SqliteSaver.from_conn_string(path) as saver:
        graph = shop(saver)
        print(graph.invoke({"item": "desk"}, THREAD)["log"])
        for state in graph.get_state_history(THREAD):
            step = (state.metadata or {})["step"]
            then = f", next {state.next[0]}" if state.next else ""
            print(f"step {step:2}: {len(state.values.get('log', ()))} lines{then}")


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        main(Path(folder) / "threads.sqlite")
