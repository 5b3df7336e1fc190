"""One slot, one worker: a lock on a file, which ends with the process that holds it.

Whoever can take the lock of a worker on this machine knows that the worker has ended,
without waiting for its signs of life to stop.
"""

from __future__ import annotations

import functools
import getpass
import hashlib
import json
import os
import re
import socket
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cotality._kit.standard_places import fill
from cotality.jobs._jobs.errors.errors import SlotInUseError

from .database import Database

LOOKS, PAUSE_S = 5, 0.02
FAR = 1 << 20  # bytes


class Slot:
    """A slot that this process holds until `close`, or until it ends."""

    def __init__(self, name: str, folder: Path, about: Mapping[str, object]) -> None:
        self.name = name
        self.file = folder / f"{name}.lock"
        folder.mkdir(parents=True, exist_ok=True)
        fill()
        self.descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT, 0o600)
        if not soon_locked(self.descriptor):
            text = read(self.descriptor)
            os.close(self.descriptor)
            raise SlotInUseError(
                f"slot {name!r} is in use by {holder_of(text)}: give this worker "
                f"another --slot, or none"
            )
        os.ftruncate(self.descriptor, 0)
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        os.write(self.descriptor, json.dumps(about).encode())

    def close(self) -> None:
        os.close(self.descriptor)


@functools.cache
def this_machine() -> str:
    """What tells apart machines, and containers whose files are not the same.

    Two of them may have one name, and each a file of its own at the same path: what a
    lock says there would be about somebody else.
    """
    parts = [socket.gethostname()]
    try:
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip())
        parts.append(f"{os.stat('/proc/self/ns/mnt').st_ino}")
    except OSError:
        parts.append(f"{uuid.getnode():x}")  # where there is no such thing
    return " ".join(parts)


def read(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, 4096).decode("utf-8", "replace")


def holder_of(text: str) -> str:
    try:
        about: dict[str, Any] = json.loads(text)  # Any: what `Slot` writes
        return f"worker {about['worker']} (pid {about['pid']} on {about['host']})"
    except (ValueError, KeyError, TypeError):
        return "another worker"


def free_slot(folder: Path, about: Mapping[str, object]) -> Slot:
    """The first slot that nobody has: ``0``, ``1`` and so on."""
    number = 0
    while True:
        try:
            return Slot(f"{number}", folder, about)
        except SlotInUseError:
            number += 1


def checked_slot(name: str) -> str:
    if not re.fullmatch(r"[\w.-]{1,100}", name):
        raise ValueError(
            f"a slot is named by letters, digits, '.', '-' and '_', got {name!r}"
        )
    return name


def folder_of(database: Database) -> Path:
    """Where the locks are: beside the file, or in this user's temporary folder."""
    file = database.file
    if file is not None:
        return file.with_name(f"{file.name}.slots")
    digest = hashlib.sha256(database.url.encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"cotality-{user_name()}" / digest


def user_name() -> str:
    """The name of this user, or the number of one that has none, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # by the release of Python
        return f"{os.getuid()}"


def has_ended(lock_file: str, worker: str) -> bool | None:
    """Whether *worker*, of this machine, which held this lock, is no more.

    None if the lock does not tell: its file is gone, or somebody else's.
    """
    try:
        descriptor = os.open(lock_file, os.O_RDWR)
    except OSError:
        return None
    try:
        text = read(descriptor)
        return worker not in text or locked(descriptor)  # or another one has the slot
    finally:
        os.close(descriptor)


def soon_locked(descriptor: int) -> bool:
    """Likewise; whoever only looks whether its holder lives has it for a moment."""
    for _ in range(LOOKS):
        if locked(descriptor):
            return True
        time.sleep(PAUSE_S)
    return False


def locked(descriptor: int) -> bool:
    """Whether *descriptor* has the lock now."""
    try:
        if sys.platform == "win32":
            import msvcrt

            # Others may not read what is locked there, so it is a byte behind the text.
            os.lseek(descriptor, FAR, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
