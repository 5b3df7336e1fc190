"""Programs of their own for tests to interrupt, kill and outlive."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

import psutil

from tests.kit.helpers import Marks, environment_of_scripts, with_names_for_star
from tests.kit.limits import GONE_S, GUARD_S, LONG_S, POLL_S

# A program that is started in the background inherits an ignored SIGINT. In a terminal
# of its own it first has to make that the terminal it is controlled by.
PREAMBLE = """
import os, signal, subprocess, sys, threading, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
if os.isatty(0):
    import fcntl, termios
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from cotality.core.utils.process import *
from tests.kit.helpers import *
from tests.kit.programs import *
marks, gate = Marks(Path("marks")), Gate(Path("only.gate"))
"""
CTRL_C = b"\x03"


class Program:
    """A script that runs in *folder*; used as a context manager.

    Its ``marks`` and ``gate`` are those of the fixtures with these names.
    """

    def __init__(self, source: str, folder: Path, *, terminal: bool = False) -> None:
        script = folder / "program.py"
        script.write_text(with_names_for_star(PREAMBLE + source), "utf-8")
        self.command = [sys.executable, "-W", "error", str(script)]
        self.folder = folder
        self.terminal = terminal
        self.output = b""
        self.seen: set[psutil.Process] = set()

    def __enter__(self) -> Program:
        if self.terminal:
            self.read_end, write_end = os.openpty()
        else:
            self.read_end, write_end = os.pipe()
        self.process = subprocess.Popen(
            self.command,
            stdin=write_end if self.terminal else subprocess.DEVNULL,
            stdout=write_end,
            stderr=write_end,
            cwd=self.folder,
            env={**environment_of_scripts(), "PYTHON_COLORS": "0"},
            start_new_session=True,
        )
        os.close(write_end)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        return self

    def read(self) -> None:
        """Take what is printed, until nobody is left who could print."""
        while True:
            try:
                data = os.read(self.read_end, 65536)
            except OSError:  # how a terminal says that it is over
                return
            if not data:
                return
            self.output += data

    def look(self) -> None:
        """Take note of the processes that the program has now."""
        here = psutil.Process(self.process.pid)
        self.seen |= {here, *here.children(recursive=True)}

    def note(self, pids: set[int]) -> None:
        """Take note of processes that only the program itself knows."""
        self.seen |= {psutil.Process(pid) for pid in pids}

    def send(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def press_ctrl_c(self) -> None:
        """As a person does: the whole group in the foreground is interrupted."""
        if self.terminal:
            os.write(self.read_end, CTRL_C)
        else:
            self.send(signal.SIGINT)

    def exit_code(self, within: float = LONG_S) -> int:
        return self.process.wait(within)

    def left_over(self) -> list[psutil.Process]:
        """Those of the processes seen that are there although it has ended."""
        end = time.monotonic() + GONE_S
        while (left := list(filter(is_alive, self.seen))) and time.monotonic() < end:
            time.sleep(POLL_S)
        return left

    def printed(self) -> str:
        """All that was printed, once everybody who could print has ended."""
        self.reader.join(LONG_S)
        return self.output.decode().replace("\r\n", "\n")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.look()
        for process in {*self.seen, psutil_process(self.process.pid)} - {None}:
            if is_alive(process):
                process.kill()
        self.process.wait(LONG_S)
        self.reader.join(LONG_S)
        os.close(self.read_end)
        if kind is not None:
            print(self.output.decode())  # for the report on the failed test


def psutil_process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs; on some machines nobody collects what is left of orphans."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# What tasks of such programs do.


def mark_and_sleep(marks: Marks) -> None:
    marks.leave(os.getpid())
    time.sleep(GUARD_S)


def mark_and_hold_the_lock(marks: Marks) -> None:
    """Be busy in C, so that no other thread of the process ever runs."""
    marks.leave(os.getpid())
    sum(range(10**12))


children: list[subprocess.Popen[bytes]] = []  # kept, so that nobody warns


def start_a_child(marks: Marks) -> None:
    code = f"import time; time.sleep({GUARD_S})"
    children.append(subprocess.Popen([sys.executable, "-c", code]))
    marks.leave(children[-1].pid)


def mark_child_and_sleep(marks: Marks) -> None:
    start_a_child(marks)
    mark_and_sleep(marks)


def mark_child_and_hold_the_lock(marks: Marks) -> None:
    start_a_child(marks)
    mark_and_hold_the_lock(marks)
