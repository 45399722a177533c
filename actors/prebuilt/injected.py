"""What a tool may ask for that no model gives: markers for its parameters.

    def recall(query: str, state: Annotated[dict, InjectedState], runtime: ToolRuntime) -> str: ...

Such parameters are in no schema that a model sees, and what a model gives for them is dropped.
Markers are known by their name, so LangChain's and LangGraph's of the same name count too.

LangChain looks at a tool function of its own in the same way, for base classes of its own.  Ours
must not import it; so they take on its bases when it is there: LangChain has pydantic describe each
parameter, and pydantic asks the marker, before LangChain looks whether it is one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic

from actors.backports import TypeVar
from actors.hints import is_typed_dict
from actors.runtime import ExecutionInfo
from actors.typed_dicts import modern
from streaming import StreamWriter

if TYPE_CHECKING:
    from checkpoint import Store

StateT = TypeVar("StateT", default=Any)
ContextT = TypeVar("ContextT", default=Any)

_TOOLS = "langchain_core.tools.base"


class Injected:
    """Root of the markers."""

    langchain_base: ClassVar[str] = "InjectedToolArg"
    """Its counterpart there."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Callable[[Any], Any]) -> Any:
        """The value's schema, as without the marker."""
        cls.join_langchain()
        return handler(source)

    @classmethod
    def join_langchain(cls) -> None:
        """Become a subclass of LangChain's counterpart, in a process that has loaded it."""
        loaded = sys.modules.get(_TOOLS)
        if loaded is not None:
            add_base(cls, getattr(loaded, cls.langchain_base))


class InjectedState(Injected):
    """Marks a parameter that gets the graph's state, or the key `field` of it.

    messages: Annotated[list, InjectedState("messages")]
    """

    def __init__(self, field: str | None = None) -> None:
        self.field = field

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Callable[[Any], Any]) -> Any:
        """That of the value; of a whole state anything, which would lose the keys not named."""
        if is_typed_dict(source):
            return _anything(cls)
        cls.join_langchain()
        return handler(modern(source))


class InjectedStore(Injected):
    """Marks a parameter that gets the store the graph was compiled with."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Callable[[Any], Any]) -> Any:
        """Anything: a store is no data that could be validated."""
        return _anything(cls)


class InjectedToolCallId(Injected):
    """Marks a parameter that gets the id of the call, for a message that answers it."""

    langchain_base: ClassVar[str] = "InjectedToolCallId"


@dataclass
class ToolRuntime(Injected, Generic[ContextT, StateT]):
    """A tool's surroundings; a parameter annotated with this class gets it."""

    langchain_base: ClassVar[str] = "_DirectlyInjectedToolArg"

    state: StateT
    """The graph's state: a dict, or an instance of its schema."""
    context: ContextT
    """What the caller gave as `context=`."""
    config: dict[str, Any]
    stream_writer: StreamWriter
    """Publishes `custom` chunks."""
    tool_call_id: str | None
    store: Store | None
    tools: list[Any] = field(default_factory=list[Any])
    """All tools of the node."""
    execution_info: ExecutionInfo | None = None

    if not TYPE_CHECKING:

        def __class_getitem__(cls, parameters: Any) -> type:
            """The class itself: whose context and state it has is for type checkers.  Libraries
            that look at annotations at run time know the class."""
            return cls

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Callable[[Any], Any]) -> Any:
        """Anything: it is no data that could be validated."""
        return _anything(cls)


def _anything(marker: type[Injected]) -> Any:
    from pydantic_core import core_schema  # which asks, so it is loaded

    marker.join_langchain()
    return core_schema.any_schema()


def add_base(cls: type, base: type) -> None:
    """Make a class a subclass of a library's marker class, which has no fields of its own."""
    if not issubclass(cls, base):
        cls.__bases__ = (*cls.__bases__, base)
