"""Programs that block, ignore or collect signals, lose a server, or are daemonic."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from cotality.core.utils._process.workers import endings
from cotality.core.utils._process.workers.watching import starts
from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    Task,
    WorkerCrashedError,
    WorkerStartError,
    execute_tasks_in_parallel,
    worker_pool,
)
from tests.kit.helpers import Gate, Marks, echo, run_script
from tests.kit.limits import GONE_S, LONG_S
from tests.kit.signalled import kill_the_server, mark_server_and_wait, server_and_worker

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="signals and fork servers are not there"
)

BEGIN = """
import multiprocessing, os, signal, sys, threading, time, warnings
from cotality.core.utils.process import *
from tests.kit.helpers import *
from pathlib import Path
from tests.kit.signalled import *
if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)  # of forking
"""
METHODS = ["ours", "fork", "spawn", "forkserver"]


def context_of(method: str) -> str:
    """What a script calls the context of *method*."""
    return "None" if method == "ours" else f"multiprocessing.get_context({method!r})"


def run(method: str, code: str, folder: Path) -> str:
    """What a script prints in which ``context`` is the one of *method*."""
    lines = [f"context = {context_of(method)}", *code.strip().splitlines()]
    return run_script(BEGIN + "".join(f"    {line}\n" for line in lines), folder)


# The exit status of a worker that nobody tells.

BEFORE = {
    "blocked": "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})",
    "ignored": "signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
    "collected": "threading.Thread(target=collect_all, daemon=True).start()",
}


CRASH = """
executor = IsolatedProcessPoolExecutor(2, context)
print(executor.submit(pow, 2, 5).result(30))
error = executor.submit(os._exit, 3).exception(30)
is_known = error.exit_code == 3 and "exit code 3" in str(error)
is_lost = error.exit_code is None and "exit status is not known" in str(error)
print(type(error).__name__, "known" if is_known else "lost" if is_lost else error)
print(executor.submit(pow, 2, 6).result(30))
executor.shutdown()
print("end")
"""


@pytest.mark.one_python
@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("method", METHODS)
def test_a_crash_is_one_failure_whoever_gets_the_exit_status(
    method: str, before: str, tmp_path: Path
) -> None:
    """The end of a worker is seen, the next task gets a new one, `shutdown` returns."""
    printed = run(method, BEFORE[before] + "\n" + CRASH, tmp_path)

    crash = printed.splitlines()[1]
    assert printed == f"32\n{crash}\n64\nend\n"
    if method in ("fork", "spawn"):
        expected = {"blocked": ["known"], "ignored": ["lost"]}
    else:  # the server collects the status; a standard one does as the program does
        expected = {"ignored": ["known"], "collected": ["known"]}
        if method == "ours":
            expected["blocked"] = ["known"]
    assert crash in [
        f"WorkerCrashedError {each}" for each in expected.get(before, ["known", "lost"])
    ]


@pytest.mark.one_python
@pytest.mark.parametrize("before", ["blocked", "ignored"])
def test_warm_workers_end_whoever_gets_the_exit_status(
    before: str, tmp_path: Path
) -> None:
    """A time limit is kept, and the workers are shut down."""
    code = BEFORE[before] + (
        "\ntasks = [Task.of(time.sleep, 100), Task.of(pow, 2, 5)]\n"
        "late, fine = execute_tasks_in_parallel(tasks, 2, True, True, timeout=0.3)\n"
        "print(type(late).__name__, fine)\n"
        "shutdown_workers()\n"
        "print('end')\n"
    )
    assert run("ours", code, tmp_path) == "TaskTimeoutError 32\nend\n"


# What workers take over of signals, and what they leave behind in the program.

MESSED_UP = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
signal.signal(signal.SIGUSR1, lambda *_: print("the program's handler"))
wakes, woken = os.pipe()
os.set_blocking(woken, False)
signal.set_wakeup_fd(woken)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGUSR2})
"""


@pytest.mark.one_python
@pytest.mark.parametrize("method", METHODS)
def test_workers_begin_with_the_signals_of_a_new_interpreter(
    method: str, tmp_path: Path
) -> None:
    """They block nothing, and ignore SIGINT and what Python itself ignores."""
    code = MESSED_UP + (
        "with IsolatedProcessPoolExecutor(1, context) as executor:\n"
        "    blocked, odd, wakeup, status = executor.submit(signals_here).result(30)\n"
        "print(blocked, sorted(odd), wakeup, status)\n"
    )
    ignored = sorted({"SIGINT", "SIGPIPE", "SIGXFSZ"})
    assert run(method, code, tmp_path) == f"set() {ignored} -1 3\n"


