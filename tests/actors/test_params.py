"""User code inspected: what it is called with, and how."""

from __future__ import annotations

import functools
import inspect
from typing import Annotated, Any, Literal, TypedDict

import pytest

from actors.errors import GraphBuildError
from actors.params import Callee, callee_of


class State(TypedDict):
    a: int


class RunnableConfig(TypedDict, total=False):
    tags: list[str]


class Runtime:
    pass


class StreamWriter:
    pass


class BaseStore:
    pass


class Settings:
    pass


def callee(code: Any, **known: Any) -> Callee:
    return callee_of(code, "Node 'n'", known)


def lone(state): ...
def by_name(state, config, writer, store, runtime, previous): ...
def any_order(writer, state, config): ...
def keyword_only(state, *, config, runtime): ...
def by_class(state, c: RunnableConfig, w: StreamWriter, r: Runtime, s: BaseStore): ...
def by_optional_class(state, c: RunnableConfig | None = None, s: BaseStore | None = None): ...
def by_annotated_class(state, r: Annotated[Runtime, "note"]): ...
def with_default(state, config=None, count=3): ...
def with_own_default(state, config=Settings(), store: dict = {}): ...  # noqa: B006, B008
def of_another_type(state, config: Settings): ...
def star(*args, **kwargs): ...
def star_after(state, *rest, writer): ...
def kwargs_only_after(state, **config): ...
def lone_named_config(config): ...
def only_keyword_state(*, state, config): ...


