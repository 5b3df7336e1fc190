"""An open file that is closed once nobody has it, whatever exception has struck.

An exception may strike between any two of our instructions: a Ctrl-C, a time limit from
outside. The number that `os.open` returns could then be lost, and the file would stay
open and locked. Here none of our code runs between opening the file and having the
object.
"""

from __future__ import annotations

import io
import os
import sys
from functools import partial
from pathlib import Path

from cotality._kit.standard_places import FIRST_FREE, fill

PRIVATE = 0o600  # what files are made with that hold pickled objects
private = partial(os.open, mode=PRIVATE)


class Handle(io.FileIO):
    """A file, unbuffered, that needs no `close` to be closed.

    Args:
        mode: As of `open`. A file that this makes is nobody else's.
    """

    def __init__(self, path: Path, mode: str) -> None:
        super().__init__(path, mode, opener=private)

    def __del__(self) -> None:
        self.close()

    def _dealloc_warn(self, source: object) -> None:
        """Say nothing: to be closed like this is in order."""


def opened(path: Path, mode: str) -> Handle:
    """A handle on *path* that lies in no place of standard input and output."""
    fill()
    handle = Handle(path, mode)
    low: list[Handle] = []  # these places are taken until there is one above
    while handle.fileno() < FIRST_FREE and sys.platform != "win32":
        low.append(handle)
        handle = Handle(path, mode.replace("x", "a"))
    return handle


def reader_of(path: Path) -> io.BufferedReader:
    """The file *path*, to be read."""
    return io.BufferedReader(opened(path, "rb"))
