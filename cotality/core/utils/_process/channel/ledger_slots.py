"""Memory that a parent shares with its workers: a slot for each, no names that leak.

All slots of an executor lie in one anonymous file, so they cost the parent one file
descriptor, however many workers there are. `faulthandler` writes to a second such file
when a worker crashes.
"""

from __future__ import annotations

import mmap
import os
import sys
from multiprocessing import reduction
from typing import Any

from cotality._kit.standard_places import duplicate, moved_up
from cotality.core.utils._process.machine.descriptor import Descriptor, mapped_above
from cotality.core.utils._process.tasks.errors import WorkerStartError

from .ledger import SLOT, Ledger
from .segments import largest_file, memory_file

STACK = 64 * 1024  # bytes for the stack of one worker; faulthandler writes less


class Slots:
    """The parent's side: *count* slots, handed to workers and taken back."""

    size: int
    tag: str
    free: list[int]
    memory: mmap.mmap

    def __init__(self, count: int) -> None:
        self.file: Descriptor | None = None
        self.stacks_file: Descriptor | None = None
        self.size = count * SLOT
        self.tag = f"cotality-{os.urandom(8).hex()}"
        self.free = list(range(count))
        if sys.platform == "win32":
            self.memory = mmap.mmap(-1, self.size, tagname=self.tag)
            return
        check_file_size(self.size)
        try:
            self.file = memory_file("cotality-ledger")
            os.ftruncate(self.fd, self.size)
            self.memory = mapped_above(self.fd, self.size)
            self.stacks_file = memory_file("cotality-stacks")
            os.ftruncate(self.stacks_fd, count * STACK)
        except BaseException:
            self.close_files()
            raise

    @property
    def fd(self) -> int:
        """Of the file of the slots; -1 where there is none, or once it is closed."""
        return -1 if self.file is None else self.file.fd

    @property
    def stacks_fd(self) -> int:
        """Likewise, of the file of the stacks."""
        return -1 if self.stacks_file is None else self.stacks_file.fd

    def close_files(self) -> None:
        for file in (self.file, self.stacks_file):
            if file is not None:
                file.close()

    def lend(self) -> Slot:
        """A free slot, made new."""
        number = min(self.free)
        self.free.remove(number)
        slot = Slot(self, number)
        slot.ledger.clear()
        return slot

    def close(self) -> None:
        """Give the memory back once the last ledger that reads it is gone.

        The mapping has a descriptor of its own, which ends with it.
        """
        del self.memory
        self.close_files()


class Slot:
    """The parent's side of one worker's slot."""

    ledger: Ledger

    def __init__(self, slots: Slots, number: int) -> None:
        self.slots = slots
        self.number = number
        self.ledger = Ledger(slots.memory, number * SLOT)

    def give_back(self) -> None:
        self.slots.free.append(self.number)

    def for_worker(self) -> WorkerSlot:
        """The way of this slot into its worker; to be closed once that is started.

        It has descriptors of its own: a worker that is forked closes the parent's.
        """
        slots = self.slots
        fd = another(slots.fd)
        try:
            stacks_fd = another(slots.stacks_fd)
        except OSError:
            close_all(fd)
            raise
        return WorkerSlot(self.number, slots.size, slots.tag, fd, stacks_fd)

    def take_stack(self) -> str:
        """What faulthandler wrote about the worker that had this slot, once."""
        fd = self.slots.stacks_fd
        if fd < 0:
            return ""
        written = os.pread(fd, STACK, self.number * STACK).rstrip(b"\0")
        if written:
            os.pwrite(fd, bytes(len(written)), self.number * STACK)
        return written.decode("utf-8", "replace")


class WorkerSlot:
    """The way of one slot into its worker, and what the worker makes of it."""

    number: int
    size: int
    tag: str
    fd: int
    stacks_fd: int

    def __init__(
        self, number: int, size: int, tag: str, fd: int, stacks_fd: int
    ) -> None:
        self.number = number
        self.size = size
        self.tag = tag
        self.fd = fd
        self.stacks_fd = stacks_fd

    def __getstate__(self) -> tuple[Any, ...]:  # Any: numbers, or handles of a platform
        duplicates = [
            None if fd < 0 else reduction.DupFd(fd) for fd in (self.fd, self.stacks_fd)
        ]
        return self.number, self.size, self.tag, *duplicates

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        number, size, tag, fd, stacks_fd = state
        self.number, self.size, self.tag = number, size, tag
        self.fd = -1 if fd is None else moved_up(fd.detach())
        self.stacks_fd = -1 if stacks_fd is None else moved_up(stacks_fd.detach())

    def close(self) -> None:
        close_all(self.fd, self.stacks_fd)

    def open_ledger(self) -> Ledger:
        """Map this worker's slot, and nothing of the others."""
        if self.fd < 0:
            memory = mmap.mmap(-1, self.size, tagname=self.tag)  # type: ignore[call-arg]  # Windows
            return Ledger(memory, self.number * SLOT)
        memory = mapped_above(self.fd, SLOT, offset=self.number * SLOT)
        os.close(self.fd)
        return Ledger(memory)

    def open_stack_file(self) -> int | None:
        """A descriptor that writes to this worker's own place for a stack, if any.

        All workers share the file, and a descriptor passed to them shares its
        position too. Only Linux lets us open the same file a second time.
        """
        if self.stacks_fd < 0:
            return None
        try:
            fd = os.open(f"/proc/self/fd/{self.stacks_fd}", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return None
        finally:
            os.close(self.stacks_fd)
        os.lseek(fd, self.number * STACK, os.SEEK_SET)
        return fd


def check_file_size(size: int) -> None:
    """See that a file of *size* bytes may be made.

    Raises:
        WorkerStartError: A limit of this process forbids it.
    """
    limit = largest_file()
    if size > limit:
        raise WorkerStartError(
            f"no worker process can be started: it shares {size:,} bytes of memory "
            f"with this process, whose files may not be larger than {limit:,} bytes, "
            f"those in memory included (ulimit -f, RLIMIT_FSIZE). Raise the limit, or "
            f"use threads."
        )


def another(fd: int) -> int:
    return fd if fd < 0 else duplicate(fd)


def close_all(*fds: int) -> None:
    for fd in fds:
        if fd >= 0:
            os.close(fd)
