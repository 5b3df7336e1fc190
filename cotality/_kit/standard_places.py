"""Keeps our descriptors out of the places of standard input, output and error.

A program may run with these closed: a daemon, a cron job, a windowed application. The
next file that is opened then takes one of their places. What C code, or a program that
a task runs, writes to standard error would go into that file: into a link between two
processes, for instance.

So the places that are closed are led to the null device before anything of ours is
opened, and stay so: SQLite and the runtime of Rust do the same. They are not given
back, because nobody could tell then whether what lies there is still ours, or what the
program has put there meanwhile.

While we look, a file that another thread of the program has open for a moment may lie
in such a place, and it counts as one that is not closed. So whoever opens something
that stays looks where it lies, too.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from .struck import is_of_a_signal

if TYPE_CHECKING:
    import socket

if sys.platform != "win32":
    import fcntl

FIRST_FREE = 3  # descriptors below are standard input, output and error


def fill() -> None:
    """Lead the standard places that are closed to the null device, for good.

    What is opened from here on lies above them, in each thread. Takes about a
    microsecond where none is closed. On Windows a handle is no number of a place, and
    nothing is done.
    """
    if sys.platform == "win32":
        return
    for place in range(FIRST_FREE):
        if not is_open(place):
            fd = os.open(os.devnull, os.O_RDWR)
            if fd < FIRST_FREE:  # this place, or one below that is free by now
                os.set_inheritable(fd, True)
            else:
                os.close(fd)  # somebody else was quicker


def is_open(fd: int) -> bool:
    try:
        os.get_inheritable(fd)  # in a quarter of the time of `os.fstat`
    except OSError as raised:
        if is_of_a_signal(raised):
            raise
        return False
    return True


def holds(fd: int) -> bool:
    """Whether the file of *fd* lies in a standard place, where no child gets it."""
    hidden = [place for place in range(FIRST_FREE) if is_hidden(place)]
    return bool(hidden) and any(map(partial(lies_at, os.fstat(fd)), hidden))


def is_hidden(place: int) -> bool:
    """Whether a child would not get it, as what belongs there mostly is for all."""
    try:
        return not os.get_inheritable(place)
    except OSError as raised:
        if is_of_a_signal(raised):
            raise
        return False


def lies_at(found: os.stat_result, place: int) -> bool:
    try:
        return os.path.samestat(os.fstat(place), found)
    except OSError as raised:
        if is_of_a_signal(raised):
            raise
        return False  # nothing is there


def moved_up(fd: int) -> int:
    """*fd*, or in its stead another one for the same file that lies above."""
    if not 0 <= fd < FIRST_FREE or sys.platform == "win32":
        return fd
    try:
        return duplicate(fd)
    finally:
        os.close(fd)
        fill()


def duplicate(fd: int) -> int:
    """Another one for the same file, which no child gets."""
    if sys.platform == "win32":
        return os.dup(fd)
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE)


def pipe() -> tuple[int, int]:
    """A pipe: the end to read from, and the one to write to."""
    fill()
    first, second = os.pipe()
    return moved_up(first), moved_up(second)


def socket_pair(
    family: int | None = None, kind: int | None = None
) -> tuple[socket.socket, socket.socket]:
    """As `socket.socketpair`."""
    import socket  # 4 ms, and a call on threads needs none

    fill()
    kind = socket.SOCK_STREAM if kind is None else kind
    first, second = socket.socketpair(family, kind)
    return end_moved_up(first), end_moved_up(second)


def connected_pair() -> tuple[int, int]:
    """A pair of sockets for streams, as descriptors, without the module `socket`."""
    import _socket

    fill()
    first, second = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
    return moved_up(first.detach()), moved_up(second.detach())


def end_moved_up(end: socket.socket) -> socket.socket:
    """*end*, or another object for the same socket that lies above."""
    if end.fileno() >= FIRST_FREE:
        return end
    return type(end)(fileno=moved_up(end.detach()))


def settled(link: socket.socket) -> socket.socket:
    """In a worker: no place is free any more, and *link* is in none of them."""
    link = end_moved_up(link)
    fill()
    return link