@pytest.mark.one_python
@pytest.mark.parametrize("method", ["ours", "spawn"])
def test_a_signal_that_the_program_waits_for_stays_blocked(
    method: str, tmp_path: Path
) -> None:
    """No thread of ours takes a signal that is blocked in all others."""
    code = (
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})\n"
        "with IsolatedProcessPoolExecutor(1, context) as executor:\n"
        "    print(executor.submit(pow, 2, 5).result(30))\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print(signal.sigwait({signal.SIGTERM}) == signal.SIGTERM)\n"
    )
    assert run(method, code, tmp_path) == "32\nTrue\n"


# A fork server that is killed.


def wait_until_gone(pid: int) -> None:
    try:
        psutil.wait_procs([psutil.Process(pid)], GONE_S)
    except psutil.NoSuchProcess:
        pass


def test_a_fork_server_that_is_killed_costs_what_ran(marks: Marks, gate: Gate) -> None:
    """The tasks that ran say what happened, and all others give their results."""
    tasks: list[Task[object]] = [
        Task(mark_server_and_wait, {"marks": marks, "gate": gate}) for _ in range(2)
    ]
    tasks += [Task(echo, {"value": i}) for i in range(10)]
    outcomes: list[object] = []
    caller = threading.Thread(
        target=lambda: outcomes.extend(execute_tasks_in_parallel(tasks, 2, True, True))
    )
    caller.start()
    marks.wait_for(2)
    (server,) = {server_and_worker(name)[0] for name in marks.names()}
    os.kill(server, signal.SIGKILL)
    caller.join(LONG_S)

    for error in outcomes[:2]:
        assert isinstance(error, WorkerCrashedError)
        assert "The fork server that workers are started from was killed" in str(error)
        assert (error.exit_code, error.signal_name) == (None, None)
    assert outcomes[2:] == list(range(10))


def test_a_fork_server_that_is_killed_between_calls() -> None:
    """Nobody notices but for new processes."""
    pids = Task.of(os.getpid), Task.of(os.getppid)
    worker, server = execute_tasks_in_parallel(pids, 1, True)
    os.kill(server, signal.SIGKILL)
    wait_until_gone(worker)

    new_worker, new_server = execute_tasks_in_parallel(pids, 1, True)

    assert {worker, server}.isdisjoint({new_worker, new_server})


def test_fork_servers_that_are_killed_while_workers_start(
    marks: Marks, gate: Gate
) -> None:
    """However many, the task waits for a worker that can begin with it."""
    results: list[int] = []

    def call() -> None:
        with worker_pool(
            max_workers=1, initializer=mark_server_and_wait, initargs=(marks, gate)
        ):
            results.extend(execute_tasks_in_parallel([Task.of(pow, 2, 5)], 1, True))

    caller = threading.Thread(target=call)
    caller.start()
    killed: set[str] = set()
    for count in range(1, 5):
        marks.wait_for(count)
        (name,) = marks.names() - killed
        os.kill(server_and_worker(name)[0], signal.SIGKILL)
        killed.add(name)
    marks.wait_for(5)
    gate.open()
    caller.join(LONG_S)

    assert results == [32]


def test_an_initializer_that_kills_every_fork_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There is an end to it, with an error that says what happened."""
    monkeypatch.setattr(starts, "SERVERS_LOST", 3)
    with (
        worker_pool(max_workers=1, initializer=kill_the_server),
        pytest.raises(WorkerStartError, match=r"^3 .*fork server .* was killed"),
    ):
        execute_tasks_in_parallel([Task.of(pow, 2, 5)], 1, True)


# A fork server that tells late how a worker has ended.


@pytest.fixture
def held_up() -> Iterator[Callable[[IsolatedProcessPoolExecutor], int]]:
    """Stops the fork server of an executor, as a busy machine does for a while."""
    servers: list[int] = []

    def hold_up(executor: IsolatedProcessPoolExecutor) -> int:
        server = executor.submit(os.getppid).result(LONG_S)
        servers.append(server)
        os.kill(server, signal.SIGSTOP)
        return server

    yield hold_up
    for server in servers:
        os.kill(server, signal.SIGCONT)


def end_by(number: int) -> None:
    os.kill(os.getpid(), number)


on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="others do not show what was not collected"
)


@on_linux
@pytest.mark.parametrize(
    ("end", "number", "code"), [(os._exit, 3, 3), (end_by, signal.SIGKILL, -9)]
)
def test_how_a_worker_has_ended_is_known_from_the_system(
    end: Callable[[int], object],
    number: int,
    code: int,
    held_up: Callable[[IsolatedProcessPoolExecutor], int],
) -> None:
    """Although the fork server has not collected it."""
    with IsolatedProcessPoolExecutor(1) as executor:
        held_up(executor)
        error = executor.submit(end, number).exception(LONG_S)

    assert isinstance(error, WorkerCrashedError)
    assert error.exit_code == code


@on_linux
def test_a_fork_server_gets_time_to_tell(
    held_up: Callable[[IsolatedProcessPoolExecutor], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It goes on when the end was seen, and what it says then counts."""
    seen: list[int] = []

    def is_gone_and_told_late(pid: int) -> bool:
        is_gone = was_gone(pid)
        if is_gone:
            seen.append(pid)
            os.kill(server, signal.SIGCONT)
        return is_gone

    was_gone = endings.is_gone
    monkeypatch.setattr(endings, "is_gone", is_gone_and_told_late)
    with IsolatedProcessPoolExecutor(1) as executor:
        server = held_up(executor)
        error = executor.submit(os._exit, 0).exception(LONG_S)

    assert isinstance(error, WorkerCrashedError)
    assert (error.exit_code, seen) == (0, [error.pid])


