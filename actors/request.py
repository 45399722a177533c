"""A call of a graph, parsed and checked: what the engine needs to know of it, as attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal, TypeAlias, TypedDict

from streaming import StreamMode, parse_modes

from .adapters import check_langchain
from .config import EMPTY, Config, check_durability, check_seconds, merge_configs, parse_config
from .context_schema import read_context
from .control import RunControl
from .errors import ConfigError, ModeNotAskedError, OptionError
from .layout import Layout, Pauses
from .report import Watch
from .spec import GraphSpec
from .values import Durability, RunConfig

OnBusy: TypeAlias = Literal["wait", "reject"]
Modes: TypeAlias = StreamMode | Sequence[StreamMode]
OutputKeys: TypeAlias = str | Sequence[str] | None
Version: TypeAlias = Literal["v1", "v2"]
Nodes: TypeAlias = Literal["*"] | Sequence[str] | None


class RunOptions(TypedDict, total=False):
    """Keyword arguments that every way of running a graph takes."""

    context: Any
    """What nodes find as `runtime.context`: things of this call that are no state."""
    output_keys: OutputKeys
    """State keys to show in `values`, `updates` and the result; None: the output schema's."""
    durability: Durability
    """When a step counts as done: "async" (default), "sync" or "exit"."""
    interrupt_before: Nodes
    """Nodes before which to pause ("*": all); none: those that the graph was compiled with."""
    interrupt_after: Nodes
    """Nodes after which to pause, likewise."""
    control: RunControl | None
    """Ask it to stop the run at the next super-step boundary, where it is saved."""
    stateless: bool
    """True: no thread and nothing stored, even when the graph was compiled with a saver."""
    on_busy: OnBusy
    """When another run holds the thread: "wait" (default) for it, or "reject"."""
    busy_timeout: float | None
    """Seconds to wait for a busy thread (default 30; None: for ever)."""


class StartOptions(RunOptions, total=False):
    """Keyword arguments of `ActorSystem.start`."""

    stream_mode: Modes
    """What `Run.stream` shows when it is not told otherwise.  Default "updates"."""


class ChunkOptions(RunOptions, total=False):
    """What whoever reads a call may ask to see."""

    stream_mode: Modes
    """`stream`: one mode gives bare chunks, a list of modes (mode, chunk); default "updates".
    `invoke`: "values" (default) gives the last state, any other mode the list of its chunks."""
    subgraphs: bool
    """True: chunks of subgraphs too, each with its namespace in front."""
    print_mode: Modes
    """Modes whose chunks are printed, whatever is given to the caller."""
    debug: bool
    """True: print `updates` and `values`."""


class LookOptions(ChunkOptions, total=False):
    """What `stream`, `astream`, `invoke` and `ainvoke` take beside."""

    version: Version
    """"v2": a chunk is {"type": mode, "ns": namespace, "data": chunk}, a last state a GraphOutput;
    states are instances of a schema that is a class of its own.  Default "v1"."""


class StreamOptions(LookOptions, total=False):
    """Keyword arguments of `stream` and `astream`."""


class InvokeOptions(LookOptions, total=False):
    """Keyword arguments of `invoke` and `ainvoke`."""


@dataclass(slots=True, eq=False, repr=False)  # not frozen: one per run, 2 µs less
class Request:
    """One run that was asked for; never changed."""

    config: RunConfig
    context: Any = None
    durability: Durability = "async"
    stateless: bool = False
    on_busy: OnBusy = "wait"
    busy_timeout: float | None = 30.0
    output_keys: OutputKeys = None
    stream_mode: Modes = "updates"
    interrupt_before: Nodes = None
    interrupt_after: Nodes = None
    control: RunControl | None = None

    @classmethod
    def parse(
        cls,
        config: Config | None,
        bound: Config | None,
        options: RunOptions,
        *,
        known: type[RunOptions] = RunOptions,
        context_schema: Any = None,
    ) -> Request:
        """Check everything that can be checked without touching anything.

        Raises ConfigError (a ValueError) that says what was given and what can be, OptionError (a
        TypeError) for a keyword argument that there is not, and as `read_context` does.
        """
        known_mode = "stream_mode" in known.__annotations__
        mode: Any = options.get("stream_mode") if known_mode else None
        if not options or (len(options) == 1 and isinstance(mode, str)):
            mode = mode or "updates"
            parsed = parse_config(merge_configs(bound, config))
            return _plain(mode) if parsed is EMPTY else cls(parsed, stream_mode=mode)
        given: dict[str, Any] = {n: value for n, value in options.items() if value is not None}
        keywords = known.__annotations__.keys()
        unknown = sorted(given.keys() - keywords)
        if unknown:
            raise OptionError(
                f"unexpected keyword argument {unknown[0]!r}; there are "
                f"{', '.join(sorted(keywords))}"
            )
        on_busy = given.get("on_busy", "wait")
        if on_busy not in ("wait", "reject"):
            raise ConfigError(f"on_busy={on_busy!r} is unknown; give 'wait' or 'reject'")
        return cls(
            config=parse_config(merge_configs(bound, config)),
            context=read_context(context_schema, given.get("context")),
            durability=check_durability(options.get("durability") or "async"),
            stateless=bool(given.get("stateless", False)),
            on_busy=on_busy,
            output_keys=options.get("output_keys"),
            stream_mode=given.get("stream_mode", "updates"),
            interrupt_before=given.get("interrupt_before"),
            interrupt_after=given.get("interrupt_after"),
            control=_checked_control(given.get("control")),
            busy_timeout=check_seconds("busy_timeout", options.get("busy_timeout", 30.0)),
        )

    @property
    def claim_timeout(self) -> float | None:
        """Seconds to wait for the thread."""
        return 0.0 if self.on_busy == "reject" else self.busy_timeout


