"""What can be wrong with a file of records."""

from __future__ import annotations

from cotality.core.utils._process.public import public


@public
class JournalError(RuntimeError):
    """A journal, or a file of dead letters, cannot be read, written or understood.

    The message names the file, what is wrong with it and what to do. Its cause is the
    `OSError`, if the system said no.
    """


@public
class JournalInUseError(JournalError):
    """Another run has this journal open, here or in another process."""
