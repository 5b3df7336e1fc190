"""What happens when worker processes come to an end, on real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from cotality.core.utils.process import (
    Task,
    TaskExitedError,
    TaskTimeoutError,
    WorkerCrashedError,
    WorkerStartError,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
    execute_tasks_in_parallel_unordered,
    worker_pool,
)
from tests.kit import fatal
from tests.kit.helpers import Gate, Marks, add, echo, environment_of_scripts, pid
from tests.kit.limits import GONE_S, LONG_S, POLL_S

COUNT = 20
ODD_ONE = 5  # the index of the task that misbehaves


def drill(task: Task[object]) -> list[object]:
    """The outcomes of twenty tasks of which one is *task*."""
    tasks: list[Task[object]] = [Task(echo, {"value": i}) for i in range(COUNT)]
    tasks[ODD_ONE] = task
    return execute_tasks_in_parallel(tasks, 2, True, True)


def others(outcomes: list[object]) -> list[object]:
    return outcomes[:ODD_ONE] + outcomes[ODD_ONE + 1 :]


ALL_OTHERS = [i for i in range(COUNT) if i != ODD_ONE]


@pytest.mark.parametrize("name", fatal.FATAL)
def test_a_worker_that_dies_costs_one_task(name: str) -> None:
    """The task that ended its worker fails; the other 19 give their results."""
    function, exit_code, signal_name = fatal.FATAL[name]

    outcomes = drill(Task(function))

    assert others(outcomes) == ALL_OTHERS
    error = outcomes[ODD_ONE]
    assert isinstance(error, WorkerCrashedError)
    assert (error.exit_code, error.signal_name) == (exit_code, signal_name)


@pytest.mark.parametrize(
    ("task", "result"),
    [
        (Task(fatal.close_all_files), "closed"),
        (Task(fatal.replace_signal_handlers), "ignored"),
        (Task(fatal.fork_and_return), 1),
        (Task(fatal.fork_and_leave_a_child), "left"),
        (Task(fatal.start_a_thread_that_stays), "started"),
    ],
    ids=lambda value: getattr(
        getattr(value, "callback_function", None), "__name__", None
    ),
)
def test_rude_tasks_still_give_their_result(task: Task[object], result: object) -> None:
    """What a task does to its process is no reason to lose its result."""
    outcomes = drill(task)

    assert others(outcomes) == ALL_OTHERS
    assert outcomes[ODD_ONE] == result


def test_much_output_harms_nobody(tmp_path: Path) -> None:
    """Ten megabytes on standard output are written, and are no message of ours."""
    path = tmp_path / "output"

    outcomes = drill(Task(fatal.write_ten_megabytes, {"path": path}))

    assert others(outcomes) == ALL_OTHERS
    assert outcomes[ODD_ONE] == "written"
    assert path.stat().st_size == 10_000_000


def test_an_argument_that_exits_when_unpickled_costs_one_task() -> None:
    """Unpickling an argument is part of its task, also when it ends the worker."""
    outcomes = drill(Task(echo, {"value": fatal.ExitsWhenUnpickled()}))

    assert others(outcomes) == ALL_OTHERS
    error = outcomes[ODD_ONE]
    assert isinstance(error, WorkerCrashedError)
    assert error.exit_code == 6


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_exits_raised_by_a_task_are_its_failure(kind: type[BaseException]) -> None:
    """`SystemExit` and `KeyboardInterrupt` in a worker are no orders to us."""

    def leave() -> None:
        raise kind("enough")

    outcomes = drill(Task(leave))

    assert others(outcomes) == ALL_OTHERS
    error = outcomes[ODD_ONE]
    assert isinstance(error, TaskExitedError)
    assert isinstance(error.__cause__, kind)


def test_the_error_tells_what_is_known() -> None:
    """A crash in C code comes with the Python stack, memory and a likely cause."""
    error = drill(Task(fatal.read_address_zero))[ODD_ONE]

    assert isinstance(error, WorkerCrashedError)
    assert "read_address_zero" in error.worker_stack
    assert "read_address_zero" in str(error)
    assert "SIGSEGV" in str(error)
    assert "extension module" in str(error)
    assert error.peak_memory > 1_000_000


def test_a_raised_crash_names_its_task() -> None:
    """Without `return_exceptions` the crash is raised, with a note on the task."""
    with pytest.raises(WorkerCrashedError) as raised:
        execute_tasks_in_parallel([Task(fatal.exit_with, {"code": 9})], 1, True)

    assert raised.value.__notes__ == ["Raised by task 0: exit_with(code=9)"]


def test_results_of_the_same_portion_are_kept(tmp_path: Path) -> None:
    """Tiny tasks travel together; a death among them costs one of them all the same."""
    path = tmp_path / "runs"

    def run(number: int) -> int:
        note_run(path, number)
        if number % 97 == 96:
            os._exit(1)
        return number

    outcomes = execute_tasks_in_parallel(
        [Task(run, {"number": i}) for i in range(1000)], 2, True, True
    )

    for number, outcome in enumerate(outcomes):
        if number % 97 == 96:
            assert isinstance(outcome, WorkerCrashedError)
        else:
            assert outcome == number
    assert runs(path) == list(range(1000))


def note_run(path: Path, number: int) -> None:
    """Leave a trace of a run that no crash takes back."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fd, b"%d\n" % number)
    os.close(fd)


