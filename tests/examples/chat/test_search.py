"""The search ranks documents and passages by what they say of a question."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from examples.chat.documents import Passage
from examples.chat.search import CARRIED, PROSE, Library, score, stem, words_of

HARBOUR = Passage("harbour.md", "Harbour", "harbour: a place where ships wait for the tide")
TIDE = Passage("tide.md", "Tide", "The tide comes twice a day, and ships leave with it.")
PILOT = Passage("pilot.md", "Pilot", "A pilot knows the sands and steers for the captain.")
STEER = Passage("steer.py", "steer", "Steers for the captain, as a pilot knows the sands.")
LIBRARY = Library([HARBOUR, TIDE, PILOT, STEER])


def test_the_document_that_says_most_comes_first() -> None:
    assert LIBRARY.find("Who is a pilot of ships?").paths[0] == "pilot.md"
    assert LIBRARY.find("When does the tide leave?").paths == ["tide.md", "harbour.md"]


def test_a_document_that_says_nothing_of_it_is_not_found() -> None:
    assert LIBRARY.find("What about zebras?").paths == []
    assert LIBRARY.find("And what is it?").paths == []


def test_prose_comes_before_code_that_says_the_same() -> None:
    assert LIBRARY.find("captain").paths == ["pilot.md", "steer.py"]


def test_a_rare_word_tells_more_than_a_common_one() -> None:
    weights = LIBRARY.find("tide twice ships").weights
    assert weights["twic"] > weights["tid"]


def test_a_file_is_found_by_its_name() -> None:
    assert LIBRARY.find("steer py").paths[0] == "steer.py"


def test_no_more_documents_are_given_than_asked_for() -> None:
    assert len(LIBRARY.find("ships tide captain", limit=2).paths) == 2


@pytest.mark.parametrize("text", ['"', "tide OR", "NEAR(", "* -tide", "a:b", "' ; drop"])
def test_a_question_is_words_and_no_query_language(text: str) -> None:
    assert set(LIBRARY.find(text).paths) <= {"tide.md", "harbour.md"}


def test_a_short_question_leans_on_the_ones_before() -> None:
    first = "What does the pilot know?"
    assert words_of("And for whom?", [first]) == {"pilot": CARRIED}
    assert words_of("And the sands?", ["Who is the captain?", "And a pilot?"]) == {
        "captain": CARRIED,
        "pilot": CARRIED,
        "sands": 1.0,
    }
    assert LIBRARY.find("And for whom?", [first]).paths == ["pilot.md", "steer.py"]


def test_a_full_question_stands_by_itself() -> None:
    assert "pilot" not in words_of("Which ships leave the harbour?", ["What is a pilot?"])


def test_the_passages_of_a_document_come_best_first_with_their_scores() -> None:
    library = Library(
        [
            Passage("log.md", "", "We saw a whale."),
            Passage("log.md", "", "The storm took the mast."),
            Passage("log.md", "Storm", "storm: wind of force ten"),
        ]
    )
    first, second = library.read("log.md", {"storm": 2.0})
    assert (first.text, second.text) == ("storm: wind of force ten", "The storm took the mast.")
    assert first.score > second.score > 0


def test_a_document_that_is_gone_has_no_passages() -> None:
    assert LIBRARY.read("gone.md", {"tide": 1.0}) == []


def test_a_definition_says_more_than_a_mention_and_prose_more_than_code() -> None:
    weights = {stem("tide"): 1.0}
    mention = Passage("a.md", "", "we wait for the tide")
    assert score(Passage("a.md", "", "tide: what we wait for"), weights) > score(mention, weights)
    code = Passage("a.py", "", "we wait for the tide")
    assert score(mention, weights) == pytest.approx(PROSE * score(code, weights))


def test_forms_of_a_word_are_the_same() -> None:
    assert {stem(word) for word in ("kill", "kills", "killed", "killing")} == {"kill"}
    assert {stem(word) for word in ("process", "processes")} == {"process"}
    assert [stem(word) for word in ("bed", "is", "sing")] == ["bed", "is", "sing"]


def test_threads_may_search_at_the_same_time() -> None:
    questions = ["tide", "pilot", "captain", "harbour"] * 25
    alone = [LIBRARY.find(question) for question in questions]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(LIBRARY.find, questions)) == alone
