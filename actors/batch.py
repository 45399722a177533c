"""Many inputs through one graph, a bounded number at a time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Any

from .config import Config, merge_configs, parse_config
from .errors import ConfigError
from .mailbox import Mailbox
from .supervisor import Supervisor

DEFAULT_CONCURRENCY = 64
"""Runs at a time when the config has no max_concurrency; more hardly help one event loop."""

Invoke = Callable[[Any, Config | None], Awaitable[Any]]


def configs_for(count: int, config: Config | Sequence[Config] | None) -> Iterable[Config | None]:
    """One config per input: the same for all, or a list of as many.  Raises ConfigError."""
    if config is None or not isinstance(config, Sequence):
        return [config] * count
    if len(config) != count:
        raise ConfigError(
            f"{len(config)} configs for {count} inputs cannot be matched; give one config for "
            "all, or a list with one for each input"
        )
    return config


def concurrency_of(bound: Config | None, config: Config | Sequence[Config] | None) -> int:
    """How many runs at a time.  Raises ConfigError."""
    if isinstance(config, Sequence):
        config = config[0] if config else None
    return parse_config(merge_configs(bound, config)).max_concurrency or DEFAULT_CONCURRENCY


async def completed(
    invoke: Invoke,
    inputs: Sequence[Any],
    configs: Iterable[Config | None],
    concurrency: int,
) -> AsyncGenerator[tuple[int, Any, BaseException | None]]:
    """(index, result, error) of each input as it ends; at most `concurrency` run or wait unread."""
    jobs = enumerate(zip(inputs, configs, strict=True))
    ended: Mailbox[tuple[int, Any, BaseException | None]] = Mailbox(concurrency, name="batch")

    async def work() -> None:
        for index, (value, config) in jobs:  # shared: each worker takes the next one
            try:
                await ended.put((index, await invoke(value, config), None))
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # whatever ends a run is its result
                await ended.put((index, None, error))
                if isinstance(error, KeyboardInterrupt | SystemExit):
                    raise

    async with Supervisor("batch", grace=math.inf) as supervisor:  # runs have a grace of their own
        for _ in range(min(concurrency, len(inputs))):
            supervisor.spawn(work(), name="batch worker")
        for _ in range(len(inputs)):
            yield await ended.get()


async def gathered(
    invoke: Invoke,
    inputs: Sequence[Any],
    configs: Iterable[Config | None],
    concurrency: int,
    *,
    return_exceptions: bool,
) -> list[Any]:
    """The results in input order; the first error cancels the rest, unless asked to be returned."""
    results: list[Any] = [None] * len(inputs)
    async with aclosing(completed(invoke, inputs, configs, concurrency)) as stream:
        async for index, result, error in stream:
            if error is not None and not return_exceptions:
                raise error
            results[index] = result if error is None else error
    return results
