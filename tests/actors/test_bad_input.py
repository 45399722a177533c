"""What a caller can do wrong: each gives a typed error that says what, why and how to mend it, and
leaves nothing behind."""

import operator
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from pydantic import BaseModel, ValidationError, model_validator

from actors import (
    END,
    START,
    ActorSystem,
    CheckpointerTypeError,
    Command,
    ConfigError,
    EmptyInputError,
    GraphBuildError,
    GraphRecursionError,
    InvalidUpdateError,
    Overwrite,
    Send,
    StateGraph,
)
from checkpoint import (
    DatabaseUnwritableError,
    MemorySaver,
    NewerSchemaError,
    NotADatabaseError,
    SaverClosedError,
    SqliteSaver,
    UnregisteredTypeError,
)
from streaming import StreamingError

THREAD = {"configurable": {"thread_id": "t"}}


class State(TypedDict, total=False):
    v: int
    log: Annotated[list, operator.add]


class Stranger:
    """A class that nobody registered."""


def one_node(node: Any, schema: Any = State) -> StateGraph:
    return StateGraph(schema).add_node("work", node).add_edge(START, "work")


def says(error: pytest.ExceptionInfo[BaseException], *parts: str) -> None:
    """The message names the value given, says why, and says how to mend it."""
    text = str(error.value)
    missing = [part for part in parts if part not in text]
    assert not missing, f"{text!r} does not say {missing}"


@pytest.fixture(params=["memory", "sqlite"])
def saver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "memory":
        yield MemorySaver()
    else:
        with SqliteSaver.from_conn_string(str(tmp_path / "threads.db")) as opened:
            yield opened


def checkpoints(graph: Any) -> list[tuple[Any, Any, Any]]:
    """The thread's history as comparable values."""
    return [(s.config, s.values, s.next) for s in graph.get_state_history(THREAD)]


# --- building -------------------------------------------------------------------------------------


def test_a_schema_that_is_no_class_is_refused() -> None:
    with pytest.raises((GraphBuildError, TypeError)) as error:
        StateGraph("state")  # pyright: ignore[reportArgumentType]
    says(error, "'state'", "TypedDict")


def test_an_edge_from_an_unknown_node_names_it() -> None:
    builder = one_node(lambda state: None).add_edge("ghost", "work")
    with pytest.raises(GraphBuildError) as error:
        builder.compile()
    says(error, "ghost", "work")


def test_an_edge_to_nowhere_names_it() -> None:
    builder = one_node(lambda state: None)
    builder.add_edge("work", "nowhere")
    with pytest.raises(GraphBuildError) as error:
        builder.compile()
    says(error, "nowhere", "work")


def test_a_join_from_an_unknown_node_is_refused_at_once() -> None:
    builder = one_node(lambda state: None)
    before = dict(builder.edges)
    with pytest.raises(GraphBuildError) as error:
        builder.add_edge(["work", "ghost"], END)
    says(error, "ghost", "add_node")
    assert dict(builder.edges) == before


def test_a_node_that_is_present_already_names_itself() -> None:
    builder = one_node(lambda state: None)
    with pytest.raises(GraphBuildError) as error:
        builder.add_node("work", lambda state: {"v": 1})
    says(error, "work", "already present", "another name")
    assert list(builder.nodes) == ["work"]


@pytest.mark.parametrize("name", ["__start__", "__end__"])
def test_a_reserved_name_is_refused(name: str) -> None:
    with pytest.raises(GraphBuildError) as error:
        StateGraph(State).add_node(name, lambda state: None)
    says(error, name, "reserved", "another name")


@pytest.mark.parametrize("name", ["a:b", "a|b"])
def test_a_name_with_a_reserved_character_is_refused(name: str) -> None:
    with pytest.raises(GraphBuildError) as error:
        StateGraph(State).add_node(name, lambda state: None)
    says(error, name, name[1])


def test_a_name_that_cannot_be_stored_as_text_is_refused() -> None:
    with pytest.raises(GraphBuildError) as error:
        StateGraph(State).add_node("half \ud800", lambda state: None)
    says(error, "half \\ud800", "surrogate", "proper string")
    with pytest.raises(GraphBuildError) as error:
        StateGraph(TypedDict("Halves", {"half \ud800": int}))
    says(error, "Halves", "half \\ud800", "surrogate", "proper string")


