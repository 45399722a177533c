"""Where a thread goes on from when checkpoints of it are lost: pure decisions.

The root graph goes back to the newest checkpoint above its last one that can be read, and for which
all that it needs of other scopes can be read: what it links to, and the newest of each subgraph
that ran in the step after it.  What is newer goes, in all scopes: of subgraphs, what belongs to
checkpoints of the root graph that go.  A scope that belongs to no root graph goes back by itself.

Who a lost checkpoint of a subgraph belonged to is told by the others of its scope (a call of a
subgraph has a scope of its own), else by its id: ids grow with time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from .contents import Contents, Place, ScopeContents, places_of
from .record import CheckpointRecord


@dataclass(frozen=True, slots=True)
class Losses:
    """What is known of the checkpoints of a scope that cannot be read."""

    ids: frozenset[str]
    head: str | None
    """The newest of the scope; None if that is not known."""
    above: Mapping[str, str | None]
    """The parents of checkpoints, also of those that are lost, as far as they are known."""


def staying(
    contents: Contents, losses: Mapping[str, Losses], barred: Collection[str] = ()
) -> frozenset[Place]:
    """The checkpoints that stay; `contents` holds those that can be read, `losses` has the rest, by
    ns, and an entry for every scope that there was; `barred` are checkpoints of the root graph of
    which something else is lost."""
    kept = set[Place]()
    cut = _root_cut(contents, losses, barred) if "" in losses else None
    for ns, scope in contents.items():
        if ns and "" in losses and _is_owned(scope):
            kept.update(
                (ns, each.id) for each in scope.checkpoints if _owner_of(each) <= (cut or "")
            )
        else:
            last = _newest(scope, losses[ns], ()) if ns else cut
            kept.update((ns, each.id) for each in scope.checkpoints if each.id <= (last or ""))
    return frozenset(kept)


def _is_owned(scope: ScopeContents) -> bool:
    return any(map(_owner_of, scope.checkpoints))


def _owner_of(record: CheckpointRecord) -> str:
    """The checkpoint of the root graph that a subgraph's one belongs to."""
    return record.metadata.parents.get("", "")


def _root_cut(
    contents: Contents, losses: Mapping[str, Losses], given: Collection[str]
) -> str | None:
    """The checkpoint of the root graph to go on from; None: there is none."""
    root = contents.get("")
    if root is None:
        return None
    there = places_of(contents)
    roots = sorted({record.id for record in root.checkpoints} | losses[""].ids)
    barred = {*given, *_owners_of_lost(contents, losses, roots)}
    barred.update(
        record.id
        for record in root.checkpoints
        if not there.issuperset(root.links.get(record.id, ()))
    )
    return _newest(root, losses[""], barred)


def _newest(scope: ScopeContents, lost: Losses, barred: Collection[str]) -> str | None:
    """The newest checkpoint on the line of the last one that can be read and is not barred."""
    fit = {record.id for record in scope.checkpoints} - set(barred)
    known = {*fit, *lost.above, *lost.ids, *(record.id for record in scope.checkpoints)}
    parents = {record.id: record.parent_id for record in scope.checkpoints}
    above = {**parents, **lost.above}
    at = lost.head or max(known, default=None)
    seen = at
    while at is not None and at not in fit:
        seen, at = at, above.get(at)
    if at is not None:
        return at
    older = [each for each in fit if seen is not None and each < seen]
    return max(older, default=None)


def _owners_of_lost(
    contents: Contents, losses: Mapping[str, Losses], roots: list[str]
) -> Iterator[str]:
    """The checkpoints of the root graph in whose steps the newest of a subgraph is lost."""
    for ns, lost in losses.items():
        scope = contents.get(ns)
        there = {each.id: _owner_of(each) for each in scope.checkpoints} if scope else {}
        if not ns or (there and not any(there.values())):
            continue  # the root, or what stands for itself
        newest = {owner: checkpoint_id for checkpoint_id, owner in sorted(there.items())}
        heads = {lost.head} if lost.head else set[str]()
        for checkpoint_id in (lost.ids | heads) - there.keys():
            owner = _owner_of_lost(ns, checkpoint_id, newest, roots)
            if newest.get(owner, "") < checkpoint_id:
                yield owner


def _owner_of_lost(ns: str, checkpoint_id: str, newest: Mapping[str, str], roots: list[str]) -> str:
    is_call = ":" in ns.rpartition("|")[2]
    if is_call and len(newest) == 1:
        return next(iter(newest))
    return max((root for root in roots if root < checkpoint_id), default="")
