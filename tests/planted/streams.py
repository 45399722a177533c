"""Bugs against streams, their bounds and the end of runs."""

from __future__ import annotations

from tests.planted.bug import Bug

GAPLESS = (
    Bug(
        "a cursor reads the ring one event too early",
        "P3",
        "streaming/ring.py",
        "start = (after + 1 - self._origin) % self._max_events",
        "start = (after - self._origin) % self._max_events",
        "tests/streaming/test_ring.py::test_the_newest_events_are_held_and_the_others_counted",
    ),
    Bug(
        "the loss of a single event is not noticed",
        "P3",
        "streaming/readable.py",
        "if position + 1 < self._ring.first:",
        "if position + 2 < self._ring.first:",
        "tests/streaming/test_reader.py"
        "::TestFallingBehind::test_the_loss_of_a_single_event_is_told_too",
    ),
    Bug(
        "an event that is refused takes an id",
        "P3",
        "streaming/log.py",
        """
            if self._closed or (fence is not None and fence.raised):
                return self._refuse(event, fence)
            event.id = self._last = self._visible = self._last + 1
""",
        """
            event.id = self._last = self._visible = self._last + 1
            if self._closed or (fence is not None and fence.raised):
                return self._refuse(event, fence)
""",
        "tests/streaming/test_log.py::test_what_a_fenced_task_publishes_is_refused_and_counted",
    ),
    Bug(
        "a reader is given the chunks of a longer batch that another one was shown",
        "P3",
        "streaming/shared.py",
        "if batch.first != first or batch.last != last:",
        "if batch.first != first:",
        "tests/streaming/test_shared.py::TestLastShown"
        "::test_one_batch_is_held_at_most_whatever_the_places_of_the_readers",
    ),
    Bug(
        "a step's events overtake what the owner has not read",
        "P3",
        "streaming/log.py",
        """
            if owner is None or owner.position != last or (fence is not None and fence.raised):
""",
        """
            if owner is None or (fence is not None and fence.raised):
""",
        "tests/streaming/test_together.py::test_they_come_after_what_is_still_in_the_log",
    ),
    Bug(
        "an event is shown before its row is committed with its step",
        "P3",
        "actors/outlet.py",
        """
        staged = await log.stage_in_turn(events)  # ids of appends asked for earlier come first
        try:
            await recorder.commit([EventRow(log.run_id, number, data) for number, data in staged])
        except BaseException:
            await log.withdraw(staged)
            raise
        log.release(staged)
""",
        """
        staged = await log.stage_in_turn(events)  # ids of appends asked for earlier come first
        log.release(staged)
        await recorder.commit([EventRow(log.run_id, number, data) for number, data in staged])
""",
        "tests/actors/test_outlet.py"
        "::test_nobody_sees_a_step_before_its_rows_are_committed_with_it",
    ),
    Bug(
        "an event is shown before its row is appended",
        "P3",
        "streaming/committer.py",
        """
                await self.durable.append(rows)
                await self._reach("appended")
""",
        """
                self.confirm(rows)
                await self.durable.append(rows)
                await self._reach("appended")
                return
""",
        "tests/streaming/test_committer.py"
        "::TestPump::test_flush_waits_for_the_pump_that_is_on_its_way",
    ),
    Bug(
        "rows committed out of turn are shown out of turn",
        "P3",
        "streaming/outbox.py",
        """
        while self.visible + 1 in self._committed:
            self.visible += 1
            self._committed.remove(self.visible)
""",
        """
        self.visible = max(self._committed, default=self.visible)
""",
        "tests/streaming/test_outbox.py::test_what_commits_out_of_turn_shows_in_its_turn",
    ),
    Bug(
        "the table of events takes rows with a gap",
        "P3",
        "checkpoint/events.py",
        "        if event.id != end + 1:\n",
        "        if event.id <= end:\n",
        "tests/checkpoint/test_testing.py"
        "::TestSavers::test_a_batch_that_does_not_fit_changes_nothing",
    ),
    Bug(
        "a row that is gone from the log is passed over",
        "P3",
        "streaming/committer.py",
        """
            if event_id != after + len(events) + 1:
                break
""",
        "\n",
        "tests/streaming/test_reader.py"
        "::TestFallingBehind::test_a_row_that_is_gone_from_the_middle_is_told",
    ),
    Bug(
        "a reader that comes back in the middle of an event misses its rest",
        "P3",
        "streaming/readable.py",
        "return max(0, event_id - 1) if more_of_it else event_id",
        "return event_id",
        "tests/streaming/test_subscriber.py::TestReading"
        "::test_a_reader_comes_back_in_the_middle_of_an_event_and_with_other_modes",
    ),
    Bug(
        "the server sends the event of Last-Event-ID again",
        "P3",
        "agent_server/frames.py",
        """
        number = event.id * 8 + ordinal
        if number <= self._after:
""",
        """
        number = event.id * 8 + ordinal
        if number < self._after:
""",
        "tests/agent_server/test_readers.py"
        "::TestTheStream::test_after_an_id_comes_the_rest_and_of_a_later_one_nothing",
    ),
    Bug(
        "a reader that is to finish misses what waits for its commit",
        "P3",
        "streaming/readable.py",
        "            cursor.until = self._last\n",
        "            cursor.until = self._visible\n",
        "tests/streaming/test_committer.py"
        "::TestPump::test_a_reader_that_is_to_finish_gets_what_waits_for_its_commit",
    ),
)
"""P3: streams have no gaps."""