@on_linux
def test_a_fork_server_that_does_not_tell(
    held_up: Callable[[IsolatedProcessPoolExecutor], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The error says that this is the reason why nothing is known."""
    monkeypatch.setattr(endings, "PATIENCE", 0.0)
    with IsolatedProcessPoolExecutor(1) as executor:
        held_up(executor)
        error = executor.submit(os._exit, 0).exception(LONG_S)

    assert isinstance(error, WorkerCrashedError)
    assert error.exit_code is None
    assert "the fork server that it was started from has not told it" in str(error)


@pytest.mark.one_python
def test_workers_of_a_standard_fork_server_outlive_it(tmp_path: Path) -> None:
    """What they work on is finished: the link to them is not the server's."""
    code = (
        "marks, gate = Marks(Path('.')), Gate(Path('only.gate'))\n"
        "executor = IsolatedProcessPoolExecutor(1, context)\n"
        "future = executor.submit(mark_server_and_wait, marks, gate)\n"
        "marks.wait_for(1)\n"
        "server, worker = server_and_worker(*marks.names())\n"
        "os.kill(server, signal.SIGKILL)\n"
        "os.waitpid(server, 0)\n"
        "gate.open()\n"
        "print(future.result(30), executor.submit(os.getpid).result(30) == worker)\n"
        "error = executor.submit(os._exit, 3).exception(30)\n"
        "print('fork server' in str(error))\n"
        "executor.shutdown()\n"
    )
    assert run("forkserver", code, tmp_path) == "None True\nTrue\n"


# Inside of a daemonic process.

DAEMONIC = """
with multiprocessing.get_context({outer!r}).Pool(1) as pool:
    print(pool.apply(daemonic_sums, ({method!r},)))
    pids = pool.apply(daemonic_pids)
print(all_gone(pids))
"""


@pytest.mark.one_python
@pytest.mark.parametrize(
    ("outer", "method"),
    [("fork", "ours"), ("fork", "fork"), ("spawn", "ours"), ("spawn", "spawn")],
)
def test_daemonic_processes_have_workers(
    outer: str, method: str, tmp_path: Path
) -> None:
    """In a `multiprocessing.Pool` calls work, and nothing outlives its processes."""
    code = DAEMONIC.format(outer=outer, method=method)
    sums = (True, [0, 1, 4, 9, 16], 32, [1, 2])
    assert run(method, code, tmp_path) == f"{sums}\nTrue\n"


OWN_FUNCTIONS = """
import multiprocessing
from cotality.core.utils.process import Task, execute_tasks_in_parallel

class Number:
    def __init__(self, value):
        self.value = value

def square(number):
    return Number(number.value**2)

def squares(count):
    tasks = [Task.of(square, Number(n)) for n in range(count)]
    results = execute_tasks_in_parallel(tasks, 2, True)
    return [(type(each) is Number, each.value) for each in results]

if __name__ == "__main__":
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            print(pool.apply(squares, (3,)))
"""


@pytest.mark.one_python
def test_functions_of_a_script_in_a_daemonic_process(tmp_path: Path) -> None:
    """They are the script's, also where `multiprocessing` has imported that."""
    found = [(True, 0), (True, 1), (True, 4)]
    assert run_script(OWN_FUNCTIONS, tmp_path) == f"{found}\n{found}\n"