def runs(path: Path) -> list[int]:
    return sorted(int(line) for line in path.read_text("utf-8").split())


def test_every_worker_killed_at_once(marks: Marks, gate: Gate) -> None:
    """If all workers are killed, the tasks they ran fail and the rest goes on."""
    tasks: list[Task[object]] = [
        Task(mark_pid_and_wait, {"marks": marks, "gate": gate}) for _ in range(2)
    ]
    tasks += [Task(echo, {"value": i}) for i in range(10)]
    outcomes: list[object] = []

    def call() -> None:
        outcomes.extend(execute_tasks_in_parallel(tasks, 2, True, True))

    caller = threading.Thread(target=call)
    caller.start()
    marks.wait_for(2)
    for name in marks.names():
        os.kill(int(name), signal.SIGKILL)
    caller.join(LONG_S)

    assert all(isinstance(each, WorkerCrashedError) for each in outcomes[:2])
    assert outcomes[2:] == list(range(10))


def mark_pid_and_wait(marks: Marks, gate: Gate) -> None:
    marks.leave(os.getpid())
    gate.wait()


def test_a_worker_killed_between_calls_is_replaced() -> None:
    """Nobody notices the death of a worker that had nothing to do."""
    before = set(execute_tasks_in_parallel([Task(pid) for _ in range(4)], 2, True))
    for each in before:
        os.kill(each, signal.SIGKILL)

    after = execute_tasks_in_parallel([Task(pid) for _ in range(4)], 2, True)

    assert before.isdisjoint(after)


def test_a_worker_killed_while_it_reads_its_portion(tmp_path: Path) -> None:
    """A portion that was not read whole is handed out again; nothing runs twice."""
    path = tmp_path / "runs"
    big = b"x" * 30_000_000  # takes long enough to send for a kill to fall into it

    def run(number: int, data: bytes) -> int:
        note_run(path, number)
        return len(data)

    worker, *_ = execute_tasks_in_parallel([Task(pid)], 1, True)
    killer = threading.Timer(0.005, os.kill, (worker, signal.SIGKILL))
    killer.start()
    tasks = [Task(run, {"number": i, "data": big}) for i in range(3)]
    outcomes = execute_tasks_in_parallel(tasks, 1, True, True)
    killer.join()

    # Wherever the kill fell: at most one task is lost, and none has run twice.
    lost = [each for each in outcomes if isinstance(each, WorkerCrashedError)]
    assert len(lost) <= 1
    assert [each for each in outcomes if each not in lost] == [len(big)] * (
        3 - len(lost)
    )
    assert len(set(runs(path))) == len(runs(path))


