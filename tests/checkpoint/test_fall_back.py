"""Where threads go on from: decisions about threads drawn as texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from checkpoint.contents import Contents
from checkpoint.fall_back import Losses, staying
from tests.checkpoint.forest import joined, linked, names, scope, thread

WHOLE = Losses(frozenset(), None, {})


def lost(*ids: str, head: str | None = None, **above: str) -> Losses:
    """Lost ids; `above` names parents of those that are known: `_07="06"`."""
    return Losses(frozenset(ids), head, {name[1:]: parent for name, parent in above.items()})


def left(contents: Contents, losses: Mapping[str, Losses], ns: str = "") -> str:
    everywhere = {each: losses.get(each, WHOLE) for each in {*contents, *losses}}
    return names(staying(contents, everywhere), ns)


def test_a_thread_whose_newest_is_there_stays_where_it_is() -> None:
    assert left(thread(scope("", "01 02 04 05")), {"": lost("03", head="05")}) == "01 02 04 05"


def test_a_thread_whose_newest_is_lost_goes_back_to_the_one_before() -> None:
    assert left(thread(scope("", "01 02 03")), {"": lost("04", head="04")}) == "01 02 03"


def test_it_goes_back_on_its_own_branch_if_that_is_known() -> None:
    contents = thread(scope("", "01 02 03 04<02"))
    assert left(contents, {"": lost("05", head="05", _05="03")}) == "01 02 03"
    assert left(contents, {"": lost("05", head="05", _05="04")}) == "01 02 03 04"


def test_where_the_line_is_lost_it_goes_back_to_the_newest_before_that() -> None:
    contents = thread(scope("", "01 02 03"))
    assert left(contents, {"": lost("04", "05", head="05", _05="04")}) == "01 02 03"


def test_of_a_thread_without_any_root_checkpoint_nothing_stays() -> None:
    contents = thread(scope("node:1", "02 03", owner="01"))
    assert left(contents, {"": lost("01", head="01")}, "node:1") == ""


def test_a_subgraph_goes_back_with_its_root() -> None:
    contents = thread(
        scope("", "01 04"),
        joined(scope("sub", "02 03", owner="01"), scope("sub", "05 06", owner="04")),
        scope("node:7", "08", owner="07"),
    )
    losses = {"": lost("07", head="07", _07="04")}
    assert left(contents, losses) == "01 04"
    assert left(contents, losses, "sub") == "02 03 05 06"
    assert left(contents, losses, "node:7") == ""


def test_the_root_goes_back_if_a_subgraph_in_its_step_has_lost_its_newest() -> None:
    contents = thread(scope("", "01 04"), scope("node:4", "05 06", owner="04"))
    losses = {"node:4": lost("07", head="07")}
    assert left(contents, losses) == "01"
    assert left(contents, losses, "node:4") == ""


def test_the_root_stays_if_a_subgraph_has_lost_an_older_one() -> None:
    contents = thread(scope("", "01 04"), scope("node:4", "05 07", owner="04"))
    losses = {"node:4": lost("06", head="07")}
    assert left(contents, losses) == "01 04"
    assert left(contents, losses, "node:4") == "05 07"


def test_a_subgraph_of_which_nothing_is_left_belonged_to_the_one_before_its_id() -> None:
    contents = thread(scope("", "01 04 08"))
    assert left(contents, {"node:4": lost("05", head="06")}) == "01 04 08"
    assert left(contents, {"node:8": lost(head="09")}) == "01 04"


def test_the_root_goes_back_behind_what_links_to_a_lost_checkpoint() -> None:
    root = linked(scope("", "01 04 06 07"), "04 > memory 03", "06 > memory 05", "07 > memory 05")
    contents = thread(root, scope("memory", "03", owner="01"))
    assert left(contents, {"memory": lost("05", head="05")}) == "01", "05 was made after 04"
    assert left(contents, {"memory": WHOLE}) == "01 04"


def test_a_checkpoint_that_is_barred_is_passed_over() -> None:
    contents = thread(scope("", "01 02 03"))
    found = staying(contents, {"": replace(WHOLE, head="03")}, {"03", "02"})
    assert names(found) == "01"


def test_a_scope_that_belongs_to_no_root_goes_back_by_itself() -> None:
    contents = thread(scope("", "01 02"), scope("alone", "03 04"))
    losses = {"alone": lost("05", head="05")}
    assert left(contents, losses) == "01 02"
    assert left(contents, losses, "alone") == "03 04"
    only = thread(scope("alone", "03 04", owner="02"))
    assert names(staying(only, {"alone": lost("04", head="05")}), "alone") == "03 04"


def test_where_the_newest_is_not_known_what_an_index_has_counts() -> None:
    contents = thread(scope("", "01 02"))
    assert left(contents, {"": lost("03")}) == "01 02"
    assert left(contents, {"": WHOLE}) == "01 02"