def test_a_graph_without_an_entry_point_says_how_to_give_it_one() -> None:
    builder = StateGraph(State).add_node("work", lambda state: None)
    with pytest.raises(GraphBuildError) as error:
        builder.compile()
    says(error, "entrypoint", "edge from START")


def test_end_cannot_be_a_start() -> None:
    with pytest.raises(GraphBuildError) as error:
        one_node(lambda state: None).add_edge(END, "work")
    says(error, "END", "start")


def test_every_build_error_is_a_value_error() -> None:
    assert issubclass(GraphBuildError, ValueError)


@pytest.mark.parametrize("wrong", ["threads.db", 5, object, {"saver": 1}])
def test_a_checkpointer_of_the_wrong_type_is_a_type_error(wrong: Any) -> None:
    with pytest.raises(TypeError) as error:
        one_node(lambda state: None).compile(checkpointer=wrong)
    assert isinstance(error.value, CheckpointerTypeError)
    says(error, repr(wrong), "MemorySaver", "SqliteSaver", "None")


# --- calling --------------------------------------------------------------------------------------


def test_a_missing_thread_id_names_the_key(saver: Any) -> None:
    graph = one_node(lambda state: {"v": 1}).compile(checkpointer=saver)
    for call in (lambda: graph.invoke({"v": 0}), lambda: list(graph.stream({"v": 0}))):
        with pytest.raises(ValueError, match="thread_id") as error:
            call()
        assert isinstance(error.value, ConfigError)
        says(error, "configurable")
    assert checkpoints(graph) == []


def test_an_unknown_stream_mode_lists_the_modes() -> None:
    ran: list[int] = []
    graph = one_node(lambda state: ran.append(1)).compile()
    for modes in ("value", ["values", "value"]):
        with pytest.raises(ValueError, match="'value'") as error:
            list(graph.stream({"v": 0}, stream_mode=modes))  # pyright: ignore[reportArgumentType]
        assert isinstance(error.value, StreamingError)
        says(error, "values", "updates", "custom", "debug", "tasks", "checkpoints")
    assert ran == []


def test_an_unknown_durability_lists_the_three(saver: Any) -> None:
    graph = one_node(lambda state: {"v": 1}).compile(checkpointer=saver)
    with pytest.raises(ConfigError) as error:
        graph.invoke({"v": 0}, THREAD, durability="eventually")  # pyright: ignore[reportArgumentType]
    says(error, "'eventually'", "sync", "async", "exit")
    assert checkpoints(graph) == []


def test_an_unknown_option_names_itself() -> None:
    graph = one_node(lambda state: {"v": 1}).compile()
    with pytest.raises(TypeError) as error:
        graph.invoke({"v": 0}, durable="sync")  # pyright: ignore[reportCallIssue]
    says(error, "durable")


@pytest.mark.parametrize("limit", [0, -1, "many"])
def test_a_recursion_limit_that_cannot_be_is_refused(limit: Any) -> None:
    graph = one_node(lambda state: {"v": 1}).compile()
    with pytest.raises(ConfigError) as error:
        graph.invoke({"v": 0}, {"recursion_limit": limit})
    says(error, "recursion_limit", repr(limit), "1")


def test_no_input_on_a_fresh_thread_asks_for_one(saver: Any) -> None:
    graph = one_node(lambda state: {"v": 1}).compile(checkpointer=saver)
    with pytest.raises(EmptyInputError) as error:
        graph.invoke(None, THREAD)
    says(error, "input")
    assert checkpoints(graph) == []


@pytest.mark.parametrize("wrong", [5, "text", [1, 2]])
def test_an_input_that_is_no_state_is_refused(wrong: Any, saver: Any) -> None:
    graph = one_node(lambda state: {"v": 1}).compile(checkpointer=saver)
    with pytest.raises(InvalidUpdateError) as error:
        graph.invoke(wrong, THREAD)
    says(error, repr(wrong), "dict")
    assert checkpoints(graph) == []


