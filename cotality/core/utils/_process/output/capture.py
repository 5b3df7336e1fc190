"""In a worker: sends what a task logs, prints and warns of to the parent, at once.

At once, because the process may die the next moment. Once it is sent, it is in the
hands of the system and arrives whatever happens here.

A process that a task has forked has no link of its own. It prints where the worker
would print without us, and logs as Python does when no logging is set up.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import warnings
from collections.abc import Iterable
from typing import Any, TextIO

from cotality.core.utils._process.channel import ledger
from cotality.core.utils._process.channel.messages import (
    RECORD,
    STDERR,
    STDOUT,
    WARNING,
    Kind,
)
from cotality.core.utils._process.channel.worker_link import LinkEndedError, WorkerLink
from cotality.core.utils._process.machine import this_process

from . import filters
from .log_records import pack_record, used_here
from .warning_records import pack_warning


def capture_output(link: WorkerLink, rules: bytes) -> None:
    """From now on this process's records, prints and warnings go to the parent."""
    forget_handlers()
    logging.root.addHandler(RecordSender(link))
    sys.stdout = stream_to(link, STDOUT, 1, "<stdout>", sys.stdout)
    sys.stderr = stream_to(link, STDERR, 2, "<stderr>", sys.stderr)
    own_streams[:] = sys.stdout, sys.stderr
    sender = WarningSender(link)
    warnings.showwarning = sender.show
    filters.adopt(rules)


def current_task() -> int | None:
    """The position in its portion of the task that runs in this worker, or None."""
    return ledger.current().running_position()


# Logging.


def forget_handlers() -> None:
    """Handlers that are here already are copies of the parent's, which has them too.

    A fork brings them along, or an import of the main script.
    """
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    for logger in loggers:
        if isinstance(logger, logging.Logger):
            logger.handlers.clear()
            logger.filters.clear()
            logger.propagate = True


class RecordSender(logging.Handler):
    """Sends records to the parent, which gives them to its own handlers."""

    def __init__(self, link: WorkerLink) -> None:
        super().__init__()
        self.link = link

    def emit(self, record: logging.LogRecord) -> None:
        if this_process.is_fork:
            handle_as_last_resort(record)
            return
        try:
            body = pack_record(record, current_task(), used_here(record, self))
        except Exception:
            self.handleError(record)
            return
        try:
            self.link.send(Kind.OUTPUT, RECORD + body)
        except LinkEndedError:
            handle_as_last_resort(record)


def handle_as_last_resort(record: logging.LogRecord) -> None:
    handler = logging.lastResort
    if handler is not None and record.levelno >= handler.level:
        handler.handle(record)


# What is printed.

own_streams: list[TextIO] = []


class SentFile(io.RawIOBase):
    """A file whose content goes to the parent, in place of the descriptor *fd*.

    What is written to the descriptor itself, by C code or by other programs, goes where
    it would without us. So does everything once a task has led the descriptor to
    another place with :func:`os.dup2`, and what this process cannot send.
    """

    mode = "wb"

    def __init__(self, link: WorkerLink, kind: bytes, fd: int, name: str) -> None:
        super().__init__()
        self.link = link
        self.kind = kind
        self.fd = fd
        self.name = name
        self.place = place_of(fd)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.fd

    def isatty(self) -> bool:
        return os.isatty(self.fd)

    def write(self, data: Any, /) -> int:  # Any: whatever has bytes, see io.RawIOBase
        if self.closed:
            raise ValueError("I/O operation on closed file")
        content = bytes(data)
        if content and not self.is_sent(content):
            write_all(self.fd, content)
        return len(content)

    def is_sent(self, content: bytes) -> bool:
        if this_process.is_fork or place_of(self.fd) not in (self.place, None):
            return False
        try:
            self.link.send(Kind.OUTPUT, self.kind + content)
        except LinkEndedError:
            return False
        return True


def place_of(fd: int) -> tuple[int, int] | None:
    """What tells the file behind *fd* from others; None if it is closed."""
    try:
        found = os.fstat(fd)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def write_all(fd: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(fd, rest) :]


def stream_to(
    link: WorkerLink, kind: bytes, fd: int, name: str, replaced: TextIO | None
) -> TextIO:
    """A text stream that sends whole lines, and what is flushed.

    What is printed becomes bytes for the way only; the parent's own stream decides
    about the encoding in which it leaves the program.
    """
    file: Any = SentFile(
        link, kind, fd, name
    )  # Any: typeshed wants a buffer; -u has none
    errors = getattr(replaced, "errors", None) or "strict"
    stream = io.TextIOWrapper(file, "utf-8", errors, newline="\n", line_buffering=True)
    stream.mode = "w"  # type: ignore[misc]  # as Python itself does for sys.stdout
    return stream


def flush_output() -> None:
    """Send what a task printed last, without the end of a line."""
    for stream in own_streams if are_in_place() else streams():
        try:
            stream.flush()
        except Exception:
            # Closed or replaced by a task. Its answer matters more than its prints.
            pass


def are_in_place() -> bool:
    """Whether what a task prints to is what we have put there."""
    if not own_streams:
        return False
    out, err = own_streams
    return sys.stdout is out and sys.stderr is err


def streams() -> Iterable[Any]:  # Any: a task may put anything in their place
    every = sys.stdout, sys.stderr, *own_streams
    return {id(stream): stream for stream in every}.values()


# Warnings.


class WarningSender:
    """Sends warnings that the filters of this worker, the parent's, have let pass."""

    def __init__(self, link: WorkerLink) -> None:
        self.link = link

    def show(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if file is None and not this_process.is_fork:
            try:
                body = pack_warning(message, category, filename, lineno)
                self.link.send(Kind.OUTPUT, WARNING + body)
                return
            except LinkEndedError:
                pass
        text = warnings.formatwarning(message, category, filename, lineno, line)
        (file or sys.stderr).write(text)
