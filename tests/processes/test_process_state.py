"""What a task changes of its process is not there in calls that know nothing of it."""

from __future__ import annotations

import gc
import locale
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from cotality.core.utils._process.workers.requests import Halt
from cotality.core.utils._process.workers.watching.starts import Starter
from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    Task,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
    shutdown_workers,
    worker_pool,
)
from cotality.tuning import PoolManager
from tests.kit.helpers import (
    Marks,
    mark_and_return,
    pid_after_marks,
    run_script,
    wait_until,
)
from tests.kit.limits import LONG_S

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="not on Windows")
pytestmark = needs_posix


def ignore(*_: object) -> None: ...


def set_zone(name: str) -> None:
    os.environ["TZ"] = name
    time.tzset()


def other_locale() -> str:
    """One that every system has, and that is not the one of a new process."""
    return "POSIX" if locale.setlocale(locale.LC_NUMERIC) != "C" else "C.UTF-8"


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def end_filters() -> None:
    warnings.resetwarnings()
    warnings.filterwarnings("error", "of this task")


Change = Callable[[], object]
# What a task changes, and how that is seen. All of it can be put back.
PUT_BACK: dict[str, tuple[Change, Change]] = {
    "directory": (lambda: os.chdir("/"), os.getcwd),
    "variable": (
        lambda: os.environ.update(COTALITY_OF_A_TASK="1", HOME="/nowhere"),
        lambda: (os.environ.get("COTALITY_OF_A_TASK"), os.environ.get("HOME")),
    ),
    "lost variable": (
        lambda: os.environ.pop("PATH", None),
        lambda: (os.environ.get("PATH"), os.system("exit $(expr $PATH : '')")),
    ),
    "zone": (
        lambda: set_zone("Asia/Tokyo"),
        lambda: (os.environ.get("TZ"), time.localtime(0).tm_hour, time.tzname),
    ),
    "umask": (lambda: os.umask(0o077 ^ umask()), umask),
    "switch interval": (lambda: sys.setswitchinterval(1.0), sys.getswitchinterval),
    "recursion limit": (lambda: sys.setrecursionlimit(5432), sys.getrecursionlimit),
    "garbage": (gc.disable, gc.isenabled),
    "blocked signals": (
        lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]),
        lambda: signal.pthread_sigmask(signal.SIG_BLOCK, []),
    ),
    "alarm": (
        lambda: signal.setitimer(signal.ITIMER_REAL, 1000.0),
        lambda: signal.getitimer(signal.ITIMER_REAL)[1:],
    ),
    "filters of warnings": (
        end_filters,
        lambda: [(each[0], str(each[1])) for each in warnings.filters],
    ),
}
# What it changes so that a worker is not used again.
SPENT: dict[str, tuple[Change, Change]] = {
    "locale": (
        lambda: locale.setlocale(locale.LC_ALL, other_locale()),
        lambda: locale.setlocale(locale.LC_ALL),
    ),
    "handler": (
        lambda: signal.signal(signal.SIGTERM, ignore) and None,
        lambda: signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
    ),
    "ignored signal": (
        lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN) and None,
        lambda: int(signal.getsignal(signal.SIGUSR1) or 0),
    ),
}
CASES = PUT_BACK | SPENT


def change(name: str) -> int:
    CASES[name][0]()
    return os.getpid()


def look(name: str) -> tuple[object, int]:
    return CASES[name][1](), os.getpid()


def calls(names: list[str], count: int, **options: Any) -> None:  # Any: of a call
    """Each of *names* is changed by a call, and looked at before and afterwards."""
    looks = [Task.of(look, name) for name in names]
    before = execute_tasks_in_parallel(looks, 1, True, **options)
    tasks = [Task.of(change, name) for name in names for _ in range(count)]
    execute_tasks_in_parallel(tasks, 1, True, **options)
    after = execute_tasks_in_parallel(looks, 1, True, **options)
    assert dict(zip(names, [seen for seen, _ in after], strict=True)) == dict(
        zip(names, [seen for seen, _ in before], strict=True)
    )


