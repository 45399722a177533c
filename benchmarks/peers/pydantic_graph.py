"""pydantic-graph: steps joined by edges."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pydantic_graph import GraphBuilder, StepContext, TypeExpression


@dataclass
class Count:
    n: int = 0


def chain(length: int) -> Callable[[], Awaitable[object]]:
    builder = GraphBuilder(state_type=Count, output_type=int)
    steps = [builder.step(_add_one, node_id=f"node{i}") for i in range(length)]
    edges = [builder.edge_from(a).to(b) for a, b in pairwise(steps)]
    builder.add(
        builder.edge_from(builder.start_node).to(steps[0]),
        *edges,
        builder.edge_from(steps[-1]).to(builder.end_node),
    )
    return _runner(builder, length)


def loop(rounds: int) -> Callable[[], Awaitable[object]]:
    builder = GraphBuilder(state_type=Count, output_type=int)
    step = builder.step(_add_one, node_id="step")
    again = builder.match(TypeExpression[int], matches=lambda n: n < rounds).to(step)
    over = builder.match(TypeExpression[int]).to(builder.end_node)
    builder.add(
        builder.edge_from(builder.start_node).to(step),
        builder.edge_from(step).to(builder.decision().branch(again).branch(over)),
    )
    return _runner(builder, rounds)


async def _add_one(ctx: StepContext[Count, Any, Any]) -> int:
    ctx.state.n += 1
    return ctx.state.n


def _runner(builder: Any, until: int) -> Callable[[], Awaitable[object]]:
    graph = builder.build()

    async def run() -> None:
        assert await graph.run(state=Count()) == until

    return run
