"""Several stream modes in one loop: each chunk comes with the name of its mode.

    python -m examples.several_modes

Prints:
    values    {'city': 'Oslo', 'report': ''}
    custom    asking the weather station
    custom    it answered
    updates   {'ask': {'report': '-3 degrees'}}
    values    {'city': 'Oslo', 'report': '-3 degrees'}
    updates   {'phrase': {'report': 'Oslo has -3 degrees'}}
    values    {'city': 'Oslo', 'report': 'Oslo has -3 degrees'}
"""

from __future__ import annotations

import asyncio
from typing import TypedDict

from actors import START, StateGraph
from streaming import StreamWriter


class State(TypedDict):
    city: str
    report: str


def ask(state: State, writer: StreamWriter) -> dict[str, str]:
    writer("asking the weather station")
    writer("it answered")
    return {"report": "-3 degrees"}


def phrase(state: State) -> dict[str, str]:
    return {"report": f"{state['city']} has {state['report']}"}


graph = StateGraph(State).add_sequence([ask, phrase]).add_edge(START, "ask").compile()


async def main() -> None:
    stream = graph.astream(
        {"city": "Oslo", "report": ""}, stream_mode=["values", "updates", "custom"]
    )
    async for mode, chunk in stream:
        print(f"{mode:9} {chunk}")


if __name__ == "__main__":
    asyncio.run(main())
