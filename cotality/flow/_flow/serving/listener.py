"""The socket that a flow is served at: its place, and what keeps others away from it.

It lies in a folder that only its own user can enter, and only that user may open it.
Whoever connects all the same is asked for his user id by the router.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import stat
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from cotality._kit.standard_places import fill
from cotality.flow._flow.errors.errors import FlowError

if os.name == "posix":
    import fcntl

SOCKET_NAME = "flow.sock"
LONGEST = 100  # bytes of a path; systems take from 104 to 108
BACKLOG = 1024  # connections that may wait to be accepted
MOST_SWEPT = 64  # folders of servers that have ended without a word


def base_folder() -> Path:
    """Where the folders of this user's services are."""
    given = os.environ.get("XDG_RUNTIME_DIR")
    if given and len(os.fsencode(given)) < LONGEST // 2 and os.access(given, os.W_OK):
        return Path(given) / "cotality-flow"
    return Path(tempfile.gettempdir()) / f"cotality-flow-{os.getuid()}"


def default_path(name: str) -> Path:
    """Where the service *name* of this user is served, unless it is said otherwise."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")[:40] or "flow"
    return base_folder() / plain / SOCKET_NAME


class Listener:
    """A socket that is bound and listens.

    Attributes:
        end: None once it was handed over.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.end: socket.socket | None = None
        check_length(path)
        folder = path.parent
        self.made_folder = made_own_folder(folder)
        with alone_in(folder):
            see_that_it_is_free(path)
            self.end = bound(path)
            found = os.lstat(path)
        self.identity = found.st_dev, found.st_ino

    def close(self) -> None:
        """Let go of our copy of it."""
        if self.end is not None:
            self.end.close()
            self.end = None

    def remove(self) -> None:
        """Take the socket away, and its folder if that was made for it."""
        self.close()
        try:
            found = os.lstat(self.path)
            if (found.st_dev, found.st_ino) == self.identity:
                os.unlink(self.path)
            if self.made_folder:
                os.rmdir(self.path.parent)
        except OSError:
            pass  # somebody else has, or has put something there


def made_own_folder(folder: Path) -> bool:
    """See that *folder* is there and nobody else's; whether it had to be made.

    Raises:
        PermissionError: Others could change what is in it.
    """
    parent = folder.parent
    if not folder.exists() and not parent.exists():
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if parent == base_folder():
        check_own(parent)
        sweep(parent)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        check_own(folder)
        return False
    return True


def check_own(folder: Path) -> None:
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode):
        raise PermissionError(f"{folder} is not a folder, and a socket has to be in it")
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(
            f"{folder} is to have the socket of a flow, so it has to belong to this "
            f"user, and nobody else may enter it (chmod 700); it belongs to user "
            f"{found.st_uid} and has mode {stat.S_IMODE(found.st_mode):o}"
        )


@contextmanager
def alone_in(folder: Path) -> Generator[None, None, None]:
    """Let no other server look whether a place is free at the same time."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def see_that_it_is_free(path: Path) -> None:
    """Remove what a server has left at *path* that was killed.

    Raises:
        FlowError: A flow is served there.
        FileExistsError: There is something else.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(f"{path} exists already, and is not a socket")
    if is_served(path):
        raise FlowError(f"a flow is served at {path} already; give another socket")
    os.unlink(path)


def is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as end:
        end.setblocking(False)
        try:
            end.connect(str(path))
        except BlockingIOError:
            return True  # it has too many to accept just now
        except OSError:
            return False
        return True


def check_length(path: Path) -> None:
    if len(os.fsencode(path)) > LONGEST:
        raise ValueError(
            f"the path of a socket may have {LONGEST} bytes, and {path} has "
            f"{len(os.fsencode(path))}"
        )


def bound(path: Path) -> socket.socket:
    fill()
    end = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        end.bind(str(path))
    except BaseException:
        end.close()
        raise
    finally:
        os.umask(before)
    end.setblocking(False)
    end.listen(BACKLOG)
    return end


def sweep(base: Path) -> None:
    """Remove the folders of servers that have ended without a word."""
    with os.scandir(base) as entries:
        folders = [Path(entry.path) for entry in islice(entries, MOST_SWEPT)]
    for folder in folders:
        path = folder / SOCKET_NAME
        try:
            is_socket = stat.S_ISSOCK(os.lstat(path).st_mode)
        except OSError:
            continue  # just being made, or something else
        if is_socket and os.listdir(folder) == [SOCKET_NAME]:
            with alone_in(folder):
                if not is_served(path):
                    shutil.rmtree(folder, ignore_errors=True)
