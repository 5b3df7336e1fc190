"""How a log record travels from a worker to the parent's handlers.

It stays a record with all its attributes, so that every formatter, filter and handler
finds what it looks for. Whatever is not plain is packed by itself: an object that
cannot be pickled, or cannot be rebuilt, spoils neither the record nor the rest of it.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterable, Mapping
from types import NoneType
from typing import Any, TypeAlias

from cotality._kit.records import NamedTuple
from cotality._kit.safe_text import class_and_text, shortened
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.pickling.encode import decode, encode
from cotality.core.utils._process.pickling.exceptions import (
    pack_exception,
    unpack_exception,
)

PLAIN = {NoneType, bool, int, float, str, bytes}
LONGEST_REPR = 1000  # characters of what stands for an attribute that cannot travel

# One handler that a record was given to: its logger, class, name and file.
Use: TypeAlias = tuple[str, str, str | None, str | None]


class Arrived(NamedTuple):
    """A record from a worker."""

    record: logging.LogRecord
    position: int | None  # of the task in its portion
    used: list[Use]  # the worker's own handlers that it was given to


def pack_record(
    record: logging.LogRecord, position: int | None, used: list[Use]
) -> bytes:
    """*record* as it is now.

    Raises:
        Exception: Its message cannot be put together.
    """
    plain: dict[str, Any] = {}  # Any: attributes of any record
    packed: dict[str, bytes] = {}
    for name, value in record.__dict__.items():
        if type(value) in PLAIN:
            plain[name] = value
        elif name not in ("msg", "args", "exc_info"):
            packed[name] = pack_value(value)
    text = record.getMessage()  # also to raise here, where the mistake was made
    message: Any = record.msg  # Any: of any record
    if type(message) is str and is_plain(record.args):
        plain["args"] = record.args
    elif isinstance(record.msg, dict) and not record.args:
        packed["msg"] = pack_value(message)  # what formatters of JSON look for
    else:
        plain["msg"], plain["args"] = text, None
    error = exception_of(record)
    failure = None if error is None else pack_exception(error)
    whole = plain, packed, failure, position, used
    return pickle.dumps(whole, pickle.HIGHEST_PROTOCOL)


def is_plain(args: Any) -> bool:  # Any: of any message
    """Whether arguments of a message are small, and the same wherever they are."""
    values: Any = args  # Any: as above
    if isinstance(args, Mapping):
        values = values.values()
    return values is None or all(type(value) in PLAIN for value in values)


def pack_value(value: object) -> bytes:
    try:
        return encode(value)
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        return encode(shortened(value, LONGEST_REPR))


def exception_of(record: logging.LogRecord) -> BaseException | None:
    return record.exc_info[1] if isinstance(record.exc_info, tuple) else None


def unpack_record(data: bytes) -> Arrived:
    """The record that :func:`pack_record` packed."""
    plain, packed, failure, position, used = pickle.loads(data)
    # With the parent's own record factory, as if it had been made here.
    record = logging.makeLogRecord({})
    began = record.created - record.relativeCreated / 1000
    record.__dict__.update(plain)
    for name, value in packed.items():
        record.__dict__[name] = unpack_value(value)
    record.relativeCreated = (record.created - began) * 1000
    if failure is not None:
        error = unpack_exception(failure)
        record.exc_info = type(error), error, error.__traceback__
    return Arrived(record, position, used)


def unpack_value(packed: bytes) -> object:
    try:
        return decode(packed)
    except Exception as error:
        if is_of_a_signal(error):
            raise
        return f"<it cannot be rebuilt: {class_and_text(error)}>"


# Handlers that both sides have.


def use_of(logger: logging.Logger, handler: logging.Handler) -> Use:
    """What tells *handler* from the others of *logger*, in every process alike."""
    kind = f"{type(handler).__module__}.{type(handler).__qualname__}"
    file = getattr(handler, "baseFilename", None)
    return logger.name, kind, handler.name, file


def handlers_for(
    record: logging.LogRecord,
) -> Iterable[tuple[logging.Logger, logging.Handler]]:
    """The handlers that logging gives *record* to, each with the logger it is of."""
    logger: logging.Logger | None = logging.getLogger(record.name)
    while logger is not None:
        for handler in logger.handlers:
            if record.levelno >= handler.level:
                yield logger, handler
        logger = logger.parent if logger.propagate else None


def used_here(record: logging.LogRecord, without: logging.Handler) -> list[Use]:
    """The handlers of this process that see *record*, other than *without*."""
    return [
        use_of(logger, handler)
        for logger, handler in handlers_for(record)
        if handler is not without and not isinstance(handler, logging.NullHandler)
    ]


def handle(record: logging.LogRecord, used: list[Use]) -> None:
    """Let this process's handlers have *record*, as if it had been logged here.

    A module that makes a handler for its logger when it is imported makes one here and
    one in the worker. Those in *used* have had the record there.
    """
    logger = logging.getLogger(record.name)
    if not logger.isEnabledFor(record.levelno):
        return
    if not used:
        logger.handle(record)
        return
    kept: Any = not logger.disabled and logger.filter(record)  # Any: typeshed of 3.11
    if isinstance(kept, logging.LogRecord):  # from 3.12 a filter may give another one
        record = kept
    if kept:
        for owner, handler in handlers_for(record):
            if use_of(owner, handler) not in used:
                handler.handle(record)