@pytest.fixture(autouse=True)
def _none_warm() -> Any:  # Any: of a fixture that yields
    yield
    shutdown_workers()


def pids(changed: list[str]) -> list[int]:
    """The worker before a call that changes something, in it, and in the next one."""
    one = [Task.of(os.getpid)]
    found = execute_tasks_in_parallel(one, 1, True)
    found += execute_tasks_in_parallel([Task.of(change, n) for n in changed], 1, True)
    return found + execute_tasks_in_parallel(one, 1, True)


def test_the_next_call_finds_nothing_of_it() -> None:
    """The worker is the same one, and has put it back."""
    calls([*PUT_BACK], 2)
    assert len(set(pids([*PUT_BACK]))) == 1


@pytest.mark.parametrize("name", SPENT)
def test_a_worker_that_is_set_up_otherwise_is_not_used_again(name: str) -> None:
    """Which is seen, whatever else the call did; within the call it stays."""
    calls([name], 2)
    first, *changing, last = pids([name, name])
    assert set(changing) == {first}
    assert last != first


def test_a_stream_that_is_left_early_leaves_nothing_either() -> None:
    """What came back has said so."""
    before = execute_tasks_in_parallel([Task.of(look, n) for n in CASES], 1, True)
    tasks = [Task.of(change, name) for name in CASES] * 20
    for _ in execute_tasks_in_parallel_streaming(tasks, 1, True):
        break
    after = execute_tasks_in_parallel([Task.of(look, n) for n in CASES], 1, True)
    assert [seen for seen, _ in after] == [seen for seen, _ in before]


def test_workers_that_are_shared_by_calls() -> None:
    """Of calls that name no number of workers."""
    looks = [Task.of(look, name) for name in CASES]
    run = execute_tasks_in_parallel
    before = {str(seen) for seen, _ in run(looks, use_processes=True)}
    run([Task.of(change, name) for name in CASES] * 4, use_processes=True)
    after = {str(seen) for seen, _ in run(looks * 4, use_processes=True)}
    assert after == before


def test_calls_that_take_turns_on_the_same_workers() -> None:
    """One finds nothing that another has set meanwhile, and no worker that it has."""
    looks = [Task.of(look, "locale")] * 300
    stream = execute_tasks_in_parallel_streaming(looks, use_processes=True, chunksize=1)
    first = [value for _, value in islice(stream, 3)]
    changes = [Task.of(change, "locale")] * 40
    changed = set(execute_tasks_in_parallel(changes, use_processes=True))

    rest = [value for _, value in stream]

    assert changed & {pid for _, pid in first}  # they had the same
    assert {seen for seen, _ in rest} == {seen for seen, _ in first}
    assert not changed & {pid for _, pid in rest[-30:]}


def test_only_the_worker_that_was_changed_is_not_used_again(marks: Marks) -> None:
    """The others stay."""
    before = pids_of_two(marks)
    (spent,) = execute_tasks_in_parallel([Task.of(change, "handler")], 2, True)
    after = pids_of_two(marks)
    assert before - after == {spent}


def pids_of_two(marks: Marks) -> set[int]:
    count = len(marks.names()) + 2
    tasks = [Task.of(pid_after_marks, marks, f"{count + n}", count) for n in range(2)]
    return set(execute_tasks_in_parallel(tasks, 2, True, chunksize=1))


class Stop(BaseException):
    """Ends a call in the middle."""


