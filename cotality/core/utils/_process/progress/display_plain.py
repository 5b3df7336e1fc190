"""Displays that need nothing installed: one line, rewritten or added now and then."""

from __future__ import annotations

import os
import weakref
from typing import TextIO

from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.machine.this_process import after_fork

from .sentence import sentence, titled
from .snapshot import Progress

BAR_WIDTH = 24
FALLBACK_COLUMNS = 80

# The one that has the terminal's last line. An exception may strike it before it lets
# go of that, and then it has it as long as it is there.
standing: weakref.ref[LineFace] | None = None


def face_that_stands() -> LineFace | None:
    return None if standing is None else standing()


def forget_standing() -> None:
    """In a forked child: the line is its parent's."""
    global standing
    standing = None


after_fork(forget_standing)


class LogFace:
    """Whole lines, for a file or a pipe: no carriage return, no escape code."""

    pause = 10.0

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def show(self, progress: Progress) -> None:
        above = face_that_stands()
        if above:
            above.erase()
        self.stream.write(f"{progress.name or 'progress'}: {sentence(progress)}\n")
        self.stream.flush()

    def close(self, progress: Progress) -> None:
        self.show(progress)


class LineFace:
    """A line in a terminal that is written over again and again.

    Blanks take away what was longer: escape codes would not work everywhere. If
    another one has the last line, this one adds lines above it.
    """

    pause = 0.1

    def __init__(self, stream: TextIO) -> None:
        global standing
        self.stream = stream
        self.shown = 0  # characters
        self.above: LogFace | None = None
        if face_that_stands() is None:
            standing = weakref.ref(self)
        else:
            self.above = LogFace(stream)
            self.pause = LogFace.pause

    def show(self, progress: Progress) -> None:
        if self.above:
            self.above.show(progress)
            return
        text = line(progress, (columns(self.stream) or FALLBACK_COLUMNS) - 1)
        self.write("\r" + text.ljust(self.shown))
        self.shown = len(text)

    def erase(self) -> None:
        self.write("\r" + " " * self.shown + "\r")

    def close(self, progress: Progress) -> None:
        global standing
        try:
            self.show(progress)
            if not self.above:
                self.write("\n")
        finally:
            if face_that_stands() is self:
                standing = None

    def write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


def line(progress: Progress, width: int) -> str:
    """The sentence for *progress*, with a bar before it if there is room for it."""
    text = titled(progress)
    with_bar = f"{bar(progress)} {text}"
    return (with_bar if len(with_bar) <= width else text)[:width]


def bar(progress: Progress) -> str:
    if progress.total is None:
        return "[" + "?" * BAR_WIDTH + "]"
    share = progress.done / progress.total if progress.total else 1.0
    return f"[{'#' * int(share * BAR_WIDTH):.<{BAR_WIDTH}}] {int(share * 100):3}%"


def columns(stream: TextIO) -> int:
    """How wide the terminal is; 0 if it does not say, as some in containers do not."""
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError) as raised:
        if is_of_a_signal(raised):
            raise
        return 0
