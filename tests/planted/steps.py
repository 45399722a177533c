"""Bugs against what is kept of steps, and how often they run."""

from __future__ import annotations

from tests.planted.bug import Bug

KEPT = (
    Bug(
        "a commit is answered before it is made",
        "P1",
        "checkpoint/committer.py",
        """
                results = [apply(connection, unit) for unit in group]
                connection.execute("COMMIT")
""",
        """
                results = [apply(connection, unit) for unit in group]
                self._answer(group, results)
                connection.execute("COMMIT")
""",
        "tests/checkpoint/test_committer.py::test_what_only_the_commit_refuses_is_told_and_undone",
    ),
    Bug(
        "writes are applied in another order than they came",
        "P1",
        "checkpoint/committer.py",
        "[apply(connection, unit) for unit in group]",
        "[apply(connection, unit) for unit in reversed(group)][::-1]",
        "tests/checkpoint/test_committer.py"
        "::test_what_waits_while_a_transaction_runs_goes_into_the_next_one",
    ),
    Bug(
        "a refused batch leaves its first rows",
        "P1",
        "checkpoint/committer.py",
        """
            connection.execute("ROLLBACK TO unit")
""",
        "\n",
        "tests/checkpoint/test_committer.py::test_a_unit_that_fails_is_undone_alone",
    ),
    Bug(
        "a chunk is shown before its step is committed",
        "P1",
        "actors/outlet.py",
        """
        await recorder.commit()
        log.publish_all(events)
""",
        """
        log.publish_all(events)
        await recorder.commit()
""",
        "tests/actors/test_scheduler.py"
        "::test_a_commit_that_fails_ends_the_run_and_shows_nothing_of_it",
    ),
    Bug(
        "a chunk is shown before its step is in the file",
        "P1",
        "actors/outlet.py",
        """
    def stored() -> None:
        try:
            if recorder.settle(begun):
                log.publish_all(events)
            begun.result()
""",
        """
    log.publish_all(events)

    def stored() -> None:
        try:
            recorder.settle(begun)
            begun.result()
""",
        "tests/actors/test_outlet.py::test_a_chunk_of_a_file_is_shown_when_its_step_is_committed",
    ),
    Bug(
        "a commit that was begun does not wait for the disk",
        "P1",
        "checkpoint/committer.py",
        "                if unit.synced and self._flush is not None:\n",
        "                if self._flush is None:\n",
        "tests/actors/test_outlet.py"
        "::test_with_durability_sync_a_step_begins_when_the_one_before_it_is_on_the_disk",
    ),
    Bug(
        "durability `sync` does not wait for the disk",
        "P1",
        "actors/outlet.py",
        """
    if synced:
        await recorder.synced()
""",
        "\n",
        "tests/actors/test_scheduler.py::test_what_a_call_returns_is_synced_first",
    ),
    Bug(
        "a call returns before its result is synced",
        "P1",
        "actors/run.py",
        """
        await recorder.synced()
        if self._rollback:
""",
        """
        if self._rollback:
""",
        "tests/actors/test_scheduler.py::test_what_a_call_returns_is_synced_first",
    ),
    Bug(
        "a flush counts what was committed while it ran",
        "P1",
        "checkpoint/flush.py",
        "                self._flushed = committed\n",
        "                self._flushed = self.committed\n",
        "tests/checkpoint/test_flush.py"
        "::test_what_is_committed_while_a_flush_runs_waits_for_the_next_one",
    ),
    Bug(
        "the server tells how a run ended before that is synced",
        "P1",
        "agent_server/settling.py",
        """
        await self._tables.synced()
""",
        "\n",
        "tests/agent_server/test_settling.py"
        "::test_what_is_told_of_an_end_is_written_and_synced_before",
    ),
    Bug(
        "a rollback is told before it is synced",
        "P1",
        "actors/run.py",
        """
            await recorder.rewind()
            await recorder.synced()
""",
        """
            await recorder.rewind()
""",
        "tests/actors/test_rollback.py::test_a_rollback_is_on_the_disk_when_cancel_returns",
    ),
    Bug(
        "an effect is had before its note is synced",
        "P1",
        "actors/recorder.py",
        """
        if self.durability == "sync":
            await self.saver.synced()
""",
        "\n",
        "tests/actors/test_journal.py"
        "::test_in_durability_sync_what_is_noted_is_on_the_disk_before_anything_follows",
    ),
    Bug(
        "the server accepts a background run before it is synced",
        "P1",
        "agent_server/dispatcher.py",
        """
        await self._tables.synced()
""",
        "\n",
        "tests/agent_server/test_dispatcher.py"
        "::test_a_background_run_is_on_the_disk_when_it_is_accepted",
    ),
    Bug(
        "the server accepts a run before it is stored",
        "P1",
        "agent_server/accepting.py",
        """
        await asyncio.shield(storing)
""",
        "\n",
        "tests/agent_server/test_dispatcher.py::test_a_thread_that_is_not_there_is_refused_or_made",
    ),
    Bug(
        "a deletion is told before it is synced",
        "P1",
        "checkpoint/custodian.py",
        """
            removed = await self._change(Change(erased=tuple(held.claims)))
        await self.synced()
""",
        """
            removed = await self._change(Change(erased=tuple(held.claims)))
""",
        "tests/checkpoint/test_changes.py::test_an_operation_that_returned_is_on_the_disk",
    ),
    Bug(
        "a copy in bulk names what an older checkpoint had changed",
        "P1",
        "actors/recorder.py",
        """
        self._changed = _NO_NAMES.union(*changed.values())
        self._batch.checkpoints.append(self._record(snapshot, entries, self._changed))
""",
        """
        told = _NO_NAMES.union(*changed.values())
        self._batch.checkpoints.append(self._record(snapshot, entries, told))
""",
        "tests/actors/test_updates.py::test_copies_in_bulk_are_the_same_in_a_file",
    ),
)
"""P1: what was told is kept."""

