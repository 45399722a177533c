"""LangGraph's saver in memory with the operations that its base class describes and it lacks.

The base class says in words what `copy_thread`, `delete_for_runs` and `prune` do; its savers
implement `delete_thread` alone.  Here the words are taken literally, so that both engines can be
run through them.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver


class ContractSaver(InMemorySaver):
    """Keeps to the words."""

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        for ns, checkpoints in self.storage[source_thread_id].items():
            self.storage[target_thread_id][ns] = dict(checkpoints)
        kept: Any
        for kept in (self.writes, self.blobs):
            for key, value in list(kept.items()):
                if key[0] == source_thread_id:
                    kept[target_thread_id, *key[1:]] = copy(value)

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        for thread, namespaces in self.storage.items():
            for ns, checkpoints in namespaces.items():
                for name, (_, metadata, _) in list(checkpoints.items()):
                    if self.serde.loads_typed(metadata).get("run_id") in run_ids:
                        self._drop(thread, ns, name)

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        for thread in thread_ids:
            if strategy == "delete":
                self.delete_thread(thread)
                continue
            for ns, checkpoints in self.storage[thread].items():
                for name in sorted(checkpoints)[:-1]:
                    self._drop(thread, ns, name)

    def _drop(self, thread: str, ns: str, name: str) -> None:
        del self.storage[thread][ns][name]
        self.writes.pop((thread, ns, name), None)
