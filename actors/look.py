"""What the reader of a call wants to see of it, in which form, and what is printed besides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Protocol, cast

from streaming import SKIP, Chunk, StreamMode, as_part, shape, with_interrupts

from .errors import ConfigError
from .instances import Coerce
from .request import LookOptions, Modes, Version, check_keys, parse_look
from .spec import GraphSpec
from .values import START, GraphOutput

PRINTED_TO_DEBUG: tuple[StreamMode, ...] = ("updates", "values")
"""What `debug=True` prints."""


class Source(Protocol):
    """Chunks one by one."""

    async def __anext__(self) -> Chunk: ...

    def take_nowait(self) -> Chunk | None:
        """The next chunk if it was made already."""
        ...

    async def aclose(self) -> None:
        """Read no more."""
        ...


@dataclass(frozen=True, slots=True, eq=False, repr=False)
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

    def reader(self, chunks: Source) -> Shown:
        """The chunks as the reader gets them."""
        return Shown(chunks, self)

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
    if not options and not debug and isinstance(default, str):
        return _plain_look(default)
    modes = options.get("stream_mode")
    if modes is None:
        modes = default
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


@cache
def _plain_look(mode: StreamMode) -> Look:
    """The look of a call without options, which most are; made once, which saves them 2 µs."""
    return Look(modes=parse_look(mode), single=True, subgraphs=False, output_keys=None)


class Shown:
    """A reader's chunks in the form it wants, with what it wants printed besides."""

    def __init__(self, chunks: Source, look: Look) -> None:
        self._chunks = chunks
        self._look = look

    async def __anext__(self) -> Any:
        shown = SKIP
        while shown is SKIP:
            shown = self._see(await anext(self._chunks))
        return shown

    def take_nowait(self) -> Any:
        """The next chunk if it was made already, which needs no event loop; else SKIP."""
        shown = SKIP
        while shown is SKIP and (chunk := self._chunks.take_nowait()) is not None:
            shown = self._see(chunk)
        return shown

    def _see(self, chunk: Chunk) -> Any:
        """Print a chunk if that is wanted; gives what the reader gets of it, or SKIP."""
        look = self._look
        if chunk.mode in look.printed:
            print(look.line(chunk))  # noqa: T201 - that is what was asked for
        return self._form(chunk) if chunk.mode in look.modes else SKIP

    def _form(self, chunk: Chunk) -> Any:
        """What the reader gets of a chunk, or SKIP."""
        return self._look.show(chunk)

    async def aclose(self) -> None:
        """Read no more."""
        await self._chunks.aclose()


def _with_instance(checkpoint: Mapping[str, Any], make: Coerce | None) -> Mapping[str, Any]:
    """A checkpoint's view with its state as an instance; before the input is applied, as it is."""
    if make is None or START in checkpoint["next"] or not isinstance(checkpoint["values"], dict):
        return checkpoint
    return {**checkpoint, "values": make(cast("dict[str, Any]", checkpoint["values"]))}
