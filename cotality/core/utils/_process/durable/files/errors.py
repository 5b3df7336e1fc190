"""The errors about a file of records."""

from __future__ import annotations

from cotality._kit.public import public
from cotality._kit.records import NamedTuple


@public
class JournalError(RuntimeError):
    """A journal, or a file of dead letters, cannot be read, written or understood.

    The message names the file, what is wrong with it and what to do. If the system
    refused something, the cause is its `OSError`.
    """


@public
class JournalInUseError(JournalError):
    """Another run has this journal open, here or in another process."""


@public
class DeadLetterError(JournalError):
    """A file of dead letters, or a letter in it, cannot be read, written or run.

    It is a `JournalError`, and its message also says what to do.
    """


class Kind(NamedTuple):
    """What a file of records holds.

    Attributes:
        name: In one or two words.
        error: What is raised when something is wrong with the file.
    """

    name: str
    error: type[JournalError]
