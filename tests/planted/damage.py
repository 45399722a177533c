"""Bugs against the handling of hostile bytes and of damage."""

from __future__ import annotations

from tests.planted.bug import Bug

SAFE = (
    Bug(
        "an unknown class is imported",
        "P5",
        "checkpoint/reader.py",
        """
        if self._opaque:
            return Opaque(name, payload)
""",
        """
        if self._opaque:
            return Opaque(name, payload)
        __import__(name.rpartition(".")[0] or name)
""",
        "tests/checkpoint/test_serde_limits.py::test_reading_imports_opens_and_runs_nothing",
    ),
    Bug(
        "typed values may nest without end",
        "P5",
        "checkpoint/reader.py",
        "        if depth > self._max_depth:\n",
        "        if depth > 1_000 * self._max_depth:\n",
        "tests/checkpoint/test_serde_limits.py"
        "::test_typed_values_may_nest_to_the_limit_and_no_further",
    ),
    Bug(
        "a value that is too long is read",
        "P5",
        "checkpoint/serde.py",
        "        if len(data) > self._max_bytes:\n",
        "        if len(data) > self._max_bytes << 20:\n",
        "tests/checkpoint/test_serde_limits.py"
        "::test_a_value_that_is_too_long_is_refused_on_both_sides",
    ),
    Bug(
        "lengths are believed",
        "P5",
        "checkpoint/lengths.py",
        "    if size <= SHORT:\n",
        "    if size:\n",
        "tests/checkpoint/test_serde_limits.py"
        "::test_lists_that_claim_more_items_than_there_are_take_no_room",
    ),
)
"""P5: bytes do nothing."""

