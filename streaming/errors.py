"""Errors of the streaming package: what was given, why it cannot be, what to do.

StreamingError
├── UnknownStreamModeError (ValueError)  a mode that is none of the eight
├── CursorError (ValueError)             a position that the log does not have
├── OverflowPolicyError (ValueError)     a policy that is unknown or cannot work here
├── LogSetupError (ValueError)           a log or a hub opened with options that do not fit
├── RunLogExistsError                    the hub has a live log of this run
├── reading
│   ├── SubscriberLagged                 events were lost; reading goes on after them
│   ├── SubscriberDisconnectedError      events were lost; reading ends
│   ├── SubscriberBusyError              two tasks read from one subscriber
│   ├── OwnerPresentError                the log has an owner already
│   ├── EventsMissingError               the durable log lost rows
│   ├── ValuesMissingError               a step's values are in a checkpoint no one can reach
│   └── LogFailedError                   the run's log broke; what was read is all there is
├── writing
│   ├── LogClosedError                   something was published after the end
│   ├── LogBackedUpError                 the durable log does not keep up
│   ├── StagedError                      staged rows were settled twice, or are of another log
│   └── EventLogConflictError            a row's id is not the next one of its run
├── messages
│   ├── UnknownPieceError (TypeError)    what a client streamed is no piece of a message
│   ├── MessageOptionError (TypeError)   a message was begun with an option that cannot be
│   ├── MessageClosedError               something was added to a message that is not open
│   └── ModelBrokeOffError               a model said in its stream that it failed
└── SseError
    ├── SseFieldError (ValueError)       a value that the wire form cannot carry
    └── SseOverflowError                 an event larger than the decoder's bound
"""


class StreamingError(Exception):
    """Root of the streaming errors; never raised itself."""


class UnknownStreamModeError(StreamingError, ValueError):
    """A stream mode is none of the eight; the message lists them."""


class CursorError(StreamingError, ValueError):
    """The position to read after is not in the log; give a chunk id of this run, or None."""


class OverflowPolicyError(StreamingError, ValueError):
    """The overflow policy is unknown or needs a durable log; the message lists what can be."""


class LogSetupError(StreamingError, ValueError):
    """Options of a log or a hub do not fit together; the message names the mend."""


class RunLogExistsError(StreamingError):
    """The hub has a live log of this run; get it, or close it first."""


class SubscriberLagged(StreamingError):  # noqa: N818 - a notice: reading goes on after it
    """The reader fell behind and events are lost; reading goes on after them."""

    def __init__(self, message: str, *, lost: int) -> None:
        super().__init__(message)
        self.lost = lost


class SubscriberDisconnectedError(StreamingError):
    """The reader fell behind and its policy is to end; subscribe again after the last chunk."""

    def __init__(self, message: str, *, lost: int) -> None:
        super().__init__(message)
        self.lost = lost


class SubscriberBusyError(StreamingError):
    """Another task waits for this subscriber's next chunk; give each reader its own subscriber."""


class OwnerPresentError(StreamingError):
    """The log has an owner already; use `subscribe` to read beside it."""


class EventsMissingError(StreamingError):
    """The durable log does not have rows that were committed; restore it from a backup."""


class ValuesMissingError(StreamingError):
    """A step's values are held by its checkpoint only; open the log with `resolve`."""


class LogFailedError(StreamingError):
    """The run's log broke, its cause is attached; what was read so far is all there is."""


class LogClosedError(StreamingError):
    """The log is closed: its run has ended; publish before the run's last event."""


class LogBackedUpError(StreamingError):
    """Too much waits for the durable log, or its rows are not sent, as sync code holds up the loop
    that is to do so; run `pump`, `await writer.drain()` while writing, and call async twins."""


class StagedError(StreamingError):
    """These rows are not staged here (any more); settle what `stage` gave exactly once."""


class EventLogConflictError(StreamingError):
    """A row's id is not the next one of its run; nothing was stored; append rows in id order."""


class UnknownPieceError(StreamingError, TypeError):
    """What a client streamed is no piece of a message; take the text out of it and write that."""


class MessageOptionError(StreamingError, TypeError):
    """An option of `stream_message` is of a type that cannot be; the message names the mend."""


class MessageClosedError(StreamingError):
    """The message is not open, so nobody would be shown what is added; add it inside of `with`."""


class ModelBrokeOffError(StreamingError):
    """A model said in its stream that it failed; what it said before stays as it is."""


class SseError(StreamingError):
    """Root of the wire-form errors; never raised itself."""


class SseFieldError(SseError, ValueError):
    """A name, an id or data holds a character that would break the event; encode it first."""


class SseOverflowError(SseError):
    """An event is larger than the decoder's bound; raise `max_bytes` or close the connection."""
