"""Which checkpoints stay."""

from __future__ import annotations

import pytest

from checkpoint.prune import Keep, pruned, without_runs
from tests.checkpoint.forest import joined, linked, names, scope, thread

LATEST = Keep()


def test_of_a_line_the_newest_stays() -> None:
    assert names(pruned(thread(scope("", "01 02 03 04")), LATEST)) == "04"


@pytest.mark.parametrize(
    ("last", "kept"), [(1, "04"), (2, "03 04"), (4, "01 02 03 04"), (9, "01 02 03 04")]
)
def test_of_a_line_the_newest_so_many_stay(last: int, kept: str) -> None:
    assert names(pruned(thread(scope("", "01 02 03 04")), Keep(last))) == kept


def test_what_was_written_at_a_moment_or_later_stays() -> None:
    line = thread(scope("", "01 02 03 04"))
    assert names(pruned(line, Keep(since=3.0))) == "03 04"
    assert names(pruned(line, Keep(since=3.5, last=3))) == "02 03 04"
    assert names(pruned(line, Keep(since=99.0))) == "04"


def test_nothing_stays_of_nothing() -> None:
    assert pruned({}, LATEST) == frozenset()
    assert without_runs({}, ["run"]) == frozenset()


def test_the_end_of_every_branch_stays_and_the_checkpoint_where_they_part() -> None:
    forked = thread(scope("", "01 02 03 04 05<02 06 07"))
    assert names(pruned(forked, LATEST)) == "02 04 07"


def test_branches_of_branches_keep_every_parting() -> None:
    forked = thread(scope("", "01 02 03 04 05<03 06<02 07 08<06"))
    assert names(pruned(forked, LATEST)) == "02 03 04 05 06 07 08"


def test_a_line_between_two_partings_goes() -> None:
    forked = thread(scope("", "01 02 03 04 05 06 07<05 08<01"))
    assert names(pruned(forked, LATEST)) == "01 05 06 07 08"


def test_trees_without_a_common_root_stay_apart() -> None:
    roots = joined(scope("", "01 02 03"), scope("", "04 05"))
    assert names(pruned(thread(roots), LATEST)) == "03 05"


def test_pruning_twice_keeps_what_pruning_once_kept() -> None:
    once = pruned(thread(scope("", "01 02 03 04 05<03 06<02 07 08<06 09")), LATEST)
    assert names(once) == "02 03 04 05 06 07 09"
    left = thread(scope("", "02 03 04 05<03 06<02 07 09<06"))
    assert pruned(left, LATEST) == once


def test_a_subgraph_goes_with_the_checkpoint_it_belongs_to() -> None:
    contents = thread(
        scope("", "01 05 09"),
        scope("node:1", "02 03", owner="01"),
        scope("node:2", "06 07", owner="05"),
        scope("node:3", "10 11 12", owner="09"),
    )
    staying = pruned(contents, LATEST)
    assert [names(staying, ns) for ns in contents] == ["09", "", "", "12"]
    staying = pruned(contents, Keep(2))
    assert [names(staying, ns) for ns in contents] == ["05 09", "", "06 07", "11 12"]


def test_a_subgraph_of_a_subgraph_goes_with_it() -> None:
    contents = thread(
        scope("", "01"),
        scope("a:1", "02 04", owner="01"),
        scope("a:1|b:2", "03", owner="02"),
        scope("a:1|c:3", "05", owner="04"),
    )
    staying = pruned(contents, LATEST)
    assert [names(staying, ns) for ns in contents] == ["01", "04", "", "05"]


def test_a_subgraph_of_no_checkpoint_that_is_stored_stands_for_itself() -> None:
    contents = thread(scope("", "05"), scope("node:1", "01 02", owner="00"), scope("x:2", "03 04"))
    staying = pruned(contents, LATEST)
    assert [names(staying, ns) for ns in contents] == ["05", "02", "04"]


def test_of_a_subgraph_that_keeps_its_state_the_newest_stays() -> None:
    contents = thread(
        scope("", "01 04 07 10"),
        joined(
            scope("memory", "02 03", owner="01"),
            scope("memory", "05 06", owner="04"),
            scope("memory", "08<06 09", owner="07"),
        ),
    )
    assert names(pruned(contents, LATEST), "memory") == "09"
    assert names(pruned(contents, Keep(2)), "memory") == "08 09"