@pytest.mark.parametrize(
    ("function", "params"),
    [
        (lone, {}),
        (by_name, {n: n for n in ("config", "writer", "store", "runtime", "previous")}),
        (any_order, {"writer": "writer", "config": "config"}),
        (keyword_only, {"config": "config", "runtime": "runtime"}),
        (by_class, {"c": "config", "w": "writer", "r": "runtime", "s": "store"}),
        (by_optional_class, {"c": "config", "s": "store"}),
        (by_annotated_class, {"r": "runtime"}),
        (with_default, {"config": "config"}),
        (with_own_default, {}),
        (of_another_type, {"config": "config"}),
        (star, {}),
        (star_after, {"writer": "writer"}),
        (kwargs_only_after, {}),
        (lone_named_config, {}),
        (only_keyword_state, {"config": "config"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_parameters_are_found_by_name_or_class(function: Any, params: dict[str, str]) -> None:
    assert callee(function).params == params


def test_classes_given_as_objects_count_like_their_names_in_text() -> None:
    def node(state, c, w): ...

    node.__annotations__ = {"c": RunnableConfig | None, "w": StreamWriter | None}

    assert callee(node).params == {"c": "config", "w": "writer"}


@pytest.mark.parametrize(
    "text",
    [
        "Runtime",
        "Runtime[Settings]",
        "some.module.Runtime[Settings]",
        "Optional[Runtime]",
        "typing.Optional[some.module.Runtime[int]]",
        "None | Runtime",
        "Annotated[Runtime, 'note']",
    ],
)
def test_a_class_is_known_by_its_text_however_it_is_written(text: str) -> None:
    def node(state, r): ...

    node.__annotations__ = {"r": text}

    assert callee(node).params == {"r": "runtime"}


def test_a_state_whose_type_has_such_a_class_inside_is_still_the_state() -> None:
    def node(state: dict[str, Runtime], config): ...

    assert callee(node).params == {"config": "config"}


def test_the_state_reaches_its_parameter_wherever_it_stands() -> None:
    def middle(writer, state, config):
        return writer, state, config

    def keyword(*, state):
        return state

    async def last(config, state):
        return config, state

    found = callee(middle)
    assert found.call({"a": 1}, writer="w", config="c") == ("w", {"a": 1}, "c")
    assert callee(keyword).call({"a": 1}) == {"a": 1}
    assert callee(last).is_async
    coroutine = callee(last).call({"a": 1}, config="c")
    with pytest.raises(StopIteration) as stopped:
        coroutine.send(None)
    assert stopped.value.value == ("c", {"a": 1})


@pytest.mark.parametrize("function", [lone, keyword_only, star, with_default])
def test_code_that_takes_the_state_first_is_called_as_it_is(function: Any) -> None:
    assert callee(function).call is function


class Sync:
    def __call__(self, state, config): ...

    def method(self, state): ...

    async def async_method(self, state): ...

    @staticmethod
    async def static(state): ...

    @classmethod
    def of_class(cls, state): ...


class Async:
    async def __call__(self, state): ...


async def async_node(state): ...


def wrapped(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@pytest.mark.parametrize(
    ("code", "name", "is_async"),
    [
        (lone, "lone", False),
        (async_node, "async_node", True),
        (lambda state: None, None, False),
        (functools.partial(lone), None, False),
        (functools.partial(async_node), None, True),
        (Sync(), "Sync", False),
        (Async(), "Async", True),
        (functools.partial(Async()), None, False),
        (Sync().method, "method", False),
        (Sync().async_method, "async_method", True),
        (Sync.static, "static", True),
        (Sync.of_class, "of_class", False),
        (wrapped(lone), "lone", False),
        (dict, "dict", False),
        (len, "len", False),
    ],
)
def test_every_kind_of_callable_has_its_name_and_way_to_be_called(
    code: Any, name: str | None, is_async: bool
) -> None:
    found = callee(code)

    assert found.name == name
    assert found.is_async is is_async


def test_a_callable_object_is_called_by_its_method() -> None:
    assert inspect.iscoroutinefunction(callee(Async()).call)
    assert callee(Sync()).params == {"config": "config"}


def test_what_a_partial_binds_is_not_injected() -> None:
    def node(state, model, config, writer): ...

    bound = functools.partial(node, model="m", config="mine")

    assert callee(bound).params == {"writer": "writer"}


def test_a_partial_may_bind_what_comes_before_the_state() -> None:
    def node(model, state, config):
        return model, state, config

    found = callee(functools.partial(node, "m"))

    assert found.call({"a": 1}, config="c") == ("m", {"a": 1}, "c")


def test_a_wrapper_is_asked_for_what_it_wraps() -> None:
    assert callee(wrapped(keyword_only)).params == {"config": "config", "runtime": "runtime"}


def annotated(state: State, config: RunnableConfig) -> Literal["x"]: ...


def test_the_state_and_the_result_tell_their_types() -> None:
    found = callee(annotated)

    assert found.reads is State
    assert found.returns == Literal["x"]
    assert callee(lone).reads is None


def test_types_are_found_behind_methods_objects_and_partials() -> None:
    class Thing:
        def __call__(self, state: State): ...

        def method(self, state: State): ...

    assert callee(Thing()).reads is State
    assert callee(Thing().method).reads is State
    assert callee(functools.partial(annotated)).reads is State


def test_a_name_that_only_the_graph_knows_is_found() -> None:
    def node(state): ...

    node.__annotations__ = {"state": "Hidden"}

    assert callee(node).reads is None
    assert callee(node, Hidden=State).reads is State


class Model:
    """Stands for a runnable of another library."""

    name = "model"

    def invoke(self, state: Any, config: Any = None) -> Any:
        return "sync", state, config


class AsyncModel(Model):
    async def ainvoke(self, state: Any, config: Any = None) -> Any:
        return "async", state, config


def test_a_runnable_is_invoked_with_state_and_config() -> None:
    found = callee(Model())

    assert (found.name, found.is_async, found.params) == ("model", False, {"config": "config"})
    assert found.call(1, config=2) == ("sync", 1, 2)


async def test_a_runnable_that_can_is_awaited() -> None:
    found = callee(AsyncModel())

    assert found.is_async
    assert await found.call(1, config=2) == ("async", 1, 2)


def yields(state):
    yield state


async def async_yields(state):
    yield state


def takes_nothing(): ...
def takes_only_runtime(r: Runtime): ...
def needs_more(state, model): ...
def needs_keyword(state, *, model): ...
def positional_config(state, config, /): ...


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (5, "Node 'n' is 5, which cannot be called. Give a function"),
        ("x", "Node 'n' is 'x', which cannot be called"),
        (None, "Node 'n' is None, which cannot be called"),
        (yields, "a generator function, whose yields nobody would take"),
        (async_yields, "a generator function, whose yields nobody would take"),
        (takes_nothing, "Node 'n' (takes_nothing) takes no state"),
        (takes_only_runtime, "takes no state"),
        (needs_more, "(needs_more) needs a parameter 'model' that nothing fills"),
        (needs_keyword, "needs a parameter 'model' that nothing fills"),
        (positional_config, "asks for 'config' by position only"),
    ],
)
def test_code_that_cannot_be_called_with_a_state_is_refused(code: Any, says: str) -> None:
    with pytest.raises(GraphBuildError) as caught:
        callee(code)

    assert says in str(caught.value)
