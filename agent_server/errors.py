"""Errors of the server: what was asked, why it cannot be, what to do.

ServerError
├── RequestError                 an answer other than 2xx; `status` says which
│   ├── BadRequestError            400  the request contradicts itself
│   ├── UnauthorizedError          401  no key, or a wrong one
│   ├── ForbiddenError             403  the caller may not do this
│   ├── NotFoundError              404  there is no such thing
│   ├── ConflictError              409  the thing is in the way
│   │   ├── InFlightError                …  runs are
│   │   ├── ElsewhereError               …  another server has the run
│   │   └── UndeletedError               …  what is left of a deleted thing is
│   ├── TooLargeError              413  more than the limits allow
│   ├── InvalidError               422  a field has a wrong type or value
│   ├── OverloadedError            503  too much at once; come back later
│   └── UnshowableError            500  a value of a graph's cannot be JSON
├── HandlerError                 what an authorization handler answers cannot be applied
├── GraphExitError (RuntimeError)  a graph's factory asked for the end of the process
└── SetupError                   the server cannot start
    ├── SettingsError              a setting cannot be
    ├── ConfigFileError            langgraph.json cannot be read
    ├── GraphLoadError             a graph cannot be loaded
    ├── DatabaseInUseError         another server has the database
    └── PortInUseError             another process listens there
"""

from __future__ import annotations

from typing import ClassVar


class ServerError(Exception):
    """Root of the server's errors; never raised itself."""


class RequestError(ServerError):
    """A request that is refused; the message is the answer's `detail`, so it names no path."""

    status: ClassVar[int] = 500


class BadRequestError(RequestError):
    """The request contradicts itself; send what the message asks for."""

    status = 400


class UnauthorizedError(RequestError):
    """No key, or a wrong one; send one of the server's keys in `x-api-key`."""

    status = 401


class ForbiddenError(RequestError):
    """The caller may not do this; ask the owner of the server."""

    status = 403


class NotFoundError(RequestError):
    """There is no such thing; check the id."""

    status = 404


class ConflictError(RequestError):
    """Something is in the way; wait for it, or choose another way."""

    status = 409


class InFlightError(ConflictError):
    """Runs of a thread are in the way; wait for them, or cancel them first."""


class ElsewhereError(ConflictError):
    """A run is with another server of this database; ask that one, or wait until it has ended."""

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"Run {run_id} was taken by another server of this database; ask that one, or wait "
            "until it has ended"
        )


class UndeletedError(ConflictError):
    """What is left of a deleted thing is in the way; send the request again later."""


class TooLargeError(RequestError):
    """More than the server's limits allow; send less, or raise the limit."""

    status = 413


class InvalidError(RequestError):
    """A field has a wrong type or value; send what the message asks for."""

    status = 422


class OverloadedError(RequestError):
    """Too much at once; come back later."""

    status = 503


class UnshowableError(RequestError):
    """A value that a graph made cannot be shown as JSON; mend the class that the message names."""


class HandlerError(ServerError):
    """An authorization handler's answer cannot be applied; mend the handler as the log says."""


class GraphExitError(ServerError, RuntimeError):
    """A graph's factory raised what would end a program, as sys.exit does; mend it."""


class SetupError(ServerError):
    """The server cannot start; the message says what to mend.  Never raised itself."""


class SettingsError(SetupError):
    """A setting cannot be; give another value."""


class ConfigFileError(SetupError):
    """langgraph.json cannot be read; mend it where the message says."""


class GraphLoadError(SetupError):
    """A graph cannot be loaded; mend the file the message names."""


class DatabaseInUseError(SetupError):
    """Another server has the database; stop it, or give another file."""


class PortInUseError(SetupError):
    """Another process listens on the port; stop it, or give another port."""
