"""Errors of the engine: what was asked, why it cannot be, what to do.

ActorsError
├── GraphBuildError (ValueError)        the graph as built cannot run
│   └── GeneratorFunctionError (NotImplementedError)  a generator was given to run
├── ConfigError (ValueError)            a call's arguments or config cannot be
│   ├── CheckpointerTypeError (TypeError)
│   ├── ContextTypeError (TypeError)
│   ├── ModeNotAskedError               a run was not begun so that this could be shown
│   └── StoreTypeError (TypeError)
├── InvalidUpdateError                  a node or caller gave something that is no update
├── MessageError (ValueError)           something given as a message is none, or removes none
│   └── MessageTypeError (TypeError, NotImplementedError)  it is of a type that no message has
├── NodeTimeoutError                    an attempt of a node took too long
├── NodeCancelledError                  a node cancelled itself
├── NodeStoppedError (RuntimeError)     a node raised what ends a stream
├── StepTimeoutError (TimeoutError)     a super-step took longer than `step_timeout`
├── CacheKeyError (TypeError)           a key function gave something that is no key
├── GraphBubbleUp                       passes through nodes
│   ├── GraphInterrupt                  the run waits for answers
│   ├── ParentCommand                   a command for the graph that called this one
│   └── GraphDrained                    the run was asked to stop, and did between two steps
├── RootGraphError (RuntimeError)       a graph that keeps its state for callers has none
├── ResumeError (RuntimeError)          a resume answers nothing, or may answer several
├── EmptyInputError                     there is nothing to run
├── EmptyChannelError                   a channel that holds no value was read
├── GraphRecursionError (RecursionError)  the steps ran out
├── ThreadStateError                    what the thread holds and the graph do not fit
│   ├── KeyRetypedError                 a key's stored value is not of the type it has now
│   ├── MigrationError                  a function that was to make the new value of it failed
│   └── NodeGoneError                   it waits in a node that the graph does not have
├── RunCancelledError                   the result of a cancelled run was asked for
├── RunUnknownError (LookupError)       no run has this id
├── RunEndedError                       the run is over, so it cannot be undone
├── SystemClosedError                   the actor system takes nothing new
├── NoTaskError (RuntimeError)          this is no code of a node
├── TaskPendingError (RuntimeError)     a task's result was asked for where it can never come
├── OutcomeUnknown (RuntimeError)       an effect was begun, and nothing says how it ended
├── OptionError (TypeError)             there is no such keyword argument
├── LangChainVersionError (ImportError)  the version that is loaded cannot be streamed
├── of agents, in `actors.prebuilt.errors`
│   ├── AgentDefinitionError (ValueError)   an agent cannot be made so
│   ├── AgentModelError (TypeError)     a model gave no message
│   ├── ChatHistoryError (ValueError)   a tool call in the messages has no answer
│   ├── LangChainMissingError (ImportError)  it is not installed
│   ├── ToolDefinitionError (ValueError)    something given is no tool
│   ├── ToolInjectionError (ValueError)     a tool asks for what its run does not have
│   ├── ToolInputError (ValueError)     there is no call of a tool
│   ├── ToolInvocationError             a model gave arguments that a tool does not take
│   └── ToolResultError (ValueError, TypeError)  what a tool returned answers no call
├── of simulations, in `actors.testing.errors`
│   ├── BrokenPromiseError (AssertionError)  the engine did what it promises not to do
│   ├── SimulationError (RuntimeError)  a simulation was asked for what it cannot do
│   │   └── StuckError                  nothing in it can go on any more
│   ├── UnsafeResumeError (AssertionError)  a graph is not safe to run again after a crash
│   ├── OutageError (RuntimeError)      raised by nodes: a run that fails for now
│   └── (ProcessKilled (BaseException): the end of a simulated process, no error)
├── DrawingError (ValueError)           the graph cannot be drawn so
├── DrawingUnavailableError (ImportError)  nothing is installed that draws so
├── JsonSchemaError (ValueError)        a schema has no JSON schema
├── JsonSchemaUnavailableError (ImportError)  nothing is installed that makes it
└── kernel
    ├── MailboxFullError
    ├── MailboxClosedError
    ├── MailboxEmptyError (LookupError)
    ├── MailboxReaderError (RuntimeError)   a mailbox has one reader
    ├── AskTimeoutError (TimeoutError)
    ├── HandlerCancelledError           a message's handling was cancelled
    ├── ActorFailedError                an actor used up its restart budget
    ├── SupervisorClosedError
    ├── OwnTaskError (RuntimeError)     a task would wait for itself
    └── WrongLoopError (RuntimeError)   a kernel object was used outside its event loop
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    from .values import Command, Interrupt


class ActorsError(Exception):
    """Root of the engine's errors; never raised itself."""


