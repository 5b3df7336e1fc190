"""What a script has changed since a worker got it counts there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cotality.core.utils._process.scripts.tokens import Tokens
from tests.kit.changing_programs import PROGRAMS
from tests.kit.helpers import environment_of_scripts, run_script
from tests.kit.limits import LONG_S

IMPORT = (
    "from cotality.core.utils.process import *\n"
    "def run(function, *arguments):\n"
    "    task = Task.of(function, *arguments)\n"
    "    return execute_tasks_in_parallel([task], 1, True)[0]\n"
)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Of each program, without workers and with one; one process runs them all."""
    folder = tmp_path_factory.mktemp("programs")
    ended = subprocess.run(
        [sys.executable, "-m", "tests.kit.changing_programs", str(folder)],
        cwd=Path(__file__).parents[2],
        env=environment_of_scripts(),
        capture_output=True,
        encoding="utf-8",
        timeout=LONG_S * 4,
    )
    assert ended.returncode == 0, ended.stderr
    return dict(map(json.loads, ended.stdout.splitlines()))


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_a_script_changes_counts(
    name: str, outcomes: dict[str, list[str]]
) -> None:
    """Wherever in what it has defined the change is, and also if it is taken back."""
    at_once, in_a_worker = outcomes[name]

    assert in_a_worker == at_once
    assert "Traceback" not in at_once


def check(source: str, folder: Path) -> None:
    """A script that prints what has to be true."""
    printed = run_script(IMPORT + source, folder)
    assert printed
    assert set(printed.split()) == {"True"}, printed


def test_what_a_task_has_bound_outlives_calls_that_do_not_need_it(
    tmp_path: Path,
) -> None:
    """A call of another function does not bring an older value of the program's."""
    check(
        "n = 0\n"
        "def count():\n"
        "    global n\n"
        "    n += 1\n"
        "    return n\n"
        "def other(): return 0\n"
        "run(other)\n"
        "n = 10\n"
        "print(run(count) == 11)\n"
        "run(other)\n"
        "print(run(count) == 12)\n",
        tmp_path,
    )


def test_what_a_task_has_bound_after_a_deletion_stays(tmp_path: Path) -> None:
    """The program has deleted it once, not before each call."""
    check(
        "level = 1\n"
        "def put():\n"
        "    global level\n"
        "    level = 5\n"
        "def get(): return globals().get('level')\n"
        "def look(): return level\n"
        "print(run(look) == 1)\n"
        "del level\n"
        "print(run(get) is None)\n"
        "run(put)\n"
        "print(run(get) == 5, run(look) == 5)\n",
        tmp_path,
    )


def test_a_class_inside_of_a_class_has_its_name(tmp_path: Path) -> None:
    """In a worker it is found by it, so a task can pickle an object of it."""
    check(
        "import pickle\n"
        "class Outer:\n"
        "    class Inner:\n"
        "        class Core: pass\n"
        "def work():\n"
        "    copied = pickle.loads(pickle.dumps(Outer.Inner.Core()))\n"
        "    return type(copied).__qualname__, Outer.Inner.__qualname__\n"
        "print(run(work) == ('Outer.Inner.Core', 'Outer.Inner'))\n",
        tmp_path,
    )


def test_a_token_is_not_that_of_what_was_at_the_same_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also if an exception struck what forgets the token of a function that is gone."""
    known = Tokens()
    kept: list[object] = []

    class Forgetful(dict[int, str]):
        def get(self, *given: object) -> None:  # type: ignore[override]  # it raises
            raise KeyboardInterrupt

    def made() -> Callable[[], None]:
        return lambda: None

    function = made()
    place, token = id(function), known.given_to(function)
    monkeypatch.setattr(sys, "unraisablehook", kept.append)
    by_id, known.by_id = known.by_id, Forgetful()
    del function
    known.by_id = by_id
    assert len(kept) == 1
    monkeypatch.undo()

    others: list[object] = []
    while not any(id(other) == place for other in others) and len(others) < 10_000:
        others.append(made())
    other = next(other for other in others if id(other) == place)
    assert known.of(other) is None
    assert known.given_to(other) != token
