"""The figures of several web processes, added up by whoever is asked.

Each process writes its own into a file, and has another one locked as long as it lives.
What belongs to processes that have ended is added to one more file, so that a sum never
becomes less because a process ends.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from cotality._kit.public import public_in

from .figures import Figures, text_of

HAS_LOCKS = sys.platform != "win32"  # there each process speaks for itself
ENDED, LOCK, ALIVE = "ended.json", "ended.lock", ".alive"


@public_in("cotality.web")
class RequestFigures:
    """What was counted of requests, by this process and all that have the same folder.

    Args:
        folder: For this alone. None if there is only this process, or if each is to
            speak for itself: then each line says which one it is, by its ``pid``.
    """

    figures: Figures
    folder: Path | None
    name: str
    written: str
    lock: threading.Lock

    def __init__(self, folder: Path | None = None) -> None:
        self.figures = Figures()
        self.folder = folder if HAS_LOCKS else None
        self.name = ""
        self.alive: IO[bytes] | None = None
        self.written = ""
        self.lock = threading.Lock()  # held while files are written

    def write(self, now: str | None = None) -> None:
        """Tell the others what was counted since the last time.

        Args:
            now: What that is, as `Figures.as_json` says it. It has to be asked for
                where it is counted: in another thread it may change meanwhile.

        Raises:
            OSError: The folder cannot be written to.
        """
        if self.folder is None:
            return
        text = self.figures.as_json() if now is None else now
        with self.lock:
            self.write_in(self.folder, text)

    def write_in(self, folder: Path, text: str) -> None:
        if self.alive is None:
            # Not before: a server may load the application and fork then.
            self.name = f"{os.getpid()}-{secrets.token_hex(4)}"
            folder.mkdir(parents=True, exist_ok=True)
            # Who adds up would take it for one of a process that has ended, in the
            # moment before it is locked.
            with only_one(folder):
                self.alive = locked_file(folder / f"{self.name}{ALIVE}")
        if text != self.written:
            replace(folder / f"{self.name}.json", text)
            self.written = text

    def text(self, now: str | None = None) -> str:
        """What Prometheus reads: all together, or who has counted it.

        Args:
            now: What was counted here; see `write`.
        """
        here = self.figures.as_json() if now is None else now
        if self.folder is None:
            return text_of(Figures.of_json(here), f'pid="{os.getpid()}"')
        self.write(here)
        return text_of(total(self.folder))

    def close(self) -> None:
        """Write for the last time."""
        self.figures.in_flight = self.figures.streams = 0
        self.write()
        if self.alive is not None:
            self.alive.close()
            self.alive = None


def total(folder: Path) -> Figures:
    """What all have counted, as each has written it last."""
    with only_one(folder):
        found = with_ended(folder)
        for lock in folder.glob(f"*{ALIVE}"):
            theirs = read(folder / f"{lock.stem}.json")
            if theirs is not None:
                found.add(theirs)
    return found


def with_ended(folder: Path) -> Figures:
    """What processes counted that have ended; their files are gone afterwards."""
    known, found = ended(folder / ENDED)
    gone = [lock for lock in folder.glob(f"*{ALIVE}") if not is_held(lock)]
    for lock in gone:
        # One whose file could not be removed after it was added is not added again.
        theirs = read(folder / f"{lock.stem}.json")
        if theirs is not None and lock.stem not in known:
            found.add(theirs, is_over=True)
    if gone:
        told = {"names": [lock.stem for lock in gone], "figures": found.as_json()}
        replace(folder / ENDED, json.dumps(told))
    for lock in gone:
        (folder / f"{lock.stem}.json").unlink(missing_ok=True)
        lock.unlink(missing_ok=True)
    return found


def ended(file: Path) -> tuple[list[str], Figures]:
    """Who was added last, and what all of them had counted."""
    text = read_text(file)
    if text is None:
        return [], Figures()
    try:
        told: dict[str, Any] = json.loads(text)  # Any: as `with_ended` has it
        return list(told["names"]), Figures.of_json(told["figures"])
    except (KeyError, TypeError, ValueError):
        return [], Figures()  # of another version: counters may begin anew


@contextmanager
def only_one(folder: Path) -> Generator[None]:
    """Meanwhile no other process adds up."""
    with locked_file(folder / LOCK):
        yield


def locked_file(path: Path) -> IO[bytes]:
    import fcntl

    file = path.open("ab")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def is_held(path: Path) -> bool:
    """Whether the process that has locked the file lives."""
    import fcntl

    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def read(path: Path) -> Figures | None:
    """The figures in a file; None if there is none yet, or one of another version."""
    text = read_text(path)
    try:
        return None if text is None else Figures.of_json(text)
    except ValueError:
        return None


def read_text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return None


def replace(path: Path, text: str) -> None:
    """Write a file that others never see a part of."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text, "utf-8")
    os.replace(new, path)
