"""Which model each request's body has, and which query parameters it may bring, for OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

BODIES: Mapping[tuple[str, str], type[BaseModel]] = {}
"""(method, path) -> model."""

QUERIES: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("GET", "/ok"): {"check_db": {"type": "integer", "enum": [0, 1]}},
    ("GET", "/metrics"): {"format": {"type": "string", "enum": ["prometheus", "json"]}},
}
"""(method, path) -> parameter -> schema."""
