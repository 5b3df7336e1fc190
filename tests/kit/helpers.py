"""What tests run in workers, and how they learn what happened there.

Events of the kind that work across processes are files: a `Gate` is opened by one side
and waited for by the other, and `Marks` say which tasks have begun.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import cotality
from cotality.core.utils import process
from cotality.core.utils.process import Task, execute_tasks_in_parallel
from tests.kit.limits import LONG_S, POLL_S

T = TypeVar("T")


@dataclass(frozen=True)
class Gate:
    """Something to wait for that works between threads and between processes."""

    path: Path

    def open(self) -> None:
        self.path.touch()

    def wait(self) -> None:
        """Return once the gate is open; fail if it stays closed."""
        end = time.monotonic() + LONG_S
        while not self.path.exists():
            if time.monotonic() > end:
                raise TimeoutError(f"nobody opened {self.path.name}")
            time.sleep(POLL_S)


@dataclass(frozen=True)
class Marks:
    """A place where tasks leave a mark, seen from every thread and process."""

    folder: Path

    def leave(self, name: object) -> None:
        (self.folder / f"{name}.mark").touch()

    def names(self) -> set[str]:
        return {path.stem for path in self.folder.glob("*.mark")}

    def wait_for(self, count: int) -> None:
        """Return once there are at least *count* marks."""
        end = time.monotonic() + LONG_S
        while len(self.names()) < count:
            if time.monotonic() > end:
                raise TimeoutError(f"only {sorted(self.names())}, expected {count}")
            time.sleep(POLL_S)


def echo(value: T) -> T:
    return value


def add(a: int, b: int) -> int:
    return a + b


def fail_with(error: BaseException) -> None:
    raise error


def wait_then(gate: Gate, value: T) -> T:
    """*value*, once somebody has opened *gate*."""
    gate.wait()
    return value


def mark_and_return(marks: Marks, value: T) -> T:
    marks.leave(value)
    return value


def mark_and_wait(marks: Marks, name: str, gate: Gate) -> str:
    marks.leave(name)
    gate.wait()
    return name


def hang_but_first(marks: Marks, gate: Gate, number: int) -> int:
    """Task 0 is quick; each other one says which process it keeps, and waits."""
    if number:
        marks.leave(os.getpid())
        gate.wait()
    return number


def mark_and_fail(marks: Marks, name: str) -> None:
    marks.leave(name)
    raise ValueError(name)


def append_and_return(items: list[Any], item: object) -> list[Any]:
    """*items* with *item*; changes its argument, as careless tasks do."""
    items.append(item)
    return items


def are_same(a: object, b: object) -> bool:
    return a is b


def pid() -> int:
    return os.getpid()


class Thing:
    """An object that a weak reference can watch."""


def make_thing() -> Thing:
    return Thing()


class Failure(Exception):  # noqa: N818  # what a test calls it
    """What tests fail with on purpose; unlike the built-in ones, it can be watched."""


def fail_freshly() -> None:
    raise Failure("in a task")


def open_then_fail(gate: Gate, text: str) -> None:
    gate.open()
    raise Failure(text)


@functools.cache
def cached_add(a: int, b: int) -> int:
    return a + b


def echo_slowly(value: T) -> T:
    """Takes longer than the time box of a portion."""
    time.sleep(0.3)
    return value


def wait_for_marks(marks: Marks, name: str, count: int) -> int:
    """Leave a mark, then wait until there are *count* of them."""
    marks.leave(name)
    marks.wait_for(count)
    return count


def worker_id() -> tuple[int, int]:
    return os.getpid(), threading.get_ident()


def inner_sum(count: int, use_processes: bool) -> int:
    """The sum of what the tasks of a call made in here return."""
    tasks = [Task(echo, {"value": value}) for value in range(count)]
    return sum(execute_tasks_in_parallel(tasks, 2, use_processes))


def inner_pids(max_workers: int | None) -> set[int]:
    """The processes that tasks of a call made in here ran in, all at once."""
    with TemporaryDirectory() as folder:
        marks = Marks(Path(folder))
        count = max_workers or 1
        tasks = [
            Task(pid_after_marks, {"marks": marks, "name": f"{i}", "count": count})
            for i in range(2)
        ]
        return set(execute_tasks_in_parallel(tasks, max_workers, use_processes=True))


def pid_after_marks(marks: Marks, name: str, count: int) -> int:
    wait_for_marks(marks, name, count)
    return os.getpid()


def environment_of_scripts() -> dict[str, str]:
    """Our environment, with the `cotality` under test and `tests` to import."""
    here = str(Path(cotality.__path__[0]).parent)
    root = str(Path(__file__).parents[2])
    first = [] if "site-packages" in here else [here]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*first, root])}


STAR = "from cotality.core.utils.process import *"


def with_names_for_star(source: str) -> str:
    """*source* that imports what it uses: all names would take it 0.3 s of a CPU.

    And so again in each of its workers.
    """
    words = set(re.findall(r"\w+", source))
    names = ", ".join(name for name in process.__all__ if name in words) or "*"
    return source.replace(STAR, f"from {process.__name__} import {names}")


def run_script(source: str, folder: Path, *options: str) -> str:
    """What a script prints that runs in an interpreter of its own, quietly."""
    script = folder / "script.py"
    script.write_text(with_names_for_star(source), "utf-8")
    return output_of([sys.executable, "-W", "error", *options, str(script)], folder)


def output_of(command: list[str], folder: Path) -> str:
    """What *command* prints, which ends well, in *folder*, and complains of nothing."""
    ended = subprocess.run(
        command,
        cwd=folder,
        env=environment_of_scripts(),
        capture_output=True,
        encoding="utf-8",
        timeout=LONG_S * 2,
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout + ended.stderr
    return ended.stdout


def wait_until(is_so: Callable[[], bool], most: float = LONG_S) -> None:
    """Return when it *is_so*, which takes *most* seconds at most."""
    end = time.monotonic() + most
    while not is_so():
        assert time.monotonic() < end
        time.sleep(POLL_S)


def without_addresses(value: object) -> str:
    """What *value* is called among the parameters of a test: alike in all processes."""
    return ADDRESS.sub("", str(value))


ADDRESS = re.compile(r" at 0x[0-9a-f]+")
