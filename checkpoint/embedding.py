"""The index of a store: which texts of a value are embedded, and by whom."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from .errors import EmbeddingError, InvalidArgumentError
from .store_checks import checked_count, checked_keys
from .store_config import IndexConfig
from .store_paths import Path, parse_path
from .value import Value, slotted
from .vectors import Cosines, available_cosines, pack_vector

Embed: TypeAlias = Callable[[list[str]], Any]
AsyncEmbed: TypeAlias = Callable[[list[str]], Awaitable[Any]]


@slotted
class Texts(Value):
    """What is to be embedded: texts of values, and queries."""

    documents: tuple[str, ...]
    queries: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.documents or self.queries)


@slotted
class Embedded(Value):
    """Packed vectors by their texts."""

    documents: Mapping[str, bytes]
    queries: Mapping[str, bytes]


NOTHING_EMBEDDED = Embedded({}, {})


@slotted
class Embedder(Value):
    """Functions that embed documents and queries, at least one of each pair."""

    documents: Embed | None
    queries: Embed | None
    adocuments: AsyncEmbed | None
    aqueries: AsyncEmbed | None

    def embed(self, texts: Texts) -> tuple[Any, Any]:
        """Vectors of documents and of queries, for a caller outside of any event loop."""
        if self.documents is None or self.queries is None:
            return _run_to_end(self, texts)
        return (
            self.documents([*texts.documents]) if texts.documents else [],
            self.queries([*texts.queries]) if texts.queries else [],
        )

    async def aembed(self, texts: Texts) -> tuple[Any, Any]:
        """The same in an event loop, which functions that are not async do not hold up."""
        return (
            await _call(self.adocuments, self.documents, texts.documents),
            await _call(self.aqueries, self.queries, texts.queries),
        )


@slotted
class Index(Value):
    """An index configuration that was checked."""

    dims: int
    fields: tuple[Path, ...]
    embedder: Embedder
    cosines: Cosines

    def embed(self, texts: Texts) -> Embedded:
        """Vectors of the texts.  Raises EmbeddingError, or what the function raised."""
        return self._packed(texts, *self.embedder.embed(texts))

    async def aembed(self, texts: Texts) -> Embedded:
        """Vectors of the texts.  Raises EmbeddingError, or what the function raised."""
        return self._packed(texts, *await self.embedder.aembed(texts))

    def _packed(self, texts: Texts, documents: Any, queries: Any) -> Embedded:
        return Embedded(
            self._by_text(texts.documents, documents), self._by_text(texts.queries, queries)
        )

    def _by_text(self, texts: Sequence[str], vectors: Any) -> dict[str, bytes]:
        try:
            given = list(vectors)
        except TypeError:
            given = None
        if given is None or len(given) != len(texts):
            raise EmbeddingError(
                f"the embedding function gave {vectors!r:.100} for {len(texts)} texts: it is not "
                "a list of as many vectors; nothing was changed; make it give one per text"
            )
        return {
            text: pack_vector(vector, self.dims) for text, vector in zip(texts, given, strict=True)
        }


def parse_index(
    config: IndexConfig | None, cosines: Callable[[], Cosines] = available_cosines
) -> Index | None:
    """The index, None when there is to be none.

    Raises InvalidArgumentError, or VectorsUnavailableError when nothing compares vectors here.
    """
    if config is None:
        return None
    given = cast(Mapping[str, Any], config)
    checked_keys("index", given, IndexConfig.__annotations__)
    dims, fields = given.get("dims"), given.get("fields")
    checked_count("dims", dims, 1)
    paths = tuple(parse_path(field) for field in _fields(fields))
    return Index(cast(int, dims), paths, _embedder(given.get("embed")), cosines())


def parse_fields(fields: object) -> tuple[Path, ...]:
    """The paths that a put names.  Raises InvalidArgumentError."""
    return tuple(parse_path(field) for field in _fields(fields))


def _fields(fields: object) -> Sequence[object]:
    if fields is None:
        return ["$"]
    if isinstance(fields, list | tuple):
        return cast(Sequence[object], fields)
    raise InvalidArgumentError(
        f"{fields!r} cannot say which fields to index: it is not a list of paths; give one such "
        'as ["title", "tags[*]"]'
    )


def _embedder(embed: object) -> Embedder:
    documents: Any = getattr(embed, "embed_documents", None)
    adocuments: Any = getattr(embed, "aembed_documents", None)
    if documents is not None or adocuments is not None:
        return Embedder(
            documents,
            _each(getattr(embed, "embed_query", None), documents),
            adocuments,
            _aeach(getattr(embed, "aembed_query", None), adocuments),
        )
    if not callable(embed):
        raise InvalidArgumentError(
            f"embed={embed!r:.100} cannot embed texts: it is neither a function nor an object "
            "with `embed_documents` or `aembed_documents`; give one of these"
        )
    if inspect.iscoroutinefunction(embed) or inspect.iscoroutinefunction(type(embed).__call__):
        return Embedder(None, None, cast(AsyncEmbed, embed), cast(AsyncEmbed, embed))
    return Embedder(embed, embed, None, None)


def _each(one: Callable[[str], Any] | None, many: Embed | None) -> Embed | None:
    """A function for many queries of one for a single query."""
    return many if one is None else lambda texts: [one(text) for text in texts]


def _aeach(
    one: Callable[[str], Awaitable[Any]] | None, many: AsyncEmbed | None
) -> AsyncEmbed | None:
    if one is None:
        return many

    async def each(texts: list[str]) -> list[Any]:
        return [await one(text) for text in texts]

    return each


async def _call(afunction: AsyncEmbed | None, function: Embed | None, texts: Sequence[str]) -> Any:
    if not texts:
        return []
    if afunction is not None:
        return await afunction([*texts])
    assert function is not None  # noqa: S101 - `_embedder` gives one of the two
    return await asyncio.to_thread(function, [*texts])


def _run_to_end(embedder: Embedder, texts: Texts) -> tuple[Any, Any]:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        from .waiting import waited_for  # only for who waits

        return waited_for(embedder.aembed(texts))
    raise EmbeddingError(
        f"{len(texts.documents) + len(texts.queries)} texts cannot be embedded here: the embedding "
        "function is async, and this is a sync call inside a running event loop; await the async "
        "twin (`aput`, `asearch`, `abatch`)"
    )