HONEST = (
    Bug(
        "the checksum of blobs is skipped",
        "P7",
        "checkpoint/scope_rows.py",
        "            if not is_sound(data, crc, scope, key, start, count):\n",
        "            if not isinstance(data, bytes):\n",
        "tests/checkpoint/test_reads.py::test_a_damaged_row_is_noticed_when_it_is_read[blob]",
    ),
    Bug(
        "the checksum of pending writes is skipped",
        "P7",
        "checkpoint/scope_rows.py",
        """
            self._check(f"the pending writes of task {task!r}", crc, data, found.seq, task)
""",
        "\n",
        "tests/checkpoint/test_reads.py::test_a_damaged_row_is_noticed_when_it_is_read[pending]",
    ),
    Bug(
        "checksums do not cover the place of a row",
        "P7",
        "checkpoint/packing.py",
        'begin = zlib.crc32(repr(place).encode("utf-8", "surrogatepass")) if place else 0',
        "begin = 0",
        "tests/checkpoint/test_places.py"
        "::test_damage_to_a_row_or_the_loss_of_one_is_noticed"
        "[UPDATE thread SET epoch=epoch+1-newest]",
    ),
    Bug(
        "a newest checkpoint that is lost is not missed",
        "P7",
        "checkpoint/reads.py",
        "            if scope.count and (self.checkpoint_id is None or count != scope.count):\n",
        "            if not scope.count and (self.checkpoint_id is None or count):\n",
        "tests/checkpoint/test_places.py::test_damage_to_a_row_or_the_loss_of_one_is_noticed",
    ),
    Bug(
        "pending writes that are lost are not missed",
        "P7",
        "checkpoint/scope_rows.py",
        "        if len(tasks) < least or (newest and len(tasks) > least):\n",
        "        if newest and len(tasks) > least:\n",
        "tests/checkpoint/test_places.py"
        "::test_damage_to_a_row_or_the_loss_of_one_is_noticed[DELETE FROM pending-pending]",
    ),
    Bug(
        "rows that were read before are taken for those that are there",
        "P7",
        "checkpoint/reads.py",
        " or not connection.execute(_IS_THERE, (scope.id, kept.checkpoint)).fetchone()",
        "",
        "tests/checkpoint/test_hot_rows.py::test_what_a_rewind_took_back_is_read_anew",
    ),
    Bug(
        "a history that is lost is not missed",
        "P7",
        "checkpoint/reads.py",
        "        if not line.ends():\n",
        "        if not line:\n",
        "tests/checkpoint/test_places.py"
        "::test_damage_to_a_row_or_the_loss_of_one_is_noticed"
        "[DELETE FROM checkpoint WHERE scope=1-history]",
    ),
    Bug(
        "events that are lost are not missed",
        "P7",
        "checkpoint/event_reads.py",
        "        if [number for number, _ in rows] != list(expected):\n",
        "        if len(rows) > len(expected):\n",
        "tests/checkpoint/test_places.py"
        "::test_damage_to_a_row_or_the_loss_of_one_is_noticed"
        "[DELETE FROM event WHERE id & 7 = 2-events]",
    ),
    Bug(
        "the checksum of a store's items is skipped",
        "P7",
        "checkpoint/store_reads.py",
        "is_sound(value.encode(), crc, *place)\n",
        "bool(place)\n",
        "tests/faults/test_bit_flips.py"
        "::test_no_answer_of_a_store_or_a_cache_is_ever_silently_wrong",
    ),
    Bug(
        "an item of a store is left out before its checksum is looked at",
        "P7",
        "checkpoint/store_reads.py",
        """
        parameters = [parameter for part in conditions for parameter in part.parameters]
""",
        """
        sql = sql.replace("WHERE", f"WHERE {passes} AND")
        parameters = [parameter for part in conditions for parameter in part.parameters] * 2
""",
        "tests/checkpoint/test_store_sqlite.py"
        "::test_no_item_is_left_out_of_a_search_because_it_is_damaged",
    ),
    Bug(
        "an item of a store that is damaged is sealed anew when it is put",
        "P7",
        "checkpoint/store_tables.py",
        " AND crc=checksum(CAST(value AS BLOB), ns, key, created, updated, ttl, expires) RETURNING",
        " RETURNING",
        "tests/checkpoint/test_store_sqlite.py::test_an_item_that_is_damaged_is_not_put_again",
    ),
    Bug(
        "the checksum of cached values is skipped",
        "P7",
        "checkpoint/cache_units.py",
        "            if not is_sound(row[2], row[1], *_packed(key), row[0]):\n",
        "            if not isinstance(row[2], bytes):\n",
        "tests/faults/test_bit_flips.py"
        "::test_no_answer_of_a_store_or_a_cache_is_ever_silently_wrong",
    ),
    Bug(
        "the checksum of a server's rows is skipped",
        "P7",
        "checkpoint/tables.py",
        "        if not is_sealed_row(self.name, row):\n",
        "        if not row:\n",
        "tests/agent_server/test_sealed.py"
        "::test_a_damaged_row_is_an_error_and_passed_over_where_work_goes_on",
    ),
    Bug(
        "a damaged row is sealed anew when it is changed",
        "P7",
        "checkpoint/tables.py",
        "iif({sound}, {self._seal(changes)}, {self.name}.row_seal)",
        "iif({sound}, {self._seal(changes)}, {self._seal(changes)})",
        "tests/checkpoint/test_row_seals.py::test_a_damaged_row_stays_so_when_it_is_changed",
    ),
    Bug(
        "the version of tables is believed without its checksum",
        "P7",
        "checkpoint/part_versions.py",
        'if not is_sealed_row("part", (name, version, seal)):',
        "if not seal:",
        "tests/checkpoint/test_part_versions.py"
        "::test_a_version_that_is_not_what_was_stored_is_damage[row_seal=1]",
    ),
    Bug(
        "indexes are not read when damage is looked for",
        "P7",
        "checkpoint/soundness_reads.py",
        "(damaged_definitions, unreadable_indexes, damaged_versions)",
        "(damaged_definitions, damaged_versions)",
        "tests/checkpoint/test_soundness_reads.py"
        "::test_an_index_whose_record_ends_too_early_is_told_of",
    ),
    Bug(
        "a commit that failed is answered as made",
        "P7",
        "checkpoint/committer.py",
        "            results = [typed_error(error, self.database)] * len(group)\n",
        "            results = [None for _ in group] if error else []\n",
        "tests/checkpoint/test_committer.py"
        "::test_a_group_that_the_disk_refuses_fails_as_one_and_the_next_one_works",
    ),
    Bug(
        "a flush that failed is forgotten",
        "P7",
        "checkpoint/flush.py",
        "                self._failure = typed_error(error, str(self._log))\n",
        "                return typed_error(error, str(self._log))\n",
        "tests/checkpoint/test_testing_faults.py::test_a_flush_that_failed_fails_all_later_ones",
    ),
    Bug(
        "a file of a newer version is opened",
        "P7",
        "checkpoint/schema.py",
        """
        check_not_newer(version, schema.version, repr(str(path)))
""",
        "\n",
        "tests/checkpoint/test_upgrades.py::test_a_newer_file_is_left_untouched",
    ),
    Bug(
        "an exception and another one share a cached result",
        "P7",
        "actors/cache_keys.py",
        "MsgpackSerializer(exact=True)",
        "MsgpackSerializer()",
        "tests/actors/test_cache_keys.py"
        "::test_an_exception_that_is_stored_with_less_in_it_has_no_key",
    ),
)
"""P7: damage is noticed, failures are told."""
