"""Setting up what `cotality` logs: one line for each record, as JSON or as text."""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
import threading
from typing import Literal, TextIO

from cotality._kit.public import public_in
from cotality._kit.struck import is_of_a_signal
from cotality.core.calls import checked_count, checked_path
from cotality.core.machine import in_worker

from .log_formats import FORMATTERS

LOGGER = "cotality"
BACKUPS = 5

lock = threading.Lock()  # held while what was set up changes
current: logging.Handler | None = None  # what the last call has added


@public_in("cotality.tuning")
def configure_logging(
    level: int | str = "INFO",
    *,
    format: Literal["json", "text"] = "json",
    log_file: str | os.PathLike[str] | None = None,
    rotate_bytes: int | None = None,
    backups: int = BACKUPS,
) -> logging.Handler:
    """Write what `cotality` logs to standard error or to a file, one line a record.

    It sets up the standard `logging` for the logger ``"cotality"`` and all loggers
    below it. As JSON, a line is an object with ``time`` (ISO 8601, with the offset from
    UTC), ``level``, ``logger``, ``message``, and everything that was given as
    ``extra``; with an exception, ``exception`` has the traceback as text. Records from
    a worker process have ``task_index`` and ``worker``. Each call logs a record of
    level INFO when it ends, with its figures in ``call``; `optimize` logs one with
    ``plan``. Each decision of a call with ``use_processes="auto"`` is a record of level
    DEBUG with its figures in ``decision``. A value that JSON cannot hold is written as
    its `repr`; infinity and NaN become null. As text, a record is one line, followed by
    the traceback.

    Each call replaces what the call before has set up. Your own handlers stay and also
    get the records, except those of the root logger, so that no line appears twice.
    Lines are written whole, whichever threads they come from.

    Call it in the program itself. In one of our worker processes it does nothing:
    records from there arrive at the handlers of the program.

    Args:
        level: The lowest level that is logged; a number or a name such as ``"DEBUG"``.
            It applies to the logger ``"cotality"`` itself, also in worker processes.
        format: ``"json"`` or ``"text"``.
        log_file: Append to this file, in UTF-8; None, the default, writes to whatever
            `sys.stderr` is at the time. If somebody moves the file away, as
            ``logrotate`` does, a new one is created (not on Windows).
        rotate_bytes: Move the file to one with the ending ``.1`` before it grows beyond
            this many bytes; None, the default, never does. Then only one process should
            write to it.
        backups: How many old files are kept, at least 1.

    Returns:
        The handler. You may give it to other loggers, so that their lines look the
        same: ``logging.getLogger("shop").addHandler(configure_logging())``. In a worker
        process it is a handler that does nothing.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: An argument is out of range, there is no such level or format, or
            *rotate_bytes* is given without *log_file*. The earlier set-up stays.
        OSError: The file cannot be opened. The earlier set-up stays.
    """
    global current
    number = checked_level(level)
    formatter = FORMATTERS[checked_format(format)]()
    rotate_bytes = checked_count("rotate_bytes", rotate_bytes)
    if checked_count("backups", backups) is None:
        raise TypeError("backups must be an integer, got None")
    if rotate_bytes is not None and log_file is None:
        raise ValueError(
            f"rotate_bytes={rotate_bytes!r} needs a file to rotate. Add log_file=, or "
            f"leave rotate_bytes out."
        )
    if in_worker():
        return logging.NullHandler()
    with lock:
        handler = handler_for(log_file, rotate_bytes, backups)
        handler.setFormatter(formatter)
        logger = logging.getLogger(LOGGER)
        # The new one first: a record that comes now is written twice rather than never.
        logger.addHandler(handler)
        if current is not None:
            logger.removeHandler(current)
            current.close()
        current = handler
        logger.setLevel(number)
        logger.propagate = False
    return handler


def handler_for(
    log_file: str | os.PathLike[str] | None, rotate_bytes: int | None, backups: int
) -> logging.Handler:
    if log_file is None:
        return StderrHandler()
    path = checked_path("log_file", log_file)
    try:
        if rotate_bytes is not None:
            return logging.handlers.RotatingFileHandler(
                path,
                maxBytes=rotate_bytes,
                backupCount=backups,
                encoding="utf-8",
                errors="backslashreplace",
            )
        kind: type[logging.FileHandler] = logging.handlers.WatchedFileHandler
        if sys.platform == "win32":  # where a file that is open cannot be moved
            kind = logging.FileHandler
        return kind(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        if is_of_a_signal(error):
            raise
        # By its number it is of the same class, such as PermissionError.
        raise OSError(
            error.errno,
            f"the log file cannot be opened ({error.strerror}); its folder must exist "
            f"and be writable, or choose another log_file",
            str(path),
        ) from error


class StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stderr` is when there is something to write."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)  # the one between would keep today's stream

    @property
    def stream(self) -> TextIO:  # type: ignore[override]  # read only, on purpose
        return sys.stderr


def checked_level(level: object) -> int:
    """*level* as a number."""
    if isinstance(level, int) and not isinstance(level, bool):
        if level < 0:
            raise ValueError(f"level must be at least 0, got {level!r}")
        return level
    if not isinstance(level, str):
        raise TypeError(f"level must be a number or the name of one, got {level!r}")
    known = logging.getLevelNamesMapping()
    number = known.get(level.upper(), known.get(level))
    if number is None:
        names = ", ".join(sorted(known, key=lambda name: known[name]))
        raise ValueError(f"there is no level {level!r}. The levels are: {names}.")
    return number


def checked_format(format: object) -> Literal["json", "text"]:
    if format == "json":
        return "json"
    if format == "text":
        return "text"
    message = f"format must be 'json' or 'text', got {format!r}"
    raise (ValueError if isinstance(format, str) else TypeError)(message)
