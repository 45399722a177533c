"""Threads drawn as texts, for the pure decisions about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from checkpoint import CheckpointMetadata, CheckpointRecord, Entry
from checkpoint.contents import BlobSize, Contents, Place, ScopeContents


def record(
    name: str,
    parent: str | None,
    *,
    ns: str = "",
    owner: str = "",
    run: str | None = None,
    entries: Mapping[str, Entry] | None = None,
) -> CheckpointRecord:
    """A checkpoint written at the second that its name's number says."""
    enclosing = ns.rpartition("|")[0]
    return CheckpointRecord(
        id=name,
        thread_id="thread",
        ns=ns,
        parent_id=parent,
        created_at=float(name[-2:]),
        metadata=CheckpointMetadata("loop", 0, run, {enclosing: owner} if owner else {}),
        entries=entries or {},
        changed=frozenset(entries or {}),
        version=1,
    )


def scope(ns: str, line: str, owner: str = "", run: str | None = None) -> ScopeContents:
    """Checkpoints such as "01 02<01 03<01 04", each after its parent: the one that "<" names, or
    the one before it."""
    records: list[CheckpointRecord] = []
    for word in line.split():
        name, _, parent = word.partition("<")
        above = parent or (records[-1].id if records else None)
        records.append(record(name, above, ns=ns, owner=owner, run=run))
    return ScopeContents(ns, tuple(records), {}, ())


def thread(*scopes: ScopeContents) -> Contents:
    """A thread of scopes."""
    return {each.ns: each for each in scopes}


def joined(*parts: ScopeContents) -> ScopeContents:
    """One scope of several groups, each a line of its own."""
    records = tuple(record for part in parts for record in part.checkpoints)
    return ScopeContents(parts[0].ns, records, {}, tuple[BlobSize, ...]())


def linked(around: ScopeContents, *links: str) -> ScopeContents:
    """The scope, of which a checkpoint needs one of another: "01 > ns 02"."""
    found: dict[str, frozenset[Place]] = {}
    for link in links:
        name, _, ns, needed = link.split()
        found[name] = frozenset({(ns, needed)})
    return replace(around, links=found)


def names(staying: frozenset[Place], ns: str = "") -> str:
    """The checkpoints of a scope that stay."""
    return " ".join(sorted(place[1] for place in staying if place[0] == ns))
