"""The face for terminals if rich is installed.

All calls of this process share one display, with a row for each: rich can have only one
at a time in a terminal. It has no thread of its own; whoever shows draws.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import TextIO

from rich import progress as rich_progress
from rich.console import Console
from rich.table import Column

from . import output_place
from .sentence import sentence
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
        self.rows: list[RichFace] = []
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


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_screen)


class RichFace:
    """One row."""

    pause = 0.1

    def __init__(self, stream: TextIO) -> None:
        with lock:
            if screen is None:
                put_up(Screen(stream))
            assert screen is not None
            self.display = screen.display
            self.row = self.display.add_task("", total=None, visible=False)
            screen.rows.append(self)

    def show(self, progress: Progress) -> None:
        self.display.update(
            self.row,
            completed=progress.done,
            total=progress.total,
            description=sentence(progress),
            visible=True,
            refresh=True,
        )

    def close(self, progress: Progress) -> None:
        """Show the last state; take down the display if this was the last row.

        A row below another that is still running goes: a call made inside another one
        may be one of very many.
        """
        with lock:
            if screen is None:
                return  # in a child that was forked meanwhile
            is_first = screen.rows[0] is self
            screen.rows.remove(self)
            try:
                if is_first:
                    self.show(progress)
                else:
                    self.display.remove_task(self.row)
            finally:
                if not screen.rows:
                    screen.display.stop()
                    put_up(None)


def is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()
