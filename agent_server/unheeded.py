"""What a langgraph.json says that this server does not heed; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from .errors import ConfigFileError

BUILDING: Final = frozenset(
    {
        *("$schema", "python_version", "node_version", "api_version", "base_image"),
        *("image_distro", "pip_config_file", "pip_installer", "source", "dockerfile_lines"),
        *("keep_pkg_tools", "_INTERNAL_docker_tag"),
    }
)
"""Keys that say how an image is built."""

HEEDED: Final[Mapping[str, frozenset[str]]] = {
    "": frozenset(
        {"graphs", "dependencies", "env", "http", "auth", "checkpointer", "checkpoint", "store"}
    ),
    "http": frozenset(
        {
            *("app", "cors", "disable_assistants", "disable_threads", "disable_runs"),
            *("disable_store", "disable_meta", "disable_webhooks", "enable_custom_route_auth"),
            *("middleware_order", "mount_prefix"),
        }
    ),
    "http.cors": frozenset(
        {
            *("allow_origins", "allow_methods", "allow_headers", "allow_credentials"),
            *("allow_origin_regex", "expose_headers", "max_age"),
        }
    ),
    "auth": frozenset({"path"}),
    "checkpointer": frozenset({"ttl"}),
    "checkpointer.ttl": frozenset({"default_ttl", "strategy", "sweep_interval_minutes"}),
    "store": frozenset({"ttl", "index"}),
    "store.ttl": frozenset({"default_ttl", "refresh_on_read", "sweep_interval_minutes"}),
    "store.index": frozenset({"dims", "embed", "fields"}),
}
"""Section -> its keys that mean something here."""

ABSENT: Final = frozenset(
    {"http.disable_mcp", "http.disable_a2a", "http.disable_ui", "auth.disable_studio_auth"}
)
"""Switches of what is not there anyhow."""


def unheeded(said: Any) -> Iterator[str]:
    """A line for each key that is not heeded, with its place.

    Raises ConfigFileError for one that must not be read over.
    """
    if not isinstance(said, Mapping):
        return
    given = cast("Mapping[str, Any]", said)
    if given.get("encryption"):
        raise ConfigFileError(
            "encryption: this server stores plain data; take the key out if that may be, or "
            "encrypt the disk"
        )
    yield from _in_section("", given)


def _in_section(section: str, given: Mapping[str, Any]) -> Iterator[str]:
    for key, value in given.items():
        place = f"{section}.{key}" if section else key
        inner = place.replace("checkpoint.", "checkpointer.", 1)
        inner = "checkpointer" if inner == "checkpoint" else inner
        if key in HEEDED[section]:
            if inner in HEEDED and isinstance(value, Mapping):
                yield from _in_section(inner, cast("Mapping[str, Any]", value))
        elif place not in ABSENT and not (section == "" and key in BUILDING):
            yield f"{place} is not heeded: this server does not know it, or cannot do it"
