"""Appends to a file of records: whole lines or nothing.

An exception may strike between any two instructions (a Ctrl-C, a time limit from
outside). So each append looks again at what it relies on: how long the file is, and
whether its last line is complete. It cuts off half a line before it writes the next
one.
"""

from __future__ import annotations

import contextlib
import datetime
import gc
import json
import os
import platform
import sys
import threading
from pathlib import Path

from cotality._kit.struck import is_of_a_signal

from .errors import JournalInUseError, Kind
from .handle import Handle, opened
from .lock import holders, lock_within, remember, try_lock, unlock
from .read import checked_id, header_of, is_torn_header
from .seal import sealed
from .trust import check_trust

BLOCK = 64 * 1024  # bytes


def line(event: str, **fields: object) -> bytes:
    return compact({"event": event, **fields}).encode() + b"\n"


def compact(fields: dict[str, object]) -> str:
    return json.dumps(fields, separators=(",", ":"))


class RecordFile:
    """A file of records that is open for appending, and locked.

    What was appended is with the system, so that it outlives this process; after
    :meth:`sync` it outlives the system.

    Args:
        path: The file; if there is none it is made, for this user alone.
        kind: What it holds.
        patience: How many seconds to wait for whoever has it open.
        skip_damaged: Use it although its header is damaged.
        trust_others: Use it although others may write to it.
        new: It must not be there.
        is_brief: Nothing but a local variable of a function holds this object, which
            closes it before it returns.

    Raises:
        JournalInUseError: Somebody still has it.
        JournalError: It cannot be opened, or is something else; or the error of the
            *kind*.
    """

    thread: int
    owner: int
    is_synced: bool
    end: int
    id: bytes

    def __init__(
        self,
        path: Path,
        kind: Kind,
        *,
        patience: float = 0.0,
        skip_damaged: bool = False,
        trust_others: bool = False,
        new: bool = False,
        is_brief: bool = False,
    ) -> None:
        self.path = path
        self.thread = threading.get_ident() if is_brief else 0
        self.kind = kind
        self.skip_damaged = skip_damaged
        self.trust_others = trust_others
        self.handle: Handle | None = None
        self.owner = os.getpid()
        self.is_synced = True
        self.end = 0  # where the last line that is known to be whole ends
        try:
            self.check_trust()
            if new:
                Handle(path, "xb").close()
            self.open(patience)
        except OSError as error:
            self.close()
            if is_of_a_signal(error):
                raise
            raise kind.error(
                f"the {kind.name} {path} cannot be opened: {error.strerror or error}"
            ) from error
        except BaseException:
            self.close()
            raise

    @property
    def fd(self) -> int:
        """Its descriptor; below 0 if it is closed."""
        return -1 if self.handle is None else self.handle.fileno()

    def open(self, patience: float) -> None:
        while self.handle is None:
            self.handle = opened(self.path, "ab+")
            remember(self)
            if not self.lock(patience):
                raise JournalInUseError(
                    f"the {self.kind.name} {self.path} is in use: another run writes "
                    f"to it, in this process or in another one. Wait for its end, or "
                    f"choose another path."
                )
            if not self.is_current():
                self.close()  # replaced while we waited: now the one that is there
        self.check_trust()  # of what was opened, whoever has just put it there
        self.end = os.fstat(self.fd).st_size
        start = self.read_at(0, BLOCK)
        if is_torn_header(start) and len(start) == self.end:
            self.cut(0)
            created = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
            python = platform.python_version()
            header, self.id = header_of(self.kind, created=created, python=python)
            self.append(header)
        else:
            header = start.partition(b"\n")[0] + b"\n"
            file_id = checked_id(
                self.path, self.kind, header, skip_damaged=self.skip_damaged
            )
            assert file_id is not None  # it is whole
            self.id = file_id
            self.cut_torn_line()

    def check_trust(self) -> None:
        if not self.trust_others:
            check_trust(self.path, self.kind)

    def lock(self, patience: float) -> bool:
        if try_lock(self.fd):
            return True
        # A call that an exception has struck at the worst moment leaves its file open,
        # and to be closed with the last of what it had made. That may last: whoever
        # handles the exception has all of it in the traceback.
        if self.others_were_here() and not try_lock(self.fd):
            gc.collect()
        return lock_within(self.fd, patience)

    def others_were_here(self) -> bool:
        """Whether this process has the file open elsewhere; closes what was left so."""
        others = [
            each
            for each in list(holders)
            if each is not self
            and isinstance(each, RecordFile)
            and each.path == self.path
        ]
        for each in others:
            if each.is_left():
                each.close()
        return bool(others)

    def is_left(self) -> bool:
        """Whether it was made for a function that this thread has left since."""
        if self.thread != threading.get_ident():
            return False
        asks = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]  # nothing else tells who is at work
        frame = asks.f_back
        while frame is not None:
            if any(each is self for each in frame.f_locals.values()):
                return False
            frame = frame.f_back
        return True

    def is_current(self) -> bool:
        """Whether the open file is the one that has the name now."""
        try:
            named = os.stat(self.path)
        except FileNotFoundError:
            return False
        return os.path.samestat(named, os.fstat(self.fd))

    def cut_torn_line(self) -> None:
        """Remove a last line without an end: its writer was killed or struck."""
        begin = self.end = os.fstat(self.fd).st_size
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

    def add(self, lines: bytes) -> None:
        """Append *lines* with a seal on each of them.

        Raises:
            OSError: Such as `ENOSPC`, when the disk is full.
        """
        self.append(sealed(lines, self.id))

    def append(self, lines: bytes) -> None:
        """Add *lines* as they are, all of them or, if that fails, none.

        Raises:
            OSError: As above.
        """
        if os.fstat(self.fd).st_size != self.end:
            self.cut_torn_line()
        begin = self.end
        rest = memoryview(lines)
        self.is_synced = False
        try:
            while rest:
                rest = rest[os.write(self.fd, rest) :]
        except BaseException:  # a Ctrl-C as well
            with contextlib.suppress(OSError):
                os.ftruncate(self.fd, begin)
            raise
        self.end = begin + len(lines)

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
        handle = self.handle
        if handle is None:
            return
        # Struck between two of these lines it may be called again.
        if not handle.closed and os.getpid() == self.owner:
            unlock(handle.fileno())  # the lock of a forked child is its parent's
        handle.close()
        self.handle = None