def test_of_a_subgraph_that_keeps_its_state_what_belongs_to_nothing_goes() -> None:
    contents = thread(
        scope("", "09"),
        joined(scope("memory", "01 02", owner="00"), scope("memory", "05<02 06", owner="04")),
    )
    assert names(pruned(contents, LATEST), "memory") == "06"
    assert names(pruned(contents, Keep(3)), "memory") == "02 05 06"
    assert names(pruned(contents, Keep(since=5.0)), "memory") == "05 06"


def test_what_a_checkpoint_that_stays_links_to_stays() -> None:
    contents = thread(
        linked(scope("", "01 04 07 10 13<07"), "07 > memory 06", "10 > memory 09"),
        joined(
            scope("memory", "02 03", owner="01"),
            scope("memory", "05<03 06", owner="04"),
            scope("memory", "08<06 09", owner="07"),
        ),
    )
    assert names(pruned(contents, LATEST)) == "07 10 13"
    assert names(pruned(contents, LATEST), "memory") == "06 09"


def test_the_newest_checkpoint_of_a_call_stays_with_one_of_it_that_is_linked_to() -> None:
    contents = thread(
        linked(scope("", "01 04"), "04 > memory 02"),
        joined(scope("memory", "02 05 06", owner="01"), scope("memory", "08<02", owner="07")),
    )
    assert names(pruned(contents, LATEST), "memory") == "02 06 08"


def test_links_lead_on_from_scope_to_scope() -> None:
    contents = thread(
        linked(scope("", "01 02"), "02 > a 03"),
        linked(scope("a", "03 04"), "03 > a|b 05"),
        scope("a|b", "05 06 07"),
    )
    assert names(pruned(contents, LATEST), "a|b") == "05 07"
    assert names(without_runs(contents, ["one"]), "a|b") == "05 06 07"


def test_what_a_run_wrote_stays_while_another_one_links_to_it() -> None:
    contents = thread(
        linked(joined(scope("", "01", run="one"), scope("", "04<01", run="two")), "04 > memory 03"),
        scope("memory", "02 03", owner="01", run="one"),
    )
    staying = without_runs(contents, ["one"])
    assert [names(staying, ns) for ns in contents] == ["04", "03"]


def test_calls_between_two_checkpoints_of_a_call_do_not_make_two_heads_of_them() -> None:
    contents = thread(
        scope("", "01 02<01 03<01"),
        joined(
            scope("memory", "04", owner="01"),
            scope("memory", "05<04", owner="00"),
            scope("memory", "06<05", owner="01"),
        ),
    )
    assert names(pruned(contents, LATEST), "memory") == "06"


def test_where_groups_of_a_subgraph_part_stays() -> None:
    contents = thread(
        scope("", "01 06<01 09<01"),
        joined(
            scope("memory", "02 03", owner="01"),
            scope("memory", "07<02", owner="06"),
            scope("memory", "10<03", owner="09"),
        ),
    )
    assert names(pruned(contents, LATEST), "memory") == "02 03 07 10"


def test_what_runs_wrote_goes() -> None:
    one = scope("", "01 02", run="one")
    two = scope("", "03<02 04", run="two")
    three = scope("", "05<04 06", run="three")
    contents = thread(joined(one, two, three))
    assert names(without_runs(contents, ["two"])) == "01 02 05 06"
    assert names(without_runs(contents, ["one", "three"])) == "03 04"
    assert names(without_runs(contents, ["none"])) == "01 02 03 04 05 06"


def test_what_no_run_wrote_stays() -> None:
    assert names(without_runs(thread(scope("", "01 02")), ["one"])) == "01 02"


def test_a_checkpoint_stays_while_the_subgraph_of_another_run_belongs_to_it() -> None:
    contents = thread(
        scope("", "01 02 03", run="one"),
        scope("a:1", "04", owner="02", run="one"),
        scope("a:1|b:2", "05", owner="04", run="two"),
    )
    staying = without_runs(contents, ["one"])
    assert [names(staying, ns) for ns in contents] == ["02", "04", "05"]


def test_a_checkpoint_whose_parent_is_not_stored_is_a_root() -> None:
    assert names(pruned(thread(scope("", "02<01 03 05<04")), LATEST)) == "03 05"
