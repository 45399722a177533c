"""Threads that go on under another schema: what is taken, hidden, made new, refused."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pytest
from pydantic import BaseModel

from actors import (
    START,
    ActorSystem,
    Command,
    CompiledGraph,
    EphemeralValue,
    GraphBuildError,
    KeyRetypedError,
    MigrationError,
    Overwrite,
    Send,
    StateGraph,
    Topic,
    UntrackedValue,
    add_messages,
    interrupt,
    migrate,
)
from checkpoint import MemorySaver, SqliteSaver, register_type
from tests.actors.engine import on

Keys = dict[str, Any]
Log = Annotated[list, operator.add]


@pytest.fixture(params=["memory", "sqlite"])
def saver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "memory":
        yield MemorySaver()
        return
    with SqliteSaver(tmp_path / "threads.db") as saver:
        yield saver


def graph_of(saver: Any, keys: Keys, *, node: Any = None, **more: Any) -> CompiledGraph:
    """One node, `work`, over a state of these keys; by default it changes nothing."""
    schema = TypedDict("Schema", keys, total=False)  # type: ignore[operator]
    builder = (
        StateGraph(schema).add_node("work", node or (lambda state: {})).add_edge(START, "work")
    )
    return builder.compile(checkpointer=saver, **more)


def stored(saver: Any, keys: Keys, values: Keys) -> None:
    """A thread "t" as a graph of these keys leaves it."""
    graph_of(saver, keys).invoke(values, on("t"))


def values_of(graph: CompiledGraph) -> Any:
    return graph.get_state(on("t")).values


# --- keys that come and go -------------------------------------------------------------------


def test_a_new_key_is_empty_and_a_reduced_one_starts_as_on_a_new_thread(saver: Any) -> None:
    stored(saver, {"x": int}, {"x": 1})
    graph = graph_of(saver, {"x": int, "y": str, "log": Log})
    assert values_of(graph) == {"x": 1, "log": []}
    assert graph.invoke({"log": ["a"]}, on("t")) == {"x": 1, "log": ["a"]}


def test_a_new_field_has_its_default_where_nodes_read_it(saver: Any) -> None:
    stored(saver, {"x": int}, {"x": 1})

    @dataclass
    class Wider:
        x: int = 0
        y: str = "default"

    seen: list[Wider] = []
    builder = StateGraph(Wider).add_node("work", seen.append)
    builder.add_edge(START, "work").compile(checkpointer=saver).invoke({}, on("t"))
    assert seen == [Wider(1, "default")]


def test_a_lost_key_is_hidden_stays_stored_and_comes_back(saver: Any) -> None:
    both, one = {"x": int, "y": str}, {"x": int}
    stored(saver, both, {"x": 1, "y": "kept"})
    seen: list[Any] = []
    narrow = graph_of(saver, one, node=seen.append)
    assert values_of(narrow) == {"x": 1}
    assert narrow.invoke({"x": 2}, on("t")) == {"x": 2}
    assert seen == [{"x": 2}]
    assert [s.values for s in narrow.get_state_history(on("t"))][-1] == {}
    assert values_of(graph_of(saver, both)) == {"x": 2, "y": "kept"}


def test_a_lost_key_whose_class_is_gone_too_is_never_read(tmp_path: Path) -> None:
    class Gone:
        pass

    fresh: Any = register_type(Gone, name="tests.Gone", encode=lambda _: "x", decode=_never)
    with SqliteSaver(tmp_path / "threads.db") as saver:
        stored(saver, {"x": int, "y": Any}, {"x": 1, "y": fresh()})
        assert graph_of(saver, {"x": int}).invoke({"x": 2}, on("t")) == {"x": 2}


def _never(state: Any) -> Any:
    raise AssertionError(state)


def test_a_key_that_comes_back_as_another_type_is_refused(saver: Any) -> None:
    stored(saver, {"x": int, "y": str}, {"x": 1, "y": "text"})
    graph_of(saver, {"x": int}).invoke({"x": 2}, on("t"))
    with pytest.raises(KeyRetypedError, match=r"'text' under key 'y' .it was str.*@migrate.'y'"):
        values_of(graph_of(saver, {"x": int, "y": int}))


# --- keys of another type ----------------------------------------------------------------------


class Model(BaseModel):
    a: int = 0


class Struct(msgspec.Struct):
    a: int = 0


@dataclass
class Data:
    a: int = 0


RETYPED: list[tuple[Any, Any, Any]] = [
    (int, 1, str),
    (str, "abc", int),
    (str, "abc", list),
    (str, "abc", Log),
    (str, "abc", Annotated[list, Topic]),
    (dict, {"a": 1}, Model),
    (dict, {"a": 1}, Data),
    (dict, {"a": 1}, Struct),
    (Data, Data(), Model),
    (list, [1, 2], list[str]),
    (list, ["a", 1], list[str]),
    (dict, {"a": 1}, dict[str, str]),
    (tuple, (1, 2), tuple[int, int, int]),
    (tuple, (1, "a"), tuple[int, ...]),
    (set, {1}, set[str]),
    (str, "c", Literal["a", "b"]),
    (int | str, "a", int | None),
    (Log, ["a"], str),
    (Log, ["a"], Annotated[int, operator.add]),
    (Annotated[int, operator.add], 3, Log),
    (Annotated[list, Topic(str, accumulate=True)], ["a"], str),
    (Log, ["a"], Annotated[list[int], operator.add]),
]


@pytest.mark.parametrize(("old", "value", "new"), RETYPED)
def test_a_value_that_does_not_fit_the_new_type_is_refused(old: Any, value: Any, new: Any) -> None:
    saver = MemorySaver()
    stored(saver, {"k": old}, {"k": value})
    graph = graph_of(saver, {"k": new})
    calls: list[Callable[[], Any]] = [
        lambda: graph.get_state(on("t")),
        lambda: list(graph.get_state_history(on("t"))),
        lambda: graph.invoke(None, on("t")),
        lambda: graph.invoke({}, on("t")),
        lambda: graph.update_state(on("t"), {}),
    ]
    for call in calls:
        with pytest.raises(KeyRetypedError, match=r"thread 't' holds .* under key 'k'") as caught:
            call()
        assert (caught.value.thread_id, caught.value.key) == ("t", "k")
    assert values_of(graph_of(saver, {"k": old})) == {"k": value}  # nothing was changed


TAKEN: list[tuple[Any, Any, Any]] = [
    (int, 1, float),
    (int, None, str),
    (int, 1, int | str),
    (int, 1, Any),
    (list, [1], list[int]),
    (Log, [1], list[int]),
    (list, ["a"], Log),
    (list, ["a"], Annotated[list, Topic(str, accumulate=True)]),
    (Annotated[list, Topic(str, accumulate=True)], ["a"], list),
    (str, "a", Literal["a", "b"]),
    (dict, {"a": 1}, TypedDict("T", {"a": int})),
    (Log, ["a"], Annotated[list, add_messages]),
]


@pytest.mark.parametrize(("old", "value", "new"), TAKEN)
def test_a_value_that_fits_the_new_type_is_taken(old: Any, value: Any, new: Any) -> None:
    saver = MemorySaver()
    stored(saver, {"k": old}, {"k": value})
    graph = graph_of(saver, {"k": new})
    assert values_of(graph) == {"k": value}
    assert graph.invoke({}, on("t")) == {"k": value}


def test_values_that_never_were_what_their_keys_say_stay_readable(saver: Any) -> None:
    stored(saver, {"k": int}, {"k": "no number"})
    assert values_of(graph_of(saver, {"k": int})) == {"k": "no number"}


def test_a_list_that_becomes_a_reduced_key_is_added_to(saver: Any) -> None:
    stored(saver, {"k": list}, {"k": ["a"]})
    assert graph_of(saver, {"k": Log}).invoke({"k": ["b"]}, on("t")) == {"k": ["a", "b"]}


def test_a_key_that_holds_for_one_step_now_holds_the_old_value_for_one_more(saver: Any) -> None:
    stored(saver, {"k": int, "x": int}, {"k": 1, "x": 1})
    graph = graph_of(saver, {"k": Annotated[int, EphemeralValue], "x": int})
    assert values_of(graph) == {"k": 1, "x": 1}
    graph.invoke({"x": 2}, on("t"))
    assert values_of(graph) == {"x": 2}


def test_a_key_that_is_stored_no_more_is_empty(saver: Any) -> None:
    stored(saver, {"k": int, "x": int}, {"k": 1, "x": 1})
    graph = graph_of(saver, {"k": Annotated[int, UntrackedValue], "x": int})
    assert values_of(graph) == {"x": 1}
    assert graph.invoke({"x": 2}, on("t")) == {"x": 2}


# --- migrations ----------------------------------------------------------------------------------


@migrate("score")
def to_float(value: str) -> float:
    return float(value)


@migrate("score")
def doubled(value: float) -> float:
    return value * 2


def test_a_migration_makes_the_new_value_once(saver: Any) -> None:
    stored(saver, {"score": str, "x": int}, {"score": "1.5", "x": 0})
    keys = {"score": float, "x": int}
    graph = graph_of(saver, keys, migrations=[doubled])
    with pytest.raises(KeyRetypedError):  # it takes floats, so it is passed by
        values_of(graph)
    graph = graph_of(saver, keys, migrations=[to_float, doubled])
    assert values_of(graph) == {"score": 3.0, "x": 0}
    for n in (1, 2):
        assert graph.invoke({"x": n}, on("t")) == {"score": 3.0, "x": n}
    assert values_of(graph) == {"score": 3.0, "x": 2}
    assert values_of(graph_of(saver, keys)) == {"score": 3.0, "x": 2}  # it is stored so


def test_a_migration_is_not_for_threads_that_began_with_it(saver: Any) -> None:
    graph = graph_of(saver, {"score": float}, migrations=[doubled])
    graph.invoke({"score": 1.0}, on("t"))
    assert graph.invoke({}, on("t")) == {"score": 1.0}


def test_a_migration_without_a_new_type_is_gone_through_too(saver: Any) -> None:
    stored(saver, {"score": float}, {"score": 1.0})
    graph = graph_of(saver, {"score": float}, migrations=[doubled])
    assert graph.invoke({}, on("t")) == graph.invoke({}, on("t")) == {"score": 2.0}


def test_older_checkpoints_are_migrated_when_they_are_read_and_stay_what_they_are(
    saver: Any,
) -> None:
    stored(saver, {"score": str}, {"score": "1"})
    graph = graph_of(saver, {"score": float}, migrations=[to_float])
    graph.invoke({"score": 5.0}, on("t"))
    shown = [s.values.get("score") for s in graph.get_state_history(on("t"))]
    assert shown == [5.0, 5.0, 1.0, 1.0, 1.0, None]
    fork = [s for s in graph.get_state_history(on("t")) if s.values.get("score") == 1.0][-1]
    assert graph.invoke({}, fork.config) == {"score": 1.0}


def test_a_renamed_key_takes_what_the_old_one_held_and_not_twice(saver: Any) -> None:
    stored(saver, {"history": list}, {"history": ["a"]})

    @migrate("log", was="history")
    def moved(value: list[str]) -> list[str]:
        return [text.upper() for text in value]

    graph = graph_of(saver, {"log": Log}, migrations=[moved])
    assert graph.invoke({"log": ["b"]}, on("t")) == {"log": ["A", "b"]}
    assert graph.invoke({"log": Overwrite([])}, on("t")) == {"log": []}
    assert graph.invoke({}, on("t")) == {"log": []}


def test_what_a_migration_raises_names_thread_key_and_function(saver: Any) -> None:
    stored(saver, {"score": str}, {"score": "many"})
    graph = graph_of(saver, {"score": float}, migrations=[to_float])
    with pytest.raises(MigrationError, match="'to_float' of key 'score' of thread 't'") as caught:
        graph.invoke({}, on("t"))
    error = caught.value
    assert (error.thread_id, error.key, error.function) == ("t", "score", "to_float")
    assert isinstance(error.__cause__, ValueError)
    assert values_of(graph_of(saver, {"score": str})) == {"score": "many"}


def test_a_migration_that_gives_what_the_key_does_not_take_is_refused(saver: Any) -> None:
    stored(saver, {"score": str}, {"score": "1"})
    wrong = migrate("score", name="wrong")(lambda value: [value])
    with pytest.raises(MigrationError, match=r"gave \['1'\], which is no float"):
        values_of(graph_of(saver, {"score": float}, migrations=[wrong]))


async def _later(value: Any) -> Any:
    return value


@pytest.mark.parametrize(
    ("migrations", "said"),
    [
        ([to_float, to_float], "two migrations of key 'score'"),
        ([migrate("other")(float)], "key 'other', which the state does not have"),
        ([float], "which is none"),
        ("score", "is no list"),
        (5, "is no list"),
    ],
)
def test_what_cannot_be_migrations_is_refused_when_compiling(migrations: Any, said: str) -> None:
    with pytest.raises(GraphBuildError, match=said):
        graph_of(MemorySaver(), {"score": float}, migrations=migrations)


def test_a_coroutine_function_is_no_migration() -> None:
    with pytest.raises(GraphBuildError, match="give a plain function"):
        migrate("score")(_later)


def test_a_migration_can_be_called_as_the_function_it_is() -> None:
    assert to_float("2") == 2.0


# --- steps that are under way --------------------------------------------------------------------


def paused(saver: Any, keys: Keys, writes: Keys, **more: Any) -> CompiledGraph:
    """Two nodes at once: `done` writes, `asks` waits for an answer; then `after` runs."""
    runs: list[str] = more.pop("runs", [])
    schema = TypedDict("Schema", keys, total=False)  # type: ignore[operator]

    def done(state: Any) -> Any:
        runs.append("done")
        return writes

    def asks(state: Any) -> Any:
        runs.append("asks")
        return {"answer": interrupt("?")}

    builder = StateGraph(schema).add_node(done).add_node(asks)
    builder.add_edge(START, "done").add_edge(START, "asks")
    return builder.compile(checkpointer=saver, **more)


def test_what_finished_siblings_wrote_is_migrated_with_the_state(saver: Any) -> None:
    before = {"score": str, "answer": str}
    paused(saver, before, {"score": "2"}).invoke({"score": "1"}, on("t"))
    runs: list[str] = []
    graph = paused(
        saver, {"score": float, "answer": str}, {}, migrations=[to_float, doubled], runs=runs
    )
    assert values_of(graph) == {"score": 4.0}
    assert graph.invoke(Command(resume="a"), on("t")) == {"score": 4.0, "answer": "a"}
    assert runs == ["asks"]


def test_what_is_written_beside_an_older_checkpoint_is_migrated_only_once(saver: Any) -> None:
    """Of two tasks the first finishes after the change, the thread waits on for the second."""
    keys = {"score": str, "answer": str}

    def work(keys: Keys, writes: Keys, **more: Any) -> CompiledGraph:
        schema = TypedDict("Schema", keys, total=False)  # type: ignore[operator]

        def first(state: Any) -> Any:
            interrupt("first?")
            return writes

        def second(state: Any) -> Any:
            return {"answer": interrupt("second?")}

        builder = StateGraph(schema).add_node(first).add_node(second)
        builder.add_edge(START, "first").add_edge(START, "second")
        return builder.compile(checkpointer=saver, **more)

    work(keys, {}).invoke({"score": "1"}, on("t"))
    graph = work({"score": float, "answer": str}, {"score": 7.0}, migrations=[to_float, doubled])
    asked = {i.value: i.id for i in graph.get_state(on("t")).interrupts}
    graph.invoke(Command(resume={asked["first?"]: 1}), on("t"))
    assert values_of(graph) == {"score": 7.0}
    assert graph.invoke(Command(resume="b"), on("t")) == {"score": 7.0, "answer": "b"}


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_in_every_durability_a_migration_is_gone_through_once(saver: Any, durability: Any) -> None:
    """The run pauses again at once, so what it keeps stands beside an older checkpoint."""
    paused(saver, {"score": str, "answer": str}, {}).invoke({"score": "1"}, on("t"))
    graph = paused(saver, {"score": float, "answer": str}, {}, migrations=[to_float, doubled])
    graph.invoke(None, on("t"), durability=durability)
    assert values_of(graph) == {"score": 2.0}
    done = graph.invoke(Command(resume="a"), on("t"), durability=durability)
    assert done == {"score": 2.0, "answer": "a"}
    assert graph.invoke({"answer": "b"}, on("t"), durability=durability)["score"] == 2.0


def test_an_update_from_outside_stores_what_was_migrated(saver: Any) -> None:
    paused(saver, {"score": str, "answer": str}, {"score": "2"}).invoke({"score": "1"}, on("t"))
    graph = paused(saver, {"score": float, "answer": str}, {}, migrations=[to_float, doubled])
    graph.update_state(on("t"), {"answer": "by hand"}, as_node="asks")
    expected = {"score": 4.0, "answer": "by hand"}
    assert values_of(graph) == expected
    assert values_of(paused(saver, {"score": float, "answer": str}, {})) == expected


def test_updates_of_a_lost_key_are_dropped_and_those_of_a_renamed_one_follow_it(saver: Any) -> None:
    before = {"score": str, "old": Log, "answer": str}
    paused(saver, before, {"score": "2", "old": ["b"]}).invoke({"old": ["a"]}, on("t"))
    graph = paused(saver, {"old": Log, "answer": str}, {})
    assert values_of(graph) == {"old": ["a", "b"]}

    @migrate("new", was="old")
    def same(value: list[str]) -> list[str]:
        return value

    graph = paused(saver, {"new": Log, "answer": str}, {}, migrations=[same])
    assert values_of(graph) == {"new": ["a", "b"]}
    resumed = graph.invoke(Command(resume="x"), on("t"))
    assert resumed == {"new": ["a", "b"], "answer": "x"}


def test_an_input_that_waits_is_migrated(saver: Any) -> None:
    graph = graph_of(saver, {"score": str})
    graph.update_state(on("t"), {"score": "3"}, as_node="__input__")
    new = graph_of(saver, {"score": float}, migrations=[to_float])
    assert new.invoke(None, on("t")) == {"score": 3.0}


def test_a_send_under_way_gives_its_node_what_was_sent(saver: Any) -> None:
    def graph(keys: Keys, seen: list[Any]) -> CompiledGraph:
        schema = TypedDict("Schema", keys, total=False)  # type: ignore[operator]
        builder = StateGraph(schema).add_node("work", seen.append)
        builder.add_conditional_edges(START, lambda _: [Send("work", {"n": 1})], ["work"])
        return builder.compile(checkpointer=saver, interrupt_before=["work"])

    graph({"x": int}, []).invoke({"x": 1}, on("t"))
    seen: list[Any] = []
    graph({"x": int, "y": int}, seen).invoke(None, on("t"))
    assert seen == [{"n": 1}]


# --- graphs inside graphs ------------------------------------------------------------------------


def nested(saver: Any, keys: Keys, **more: Any) -> CompiledGraph:
    schema = TypedDict("Inner", keys, total=False)  # type: ignore[operator]

    def asks(state: Any) -> Any:
        interrupt("?")
        return {"x": state["x"] * 2}

    inner = StateGraph(schema).add_node(asks).add_edge(START, "asks").compile(**more)
    outer = StateGraph(TypedDict("Outer", {"x": Any})).add_node("inner", inner)
    return outer.add_edge(START, "inner").compile(checkpointer=saver)


@pytest.mark.parametrize("kept", [None, True])
def test_a_graph_inside_migrates_its_own_part_of_the_thread(saver: Any, kept: bool | None) -> None:
    nested(saver, {"x": str}, checkpointer=kept).invoke({"x": "1"}, on("t"))

    @migrate("x")
    def to_int(value: str) -> int:
        return int(value)

    refusing = nested(saver, {"x": int}, checkpointer=kept)
    with pytest.raises(KeyRetypedError, match="key 'x'"):
        refusing.invoke(Command(resume=1), on("t"))
    graph = nested(saver, {"x": int}, checkpointer=kept, migrations=[to_int])
    assert graph.invoke(Command(resume=1), on("t")) == {"x": 2}


# --- events of earlier runs ----------------------------------------------------------------------


async def test_the_events_of_an_older_graphs_run_show_what_was(tmp_path: Path) -> None:
    keys = {"score": str, "log": Log, "lost": int}
    path = tmp_path / "threads.db"
    async with SqliteSaver(path) as saver, ActorSystem(event_log=saver.events) as system:
        graph = graph_of(saver, keys, node=lambda _: {"score": "2", "lost": 2})
        run = await system.start(graph, {"score": "1", "lost": 1}, on("t"))
        await run.result()
        seen = [chunk async for chunk in run.stream(["values", "updates"])]
    new = {"score": float, "log": Log, "more": Log}
    async with SqliteSaver(path) as saver, ActorSystem(event_log=saver.events) as system:
        graph = graph_of(saver, new, migrations=[to_float])
        assert await graph.ainvoke({}, on("t")) == {"score": 2.0, "log": [], "more": []}
        log = await system.find_log(graph, run.run_id, on("t"))
        again: list[Any] = [chunk async for chunk in log.subscribe(["values", "updates"])]
    assert [chunk.id for chunk in again] == [chunk.id for chunk in seen]
    assert [chunk.data for chunk in again] == [
        {"score": "1", "log": []},
        {"work": {"score": "2", "lost": 2}},
        {"score": "2", "log": []},
    ]
