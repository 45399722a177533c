"""Which checkpoints of a thread stay: pure decisions on what it holds.

The checkpoints of a scope are a forest: each child names its parent, and a branch begins where a
checkpoint has two children.  What is stored of a subgraph belongs to a checkpoint of the graph that
called it, `metadata.parents[enclosing ns]`, the one whose step it ran in.

`pruned` looks at the *groups* of a scope: all checkpoints of the root graph are one, and those of a
subgraph are one for each checkpoint of the enclosing graph that they belong to.

* A group of a subgraph stays only if the checkpoint it belongs to stays.  What belongs to none
  that is stored stands for itself, unless its subgraph keeps its state.
* Of a group stay the heads (the checkpoints without children: the newest one, what a pending
  interrupt waits at, and the ends of other branches), the newest `last`, and those not older than
  `since`.
* A subgraph that keeps its state across calls (its ns ends without a task id) goes on from the
  newest checkpoint of its scope, whatever that belongs to: of the whole scope stay the newest
  `last`, and those not older than `since`.
* What a checkpoint that stays links to stays: there such a subgraph had come to, so from there it
  goes on when that checkpoint is replayed.  So does the newest one of the same call, if the
  subgraph's state was updated when the call had ended.
* Where two checkpoints that stay are on different branches, the one they part at stays.

So a thread without branches that is pruned to `last=1` keeps one checkpoint for each scope that it
can still reach, and pruning twice removes nothing the second time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from .contents import Contents, Place, ScopeContents, places_of
from .limits import Keep
from .record import CheckpointRecord


def pruned(contents: Contents, keep: Keep) -> frozenset[Place]:
    """The checkpoints of a thread that stay."""
    staying: set[Place] = set()
    linked: set[Place] = set()
    for ns in sorted(contents, key=_depth):
        scope = contents[ns]
        lasting = _is_lasting(ns)
        kept = set(_recent(scope.checkpoints, keep)) if lasting else set[str]()
        kept.update(_needed(scope, linked))
        above = {record.id: record.parent_id for record in scope.checkpoints}
        for owner, group in _groups(scope, contents).items():
            alone = owner is None and not lasting
            if alone or (_enclosing(ns), owner) in staying:
                kept.update(_heads(group, above), _recent(group, keep))
        kept.update(_partings(scope.checkpoints, kept))
        staying.update((ns, checkpoint_id) for checkpoint_id in kept)
        linked.update(_links(scope, kept))
    return frozenset(staying)


def without_runs(contents: Contents, run_ids: Collection[str]) -> frozenset[Place]:
    """The checkpoints of a thread that stay when those that some runs wrote go.

    One of those stays all the same while what another run stored of a subgraph belongs to it, or
    while a checkpoint that stays links to it.
    """
    staying = {
        (ns, record.id)
        for ns, scope in contents.items()
        for record in scope.checkpoints
        if record.metadata.run_id not in run_ids
    }
    known = places_of(contents)
    for ns in sorted(contents, key=_depth, reverse=True):
        for record in contents[ns].checkpoints:
            owner = (_enclosing(ns), _owner(record))
            if (ns, record.id) in staying and owner in known:
                staying.add(owner)
    linked: set[Place] = set()
    for ns in sorted(contents, key=_depth):
        scope = contents[ns]
        staying.update((ns, needed) for needed in _needed(scope, linked))
        kept = {record.id for record in scope.checkpoints if (ns, record.id) in staying}
        linked.update(_links(scope, kept))
    return frozenset(staying)


def _groups(
    scope: ScopeContents, contents: Contents
) -> Mapping[str | None, list[CheckpointRecord]]:
    """The scope's checkpoints by the id of the one of the enclosing graph they belong to."""
    outer = contents.get(_enclosing(scope.ns)) if scope.ns else None
    owners = {record.id for record in outer.checkpoints} if outer else set[str]()
    groups: dict[str | None, list[CheckpointRecord]] = {}
    for record in scope.checkpoints:
        owner = _owner(record)
        groups.setdefault(owner if owner in owners else None, []).append(record)
    return groups


def _heads(group: Sequence[CheckpointRecord], above: Mapping[str, str | None]) -> Iterator[str]:
    """The checkpoints of a group with none of it below them, near or far: between them may stand
    others, of a subgraph that was called from elsewhere in the meantime."""
    members = {record.id for record in group}
    followed: set[str | None] = set()
    for record in group:
        ancestor = record.parent_id
        while ancestor is not None and ancestor not in members and ancestor > group[0].id:
            ancestor = above.get(ancestor)
        followed.add(ancestor)
    return (record.id for record in group if record.id not in followed)


def _recent(records: Sequence[CheckpointRecord], keep: Keep) -> Iterator[str]:
    for record in records[-keep.last :]:
        yield record.id
    if keep.since is not None:
        for record in records:
            if record.created_at >= keep.since:
                yield record.id


def _links(scope: ScopeContents, kept: Collection[str]) -> Iterator[Place]:
    """What these checkpoints link to: always of deeper scopes, those of graphs that they call."""
    return (place for each in kept for place in scope.links.get(each, ()))


def _needed(scope: ScopeContents, linked: Collection[Place]) -> Iterator[str]:
    """The checkpoints that are linked to, and the newest of each one's call."""
    newest = {_call(record): record.id for record in scope.checkpoints}
    for record in scope.checkpoints:
        if (scope.ns, record.id) in linked:
            yield record.id
            yield newest[_call(record)]


def _call(record: CheckpointRecord) -> frozenset[tuple[str, str]]:
    return frozenset(record.metadata.parents.items())


def _partings(records: Sequence[CheckpointRecord], kept: set[str]) -> Iterator[str]:
    """The checkpoints with ways to what is kept through two children or more."""
    ways: dict[str, int] = {}
    for record in reversed(records):  # children are younger than their parents
        branches = ways.get(record.id, 0)
        if branches > 1:
            yield record.id
        if record.parent_id is not None and (branches or record.id in kept):
            ways[record.parent_id] = ways.get(record.parent_id, 0) + 1


def _owner(record: CheckpointRecord) -> str:
    """The id of the enclosing graph's checkpoint that a subgraph's one belongs to."""
    return record.metadata.parents.get(_enclosing(record.ns), "") if record.ns else ""


def _enclosing(ns: str) -> str:
    return ns.rpartition("|")[0]


def _depth(ns: str) -> int:
    return ns.count("|") + 1 if ns else 0


def _is_lasting(ns: str) -> bool:
    """True for a subgraph that keeps its state across calls."""
    return bool(ns) and ":" not in ns.rpartition("|")[2]