def test_unknown_keys_of_an_input_are_left_out(saver: Any) -> None:
    graph = one_node(lambda state: None).compile(checkpointer=saver)
    assert graph.invoke({"v": 1, "w": 2}, THREAD) == {"v": 1, "log": []}
    assert graph.invoke({"w": 2}, THREAD) == {"v": 1, "log": []}


SENT = Send("work", {"v": 1})
STEERING = Command(update={"v": 1}, goto="work")


@pytest.mark.parametrize("wrong", [SENT, Overwrite({"v": 1})])
def test_an_input_that_would_be_dropped_is_refused(wrong: Any, saver: Any) -> None:
    graph = one_node(lambda state: None).compile(checkpointer=saver)
    with pytest.raises(InvalidUpdateError, match="as the graph's input") as error:
        graph.invoke(wrong, THREAD)
    says(error, type(wrong).__name__, "Give a")
    assert checkpoints(graph) == []


@pytest.mark.parametrize("schema", [State, list[int]])
@pytest.mark.parametrize("wrong", [SENT, STEERING])
def test_an_update_as_input_that_says_where_to_go_is_refused(
    schema: Any, wrong: Any, saver: Any
) -> None:
    graph = one_node(lambda state: None, schema).compile(checkpointer=saver)
    with pytest.raises(InvalidUpdateError) as error:
        graph.update_state(THREAD, wrong, as_node="__input__")
    says(error, type(wrong).__name__, "Give a Command to `invoke`", "'__start__'")
    assert checkpoints(graph) == []


def test_an_input_that_its_model_refuses_raises_the_models_own_error(saver: Any) -> None:
    class Order(BaseModel):
        item: str

    graph = one_node(lambda state: None, Order).compile(checkpointer=saver)
    with pytest.raises(ValidationError, match="item"):
        graph.invoke({"item": ["no", "text"]}, THREAD)
    assert checkpoints(graph) == []


class Range(BaseModel):
    low: int
    high: int = 9

    @model_validator(mode="after")
    def in_order(self) -> "Range":
        if self.low > self.high:
            raise ValueError("low above high")
        return self


@dataclass
class Need:
    low: int
    high: int = 9


def to_work(builder: StateGraph, *, branch: bool) -> StateGraph:
    """From the start to the node, by an edge or by a branch that reads the state."""
    if branch:
        return builder.add_conditional_edges(START, lambda state: "work", ["work"])
    return builder.add_edge(START, "work")


@pytest.mark.parametrize("branch", [False, True])
@pytest.mark.parametrize("durability", ["sync", "exit"])
def test_an_input_that_the_whole_model_refuses_is_not_stored(
    branch: bool, durability: Any, saver: Any
) -> None:
    builder = StateGraph(Range).add_node("work", lambda state: {"low": state.low + 1})
    graph = to_work(builder, branch=branch).compile(checkpointer=saver)
    graph.invoke({"low": 1}, THREAD)
    before = checkpoints(graph)
    with pytest.raises(ValidationError, match="low above high"):
        graph.invoke({"high": 1}, THREAD, durability=durability)
    assert checkpoints(graph) == before
    assert graph.invoke({"high": 5}, THREAD) == {"low": 3, "high": 5}


@pytest.mark.parametrize("branch", [False, True])
@pytest.mark.parametrize("schema", [Range, Need])
def test_an_input_without_a_key_that_the_first_node_needs_is_not_stored(
    schema: Any, branch: bool, saver: Any
) -> None:
    builder = StateGraph(schema).add_node("work", lambda state: {"low": state.low + 1})
    graph = to_work(builder, branch=branch).compile(checkpointer=saver)
    with pytest.raises((ValidationError, TypeError), match="low"):
        graph.invoke({"high": 5}, THREAD)
    assert checkpoints(graph) == []
    assert graph.invoke({"low": 1}, THREAD)["low"] == 2
    assert graph.invoke({"high": 5}, THREAD)["low"] == 3, "the thread holds it by now"


