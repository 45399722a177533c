"""The `config` argument, parsed once at the door; inside the engine only `RunConfig` is seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast, get_args

from checkpoint import SerializationError, Serializer

from .adapters import joined_callbacks
from .errors import ConfigError
from .values import DEFAULT_RECURSION_LIMIT, DURABILITIES, Durability, RunConfig

Config: TypeAlias = Mapping[str, Any]
"""What users pass: configurable (thread_id, checkpoint_id, checkpoint_ns, own keys),
recursion_limit, max_concurrency, tags, metadata, callbacks, run_id, run_name."""

EMPTY = RunConfig()
_RESERVED = frozenset({"thread_id", "checkpoint_id", "checkpoint_ns", "checkpoint_map"})
_PLAIN = (str, int, float, bool)


def parse_config(config: Config | None) -> RunConfig:
    """The config as attributes.

    Raises ConfigError (a ValueError) for a value of the wrong kind; unknown keys are ignored, as
    configs are shared with other libraries.
    """
    if config is None:
        return EMPTY
    if not isinstance(config, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(
            f"config={config!r} is no mapping; give a dict such as "
            '{"configurable": {"thread_id": "1"}}'
        )
    configurable = _mapping(config, "configurable")
    run_id = config.get("run_id")
    return RunConfig(
        thread_id=_text(configurable, "thread_id"),
        checkpoint_id=_text(configurable, "checkpoint_id"),
        checkpoint_ns=_text(configurable, "checkpoint_ns") or "",
        recursion_limit=_positive(config, "recursion_limit") or DEFAULT_RECURSION_LIMIT,
        max_concurrency=_positive(config, "max_concurrency"),
        run_id=None if run_id is None else str(run_id),
        run_name=config.get("run_name"),
        tags=_tags(config.get("tags")),
        metadata=_mapping(config, "metadata"),
        configurable=configurable,
        callbacks=config.get("callbacks"),
    )


def merge_configs(base: Config | None, over: Config | None) -> Config | None:
    """Two configs as one: `over` wins; tags and callbacks add up; metadata and configurable merge
    key by key."""
    if not base or not over or not isinstance(over, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        return over or base
    merged = {**base, **over}
    for key in ("metadata", "configurable"):
        if base.get(key) or over.get(key):
            merged[key] = {**_mapping(base, key), **_mapping(over, key)}
    tags = (*_tags(base.get("tags")), *_tags(over.get("tags")))
    if tags:
        merged["tags"] = list(dict.fromkeys(tags))
    if base.get("callbacks"):
        merged["callbacks"] = joined_callbacks(base["callbacks"], over.get("callbacks"))
    return merged


def inherited(parent: RunConfig, own: RunConfig) -> RunConfig:
    """The config of a run that a task started: its own, over that of the run it belongs to."""
    if own is EMPTY and not (parent.tags or parent.checkpoint_id or parent.checkpoint_ns):
        return parent  # as for most calls, which saves them 3 µs
    default = DEFAULT_RECURSION_LIMIT
    return RunConfig(
        thread_id=parent.thread_id,
        recursion_limit=(
            parent.recursion_limit if own.recursion_limit == default else own.recursion_limit
        ),
        max_concurrency=own.max_concurrency or parent.max_concurrency,
        run_id=parent.run_id,
        run_name=own.run_name or parent.run_name,
        tags=tuple(dict.fromkeys((*parent.tags, *own.tags))),
        metadata={**parent.metadata, **own.metadata},
        configurable={**parent.configurable, **own.configurable},
        callbacks=joined_callbacks(parent.callbacks, own.callbacks),
    )


def checkpoint_extra(config: RunConfig, serializer: Serializer) -> dict[str, Any]:
    """What a checkpoint's metadata keeps of the config: metadata that can be stored, and plain
    configurable keys."""
    plain = plain_configurable(config.configurable)
    kept = storable_metadata(config.metadata, serializer)
    return {**kept, **{k: v for k, v in plain.items() if k not in _RESERVED}}


def storable_metadata(metadata: Mapping[str, Any], serializer: Serializer) -> dict[str, Any]:
    """Metadata without what cannot be stored: clients, handlers and the like, which are of use
    only while the run lives."""
    return {
        key: value
        for key, value in metadata.items()
        if type(value) in _PLAIN or _is_storable(value, serializer)
    }


def _is_storable(value: Any, serializer: Serializer) -> bool:
    try:
        serializer.dumps(value)
    except SerializationError:
        return False
    return True


def plain_configurable(configurable: Mapping[str, Any]) -> dict[str, Any]:
    """What may be stored of `configurable`: plain values under own keys, and what names a
    checkpoint."""
    return {
        key: value
        for key, value in configurable.items()
        if key in _RESERVED or (not key.startswith("__") and isinstance(value, _PLAIN))
    }


def check_seconds(name: str, value: Any) -> float | None:
    """A waiting time: seconds (0 or more), or None for ever.  Raises ConfigError."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is None or (number and value >= 0):
        return value
    raise ConfigError(f"{name}={value!r} cannot be; give seconds (a number, 0 or more) or None")


def check_durability(value: str) -> Durability:
    """The durability, or ConfigError listing what there is."""
    if value not in get_args(Durability):
        raise ConfigError(
            f"durability={value!r} is unknown; give one of {', '.join(map(repr, DURABILITIES))}"
        )
    return cast("Durability", value)


def _mapping(config: Config, key: str) -> Mapping[str, Any]:
    value: Any = config.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(f"config[{key!r}]={value!r} is no mapping; give a dict with string keys")
    return cast("Mapping[str, Any]", value)


def _text(configurable: Mapping[str, Any], key: str) -> str | None:
    value = configurable.get(key)
    if value is None:
        return None
    if isinstance(value, str):
        return _checked_text(key, value)
    if key == "checkpoint_ns" or isinstance(value, bool | float | bytes | Sequence | Mapping):
        raise ConfigError(f"config['configurable'][{key!r}]={value!r} names nothing; give a string")
    return str(value)  # ints and UUIDs are common


def _checked_text(key: str, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ConfigError(
            f"config['configurable'][{key!r}]={value!r} holds half a surrogate pair, which cannot "
            "be stored as text; give a proper string"
        ) from None
    return value


def _positive(config: Config, key: str) -> int | None:
    value: Any = config.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"config[{key!r}]={value!r} cannot be; give a whole number of at least 1")
    return value


def _tags(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ConfigError(f"config['tags']={value!r} is no list; give a list of strings")
    return tuple(cast("Sequence[str]", value))
