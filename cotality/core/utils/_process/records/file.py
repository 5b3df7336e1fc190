"""Appending to a file of records: whole lines or nothing."""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
from pathlib import Path

from cotality.core.utils._process.standard_places import moved_up

from .errors import JournalError, JournalInUseError
from .lock import lock_within, remember, unlock
from .reader import check_header, header_of, is_torn_header

FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
BLOCK = 64 * 1024  # bytes


class RecordFile:
    """A file of records that is open for appending, and locked.

    What was appended is with the system, so that it outlives this process; after
    :meth:`sync` it outlives the system.

    Args:
        path: The file; it is made if there is none.
        kind: What it holds, in one or two words.
        patience: How many seconds to wait for whoever has it open.

    Raises:
        JournalInUseError: Somebody still has it.
        JournalError: It cannot be opened, or is something else.
    """

    def __init__(self, path: Path, kind: str, *, patience: float = 0.0) -> None:
        self.path = path
        self.kind = kind
        self.fd = -1
        self.owner = os.getpid()
        self.is_synced = True
        try:
            self.open(patience)
        except OSError as error:
            self.close()
            raise JournalError(
                f"the {kind} {path} cannot be opened: {error.strerror or error}"
            ) from error
        except BaseException:
            self.close()
            raise

    def open(self, patience: float) -> None:
        while self.fd < 0:
            self.fd = moved_up(os.open(self.path, FLAGS, 0o666))
            remember(self)
            if not lock_within(self.fd, patience):
                raise JournalInUseError(
                    f"the {self.kind} {self.path} is in use: another run writes to it, "
                    f"in this process or in another one. Wait for its end, or choose "
                    f"another path."
                )
            if not self.is_current():
                self.close()  # replaced while we waited: now the one that is there
        self.end = os.fstat(self.fd).st_size
        start = self.read_at(0, BLOCK)
        if is_torn_header(start):
            self.cut(0)
            created = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
            python = platform.python_version()
            self.append(header_of(self.kind, created=created, python=python))
        else:
            check_header(self.path, self.kind, start.partition(b"\n")[0] + b"\n")
            self.cut_torn_line()

    def is_current(self) -> bool:
        """Whether the open file is the one that has the name now."""
        try:
            named = os.stat(self.path)
        except FileNotFoundError:
            return False
        return os.path.samestat(named, os.fstat(self.fd))

    def cut_torn_line(self) -> None:
        """Remove a last line without an end: its writer was killed."""
        begin = self.end
        while begin > 0:
            first = max(0, begin - BLOCK)
            newline = self.read_at(first, begin - first).rfind(b"\n")
            if newline >= 0:
                begin = first + newline + 1
                break
            begin = first
        if begin < self.end:
            self.cut(begin)

    def cut(self, end: int) -> None:
        os.ftruncate(self.fd, end)
        self.end = end

    def append(self, lines: bytes) -> None:
        """Add *lines*, all of them or, if that fails, none.

        Raises:
            OSError: Such as `ENOSPC`, when the disk is full.
        """
        begin = self.end
        rest = memoryview(lines)
        try:
            while rest:
                rest = rest[os.write(self.fd, rest) :]
        except BaseException:  # a Ctrl-C as well
            with contextlib.suppress(OSError):
                os.ftruncate(self.fd, begin)
            raise
        self.end = begin + len(lines)
        self.is_synced = False

    def sync(self) -> None:
        """Return when all that was appended is on the disk."""
        if not self.is_synced:
            os.fsync(self.fd)
            self.is_synced = True

    def read_at(self, offset: int, count: int) -> bytes:
        os.lseek(self.fd, offset, os.SEEK_SET)  # appending goes to the end anyway
        return os.read(self.fd, count)

    def close(self) -> None:
        """Let go of the file and of its lock."""
        fd, self.fd = self.fd, -1
        if fd < 0:
            return
        if os.getpid() == self.owner:  # the lock of a forked child is its parent's
            unlock(fd)
        os.close(fd)