def test_an_input_that_an_update_may_still_mend_is_taken(saver: Any) -> None:
    builder = StateGraph(Range).add_node("work", lambda state: {"low": state.low + 1})
    builder.add_edge(START, "work")
    graph = builder.compile(checkpointer=saver, interrupt_before=["work"])
    graph.invoke({"high": 5}, THREAD)
    graph.update_state(THREAD, {"low": 1}, as_node=START)
    assert graph.invoke(None, THREAD) == {"low": 2, "high": 5}


def test_steps_that_run_out_say_how_many_and_keep_what_was_done(saver: Any) -> None:
    graph = one_node(lambda state: {"v": state["v"] + 1}).add_edge("work", "work")
    compiled = graph.compile(checkpointer=saver)
    with pytest.raises(RecursionError) as error:
        compiled.invoke({"v": 0}, {**THREAD, "recursion_limit": 3})
    assert isinstance(error.value, GraphRecursionError)
    says(error, "3", "recursion_limit")
    assert compiled.get_state(THREAD).values["v"] == 3


# --- updates --------------------------------------------------------------------------------------


def test_a_node_that_returns_nonsense_is_named_with_what_it_returned(saver: Any) -> None:
    graph = one_node(lambda state: 5).compile(checkpointer=saver)
    with pytest.raises(InvalidUpdateError, match="Expected dict, got 5") as error:
        graph.invoke({"v": 0}, THREAD)
    says(error, "work", "dict", "None")
    assert "During task with name 'work'" in error.value.__notes__[0]
    state = graph.get_state(THREAD)
    assert state.values == {"v": 0, "log": []}
    assert state.next == ("work",)


def test_a_node_that_writes_an_unknown_key_is_told_the_keys(saver: Any) -> None:
    graph = one_node(lambda state: {"w": 1, "v": 2}).compile(checkpointer=saver)
    with pytest.raises(InvalidUpdateError) as error:
        graph.invoke({"v": 0}, THREAD)
    says(error, "'w'", "work", "v", "log")
    assert graph.get_state(THREAD).values["v"] == 0


def test_an_update_of_an_unknown_key_changes_nothing(saver: Any) -> None:
    graph = one_node(lambda state: {"v": 1}).compile(checkpointer=saver)
    graph.invoke({"v": 0}, THREAD)
    before = checkpoints(graph)
    with pytest.raises(InvalidUpdateError) as error:
        graph.update_state(THREAD, {"w": 5})
    says(error, "'w'", "v", "log")
    assert checkpoints(graph) == before


def test_an_update_as_an_unknown_node_lists_the_nodes(saver: Any) -> None:
    graph = one_node(lambda state: {"v": 1}).compile(checkpointer=saver)
    graph.invoke({"v": 0}, THREAD)
    before = checkpoints(graph)
    with pytest.raises(InvalidUpdateError) as error:
        graph.update_state(THREAD, {"v": 5}, as_node="ghost")
    says(error, "ghost", "work")
    assert checkpoints(graph) == before


def test_two_writers_of_a_last_value_name_the_key(saver: Any) -> None:
    builder = StateGraph(State)
    for name in ("a", "b"):
        builder.add_node(name, lambda state: {"v": 1}).add_edge(START, name)
    graph = builder.compile(checkpointer=saver)
    with pytest.raises(InvalidUpdateError, match="At key 'v': Can receive only one value") as error:
        graph.invoke({"log": ["in"]}, THREAD)
    says(error, "Annotated")
    assert error.value.__notes__ == ["While channel 'v' took the updates of 'a', 'b'"]
    assert graph.get_state(THREAD).values == {"log": ["in"]}
    assert set(graph.get_state(THREAD).next) == {"a", "b"}


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_a_value_of_an_unregistered_class_names_channel_and_class(
    durability: Any, saver: Any
) -> None:
    class Loose(TypedDict, total=False):
        v: Any
        text: str

    def work(state: Loose) -> Loose:
        return {"v": Stranger() if state["text"] == "bad" else 1}

    graph = one_node(work, Loose).compile(checkpointer=saver)
    graph.invoke({"text": "good"}, THREAD)
    stored = checkpoints(graph)
    with pytest.raises(UnregisteredTypeError) as error:
        graph.invoke({"text": "bad"}, THREAD, durability=durability)
    assert isinstance(error.value, TypeError)
    says(error, "'v'", "Stranger", "register_type")
    after = checkpoints(graph)
    assert stored
    assert after[-len(stored) :] == stored
    assert all(values["v"] == 1 for _, values, _ in after[: -len(stored)])


