"""The display for terminals if rich is installed.

All calls of this process share one display, with a row for each, because rich can have
only one at a time in a terminal. The display has no thread of its own: whoever shows
something draws it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import TextIO

from rich import progress as rich_progress
from rich.console import Console
from rich.table import Column

from cotality.core.utils._process.machine.this_process import after_fork

from . import output_place
from .sentence import titled
from .snapshot import Progress


class Screen:
    """A display that stands, and its rows from top to bottom."""

    def __init__(self, stream: TextIO) -> None:
        self.display = rich_progress.Progress(
            rich_progress.BarColumn(bar_width=24),
            rich_progress.TextColumn(
                "{task.description}",
                markup=False,
                table_column=Column(no_wrap=True, overflow="ellipsis"),
            ),
            # What kind of place it is we have seen ourselves.
            console=Console(file=stream, force_terminal=True, force_interactive=True),
            auto_refresh=False,
            # What is printed is put above the rows. Only what goes to the terminal
            # anyway: it would also catch what `> file` is to receive.
            redirect_stdout=is_terminal(sys.stdout),
            redirect_stderr=True,
        )
        self.rows: list[rich_progress.TaskID] = []

    def start(self) -> None:
        self.display.start()
        # A program that is killed would leave the terminal without one.
        self.display.console.show_cursor(True)


lock = threading.RLock()  # held while a row or the screen comes or goes
screen: Screen | None = None


def put_up(new: Screen | None) -> None:
    global screen
    screen = new
    output_place.has_display = new is not None


def forget_screen() -> None:
    """In a forked child: the display is the parent's, and so is who held the lock."""
    global lock
    lock = threading.RLock()
    put_up(None)


after_fork(forget_screen)


class RichFace:
    """One row.

    An exception may strike its call at any step. So the screen is known before it is
    started, what has no rows is taken down, and a row goes with its face.
    """

    pause = 0.1

    def __init__(self, stream: TextIO) -> None:
        with lock:
            take_down_without_rows()
            try:
                self.appear(stream)
            finally:
                take_down_without_rows()

    def appear(self, stream: TextIO) -> None:
        standing = screen
        if standing is None:
            standing = Screen(stream)
            put_up(standing)
            standing.start()
        self.screen = standing
        self.row = standing.display.add_task("", total=None, visible=False)
        standing.rows.append(self.row)

    def show(self, progress: Progress) -> None:
        self.screen.display.update(
            self.row,
            completed=progress.done,
            total=progress.total,
            description=titled(progress),
            visible=True,
            refresh=True,
        )

    def close(self, progress: Progress) -> None:
        """Show the last state; take down the display if this was the last row.

        A row below another that is still running goes: a call made inside another one
        may be one of very many.
        """
        with lock:
            if screen is not self.screen:
                return  # in a child that was forked meanwhile
            is_first = self.screen.rows[0] == self.row
            try:
                if is_first:
                    self.show(progress)
                else:
                    self.screen.display.remove_task(self.row)
            finally:
                self.screen.rows.remove(self.row)
                take_down_without_rows()

    def __del__(self, program_ends: Callable[[], bool] = sys.is_finalizing) -> None:
        """Its call was struck before it could close it."""
        if program_ends():
            return  # and what is in modules may be gone
        with lock:
            if "row" in self.__dict__ and self.row in self.screen.rows:
                self.screen.rows.remove(self.row)
                self.screen.display.remove_task(self.row)
            take_down_without_rows()


def take_down_without_rows() -> None:
    if screen is None:
        put_up(None)  # in case an exception struck half-way the last time
        return
    if screen.rows:
        return
    before: dict[str, TextIO] = {
        name: getattr(sys, name) for name in ("stdout", "stderr")
    }
    screen.display.stop()
    put_up(None)
    for name, stream in before.items():
        # It may be late for that. What is somebody else's by now stays where it is.
        if not hasattr(stream, "rich_proxied_file"):
            setattr(sys, name, stream)


def is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()