def test_what_such_a_worker_gives_back_does_not_start_once_the_call_ends(
    marks: Marks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although no worker has it at that moment."""
    execute_tasks_in_parallel([Task.of(change, "handler")], 2, True)
    is_given_back = threading.Event()
    start = Starter.started

    def started(starter: Starter, *arguments: Any) -> Any:  # Any: as of the original
        is_given_back.set()
        inbox = starter.pool.inbox
        wait_until(lambda: any(isinstance(each, Halt) for each in list(inbox)))
        return start(starter, *arguments)

    monkeypatch.setattr(Starter, "started", started)

    def tasks() -> Iterator[Task[str]]:
        yield Task.of(mark_and_return, marks, "begun")
        assert is_given_back.wait(LONG_S)
        raise Stop

    with pytest.raises(Stop):
        execute_tasks_in_parallel(tasks(), 2, True, chunksize=1)
    assert not marks.names()


def test_a_pool_manager() -> None:
    """One request does not see what another has changed."""
    manager = PoolManager(max_workers=1)
    try:
        before = manager.execute(look, [*CASES])
        manager.execute(change, [*PUT_BACK])
        (worker,) = {pid for _, pid in manager.execute(look, [*CASES])}
        assert worker == before[0][1]
        manager.execute(change, [*SPENT])
        after = manager.execute(look, [*CASES])
        assert [seen for seen, _ in after] == [seen for seen, _ in before]
        assert worker not in {pid for _, pid in after}
    finally:
        manager.shutdown()


def test_workers_of_ones_own_stay_as_they_are() -> None:
    """As those of the standard library's pool do."""
    with worker_pool(max_workers=1), pytest.raises(AssertionError):
        calls(["directory"], 1)
    with IsolatedProcessPoolExecutor(1) as executor:
        executor.submit(change, "zone").result()
        assert executor.submit(look, "zone").result()[0] != look("zone")[0]


def draw(_: int) -> tuple[float, float]:
    numpy = pytest.importorskip("numpy")
    return random.random(), float(numpy.random.random())


def seed_and_draw(number: int) -> tuple[float, float]:
    random.seed(7)
    pytest.importorskip("numpy").random.seed(7)
    return draw(number)


def test_random_numbers_are_random_again() -> None:
    """They were the same in each call after one that has set a seed."""
    drawn: set[float] = set()
    for _ in range(3):
        tasks = [Task.of(seed_and_draw, number) for number in range(2)]
        assert len(set(execute_tasks_in_parallel(tasks, 1, True))) == 1
        tasks = [Task.of(draw, 0)]
        drawn.update(*execute_tasks_in_parallel(tasks, 1, True))
    assert len(drawn) == 6


SETTING = """
import locale, os, random, signal, sys

locale.setlocale(locale.LC_ALL, OTHER)
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
sys.setrecursionlimit(4321)
sys.setswitchinterval(0.25)
os.environ["OF_A_MODULE"] = "set"
random.seed(3)

def seen(number):
    return (
        locale.setlocale(locale.LC_ALL),
        signal.getsignal(signal.SIGUSR1) == signal.SIG_IGN,
        sys.getrecursionlimit(),
        sys.getswitchinterval(),
        os.environ.get("OF_A_MODULE"),
        os.getpid(),
    )
"""

SCRIPT = """
import os
import setting
from cotality.core.utils.process import Task, execute_tasks_in_parallel

def other(number):
    return os.getpid()

if __name__ == "__main__":
    del os.environ["OF_A_MODULE"]
    run = execute_tasks_in_parallel
    found = set()
    for _ in range(3):
        found.update(run([Task.of(setting.seen, n) for n in range(5)], 1, True))
        run([Task.of(other, n) for n in range(5)], 1, True)
    (one,) = found
    print(*one[1:-1])
"""


def test_what_a_module_sets_when_it_is_imported_stays(tmp_path: Path) -> None:
    """A new worker would import it as well; it is not used for one call alone."""
    text = dedent(SETTING).replace("OTHER", repr(other_locale()))
    (tmp_path / "setting.py").write_text(text)
    assert run_script(SCRIPT, tmp_path).split() == ["True", "4321", "0.25", "set"]
