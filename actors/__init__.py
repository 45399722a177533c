"""Actors: graphs of nodes that run in super-steps, and the actor kernel they stand on."""

from streaming import StreamWriter, get_stream_writer

from .actor import Actor
from .channels import (
    AnyValue,
    BinaryOperatorAggregate,
    Channel,
    EphemeralValue,
    LastValue,
    NamedBarrierValue,
    Topic,
    UntrackedValue,
)
from .compiled import CompiledGraph
from .config import Config
from .context import get_config
from .dispatcher import Dispatcher
from .errors import (
    ActorFailedError,
    ActorsError,
    AskTimeoutError,
    CheckpointerTypeError,
    ConfigError,
    EmptyChannelError,
    EmptyInputError,
    GraphBuildError,
    GraphRecursionError,
    HandlerCancelledError,
    InvalidUpdateError,
    MailboxClosedError,
    MailboxFullError,
    NoTaskError,
    OptionError,
    OwnTaskError,
    RunCancelledError,
    RunEndedError,
    RunUnknownError,
    SupervisorClosedError,
    SystemClosedError,
    ThreadStateError,
    WrongLoopError,
)
from .graph import StateGraph
from .mailbox import Mailbox, MailboxStats
from .private import GraphStream
from .ref import ActorRef, DeadLetter
from .restart import RestartPolicy
from .run import Run
from .runtime import ExecutionInfo, Runtime
from .supervisor import Supervisor, SupervisorStats
from .system import ActorSystem
from .values import (
    END,
    START,
    TAG_HIDDEN,
    Command,
    Durability,
    Interrupt,
    Overwrite,
    RunConfig,
    Send,
    StateSnapshot,
    StateUpdate,
    TaskSnapshot,
)

__all__ = [
    "Actor",
    "ActorFailedError",
    "ActorRef",
    "ActorSystem",
    "ActorsError",
    "AnyValue",
    "AskTimeoutError",
    "BinaryOperatorAggregate",
    "Channel",
    "CheckpointerTypeError",
    "Command",
    "CompiledGraph",
    "Config",
    "ConfigError",
    "DeadLetter",
    "Dispatcher",
    "Durability",
    "END",
    "EmptyChannelError",
    "EmptyInputError",
    "EphemeralValue",
    "ExecutionInfo",
    "GraphBuildError",
    "GraphRecursionError",
    "GraphStream",
    "HandlerCancelledError",
    "Interrupt",
    "InvalidUpdateError",
    "LastValue",
    "Mailbox",
    "MailboxClosedError",
    "MailboxFullError",
    "MailboxStats",
    "NamedBarrierValue",
    "NoTaskError",
    "OptionError",
    "Overwrite",
    "OwnTaskError",
    "RestartPolicy",
    "Run",
    "RunCancelledError",
    "RunConfig",
    "RunEndedError",
    "RunUnknownError",
    "Runtime",
    "START",
    "Send",
    "StateGraph",
    "StateSnapshot",
    "StateUpdate",
    "StreamWriter",
    "Supervisor",
    "SupervisorClosedError",
    "SupervisorStats",
    "SystemClosedError",
    "TAG_HIDDEN",
    "TaskSnapshot",
    "ThreadStateError",
    "Topic",
    "UntrackedValue",
    "WrongLoopError",
    "get_config",
    "get_stream_writer",
]