LIVES = (
    Bug(
        "cancel returns before the run has ended",
        "P4",
        "actors/run.py",
        """
        self.cancel_nowait(grace, action=action)
        await self._ended.wait()
""",
        """
        self.cancel_nowait(grace, action=action)
""",
        "tests/actors/test_run.py::test_cancel_lets_async_nodes_clean_up_and_leaves_nothing_alive",
    ),
    Bug(
        "a run ends before its coroutines have died",
        "P4",
        "actors/scheduler.py",
        """
        await self.supervisor.stop(self.grace)
""",
        "\n",
        "tests/actors/test_run.py::test_cancel_lets_async_nodes_clean_up_and_leaves_nothing_alive",
    ),
    Bug(
        "a task that was given up goes on streaming",
        "P4",
        "actors/context.py",
        """
        self.fenced = True
        if self._writer is not None:
            self._writer.fence()
""",
        """
        self.fenced = True
""",
        "tests/actors/test_guarded.py::test_what_a_failed_attempt_left_running_can_stream_no_more",
    ),
    Bug(
        "a log lets events in under a raised fence",
        "P4",
        "streaming/log.py",
        """
            fence.raised = True
""",
        """
            fence.raised = self._closed
""",
        "tests/streaming/test_log.py::test_what_a_fenced_task_publishes_is_refused_and_counted",
    ),
    Bug(
        "a graph in a thread that was given up goes on storing",
        "P4",
        "actors/scheduler.py",
        """
            self.recorder.fenced = True
""",
        """
            self.recorder.fenced = False
""",
        "tests/actors/test_child.py"
        "::test_a_child_in_a_worker_thread_that_was_given_up_stores_nothing_more",
    ),
    Bug(
        "a rollback leaves pending writes",
        "P4",
        "checkpoint/forget.py",
        """
    connection.execute(_DROP_WRITES, (scope, head))
""",
        "\n",
        "tests/checkpoint/test_forget.py::test_no_row_of_a_forgotten_run_stays_in_the_file",
    ),
    Bug(
        "a rollback leaves what a list had grown by",
        "P4",
        "checkpoint/forget.py",
        """
    connection.executemany(_SHORTEN, [(scope, key, end) for key, end in point.ends.items()])
""",
        "\n",
        "tests/checkpoint/test_testing.py"
        "::TestSavers::test_a_list_goes_on_in_place_as_if_the_run_had_never_been",
    ),
    Bug(
        "a rollback forgets the scopes of subgraphs",
        "P4",
        "actors/recorder.py",
        """
        if self._ns in self.points:
            return
""",
        """
        if self.points:
            return
""",
        "tests/actors/test_rollback.py::test_the_scopes_of_subgraphs_are_rolled_back_too",
    ),
)
"""P4: cancel, rollback and fences do what they say."""

BOUNDED = (
    Bug(
        "a mailbox has no bound",
        "P6",
        "actors/mailbox.py",
        """
        if len(items) + self._reserved >= self.capacity:
            self._make_room(item)
""",
        "\n",
        "tests/actors/test_mailbox.py::test_put_nowait_into_a_full_mailbox_is_refused_and_counted",
    ),
    Bug(
        "a ring has no bound of bytes",
        "P6",
        "streaming/ring.py",
        """
        while self.size > self._max_bytes and self.first < self.end - 1:
            self._drop_oldest()
""",
        "\n",
        "tests/streaming/test_log.py::test_without_a_durable_log_about_what_events_take_is_bounded",
    ),
    Bug(
        "rows wait for the event log without a bound",
        "P6",
        "streaming/committer.py",
        "        if rows and (rows + count > self._max_rows or waiting + size > self._max_size):\n",
        "        if rows and (rows + count) * size < 0:\n",
        "tests/streaming/test_committer.py"
        "::TestPump::test_more_than_the_bound_does_not_wait_for_the_event_log",
    ),
    Bug(
        "a slow reader holds the run up",
        "P6",
        "streaming/readable.py",
        "owner is None or (owner.waiter is not None and owner.position >= self._visible)",
        "owner is None or all(cursor.waiter is not None for cursor in self._cursors)",
        "tests/streaming/test_readable.py"
        "::TestCaughtUp::test_nobody_waits_for_readers_that_are_not_the_owner",
    ),
    Bug(
        "an owner is handed more of a step than it has room for",
        "P6",
        "streaming/log.py",
        "if len(owner.chunks) + len(events) > owner.room:",
        "if len(owner.chunks) > owner.room:",
        "tests/streaming/test_together.py"
        "::test_more_than_it_may_be_handed_are_bounded_by_what_the_log_holds",
    ),
    Bug(
        "a slow reader is not told what it lost",
        "P6",
        "streaming/subscriber.py",
        """
            if lost:
                self.made.append(self._mark(gap_after(self._cursor.position, lost)))
            return
""",
        """
            return
""",
        "tests/streaming/test_subscriber.py"
        "::TestFallingBehind::test_gap_marks_how_many_events_are_lost_and_goes_on",
    ),
    Bug(
        "an event that goes for its size stays in memory",
        "P6",
        "streaming/ring.py",
        """
        self._slots[(self.first - self._origin) % self._max_events] = None
        self.first += 1
""",
        """
        self.first += 1
""",
        "tests/streaming/test_ring.py::test_an_event_that_goes_for_its_size_is_not_kept_in_memory",
    ),
)
"""P6: queues are bounded, readers are on their own."""
