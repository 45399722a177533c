"""Finding: which documents a question is about, and which of their passages answer it.

SQLite's full-text index (FTS5, in memory) ranks the documents; the passages of one document are
then scored word by word, which needs nothing but the passages.
"""

from __future__ import annotations

import math
import re
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .documents import Passage, passages_below

REPOSITORY = Path(__file__).resolve().parents[2]
CARRIED = 0.4
"""Weight of a word that only an earlier question has."""
PROSE = 1.5
"""Weight of documents against that of docstrings: they were written to explain."""
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_STOP = frozenset(
    _WORD.findall("""
    a about after again all also am an and any are as at be because been before being but by can
    could did do does doing don't explain for from get give had happen happens has have how i if in
    into is it it's its just know let like make may me mean means more my no not of on or other our
    out please say she should show so some such tell than that the their them then there these they
    this those to too up us use used was way we were what what's when where which while who whom
    whose why will with would you your
    """)
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a question is about."""

    weights: dict[str, float]
    """Its words, as `stem` gives them, and how much each one tells."""
    paths: list[str]
    """The documents that speak of them, best first."""


class Library:
    """An index of passages; safe to use from several threads.

    Library.of(Path("docs")).find("What is a checkpoint?").paths
    """

    def __init__(self, passages: Iterable[Passage]) -> None:
        self._lock = threading.Lock()
        self._documents: dict[str, list[Passage]] = defaultdict(list)
        self._index = sqlite3.connect(":memory:", check_same_thread=False)
        self._index.execute(
            "CREATE VIRTUAL TABLE passages USING fts5"
            "(path UNINDEXED, words, heading, text, tokenize='porter unicode61')"
        )
        for passage in passages:
            self._documents[passage.path].append(passage)
        self._index.executemany(
            "INSERT INTO passages VALUES (?, ?, ?, ?)",
            [
                (path, path, passage.heading, passage.text)
                for path, stock in self._documents.items()
                for passage in stock
            ],
        )
        self._size = sum(map(len, self._documents.values()))

    @classmethod
    def of(cls, folder: Path) -> Library:
        """The library of a folder's documents."""
        return cls(passages_below(folder))

    def __len__(self) -> int:
        """The number of documents."""
        return len(self._documents)

    def find(self, question: str, earlier: Sequence[str] = (), *, limit: int = 4) -> Found:
        """The documents that speak of what is asked; `earlier` questions help a short one."""
        weights: dict[str, float] = {}
        totals: dict[str, float] = defaultdict(float)
        for word, weight in words_of(question, earlier).items():
            ranks = self._ranks(word)
            if ranks:
                rarity = math.log(1 + self._size / len(ranks))
                weights[stem(word)] = weight * rarity
            for path, best in _best(ranks).items():
                totals[path] += weight * best * _kind(path)
        paths = sorted(totals, key=lambda path: (-totals[path], path))
        return Found(weights, paths[:limit])

    def read(self, path: str, weights: Mapping[str, float], *, limit: int = 2) -> list[Passage]:
        """The passages of a document that say most about these words, best first."""
        scored = [replace(p, score=score(p, weights)) for p in self._documents.get(path, ())]
        return sorted(scored, key=lambda passage: -passage.score)[:limit]

    def _ranks(self, word: str) -> list[tuple[str, float]]:
        """(path, rank) of the passages that have the word; a higher rank is better."""
        with self._lock:
            return self._index.execute(
                "SELECT path, -bm25(passages, 0, 0.5, 2, 1) FROM passages WHERE passages MATCH ?",
                (f'"{word}"',),
            ).fetchall()


def words_of(question: str, earlier: Sequence[str] = ()) -> dict[str, float]:
    """The words that tell something, with their weights.

    A question with fewer than three of them leans on the one before it: "And when it is killed?"
    """
    own = _telling(question)
    words: dict[str, float] = {}
    if len(own) < 3 and earlier:
        words = dict.fromkeys(words_of(earlier[-1], earlier[:-1]), CARRIED)
    return words | dict.fromkeys(own, 1.0)


def score(passage: Passage, weights: Mapping[str, float]) -> float:
    """How much a passage says of these words; each counts once.

    More if it begins with them, as a definition does, or stands under a heading that has them.  A
    long passage says less per word; a very short one is no answer.
    """
    text = [stem(word) for word in _words(passage.text)]
    heading = [stem(word) for word in _words(passage.heading)]
    said = sum(
        weight * ((word in text) + 0.5 * (word in text[:2]) + 0.5 * (word in heading))
        for word, weight in weights.items()
    )
    return said * _kind(passage.path) / (1 + abs(len(text) - 25) / 100)


def stem(word: str) -> str:
    """A word without its ending, so that one form of it finds the others."""
    for ending in ("ing", "ed", "es", "s", "e"):
        if word.endswith(ending) and not word.endswith("ss") and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


def _kind(path: str) -> float:
    return 1.0 if path.endswith(".py") else PROSE


def _telling(text: str) -> list[str]:
    return [word for word in _words(text) if word not in _STOP]


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def _best(ranks: Iterable[tuple[str, float]]) -> dict[str, float]:
    """The best rank of each path."""
    best: dict[str, float] = {}
    for path, rank in ranks:
        best[path] = max(rank, best.get(path, 0.0))
    return best