class GraphBuildError(ActorsError, ValueError):
    """The graph as built cannot run; the message names the culprit and the mend."""


class GeneratorFunctionError(GraphBuildError, NotImplementedError):
    """A generator function was given as an entrypoint or a task; return a value, stream to a
    writer."""


class ConfigError(ActorsError, ValueError):
    """An argument or a config value cannot be; the message lists what can."""


class CheckpointerTypeError(ActorsError, TypeError):
    """What was given as checkpointer is no saver; give a MemorySaver, a SqliteSaver, or None."""


class ContextTypeError(ConfigError, TypeError):
    """A run's context is not what the graph's context_schema says; give a dict of its fields."""


class StoreTypeError(ConfigError, TypeError):
    """What was given as store is none; give a MemoryStore, a SqliteStore, or None."""


class InvalidUpdateError(ActorsError):
    """A node or a caller gave something that is no update; return a dict of state keys."""


class MessageError(ActorsError, ValueError):
    """Something given as a message is none, or removes one that is not there; the message says what
    it lacks."""


class MessageTypeError(MessageError, TypeError, NotImplementedError):
    """Something of a type that no message has; give a dict, a pair (role, content) or a str."""


class GraphBubbleUp(ActorsError):  # noqa: N818 - the name users know; no error, a signal
    """Root of what passes through a node on its way to the graph that handles it; never raised."""


class GraphInterrupt(GraphBubbleUp):
    """A node asked for a pause: let it pass; the run ends as interrupted and can be resumed."""

    def __init__(self, interrupts: Sequence[Interrupt] = ()) -> None:
        super().__init__(tuple(interrupts))
        self.interrupts = tuple(interrupts)

    @classmethod
    def alone_in(cls, error: BaseException) -> GraphInterrupt | None:
        """The first pause of a group of nothing else, such as a TaskGroup raises; else None."""
        if not isinstance(error, BaseExceptionGroup):
            return error if isinstance(error, GraphInterrupt) else None
        group = cast("BaseExceptionGroup[BaseException]", error)
        found = [cls.alone_in(each) for each in group.exceptions]
        return None if None in found else found[0]


class ParentCommand(GraphBubbleUp):
    """A node addressed the graph that called its own; raised to the caller if there is none."""

    def __init__(self, command: Command[Any]) -> None:
        super().__init__(command)
        self.command = command


class GraphDrained(GraphBubbleUp):
    """The run was asked to stop and is saved: run the thread again with None as input.

    `reason`: what `RunControl.request_drain` was given.
    """

    def __init__(self, reason: str = "shutdown") -> None:
        super().__init__(f"Graph drained: {reason}")
        self.reason = reason


class NodeTimeoutError(ActorsError):
    """An attempt of a node took longer than its policy allows; allow more, or have it retried.

    `kind` says which limit was passed and `timeout` how many seconds that is; `elapsed` seconds had
    gone by.  No TimeoutError, so that the default retry policy covers it.
    """

    def __init__(
        self,
        node: str,
        elapsed: float,
        *,
        kind: Literal["idle", "run"],
        idle_timeout: float | None = None,
        run_timeout: float | None = None,
    ) -> None:
        self.node = node
        self.elapsed = elapsed
        self.kind: Literal["idle", "run"] = kind
        self.idle_timeout = idle_timeout
        self.run_timeout = run_timeout
        self.timeout = (idle_timeout if kind == "idle" else run_timeout) or 0.0
        without = " without making progress" if kind == "idle" else ""
        super().__init__(
            f"Node '{node}' exceeded its {kind} timeout of {self.timeout:.3f}s{without} "
            f"(elapsed: {elapsed:.3f}s)."
        )


class NodeCancelledError(ActorsError):
    """A node raised CancelledError though nobody cancelled it; let it raise another exception."""

    def __init__(self, node: str, message: str | None = None) -> None:
        super().__init__(message or f"Node {node!r} raised asyncio.CancelledError")
        self.node = node


class NodeStoppedError(ActorsError, RuntimeError):
    """A node raised StopAsyncIteration, which would end who reads the run as if all were well; the
    cause says which node.  Give `anext` a default, or let the node raise another exception."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(
            message
            or "a node raised StopAsyncIteration, which would end the loop over its run's chunks "
            "as if all were well; give `anext` a default, or let the node raise another exception"
        )


class CacheKeyError(ActorsError, TypeError):
    """A key function of a cache policy gave something that is no key; return a str or bytes."""


class StepTimeoutError(ActorsError, TimeoutError):
    """A super-step took longer than `step_timeout`; raise it, or run the thread again."""


class RootGraphError(ActorsError, RuntimeError):
    """checkpointer=True is for graphs that a node calls; give a saver to run one by itself."""


class ResumeError(ActorsError, RuntimeError):
    """A resume does not say, or cannot know, what it answers; the message says which it lacks."""


class EmptyInputError(ActorsError):
    """The run got no input and its thread has nothing to go on with; give an input."""


class EmptyChannelError(ActorsError):
    """A channel that holds no value was read; write to it first."""


class GraphRecursionError(ActorsError, RecursionError):
    """`recursion_limit` steps did not reach the end; raise the limit or mend the loop."""


class ThreadStateError(ActorsError):
    """A thread's checkpoint and the graph do not fit together; the message says where."""


