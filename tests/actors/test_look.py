"""What a reader of a call wants to see, and the form it gets it in."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from actors import START, CompiledGraph, ConfigError, GraphOutput, Interrupt, StateGraph
from actors.look import Look, look_of
from streaming import SKIP, Chunk, RunLog, StreamWriter, UnknownStreamModeError
from tests.actors.engine import State, chain, says

ASKED = Interrupt("?", "0" * 32)


@dataclass
class Count:
    n: int


def counted() -> CompiledGraph:
    builder = StateGraph(Count).add_node("add", lambda state: {"n": state.n + 1})
    return builder.add_edge(START, "add").compile()


def look(graph: CompiledGraph | None = None, *, debug: bool = False, **options: Any) -> Look:
    spec = (graph or chain(a=says("a")).compile()).spec
    return look_of(spec, options, "updates", debug=debug)  # type: ignore[arg-type]


def values(data: Any, ns: tuple[str, ...] = ()) -> Chunk:
    return Chunk(8, ns, "values", data)


class Given:
    """Chunks that are there already."""

    def __init__(self, *chunks: Chunk) -> None:
        self.made = list(chunks)
        self.closed = False

    def take_nowait(self) -> Any:
        return self.made.pop(0) if self.made else SKIP

    def park(self) -> asyncio.Future[None] | None:
        return None

    def unpark(self) -> None:
        pass

    async def ready(self) -> None:
        if not self.made:
            raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed = True


def test_a_call_that_says_nothing_gets_the_default_bare() -> None:
    plain = look()
    assert (plain.modes, plain.single, plain.version, plain.printed) == (
        ("updates",),
        True,
        "v1",
        (),
    )


def test_a_list_of_one_mode_is_no_single_mode() -> None:
    assert not look(stream_mode=["values"]).single


@pytest.mark.parametrize("version", ["v3", 2, "V2"])
def test_another_version_is_refused(version: Any) -> None:
    with pytest.raises(ConfigError, match=r"version=.* is unknown; give 'v1' .* or 'v2'"):
        look(version=version)


def test_an_unknown_mode_to_print_is_refused() -> None:
    with pytest.raises(UnknownStreamModeError, match="nothing"):
        look(print_mode="nothing")


@pytest.mark.parametrize("options", [{"debug": True}, {"debug": True, "print_mode": "custom"}])
def test_debug_prints_updates_and_values(options: dict[str, Any]) -> None:
    assert look(**options).printed == ("updates", "values")


def test_a_graph_compiled_for_debugging_prints_at_every_call() -> None:
    assert look(debug=True).printed == ("updates", "values")


def test_what_is_given_and_printed_is_asked_for_once() -> None:
    assert look(stream_mode=["custom", "values"], print_mode=["values", "tasks"]).wanted == (
        "custom",
        "values",
        "tasks",
    )


def test_version_2_gives_parts_whatever_was_asked_for() -> None:
    chunk = Chunk(9, ("sub:1",), "updates", {"a": None})
    shown = [look(version="v2", subgraphs=asked).show(chunk) for asked in (False, True)]
    assert shown == [{"type": "updates", "ns": ("sub:1",), "data": {"a": None}}] * 2


def test_version_2_gives_instances_of_the_root_only() -> None:
    typed = look(counted(), version="v2")
    assert typed.show(values({"n": 1}))["data"] == Count(1)
    assert typed.show(values({"n": 1}, ("sub:1",)))["data"] == {"n": 1}


def test_a_choice_of_keys_stays_a_dict() -> None:
    assert look(counted(), version="v2", output_keys=["n"]).show(values({"n": 1}))["data"] == {
        "n": 1
    }


def test_checkpoints_show_instances_once_the_input_is_applied() -> None:
    typed = look(counted(), version="v2")
    before = {"next": ["__start__"], "values": {}}
    after = {"next": [], "values": {"n": 2}}
    assert typed.show(Chunk(12, (), "checkpoints", before))["data"] == before
    assert typed.show(Chunk(12, (), "checkpoints", after))["data"]["values"] == Count(2)
    assert after == {"next": [], "values": {"n": 2}}


def test_debug_shows_instances_in_its_checkpoints_only() -> None:
    typed = look(counted(), version="v2")
    task = {"type": "task", "payload": {"name": "add"}}
    saved = {"type": "checkpoint", "payload": {"next": [], "values": {"n": 2}}}
    assert typed.show(Chunk(14, (), "debug", task))["data"] == task
    assert typed.show(Chunk(14, (), "debug", saved))["data"]["payload"]["values"] == Count(2)


def test_the_first_version_has_interrupts_in_the_state() -> None:
    output = GraphOutput({"n": 1}, (ASKED,))
    assert look().result(output) == {"n": 1, "__interrupt__": [ASKED]}
    assert look().result(GraphOutput({"n": 1})) == {"n": 1}


def test_the_second_version_has_interrupts_beside_the_state() -> None:
    assert look(counted(), version="v2").result(GraphOutput({"n": 1}, (ASKED,))) == GraphOutput(
        Count(1), (ASKED,)
    )


def test_a_line_names_the_subgraph_only_where_chunks_do() -> None:
    chunk = Chunk(9, ("sub:1",), "updates", {"a": None})
    assert look().line(chunk) == "\033[1m[updates]\033[0m {'a': None}"
    assert "[graph=('sub:1',)]" in look(subgraphs=True).line(chunk)


async def test_a_chunk_that_is_only_printed_is_not_given(capsys: Any) -> None:
    source = Given(Chunk(9, (), "updates", {"a": 1}), values({"n": 2}))
    shown = look(stream_mode="values", print_mode="updates").reader(source)
    assert shown.take_nowait() == {"n": 2}
    assert capsys.readouterr().out == "\033[1m[updates]\033[0m {'a': 1}\n"
    with pytest.raises(StopAsyncIteration):
        await shown.ready()
    await shown.aclose()
    assert source.closed


def test_what_lies_ready_is_printed_and_given_as_it_is_when_waited_for(capsys: Any) -> None:
    source = Given(Chunk(9, (), "updates", {"a": 1}), values({"n": 2}))
    shown = look(stream_mode="values", print_mode="updates").reader(source)
    assert (bool(shown.made), shown.take_nowait()) == (True, {"n": 2})
    assert "{'a': 1}" in capsys.readouterr().out
    assert (bool(shown.made), shown.take_nowait()) == (False, SKIP)


@pytest.mark.parametrize(
    ("options", "shaped"),
    [({}, True), ({"subgraphs": True}, True), ({"version": "v2"}, False), ({"debug": True}, False)],
)
async def test_an_owner_gets_chunks_in_the_form_it_wants_however_they_are_made(
    options: dict[str, Any], shaped: bool
) -> None:
    wanted, log = look(stream_mode=["custom", "updates"], **options), RunLog("run", keep=False)
    reader = wanted.owner(log)
    StreamWriter(log)("x")
    assert (reader.take_nowait(), wanted.only_shaped) == (
        wanted.show(Chunk(8 + 3, (), "custom", "x")),
        shaped,
    )


async def test_a_call_that_prints_gives_the_last_state_all_the_same(capsys: Any) -> None:
    graph = chain(a=says("a"), b=says("b")).compile()
    assert await graph.ainvoke({"log": []}, print_mode="updates") == {"log": ["a", "b"]}
    assert capsys.readouterr().out.count("[updates]") == 2


async def test_a_graph_called_in_a_node_gives_both_versions() -> None:
    inner = chain(a=says("a")).compile()

    async def call(state: State) -> dict[str, Any]:
        output = await inner.ainvoke({"log": []}, version="v2")
        parts = [part async for part in inner.astream({"log": []}, version="v2")]
        return {"log": [output.value, output.interrupts, [part["data"] for part in parts]]}

    graph = chain(call=call).compile()
    assert await graph.ainvoke({"log": []}) == {
        "log": [{"log": ["a"]}, (), [{"a": {"log": ["a"]}}]]
    }