@pytest.mark.parametrize("delay", [0.0, 0.002, 0.01, 0.03])
def test_a_worker_killed_while_it_sends_its_result(delay: float, marks: Marks) -> None:
    """A result that did not arrive whole is a failure of its task alone."""

    def work(number: int) -> bytes:
        if number == 0:
            marks.leave(os.getpid())
        return b"y" * 20_000_000

    outcomes: list[object] = []

    def call() -> None:
        tasks = [Task(work, {"number": i}) for i in range(3)]
        outcomes.extend(execute_tasks_in_parallel(tasks, 1, True, True))

    caller = threading.Thread(target=call)
    caller.start()
    marks.wait_for(1)
    time.sleep(delay)  # where the kill falls does not matter, only that it varies
    for name in marks.names():
        kill_if_there(int(name))
    caller.join(LONG_S)

    assert len(outcomes) == 3
    for outcome in outcomes:
        assert isinstance(outcome, WorkerCrashedError) or outcome == b"y" * 20_000_000
    assert sum(isinstance(each, WorkerCrashedError) for each in outcomes) <= 1


def kill_if_there(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        pass


# Time limits.


@pytest.mark.parametrize(
    "stubborn",
    [
        lambda: time.sleep(LONG_S),
        lambda: sum(range(10**12)),  # holds the interpreter's lock in C
        lambda: (fatal.replace_signal_handlers(), time.sleep(LONG_S)),
    ],
    ids=["sleep", "busy in C", "ignores signals"],
)
def test_a_task_that_is_late_is_ended(stubborn: object) -> None:
    """A task beyond its limit fails; all others go on."""
    tasks: list[Task[object]] = [Task(echo, {"value": i}) for i in range(COUNT)]
    tasks[ODD_ONE] = Task(stubborn)  # type: ignore[arg-type]

    outcomes = execute_tasks_in_parallel(tasks, 2, True, True, timeout=0.3)

    assert others(outcomes) == ALL_OTHERS
    error = outcomes[ODD_ONE]
    assert isinstance(error, TaskTimeoutError)
    assert isinstance(error, TimeoutError)
    assert error.timeout == 0.3


def test_a_limit_holds_for_a_single_task_of_an_idle_pool() -> None:
    """A late task is ended also when nothing else happens that could wake anybody."""
    execute_tasks_in_parallel([Task(pid)], 1, True)
    time.sleep(1.2)  # so long that the watching thread has gone to sleep for good

    [error] = execute_tasks_in_parallel(
        [Task.of(time.sleep, LONG_S)], 1, True, True, timeout=0.1
    )

    assert isinstance(error, TaskTimeoutError)


def test_time_that_a_task_waits_does_not_count() -> None:
    """Ten tasks of 0.1 s on one worker are all in time for a limit of 0.5 s."""
    tasks = [Task.of(time.sleep, 0.1) for _ in range(10)]

    assert execute_tasks_in_parallel(tasks, 1, True, timeout=0.5) == [None] * 10


def test_a_limit_costs_no_other_task_of_the_portion(tmp_path: Path) -> None:
    """Among thousands of tiny tasks with a few late ones, only these fail."""
    path = tmp_path / "runs"

    def run(number: int) -> int:
        note_run(path, number)
        if number % 700 == 699:
            time.sleep(LONG_S)
        return number

    outcomes = execute_tasks_in_parallel(
        [Task(run, {"number": i}) for i in range(2100)], 2, True, True, timeout=0.2
    )

    for number, outcome in enumerate(outcomes):
        if number % 700 == 699:
            assert isinstance(outcome, TaskTimeoutError)
        else:
            assert outcome == number
    assert runs(path) == list(range(2100))


def test_tasks_that_end_at_their_limit_are_either_in_time_or_late(
    tmp_path: Path,
) -> None:
    """At the very limit a task is either done or late, and runs once."""
    path = tmp_path / "runs"

    def run(number: int) -> int:
        note_run(path, number)
        time.sleep(0.05)
        return number

    outcomes = execute_tasks_in_parallel(
        [Task(run, {"number": i}) for i in range(40)], 2, True, True, timeout=0.05
    )

    done: set[int] = set()
    for number, outcome in enumerate(outcomes):
        if not isinstance(outcome, TaskTimeoutError):
            assert outcome == number
            done.add(number)
    noted = runs(path)
    # On a busy machine the limit may come before the first line of a task.
    assert done <= set(noted)
    assert len(noted) == len(set(noted))


# The end of a call, and what it leaves.


def start_a_child_and_wait(marks: Marks) -> None:
    sleep = f"import time; time.sleep({LONG_S})"
    child = subprocess.Popen([sys.executable, "-c", sleep])
    marks.leave(child.pid)
    child.wait()


def wait_until_gone(process: int) -> bool:
    end = time.monotonic() + GONE_S
    while time.monotonic() < end:
        try:
            if psutil.Process(process).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(POLL_S)
    return False


def test_children_of_a_late_task_end_with_it(marks: Marks) -> None:
    """A process that a task has started does not outlive the task's limit."""
    task = Task(start_a_child_and_wait, {"marks": marks})

    [error] = execute_tasks_in_parallel([task], 1, True, True, timeout=1.0)

    assert isinstance(error, TaskTimeoutError)
    [child] = marks.names()
    assert wait_until_gone(int(child))


def test_running_tasks_get_their_grace_and_no_more(marks: Marks) -> None:
    """After a failure a long task is killed when its grace is over."""

    def fail() -> None:
        marks.wait_for(1)
        raise ValueError("first")

    tasks: list[Task[object]] = [
        Task(start_a_child_and_wait, {"marks": marks}),
        Task(fail),
    ]
    with pytest.raises(ValueError, match="first"):
        execute_tasks_in_parallel_unordered(tasks, 2, True, grace=0.1)

    [child] = marks.names()
    assert wait_until_gone(int(child))


def test_running_tasks_may_finish_within_their_grace(marks: Marks, gate: Gate) -> None:
    """What finishes after a failure, in its grace, was not killed."""

    def finish_later() -> None:
        marks.leave("running")
        gate.wait()
        marks.leave("finished")

    def fail() -> None:
        marks.wait_for(1)
        gate.open()
        raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        execute_tasks_in_parallel([Task(finish_later), Task(fail)], 2, True, grace=None)

    assert marks.names() == {"running", "finished"}


def test_an_early_break_ends_what_runs(marks: Marks) -> None:
    """Leaving a stream kills what has not finished in its grace."""
    tasks: list[Task[object]] = [
        Task(echo, {"value": "quick"}),
        Task(start_a_child_and_wait, {"marks": marks}),
    ]
    stream = execute_tasks_in_parallel_streaming(tasks, 2, True, grace=0.0)
    assert next(stream) == (0, "quick")
    marks.wait_for(1)

    stream.close()

    [child] = marks.names()
    assert wait_until_gone(int(child))


# Workers that cannot be started.


def test_an_initializer_that_raises_is_the_error_of_the_call() -> None:
    """No task is to blame, and the initializer's own error is the cause."""
    with (
        worker_pool(max_workers=2, initializer=int, initargs=("no number",)),
        pytest.raises(WorkerStartError, match="initializer") as raised,
    ):
        execute_tasks_in_parallel([Task(pid)], 2, True, True)

    assert isinstance(raised.value.__cause__, ValueError)


def test_an_initializer_that_exits_does_not_respawn_for_ever() -> None:
    """Three workers in a row that die at their start are enough."""
    with (
        worker_pool(max_workers=2, initializer=os._exit, initargs=(4,)),
        pytest.raises(WorkerStartError, match="exit code 4"),
    ):
        execute_tasks_in_parallel([Task(pid)], 2, True)


def test_an_initializer_that_hangs_until_it_is_killed(marks: Marks) -> None:
    """Killing workers that hang in their initializer ends the call with an error."""

    def hang() -> None:
        marks.leave(os.getpid())
        time.sleep(LONG_S)

    stop = threading.Event()

    def kill_all_that_hang() -> None:
        while not stop.wait(POLL_S):
            for name in marks.names():
                kill_if_there(int(name))

    killer = threading.Thread(target=kill_all_that_hang)
    killer.start()
    try:
        with (
            worker_pool(max_workers=1, initializer=hang),
            pytest.raises(WorkerStartError, match="SIGKILL"),
        ):
            execute_tasks_in_parallel([Task(pid)], 1, True)
    finally:
        stop.set()
        killer.join()


def run_limited(source: str, tmp_path: Path) -> str:
    """What a script prints, in an interpreter of its own."""
    script = tmp_path / "script.py"
    script.write_text(source, "utf-8")
    ended = subprocess.run(
        [sys.executable, script],
        env=environment_of_scripts(),
        capture_output=True,
        text=True,
        timeout=LONG_S * 2,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


CALL = """
import os, resource, tempfile
from cotality.core.utils.process import *
def call(workers):
    tasks = [Task.of(pow, i, 2) for i in range(50)]
    return execute_tasks_in_parallel(tasks, workers, True) == [i * i for i in range(50)]
"""


def test_a_file_limit_that_allows_only_some_workers(tmp_path: Path) -> None:
    """With descriptors for a few workers, the call runs on these few."""
    source = CALL + (
        "used = len(os.listdir('/proc/self/fd'))\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (used + 26, used + 26))\n"
        "print(call(30))\n"
    )
    assert run_limited(source, tmp_path) == "True\n"


def test_a_file_limit_that_allows_no_worker(tmp_path: Path) -> None:
    """Without descriptors for a single worker the error says why."""
    source = CALL + (
        "used = len(os.listdir('/proc/self/fd'))\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (used + 3, used + 3))\n"
        "try: call(2)\n"
        "except (WorkerStartError, OSError) as e: print('Too many open' in str(e))\n"
    )
    assert run_limited(source, tmp_path) == "True\n"


def test_three_descriptors_for_each_worker(tmp_path: Path) -> None:
    """A worker costs the parent three file descriptors."""
    source = (
        "import os\n"
        "from cotality.core.utils.process import *\n"
        "count = lambda: len(os.listdir('/proc/self/fd'))\n"
        "def with_workers(n):\n"
        "    with IsolatedProcessPoolExecutor(n) as executor:\n"
        "        list(executor.map(__import__('time').sleep, [0.2] * n))\n"
        "        return count()\n"
        "with_workers(1)\n"
        "print((with_workers(6) - with_workers(1)) / 5)\n"
    )
    assert float(run_limited(source, tmp_path)) <= 3


def test_a_worker_that_dies_at_import(tmp_path: Path) -> None:
    """A module that ends the process when it is imported costs one task."""
    (tmp_path / "deadly.py").write_text(
        "import os, sys\n"
        "if os.environ.get('PARENT') != str(os.getpid()): os._exit(11)\n"
        "def work(): return 1\n",
        "utf-8",
    )
    source = CALL + (
        "os.environ['PARENT'] = str(os.getpid())\n"
        "from deadly import work\n"
        "[a, b] = execute_tasks_in_parallel("
        "[Task(work), Task.of(pow, 2, 3)], 2, True, True)\n"
        "print(type(a).__name__, a.exit_code, b)\n"
    )
    assert run_limited(source, tmp_path) == "WorkerCrashedError 11 8\n"


def test_no_room_for_temporary_files_harms_nobody(tmp_path: Path) -> None:
    """Where no file can be made, workers start another way."""
    source = CALL + (
        "tempfile.tempdir = '/proc'  # where no file can be made\nprint(call(2))\n"
    )
    assert run_limited(source, tmp_path) == "True\n"


def test_results_add_up_after_all_that() -> None:
    """The workers of this process are as good as new."""
    tasks = [Task(add, {"a": i, "b": i}) for i in range(100)]
    assert execute_tasks_in_parallel(tasks, 2, True) == [2 * i for i in range(100)]
