"""What the reader of a call wants to see of it, in which form, and what is printed besides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Protocol, cast

from streaming import SKIP, Chunk, RunLog, StreamMode, View, as_part, bare, shape, with_interrupts

from .errors import ConfigError
from .instances import Coerce
from .request import LookOptions, Modes, Version, check_keys, parse_look
from .spec import GraphSpec
from .values import START, GraphOutput

PRINTED_TO_DEBUG: tuple[StreamMode, ...] = ("updates", "values")
"""What `debug=True` prints."""


class Reader(Protocol):
    """Chunks one by one."""

    @property
    def made(self) -> Sized:
        """Those that were made already."""
        ...

    def take_nowait(self) -> Any:
        """The next chunk if it needs no waiting, so no event loop either; else SKIP."""
        ...

    def park(self) -> asyncio.Future[None] | None:
        """What to await, right away, until there may be one; None: ask `ready`."""
        ...

    def unpark(self) -> None:
        """Nothing is awaited that `park` gave."""
        ...

    async def ready(self) -> None:
        """Return when there may be one; raises StopAsyncIteration at the end."""
        ...

    async def aclose(self) -> None:
        """Read no more."""
        ...


@dataclass(slots=True, eq=False, repr=False)  # not frozen: one per call
class Look:
    """What the reader of a call wants to see."""

    modes: tuple[StreamMode, ...]
    single: bool
    """True: one mode, so bare chunks."""
    subgraphs: bool
    output_keys: Any
    printed: tuple[StreamMode, ...] = ()
    """Modes whose chunks are printed, whether they are given to the reader or not."""
    version: Version = "v1"
    as_output: Coerce | None = None
    """Version 2: makes an instance of the output schema; None: a dict stays one."""
    as_state: Coerce | None = None
    """The same for the state schema."""
    _view: View | None = field(init=False, default=None)

    @property
    def wanted(self) -> tuple[StreamMode, ...]:
        """Modes that are given or printed, each once."""
        return tuple(dict.fromkeys((*self.modes, *self.printed)))

    def show(self, chunk: Chunk) -> Any:
        """A chunk in the form that the reader gets."""
        if self.version == "v1":
            return shape(chunk, single_mode=self.single, subgraphs=self.subgraphs)
        part = as_part(chunk)
        if chunk.ns == ():
            part["data"] = self._typed(chunk.mode, part["data"])
        return part

    def reader(self, chunks: Reader) -> Shown:
        """The chunks as the reader gets them."""
        return Shown(chunks, self, self.show)

    def owner(self, log: RunLog) -> Reader:
        """The chunks of a run of which the reader is the owner; most need no more than a shape."""
        view = self._view
        if view is None:
            view = self._view = self._made_view()
        own = log.own_as(view)
        return own if self.only_shaped else self.reader(own)

    def _made_view(self) -> View:
        make = Chunk
        if self.only_shaped:
            make = bare(single_mode=self.single, subgraphs=self.subgraphs)
        return View(self.wanted, self.subgraphs, None, self.output_keys, make)

    @property
    def only_shaped(self) -> bool:
        """True if nothing is printed, or made of what chunks hold."""
        return self.version == "v1" and not self.printed

    def line(self, chunk: Chunk) -> str:
        """What is printed of a chunk: its mode in bold, the subgraph it is from in yellow."""
        words = [f"\033[1m[{chunk.mode}]\033[0m"]
        if self.subgraphs and chunk.ns:
            words.append(f"\033[33;1m\033[1;3m[graph={chunk.ns}]\033[0m")
        return " ".join((*words, repr(chunk.data)))

    def result(self, output: GraphOutput) -> Any:
        """What a call gives that is asked for no chunks."""
        if self.version == "v2":
            return replace(output, value=self._typed("values", output.value))
        if not output.interrupts:
            return output.value
        return with_interrupts(output.value, list(output.interrupts))

    def _typed(self, mode: StreamMode, data: Any) -> Any:
        """Root data with states as instances of their schemas."""
        if mode == "values":
            if self.as_output is None or self.output_keys is not None:
                return data
            whole = isinstance(data, dict)
            return self.as_output(cast("dict[str, Any]", data)) if whole else data
        if mode == "checkpoints":
            return _with_instance(data, self.as_state)
        if mode == "debug" and data["type"] == "checkpoint":
            return {**data, "payload": _with_instance(data["payload"], self.as_state)}
        return data


def look_of(spec: GraphSpec, options: LookOptions, default: Modes, *, debug: bool) -> Look:
    """What a call's options ask to see; `debug`: what the graph was compiled with.

    Raises ConfigError, UnknownStreamModeError.
    """
    modes = options.get("stream_mode")
    if modes is None:
        modes = default
    if not debug and options.keys() <= _MODE and isinstance(modes, str) and modes in _OWN_MODES:
        return _plain_look(modes)
    version = options.get("version") or "v1"
    if version not in ("v1", "v2"):
        raise ConfigError(
            f"version={version!r} is unknown; give 'v1' (default) for bare chunks and states, or "
            "'v2' for parts and a GraphOutput"
        )
    printed = options.get("print_mode") or ()
    if options.get("debug") or debug:
        printed = PRINTED_TO_DEBUG
    typed = version == "v2"
    return Look(
        modes=parse_look(modes),
        single=isinstance(modes, str),
        subgraphs=bool(options.get("subgraphs")),
        output_keys=check_keys(spec, options.get("output_keys")),
        printed=parse_look(printed),
        version=version,
        as_output=spec.as_output if typed else None,
        as_state=spec.as_state if typed else None,
    )


_MODE = frozenset({"stream_mode"})
_OWN_MODES = frozenset({"values", "updates", "custom", "checkpoints", "tasks", "debug"})
"""Modes that need no library."""


@cache
def _plain_look(mode: StreamMode) -> Look:
    """The look of a call that asks for one mode, as most do; made once, which saves them 4 µs."""
    return Look(modes=parse_look(mode), single=True, subgraphs=False, output_keys=None)


class Shown:
    """A reader's chunks in the form it wants, with what it wants printed besides.

    `form` makes of a chunk what the reader gets, or SKIP.
    """

    def __init__(self, chunks: Reader, look: Look, form: Callable[[Chunk], Any]) -> None:
        self._look = look
        self._form = form
        self._take = chunks.take_nowait
        self.made = chunks.made
        """Chunks that were made already."""
        self.park = chunks.park
        """What to await until there may be a chunk; None: ask `ready`."""
        self.unpark = chunks.unpark
        """Nothing is awaited that `park` gave."""
        self.ready = chunks.ready
        """Return when there may be a chunk; raises StopAsyncIteration at the end."""
        self.aclose = chunks.aclose
        """Read no more."""

    def take_nowait(self) -> Any:
        """The next chunk if it needs no waiting, so no event loop either; else SKIP."""
        while (chunk := self._take()) is not SKIP:
            if (shown := self._see(chunk)) is not SKIP:
                return shown
        return SKIP

    def _see(self, chunk: Chunk) -> Any:
        """Print a chunk if that is wanted; gives what the reader gets of it, or SKIP."""
        look = self._look
        if chunk.mode in look.printed:
            print(look.line(chunk))  # noqa: T201 - that is what was asked for
        return self._form(chunk) if chunk.mode in look.modes else SKIP


def _with_instance(checkpoint: Mapping[str, Any], make: Coerce | None) -> Mapping[str, Any]:
    """A checkpoint's view with its state as an instance; before the input is applied, as it is."""
    if make is None or START in checkpoint["next"] or not isinstance(checkpoint["values"], dict):
        return checkpoint
    return {**checkpoint, "values": make(cast("dict[str, Any]", checkpoint["values"]))}
