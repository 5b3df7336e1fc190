"""An exception that strikes the caller anywhere leaves readable files and no lock.

A Ctrl-C, a time limit by a signal, a handler that raises: each may come between any two
instructions of the thread that makes a call. Here one does, at each of them in turn.
"""

from __future__ import annotations

import gc
import itertools
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from cotality.core.utils._process.call import replay as replaying
from cotality.core.utils._process.durable import dead_letters, files, journal
from cotality.core.utils.process import (
    DeadLetters,
    Journal,
    Task,
    execute_tasks_in_parallel,
    replay,
)
from tests.kit.striking import KINDS, Strike, handlers

PLACES = [
    *(str(Path(each.__path__[0])) + os.sep for each in (dead_letters, journal, files)),
    replaying.__file__,
]
# How many instructions from one strike to the next. With STEP=1 in the environment each
# of them is struck, which takes an hour or so.
EVERY = 211


def is_of_recorders(code: CodeType) -> bool:
    return code.co_filename.startswith(tuple(PLACES))


def tenfold(number: int) -> int:
    if number == 2:
        raise ValueError(f"{number} is bad")
    return 10 * number


def tasks() -> list[Task[int]]:
    return [Task(tenfold, {"number": n}, label=f"t{n}") for n in range(4)]


EXPECTED = "[0, 10, ValueError('2 is bad'), 30]"


@pytest.fixture
def quiet() -> Iterator[None]:
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


def struck_at_each_step(
    call: Callable[[int], object],
    check: Callable[[int], None],
    prepare: Callable[[int], object] = lambda at: None,
) -> int:
    """*call*, struck ever later until nothing strikes it; the number of strikes.

    By each kind in turn, which has to come out of it.
    """
    step = int(os.environ.get("STEP", EVERY))
    kinds = itertools.cycle(KINDS)
    at = 1
    while True:
        error = next(kinds)
        prepare(at)
        try:
            with handlers(), Strike(at, error, is_of_recorders) as strike:
                call(at)
            assert not strike.place, (at, strike.place)
        except error:
            pass
        check(at)
        if not strike.place:
            return at
        at += step


@pytest.mark.one_python
def test_a_struck_call_leaves_a_journal_that_goes_on(
    tmp_path: Path, quiet: None
) -> None:
    """The next call has the file, believes each line, and gives each task its own."""

    def options(at: int) -> dict[str, Any]:
        return {
            "journal": Journal(tmp_path / f"{at}.jsonl", fsync="never"),
            "dead_letters": DeadLetters(tmp_path / f"{at}.letters", skip_damaged=False),
            "on_error": "return",
            "resume": True,
        }

    def call(at: int) -> None:
        execute_tasks_in_parallel(tasks(), 1, inline=True, **options(at))

    def check(at: int) -> None:
        for _ in range(2):
            results = execute_tasks_in_parallel(tasks(), 1, inline=True, **options(at))
            assert repr(results) == EXPECTED, (at, results)
        letters = DeadLetters(tmp_path / f"{at}.letters", skip_damaged=False)
        found = [(letter.key, letter.times) for letter in letters.entries()]
        assert found in ([("t2", 1)], [("t2", 2)], []), at
        assert open_files(tmp_path) == [], at

    assert struck_at_each_step(call, check) > 2000


@pytest.mark.one_python
def test_a_struck_replay_loses_no_letter(tmp_path: Path, quiet: None) -> None:
    """What had not succeeded is there, once; the file can be used at once."""
    good = tmp_path / "good"

    def letters(at: int) -> DeadLetters:
        return DeadLetters(tmp_path / f"{at}.letters", skip_damaged=False)

    def prepare(at: int) -> None:
        execute_tasks_in_parallel(
            [
                Task(fail_unless, {"path": tmp_path / "good"}, label=name)
                for name in "ab"
            ],
            1,
            inline=True,
            on_error="return",
            dead_letters=letters(at),
        )
        good.touch()

    def call(at: int) -> object:
        return replay(letters(at), inline=True)

    def check(at: int) -> None:
        outcomes = replay(letters(at), inline=True)
        assert all(outcome.ok for outcome in outcomes)
        assert letters(at).entries() == []
        assert open_files(tmp_path) == [], at
        good.unlink(missing_ok=True)

    assert struck_at_each_step(call, check, prepare) > 1000


def fail_unless(path: Path) -> None:
    if not path.exists():
        raise ValueError("not good")


def open_files(folder: Path, *, collected: bool = False) -> list[str]:
    """The files in *folder* that this process has open; none where nobody can tell."""
    place = Path("/proc/self/fd")
    if not place.is_dir():
        return []
    found: list[str] = []
    for link in place.iterdir():
        try:
            target = os.readlink(link)
        except OSError:
            continue  # the one that lists them
        if target.startswith(str(folder)):
            found.append(target)
    if found and not collected:
        # What a struck call had made may lie in a circle; who wants the file looks.
        gc.collect()
        return open_files(folder, collected=True)
    return found