ONCE = (
    Bug(
        "the next step starts before the last one is committed",
        "P2",
        "actors/scheduler.py",
        """
        await send_out(commands, self.setting.log, self.recorder, self.supervisor, sync=sync)
""",
        """
        if isinstance(last, RunTasks) and not (self._lockstep or self._results):
            self._begin(last.tasks)
            last = None
        await send_out(commands, self.setting.log, self.recorder, self.supervisor, sync=sync)
""",
        "tests/actors/test_outlet.py::test_a_step_begins_when_the_one_before_it_is_committed",
    ),
    Bug(
        "pending writes of siblings are dropped",
        "P2",
        "actors/trail.py",
        """
        return [SaveWrites(task, self.checkpoint_id)]
""",
        """
        return [SaveWrites(task, self.checkpoint_id)] if task.error else []
""",
        "tests/actors/test_superstep.py"
        "::test_a_failure_ends_the_run_and_keeps_what_siblings_wrote_and_the_error",
    ),
    Bug(
        "a task whose writes were kept runs again",
        "P2",
        "actors/superstep.py",
        """
            task.cached = task.writes is not None
""",
        "\n",
        "tests/actors/test_superstep.py"
        "::test_tasks_whose_writes_were_kept_do_not_run_again_and_are_reported_as_cached",
    ),
    Bug(
        "writes are applied in the order of their arrival",
        "P2",
        "actors/channelset.py",
        "ordered = done if len(done) == 1 else sorted(done, key=_path)",
        "ordered = done",
        "tests/actors/test_channelset.py::test_applying_sorts_tasks_by_path",
    ),
    Bug(
        "`next` is empty while a task waits",
        "P2",
        "actors/snapshots.py",
        "waiting = [task for task in tasks if task not in done] or self._following(applied)",
        "waiting = list[Task]()",
        "tests/actors/test_snapshots.py"
        "::test_a_failed_task_shows_its_error_and_its_siblings_their_results",
    ),
    Bug(
        "an effect that was had is had again",
        "P2",
        "actors/once.py",
        """
    return known.stage == "failed"
""",
        """
    return known.stage in ("failed", "done")
""",
        "tests/actors/test_once.py::test_a_second_ask_gets_the_first_ones_result_without_a_call",
    ),
    Bug(
        "a question has another id in another process",
        "P2",
        "actors/answers.py",
        'text_digest("|".join((*ns, str(place))))',
        'text_digest("|".join((*ns, str(place), str(id(_ID)))))',
        "tests/actors/test_answers.py"
        "::test_an_id_is_32_hex_digits_and_depends_on_nothing_but_task_and_place",
    ),
    Bug(
        "what another process wrote goes unnoticed",
        "P2",
        "checkpoint/heads.py",
        "        if self._open or version != self._version:\n",
        "        if self._open:\n",
        "tests/checkpoint/test_heads.py::test_what_another_connection_changes_is_asked_for_again",
    ),
    Bug(
        "the fence of epochs is gone",
        "P2",
        "checkpoint/commits.py",
        """
        if head is None or head.epoch != self.epoch:
            raise stale(self.batch)
""",
        """
        if head is None:
            raise stale(self.batch)
""",
        "tests/checkpoint/test_ownership.py::test_an_owner_that_was_taken_over_cannot_write",
    ),
    Bug(
        "two processes write to the file at once",
        "P2",
        "checkpoint/locks.py",
        "        while not self._try(_place(_GATE)):\n",
        "        while self._try(_place(_GATE)) is None:\n",
        "tests/checkpoint/test_lock_holder.py"
        "::test_who_waits_too_long_is_told_which_process_writes_and_that_it_is_stopped",
    ),
    Bug(
        "a server runs again after a crash what its log says has ended",
        "P2",
        "agent_server/running.py",
        "        if run.attempt > 1 and not run.stateless:\n",
        "        if run.attempt > 2 and not run.stateless:\n",
        "tests/agent_server/test_recovering.py"
        "::test_a_run_whose_log_says_that_it_has_ended_does_not_run_again[agent-success]",
    ),
    Bug(
        "a claim that is over may write",
        "P2",
        "checkpoint/ownership.py",
        """
        if self._table.writer(batch.thread_id) != batch.epoch & _TURN:
            raise stale(batch)
""",
        "\n",
        "tests/checkpoint/test_testing.py::TestSavers::test_a_claim_that_is_over_cannot_write",
    ),
    Bug(
        "a claim given back twice frees its successor's thread",
        "P2",
        "checkpoint/claims.py",
        """
            if held is None or held.turn != turn:
                return
""",
        """
            if held is None:
                return
""",
        "tests/checkpoint/test_claims.py::test_turns_grow_and_only_the_current_one_counts",
    ),
    Bug(
        "a run gives its thread back before it has settled",
        "P2",
        "actors/run.py",
        """
                await self._settle(recorder)
""",
        """
                recorder.saver.release(recorder.claim)
                await self._settle(recorder)
""",
        "tests/actors/test_rollback.py"
        "::test_a_canceller_that_is_cancelled_leaves_the_rollback_under_way",
    ),
    Bug(
        "a thread that another process holds is taken all the same",
        "P2",
        "checkpoint/ownership.py",
        """
        if not self._locks.try_lock(number):
            return self._locks.owner(number)
        # Signed""",
        """
        self._locks.try_lock(number)
        # Signed""",
        "tests/checkpoint/test_ownership.py"
        "::test_a_thread_held_by_another_process_is_refused_and_its_owner_named",
    ),
    Bug(
        "an effect that was had again is forgotten for the note before it",
        "P2",
        "actors/once.py",
        "known = self._known.get(effect.id) or self._kept.get(effect.id)",
        "known = self._kept.get(effect.id) or self._known.get(effect.id)",
        "tests/actors/test_once.py::test_a_call_that_was_made_again_is_not_made_a_third_time",
    ),
)
"""P2: nothing is done twice, and one scheduler does it."""