# --- savers ---------------------------------------------------------------------------------------


def test_a_closed_saver_says_how_to_open_it(tmp_path: Path) -> None:
    path = tmp_path / "threads.db"
    with SqliteSaver.from_conn_string(str(path)) as saver:
        graph = one_node(lambda state: {"v": 1}).compile(checkpointer=saver)
        graph.invoke({"v": 0}, THREAD)
        before = checkpoints(graph)
    calls: list[Callable[[], Any]] = [
        lambda: graph.invoke({"v": 0}, THREAD),
        lambda: list(graph.stream({"v": 0}, THREAD)),
        lambda: graph.get_state(THREAD),
        lambda: graph.update_state(THREAD, {"v": 9}),
    ]
    for call in calls:
        with pytest.raises(SaverClosedError) as error:
            call()
        says(error, "not open", "with")
    with SqliteSaver.from_conn_string(str(path)) as saver:
        again = one_node(lambda state: {"v": 1}).compile(checkpointer=saver)
        assert checkpoints(again) == before


def refuses_to_open(path: Path, kind: type[BaseException]) -> pytest.ExceptionInfo[BaseException]:
    with pytest.raises(kind) as error, SqliteSaver.from_conn_string(str(path)):
        pass
    return error


def test_a_database_from_a_newer_version_is_left_untouched(tmp_path: Path) -> None:
    path = tmp_path / "threads.db"
    with SqliteSaver.from_conn_string(str(path)):
        pass
    connection = sqlite3.connect(path)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute(f"PRAGMA user_version = {version + 1}")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    error = refuses_to_open(path, NewerSchemaError)
    says(error, str(path), str(version + 1), "upgrade")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [b"this is a text file, not a database\n" * 40, b"\x00" * 4096],
    ids=["text", "zeros"],
)
def test_a_file_that_is_no_database_is_left_untouched(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    error = refuses_to_open(path, NotADatabaseError)
    says(error, str(path), "another path")
    assert path.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_a_database_of_another_program_is_left_untouched(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE cake (name TEXT)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    error = refuses_to_open(path, NotADatabaseError)
    says(error, str(path), "another path")
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way of a folder")
    error = refuses_to_open(tmp_path / "file" / "threads.db", DatabaseUnwritableError)
    says(error, "threads.db")
    assert (tmp_path / "file").read_text() == "in the way of a folder"


def test_a_read_only_file_system_says_so() -> None:
    error = refuses_to_open(Path("/proc/threads.db"), DatabaseUnwritableError)
    says(error, "/proc/threads.db")


def test_a_folder_as_a_database_says_so(tmp_path: Path) -> None:
    error = refuses_to_open(tmp_path, NotADatabaseError)
    says(error, str(tmp_path), "folder", "path of a database file")


async def test_the_async_door_refuses_the_same_files(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no database " * 100)
    with pytest.raises(NotADatabaseError):
        async with SqliteSaver.from_conn_string(str(path)):
            pass


async def test_a_graph_that_is_not_compiled_is_not_started() -> None:
    builder: Any = StateGraph(State)
    async with ActorSystem() as system:
        with pytest.raises(ConfigError, match="no compiled graph") as error:
            await system.start(builder, {"log": []})
    says(error, "compile()")


def test_keywords_given_as_none_mean_their_defaults() -> None:
    graph = StateGraph(State).add_node("a", lambda state: {"v": 1}).add_edge(START, "a").compile()
    options: Any = {"durability": None, "stream_mode": None, "interrupt_before": None}
    assert list(graph.stream({"log": []}, **options)) == [{"a": {"v": 1}}]


def test_a_reducer_that_raises_names_the_channel_and_who_wrote_to_it() -> None:
    graph = StateGraph(State).add_node("a", lambda state: {"log": 5}).add_edge(START, "a").compile()
    with pytest.raises(TypeError) as error:
        graph.invoke({"log": []})
    assert error.value.__notes__ == ["While channel 'log' took the updates of 'a'"]
