"""The server's settings, from arguments, the environment (UNDERSTUDY_…) or the defaults here."""

from __future__ import annotations

import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from .errors import SettingsError

MIB = 1 << 20
_PREFIX = "UNDERSTUDY_"


class Settings(BaseSettings):
    """How a server runs; frozen.  Sizes are bytes, times seconds."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=2024, ge=0, le=65_535)
    database: Path = Path("understudy.db")
    """The file that holds all state."""
    shared: bool = False
    """True: other servers with this setting may have the same file, on this machine.  Each runs
    what it took; crons and sweeping are one's; what a server that ended has left open goes on when
    one starts alone."""

    api_keys: Annotated[tuple[str, ...], NoDecode] = Field(default=(), repr=False)
    """Keys of which a request must bring one in `x-api-key`; none: everybody may ask.  In the
    environment they are separated by commas."""
    api_keys_file: Path | None = None
    """A file of further keys, one per line."""
    allow_origins: Annotated[tuple[str, ...], NoDecode] = ("*",)
    """Origins that browsers may call from."""
    allow_private_webhooks: bool = False
    """True: webhooks may go to private addresses."""

    max_body: int = Field(default=16 * MIB, gt=0)
    max_nesting: int = Field(default=200, gt=0)
    """Levels of arrays and objects in a request's JSON."""
    bodies_bytes: int = Field(default=256 * MIB, gt=0)
    """Of the bodies of all requests that are being answered, streams among them; what would go
    further is refused with 503."""
    max_runs: int = Field(default=10_000, gt=0)
    """Runs that wait or run at once; more are refused with 503."""
    queue_bytes: int = Field(default=256 * MIB, gt=0)
    """Of what those runs were given, as JSON; once there are so many, more are refused with 503."""
    max_readers: int = Field(default=10_000, gt=0)
    """Open streams, sessions and requests that wait for a run, at once; more are refused with
    503."""

    heartbeat: float = Field(default=5.0, gt=0)
    """Between two signs of life on a stream or a waiting request."""
    retention: float = Field(default=3600.0, ge=0)
    """How long the events of an ended run can be read again."""
    retention_bytes: int = Field(default=1024 * MIB, ge=0)
    """Of all ended runs' stored events together; the oldest go first."""
    ended_bytes: int = Field(default=32 * MIB, ge=0)
    """Of ended runs without a thread, which are in memory only; the oldest go first."""
    ring_bytes: int = Field(default=64 * MIB, ge=1 << 16)
    """Of the events of one run that are held in memory, about; of a run without a thread there are
    no others, and a reader that is slower gets a gap."""
    drain: float = Field(default=10.0, ge=0)
    """At a shutdown, how long running steps get to reach a checkpoint."""
    max_attempts: int = Field(default=3, gt=0)
    """A run that took the process down with it this often is given up."""
    sweep: float = Field(default=60.0, gt=0)
    """Between two looks for threads, events and items whose time is over."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    traces: Literal["auto", "on", "off"] = "auto"
    """Whether runs are OpenTelemetry spans: "auto" if the process has set up a tracer provider,
    "on" if it must have."""

    @classmethod
    def read(cls, **given: Any) -> Self:
        """The settings, from what is given (None: not given) and the environment.

        Raises SettingsError, which names the first setting that cannot be, or a variable that is
        none but looks like one: a key that is not asked for would leave the door open.
        """
        _check_names(cls.model_fields)
        try:
            return cls(**{name: value for name, value in given.items() if value is not None})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = str(first["loc"][0]) if first["loc"] else "settings"
            option = f"--{name.replace('_', '-')} or " if name in given else ""
            raise SettingsError(
                f"{name}={first['input']!r} cannot be: {first['msg']}; give another "
                f"{option}{_PREFIX}{name.upper()}"
            ) from None

    @field_validator("api_keys", "allow_origins", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    def keys(self) -> tuple[str, ...]:
        """All keys, those of the file too.  Raises SettingsError for a file that gives none."""
        if self.api_keys_file is None:
            return self.api_keys
        try:
            lines = self.api_keys_file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"api_keys_file={str(self.api_keys_file)!r} cannot be read: {error}; mend the file"
            ) from None
        found = tuple(line.strip() for line in lines if line.strip() and line[0] != "#")
        if not found:
            raise SettingsError(
                f"api_keys_file={str(self.api_keys_file)!r} has no key in it; write one per line"
            )
        return (*self.api_keys, *found)


def _check_names(known: Iterable[str]) -> None:
    names = [name.upper() for name in known]
    for given in os.environ:
        name = given.upper().removeprefix(_PREFIX)
        if given.upper().startswith(_PREFIX) and name not in names:
            meant = get_close_matches(name, names, 1, 0.75)
            if meant:
                raise SettingsError(
                    f"{given} in the environment is no setting; did you mean {_PREFIX}{meant[0]}?  "
                    "Write that, or take it out"
                )