@lru_cache(maxsize=64)
def _plain(stream_mode: Modes) -> Request:
    """A call with nothing but its input and a mode; made once, which saves such calls 2 to 5 µs."""
    return Request(EMPTY, stream_mode=stream_mode)


def _checked_control(control: Any) -> RunControl | None:
    if control is None or isinstance(control, RunControl):
        return control
    raise ConfigError(f"control={control!r} controls no run; give a RunControl, or leave it out")


def layout_for(layout: Layout, request: Request) -> Layout:
    """A graph's layout with the pauses that a call asks for.  Raises ConfigError."""
    before, after = request.interrupt_before, request.interrupt_after
    if not before and not after:
        return layout
    pauses = Pauses(
        before=nodes_of(layout.spec, before) if before else layout.pauses.before,
        after=nodes_of(layout.spec, after) if after else layout.pauses.after,
    )
    return replace(layout, pauses=pauses)


def nodes_of(spec: GraphSpec, names: Nodes) -> frozenset[str]:
    """Names of nodes; "*" means all that are not hidden.  Raises ConfigError for an unknown one."""
    if names == "*":
        return frozenset(name for name, node in spec.nodes.items() if not node.hidden)
    for name in (wanted := (names,) if isinstance(names, str) else names or ()):
        if name not in spec.nodes:
            raise ConfigError(
                f"Interrupt node `{name}` not found: there is no such node to pause at; give some "
                f"of {sorted(spec.nodes)}, or '*' for all"
            )
    return frozenset(wanted)


def check_keys(spec: GraphSpec, keys: OutputKeys) -> OutputKeys:
    """Keys of the state, as given.  Raises ConfigError for any other."""
    asked = (keys,) if isinstance(keys, str) else (keys or ())
    unknown = [key for key in asked if key not in spec.state_keys]
    if unknown:
        raise ConfigError(
            f"output_keys={keys!r}: {unknown[0]!r} is no key of the state; "
            f"give some of {list(spec.state_keys)}"
        )
    return keys


def narrowed(spec: GraphSpec, values: dict[str, Any], keys: OutputKeys) -> Any:
    """A run's final values as the caller wants them: all, some, or one of them bare."""
    if keys is None:
        return values if spec.bare is None else values.get(spec.bare)
    if isinstance(keys, str):
        return values.get(keys)
    return {key: values[key] for key in keys if key in values}


def parse_look(modes: Modes) -> tuple[StreamMode, ...]:
    """The stream modes to show.  Raises UnknownStreamModeError, LangChainVersionError."""
    parsed = parse_modes(modes)
    if "messages" in parsed or "events" in parsed:
        check_langchain()
    return parsed


@lru_cache(maxsize=64)
def watch_of(modes: tuple[StreamMode, ...]) -> Watch:
    """The kinds of events these modes show anything of."""
    wanted = frozenset(modes)
    debug = "debug" in wanted
    return Watch(
        values="values" in wanted,
        updates="updates" in wanted,
        tasks=debug or "tasks" in wanted,
        checkpoints=debug or "checkpoints" in wanted,
        messages="messages" in wanted,
        events="events" in wanted,
    )


WATCH_STATES = watch_of(parse_modes(["values", "updates", "tasks", "checkpoints", "debug"]))
"""What every run shows that may be joined later."""


def watch_of_run(modes: Sequence[StreamMode]) -> Watch:
    """The same, and what has to be asked for when a run begins."""
    return replace(WATCH_STATES, messages="messages" in modes, events="events" in modes)


def check_asked(run_id: str, modes: Sequence[StreamMode], watch: Watch) -> None:
    """Raise ModeNotAskedError for modes that a run shows only if it was started with them."""
    for mode, asked, why in (
        ("messages", watch.messages, "models tell of their tokens"),
        ("events", watch.events, "spans are told of"),
    ):
        if mode in modes and not asked:
            raise ModeNotAskedError(
                f"run {run_id!r} cannot show {mode!r}: {why} only when that was asked for as the "
                f"run began; start it with stream_mode=[…, {mode!r}]"
            )
