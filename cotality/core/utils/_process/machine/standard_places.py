"""Keeps our descriptors out of the places of standard input, output and error.

A program may run with these closed: a daemon, a cron job, a windowed application. The
next file that is opened then takes one of their places. What C code, or a program that
a task runs, writes to standard error would go into that file: into a link between two
processes, for instance.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cotality._kit.struck import is_of_a_signal

from .this_process import after_fork

if TYPE_CHECKING:
    import socket

if sys.platform != "win32":
    import fcntl

FIRST_FREE = 3  # descriptors below are standard input, output and error


class Places:
    """Those of the standard places that are closed, and taken for a while."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.users = 0
        self.taken: list[int] = []

    def take(self) -> None:
        with self.lock:
            self.taken += nulls()
            self.users += 1

    def give_back(self) -> None:
        with self.lock:
            self.users -= 1
            if self.users == 0:
                taken, self.taken = self.taken, []
                close(taken)


places = Places()


@contextmanager
def above_standard() -> Generator[None, None, None]:
    """What is opened in the ``with`` lies above the standard places.

    Those that are closed lead to the null device meanwhile, also in a process that is
    started in the ``with``.
    """
    if sys.platform == "win32":
        yield  # a handle there is no number of a place
        return
    held = places
    held.take()
    try:
        yield
    finally:
        held.give_back()


def nulls() -> list[int]:
    """Lead the standard places that are closed to the null device; which."""
    taken: list[int] = []
    if are_open():
        return taken
    while (fd := os.open(os.devnull, os.O_RDWR)) < FIRST_FREE:
        os.set_inheritable(fd, True)
        taken.append(fd)
    os.close(fd)
    return taken


def close(fds: list[int]) -> None:
    for fd in fds:
        try:
            os.close(fd)
        except OSError as raised:
            if is_of_a_signal(raised):
                raise
            # The program has closed its standard files meanwhile, and ours.


def are_open() -> bool:
    """Whether each of the standard places has something in it, as mostly."""
    return all(map(is_open, range(FIRST_FREE)))


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError as raised:
        if is_of_a_signal(raised):
            raise
        return False
    return True


def moved_up(fd: int) -> int:
    """*fd*, or in its stead another one for the same file that lies above."""
    if not 0 <= fd < FIRST_FREE or sys.platform == "win32":
        return fd
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE)
    finally:
        os.close(fd)


def end_moved_up(end: socket.socket) -> socket.socket:
    """*end*, or another object for the same socket that lies above."""
    if end.fileno() >= FIRST_FREE:
        return end
    return type(end)(fileno=moved_up(end.detach()))


def settled(link: socket.socket) -> socket.socket:
    """In a worker: no place is free any more, and *link* is in none of them."""
    if sys.platform == "win32":
        return link
    link = end_moved_up(link)
    nulls()
    return link


def forget() -> None:
    """In a forked child: what was taken stays, and leads to the null device."""
    global places
    places = Places()


after_fork(forget)
