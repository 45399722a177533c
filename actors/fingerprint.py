"""What tells the code of one node from that of another, in any process; pure.

Code is what it runs, its constants, and what it closes over.  Of values in it those count that
cannot change; a list or an object counts by its class, and so does a variable that the code itself
sets (it may be a counter).
"""

from __future__ import annotations

import dis
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any, cast

from checkpoint import SerializationError

from .cache_keys import canonical, sized
from .digests import digest
from .spec import GraphSpec, NodeSpec

_FIXED = frozenset({str, bytes, int, float, complex, bool, type(None), frozenset})


def cache_namespace(node: NodeSpec) -> tuple[str, ...]:
    """Where a node's results are cached: its name, and the code that makes them.

    Where it goes next counts too.  So another node of the same name, or the same node after a
    change, has results of its own.
    """
    code = (node.call, node.targets, *((b.name, b.path) for b in node.branches))
    return ("writes", node.name, digest(_mark(code, set())).hex())


def _mark(value: Any, seen: set[int]) -> bytes:
    graph = getattr(value, "spec", value)
    if isinstance(graph, GraphSpec):
        value = tuple((name, node.call, node.targets) for name, node in graph.nodes.items())
    inside = _inside(value)
    if inside is None:
        return _fixed(value)
    if isinstance(value, FunctionType):
        if id(value) in seen:  # it calls itself
            return b"again"
        seen.add(id(value))
    return b"".join(sized([_class_name(value), *(_mark(part, seen) for part in inside)]))


def _inside(value: Any) -> Iterable[Any] | None:
    """What a piece of code, or a tuple that may hold some, is made of."""
    if isinstance(value, FunctionType):
        own = [value.__module__, value.__qualname__, value.__code__, value.__defaults__]
        return [*own, *_closed_over(value)]
    if isinstance(value, CodeType):
        return [value.co_code, value.co_names, value.co_consts]
    if isinstance(value, MethodType):
        return [value.__func__, value.__self__]
    if isinstance(value, partial):
        bound = cast("partial[Any]", value)
        return [bound.func, bound.args, *bound.keywords.items()]
    return cast("Iterable[Any]", value) if isinstance(value, tuple) else None


def _closed_over(function: FunctionType) -> Iterator[Any]:
    """The variables from outside that the function reads and does not set."""
    code = function.__code__
    opcodes = dis.get_instructions(code)
    sets = {step.argval for step in opcodes if step.opname == "STORE_DEREF"}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        if name not in sets:
            yield _content(cell)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a variable that is not bound yet
        return None


def _fixed(value: Any) -> bytes:
    if type(value) in _FIXED:
        with suppress(SerializationError):  # a frozenset may hold anything
            return canonical(value)
    return _class_name(value)


def _class_name(value: Any) -> bytes:
    kind = value if isinstance(value, type) else type(value)
    return f"{kind.__module__}.{kind.__qualname__}".encode()
