"""Hands what a worker logs, prints and warns of to this process's handlers.

The handlers, filters and streams belong to the user. If one of them raises, the next
record is still shown.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from cotality._kit.safe_text import class_and_text
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.channel.messages import (
    RECORD,
    STDOUT,
    WARNING,
    Output,
)
from cotality.core.utils._process.machine.environment import LOGGER

from . import log_records, warning_records

logger = logging.getLogger(LOGGER)

# Streams that were written to and not flushed. Only one thread at a time shows things.
unflushed: list[Any] = []  # Any: whatever stands for sys.stdout
failures_told: set[tuple[str, str]] = set()


def show(output: Output, is_last: bool) -> None:
    """Show *output*; nothing else waits to be shown if *is_last*. Never raises."""
    try:
        kind, data = bytes(output.body[:1]), bytes(output.body[1:])
        if kind == RECORD:
            show_record(output, data)
        elif kind == WARNING:
            warning_records.issue(data)
        else:
            print_text("stdout" if kind == STDOUT else "stderr", data)
    except BaseException as raised:
        if is_of_a_signal(raised):
            raise
        # Of a handler that calls sys.exit, too: there is nobody to exit here.
        complain()
    if is_last:
        flush_all()


def complain() -> None:
    try:
        logger.exception("what a worker has logged or warned of could not be shown")
    except BaseException as raised:
        if is_of_a_signal(raised):
            raise
        # A handler failed when it was told that it has failed.


# Records.


def show_record(output: Output, data: bytes) -> None:
    record, position, used = log_records.unpack_record(data)
    index = None
    if position is not None and output.first_task is not None:
        index = output.first_task + position
    # What a worker of a worker has logged comes with its own; so may a user's record.
    record.__dict__.setdefault("task_index", index)
    record.__dict__.setdefault("worker", f"process {output.pid}")
    try:
        log_records.handle(record, used)
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        # As logging does for its own handlers: said on stderr, if it is to be said.
        logging.NullHandler().handleError(record)


# What was printed.


def print_text(name: str, data: bytes) -> None:
    """Write *data* to the ``sys`` stream *name*, whatever that is at the moment."""
    stream: Any = getattr(sys, name)  # Any: whatever somebody has put there
    if stream is None:
        return  # a program without a console
    try:
        write(stream, data)
    except Exception as error:
        if is_of_a_signal(error):
            raise
        tell(name, error)
        return
    if not any(stream is each for each in unflushed):
        unflushed.append(stream)


def write(stream: Any, data: bytes) -> None:  # Any: as above
    try:
        text = data.decode()
    except UnicodeDecodeError:  # no text, but written to sys.stdout.buffer
        write_bytes(stream, data)
        return
    try:
        stream.write(text)
    except UnicodeEncodeError as error:
        # What cannot be said there is spelled out rather than lost.
        spelled = text.encode(error.encoding, "backslashreplace")
        stream.write(spelled.decode(error.encoding))


def write_bytes(stream: Any, data: bytes) -> None:  # Any: as above
    binary = getattr(stream, "buffer", None)
    if binary is None:
        stream.write(data.decode(errors="backslashreplace"))
        return
    stream.flush()
    binary.write(data)


def flush_all() -> None:
    """Let all that was printed be seen, since there is time."""
    for stream in unflushed:
        try:
            stream.flush()
        except Exception as error:
            if is_of_a_signal(error):
                raise
            tell("output", error)
    unflushed.clear()


def tell(name: str, error: Exception) -> None:
    """Log, once for each kind, why what a task printed is lost."""
    if isinstance(error, BrokenPipeError):
        # Whoever read it wants no more, as in ``python script.py | head``. When the
        # program itself prints, or ends, Python says so.
        return
    if (kind := (name, type(error).__name__)) not in failures_told:
        failures_told.add(kind)
        logger.warning("what a task printed is lost: %s", class_and_text(error))
