"""The Agent Server: graphs over HTTP, for the clients of LangGraph's server."""

from .app import create_app
from .errors import (
    BadRequestError,
    ConfigFileError,
    ConflictError,
    DatabaseInUseError,
    ForbiddenError,
    GraphLoadError,
    InvalidError,
    NotFoundError,
    OverloadedError,
    PortInUseError,
    RequestError,
    ServerError,
    SettingsError,
    SetupError,
    TooLargeError,
    UnauthorizedError,
)
from .settings import Settings

__all__ = [
    "BadRequestError",
    "ConfigFileError",
    "ConflictError",
    "DatabaseInUseError",
    "ForbiddenError",
    "GraphLoadError",
    "InvalidError",
    "NotFoundError",
    "OverloadedError",
    "PortInUseError",
    "RequestError",
    "ServerError",
    "Settings",
    "SettingsError",
    "SetupError",
    "TooLargeError",
    "UnauthorizedError",
    "create_app",
]
