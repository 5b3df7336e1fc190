"""What the examples print, and how long they say that things took."""

from __future__ import annotations

import sys
import textwrap
import time
from typing import Any

from cotality._kit.records import NamedTuple
from cotality.core.utils.process import Task

WIDTH = 79  # columns of the output, which has to fit a plain terminal


class CannotRunError(Exception):
    """An example lacks something on this machine; the message says what."""


class ReaderGoneError(Exception):
    """Whoever read the output, such as ``head``, has seen enough."""


class Stopwatch:
    """Counts seconds from when it is made, or from its last lap."""

    began: float

    def __init__(self) -> None:
        self.began = time.perf_counter()

    def so_far(self) -> float:
        """The seconds of this lap."""
        return time.perf_counter() - self.began

    def lap(self) -> float:
        """The seconds of this lap; a new one begins."""
        seconds = self.so_far()
        self.began += seconds
        return seconds


class Measured(NamedTuple):
    """How long a way of doing something took."""

    label: str
    done: int
    seconds: float

    def rate(self) -> float:
        """How many were done in a second."""
        return self.done / max(self.seconds, 1e-9)


def say(text: str, indent: int = 3) -> None:
    """Print *text*; whatever is in it can be printed.

    Raises:
        ReaderGoneError: Nobody reads the output any more.
    """
    encoding = sys.stdout.encoding or "utf-8"
    shown = text.encode(encoding, "backslashreplace").decode(encoding)
    try:
        print(textwrap.indent(shown, " " * indent), flush=True)
    except BrokenPipeError as error:
        raise ReaderGoneError from error


def say_prose(text: str) -> None:
    """Print *text* on as many lines as it takes."""
    say("\n".join(wrapped(text, WIDTH - 3)))


def wrapped(text: str, width: int) -> list[str]:
    """*text* in lines, between words only, so that paths stay in one piece."""
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def say_measured(what: str, loop: Measured, ours: Measured) -> None:
    """Print two rows of a table, and how much faster the second way was."""
    for row in (loop, ours):
        times = f"  {ours.rate() / loop.rate():.1f} times as fast"
        say(
            f"{row.label:19} {row.done:7,} {what:7} {row.seconds:6.2f} s "
            f"{row.rate():7,.0f}/s{times if row is ours else ''}"
        )


def confirm(fact: str, holds: bool) -> None:
    """Print *fact* once it has been checked; a fact that does not hold is a defect."""
    if not holds:
        raise AssertionError(f"this should be true and is not: {fact}")
    say(f"Checked: {fact}.")


def say_outcome(task: Task[Any], outcome: object) -> None:  # Any: every kind of task
    """Print what became of *task*, on as many lines as it takes."""
    given = ", ".join(map(repr, task.positional))
    call = f"{task.callback_function.__name__}({given})"
    kind = f"{type(outcome).__name__}: " if isinstance(outcome, Exception) else ""
    lines = wrapped(f"{kind}{outcome}", WIDTH - 29)
    say(f"{call:22} " + f"\n{'':23}".join(lines), indent=6)
