"""What user code returned, turned into writes to channels; refused when it is no update."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from reprlib import repr as shortened
from typing import Any, cast

from .errors import InvalidUpdateError, ParentCommand
from .instances import updates_of
from .spec import BRANCH, ROOT, TASKS, BranchSpec, GraphSpec, NodeSpec, Writes
from .values import END, START, Command, Send

_ROOT_ONLY = frozenset({ROOT})


def writes_of(node: NodeSpec, result: Any, nodes: Collection[str]) -> Writes:
    """The writes that a node's result asks for: (channel, value) in the order given.

    `result` is a dict of updates, an instance of a schema, a Command, a Send, a list of those, or
    None; a tuple stands for a list if a Command or a Send is in it, for otherwise it is a comma too
    many.  `nodes` are the graph's.  Raises InvalidUpdateError for anything else, for a key that the
    graph does not have, and for a `goto` that leads nowhere; ParentCommand when it is for the graph
    that called this one.  What a subgraph gave is filtered instead: its state may have keys that
    its parent has not.
    """
    known = node.writes
    if node.put is not None:
        return node.put(result)
    if result is None:
        return []
    if known == _ROOT_ONLY:
        return _root_writes(node, result, nodes)
    if result.__class__ is dict and result.keys() <= known:
        return list(result.items())
    if (isinstance(result, list) and result) or _commands(result):  # an array has no truth value
        items = cast("Sequence[Any]", result)
        return [write for item in items for write in _writes_of_one(node, item, result, nodes)]
    return _writes_of_one(node, result, result, nodes)


def command_writes(command: Command[Any], node: NodeSpec, nodes: Collection[str]) -> Writes:
    """The writes of a command for this graph: its update as if `node` had made it, then its goto.

    Raises as `writes_of` does.
    """
    who = f"Node {node.name!r}"
    if command.graph == Command.PARENT:
        raise ParentCommand(replace(command, graph=None))
    if command.graph is not None:
        raise InvalidUpdateError(
            f"{who} gave {shortened(command)}, whose graph={command.graph!r} names none: leave it "
            "out for this graph, or give Command.PARENT for the one that called it"
        )
    writes: Writes = []
    if node.writes == _ROOT_ONLY and command.update is not None:
        writes.append((ROOT, command.update))
    elif command.update is not None:
        for update in _parts(command.update):
            writes += _state_writes(node, update, command)
    goto: Any = command.goto
    targets = cast("Sequence[Any]", goto) if isinstance(goto, list | tuple) else [goto]
    for target in targets:
        writes += goto_writes(target, who, nodes)
    return writes


def _parts(update: Any) -> list[Any]:
    """An update, or, if it is a list of (key, value) pairs, each of them as an update."""
    if not isinstance(update, list | tuple):
        return [update]
    items = cast("Sequence[Any]", update)
    if all(isinstance(item, tuple) and len(cast("tuple[Any]", item)) == 2 for item in items):
        return [{key: value} for key, value in items]
    return [update]


def _root_writes(node: NodeSpec, result: Any, nodes: Collection[str]) -> Writes:
    """The writes of a graph whose whole state is one value: any value, but for Commands."""
    if isinstance(result, Command):
        return command_writes(cast("Command[Any]", result), node, nodes)
    if not isinstance(result, list | tuple):
        return [(ROOT, result)]
    items = cast("Sequence[Any]", result)
    if not any(isinstance(item, Command) for item in items):
        return [(ROOT, items)]
    return [write for item in items for write in _root_writes(node, item, nodes)]


def _commands(result: Any) -> bool:
    """True for a tuple that says where to go."""
    items = cast("Sequence[Any]", result) if isinstance(result, tuple) else ()
    return any(isinstance(item, Command | Send) for item in items)


def _writes_of_one(node: NodeSpec, item: Any, result: Any, nodes: Collection[str]) -> Writes:
    if item is None:
        return []
    if isinstance(item, Command):
        return command_writes(cast("Command[Any]", item), node, nodes)
    if isinstance(item, Send):
        return goto_writes(item, f"Node {node.name!r}", nodes)
    return _state_writes(node, item, result)


def _state_writes(node: NodeSpec, item: Any, result: Any) -> Writes:
    updates = cast("Mapping[Any, Any]", item) if isinstance(item, Mapping) else updates_of(item)
    if updates is None:
        raise InvalidUpdateError(
            f"Expected dict, got {shortened(result)} from node {node.name!r}. Return a dict of "
            "state keys, an instance of a state schema, a Command, a list of those, or None"
        )
    known = node.writes
    unknown = [key for key in updates if key not in known and key not in node.dropped]
    if unknown and not isinstance(getattr(node.call, "spec", None), GraphSpec):
        raise InvalidUpdateError(
            f"Node {node.name!r} updates {', '.join(map(repr, unknown))}, which the state does "
            f"not have. Its keys are {sorted(known)}: return those, or add the key to the schema"
        )
    return [(key, value) for key, value in updates.items() if key in known]


def route_writes(result: Any, branch: BranchSpec, nodes: Collection[str]) -> Writes:
    """The trigger and task writes that a branch's result asks for.

    `result` is a node's name, END, a Send, what the branch's path_map holds, or a list or tuple of
    those.  Raises InvalidUpdateError, listing what can be, for anything else.
    """
    chosen = cast("list[Any]", result) if isinstance(result, list | tuple) else [result]
    writes: Writes = []
    for item in chosen:
        target = item if branch.ends is None or isinstance(item, Send) else _mapped(item, branch)
        writes += goto_writes(target, f"Branch {branch.name!r}", nodes)
    return writes


def goto_writes(target: Any, who: str, nodes: Collection[str]) -> Writes:
    """The write that sends control to one target; `who` asked for it, errors say.

    Raises InvalidUpdateError when the target is no node, Send or END.
    """
    if isinstance(target, Send):
        return [(TASKS, _checked(target, who, nodes))]
    if isinstance(target, str):
        if target in nodes:
            return [(BRANCH + target, None)]
        if target == END:
            return []
    if not isinstance(target, str) or target == START:  # what an array equals is an array
        raise InvalidUpdateError(
            f"Branch did not return a valid destination: {who} gave {shortened(target)}. Return "
            f"the name of a node, END, a Send, or a list of those; nodes are {sorted(nodes)}"
        )
    raise InvalidUpdateError(
        f"{who} goes to {target!r}, which is no node of this graph. Its nodes are {sorted(nodes)}: "
        "go to one of those or to END, or add the node"
    )


def _checked(send: Send, who: str, nodes: Collection[str]) -> Send:
    if send.node in nodes:
        return send
    if send.node == END:
        raise InvalidUpdateError(
            f"Cannot send a packet to the END node, as {who} does: END runs nothing. Return END "
            "itself to stop there"
        )
    raise InvalidUpdateError(
        f"{who} sends to {send.node!r}, which is no node of this graph. Its nodes are "
        f"{sorted(nodes)}: send to one of those, or add the node"
    )


def _mapped(item: Any, branch: BranchSpec) -> str:
    ends = cast("Mapping[Any, str]", branch.ends)
    try:
        return ends[item]
    except (KeyError, TypeError) as error:
        raise InvalidUpdateError(
            f"Branch {branch.name!r} returned {shortened(item)}, which its path_map does not hold. "
            f"It holds {list(ends)}: return one of those, or add it to the map (or to the "
            "function's Literal return type)"
        ) from error