class KeyRetypedError(ThreadStateError):
    """A thread holds a value that does not fit what its key is now; give `compile` a migration."""

    def __init__(self, message: str, *, thread_id: str = "", key: str = "") -> None:
        super().__init__(message)
        self.thread_id = thread_id
        self.key = key


class MigrationError(ThreadStateError):
    """A migration raised, or gave what its key does not take; mend the function, and run again."""

    def __init__(
        self, message: str, *, thread_id: str = "", key: str = "", function: str = ""
    ) -> None:
        super().__init__(message)
        self.thread_id = thread_id
        self.key = key
        self.function = function
        """The migration's name."""


class NodeGoneError(ThreadStateError):
    """A thread waits in nodes that its graph does not have; send it elsewhere with
    Command(goto=...), write for another node with update_state, or restore the nodes."""

    def __init__(
        self, message: str, *, thread_id: str | None = None, nodes: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.thread_id = thread_id
        self.nodes = tuple(nodes)
        """The nodes that are gone."""


class RunCancelledError(ActorsError):
    """The run was cancelled, so it has no result; read its thread's state or start it again."""


class RunUnknownError(ActorsError, LookupError):
    """No run with this id is known here; give the id of a run of this system or its event log."""


class RunEndedError(ActorsError):
    """The run has ended and its checkpoints stay; run the thread from an older one to undo it."""


class SystemClosedError(ActorsError):
    """The actor system is closed or closing; start runs while it is open."""


class NoTaskError(ActorsError, RuntimeError):
    """There is no task here; call this from inside a node, or from a function it calls."""


class OutcomeUnknown(ActorsError, RuntimeError):  # noqa: N818 - a state of the world, no mistake
    """An effect was begun when its task ran before and gave nothing that could be given back; look
    in the other system for the idempotency key, then go on with `update_state`."""

    def __init__(self, message: str, *, key: str = "", idempotency_key: str = "") -> None:
        super().__init__(message)
        self.key = key
        """What the node calls the effect."""
        self.idempotency_key = idempotency_key
        """What other systems know it by."""


class TaskPendingError(ActorsError, RuntimeError):
    """The result of a task was asked for on the event loop that is to run it; await the task."""


class OptionError(ActorsError, TypeError):
    """There is no such keyword argument; give one of those that the message lists."""


class DrawingError(ActorsError, ValueError):
    """The graph cannot be drawn so; the message says why, and what can be drawn instead."""


class DrawingUnavailableError(ActorsError, ImportError):
    """Nothing is installed that draws so; install understudy[draw]."""


class ModeNotAskedError(ConfigError):
    """A stream mode that has to be asked for when a run begins was not; start the run with it."""


class LangChainVersionError(ActorsError, ImportError):
    """The langchain_core that is loaded is too old for what was asked; install a newer one."""


class JsonSchemaError(ActorsError, ValueError):
    """A type in a graph's schema has no JSON schema; give it one, or another type."""


class JsonSchemaUnavailableError(ActorsError, ImportError):
    """Nothing is installed that makes JSON schemas; install understudy[pydantic]."""


class MailboxFullError(ActorsError):
    """The mailbox is at its bound; wait with `tell`, or raise the bound."""


class MailboxClosedError(ActorsError):
    """The mailbox is closed: its actor has stopped; ask its supervisor for a new one."""


class AskTimeoutError(ActorsError, TimeoutError):
    """No answer came before the deadline; give `ask` more time or look why the actor is slow."""


class ActorFailedError(ActorsError):
    """The actor failed more often than its restart budget allows; its last error is the cause."""


class MailboxEmptyError(ActorsError, LookupError):
    """The mailbox holds nothing; wait with `get`."""


class MailboxReaderError(ActorsError, RuntimeError):
    """A second task reads the mailbox; give each reader a mailbox of its own."""


class HandlerCancelledError(ActorsError):
    """The handling of a message was cancelled, so it gave no result; send the message again."""


class SupervisorClosedError(ActorsError):
    """The supervisor has stopped or is stopping; start things under one that is open."""


class OwnTaskError(ActorsError, RuntimeError):
    """A task would wait for itself to end; wait from a task outside."""


class WrongLoopError(ActorsError, RuntimeError):
    """A kernel object was used outside its event loop; from threads use `tell_threadsafe`."""
