"""An exception that strikes while a bar is drawn takes nothing from later bars."""

from __future__ import annotations

import contextlib
import gc
import io
import itertools
import sys
from types import CodeType

import pytest

from cotality.core.utils._process.engine.observers import Start
from cotality.core.utils._process.progress import bar, choose_display
from cotality.core.utils._process.progress.bar import Bar
from cotality.core.utils._process.tasks.outcome import Settled
from tests.kit.striking import KINDS, Strike, handlers

# What a terminal shows is the same on every Python.
pytestmark = pytest.mark.one_python

EVERY = 19  # instructions from one strike to the next


class Terminal(io.StringIO):
    """What stands for a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(params=["rich", "tqdm", ""], ids=["rich", "tqdm", "plain"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which library draws bars, all of which appear at once."""
    only: str = request.param
    monkeypatch.setattr(choose_display, "is_installed", lambda name: name == only)
    monkeypatch.setattr(choose_display, "bars_of_tqdm_stand", lambda: False)
    monkeypatch.setattr(bar, "FIRST_AFTER", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    return only


def show_one() -> None:
    """What a call shows whose observer sees a second go by at each look."""
    times = itertools.count(10.0)
    one = Bar(lambda: next(times))
    one.began(Start(2, 1, "threads", 0.0))
    for number in range(2):
        one.settled(Settled(number, [None], {}))
    one.ended(None)


def shown() -> tuple[str, bool]:
    """What it leaves in a terminal, and whether standard error is as it was."""
    terminal = Terminal()
    usual, sys.stderr = sys.stderr, terminal
    try:
        show_one()
    finally:
        left, sys.stderr = sys.stderr, usual
    return terminal.getvalue(), left is terminal


def is_of_bars(code: CodeType) -> bool:
    folder = bar.__file__.removesuffix("bar.py")
    return code.co_filename.startswith(folder)


def test_a_bar_that_was_struck_is_not_in_the_way_of_the_next(library: str) -> None:
    """The next one is drawn where and as it always is, and nothing stays behind."""
    usual = shown()
    assert "2 tasks in" in usual[0]
    assert usual[1]
    kinds = itertools.cycle(KINDS)

    for at in itertools.count(1, EVERY):
        error = next(kinds)
        strike = Strike(at, error, is_of_bars)
        with handlers(), contextlib.suppress(error), strike:
            shown()
        if not strike.place:
            break
        gc.collect()  # what was struck while it handled an error lies in a circle
        assert shown() == usual, (at, strike.place)
        assert not list(bar.running), (at, strike.place)
