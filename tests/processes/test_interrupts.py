"""What Ctrl-C, signals, a fork and the end of the program do to calls and workers."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
import pytest

from cotality.core.utils.process import pmap
from tests.kit.helpers import Gate, Marks
from tests.kit.programs import Program

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="signals and terminals are others there"
)

SHORT = 30  # lines that the traceback of an interrupted program has at most


@pytest.fixture(params=[False, True], ids=["signal", "terminal"])
def terminal(request: pytest.FixtureRequest) -> bool:
    """Whether Ctrl-C is pressed in a terminal, or sent to the parent alone."""
    return bool(request.param)


@contextmanager
def running(
    source: str, marks: Marks, count: int, *, terminal: bool = False
) -> Iterator[Program]:
    """A program whose tasks, or their children, have left *count* marks: pids."""
    with Program(source, marks.folder.parent, terminal=terminal) as program:
        marks.wait_for(count)
        program.look()
        program.note({int(name) for name in marks.names() if name.isdigit()})
        yield program


def check_interrupted(program: Program) -> None:
    """It has ended as an interrupted program does, and left nothing but a few lines."""
    assert program.exit_code() == -signal.SIGINT
    assert program.left_over() == []
    printed = program.printed()
    assert printed.rstrip().endswith("KeyboardInterrupt")
    assert printed.count("Traceback") == 1
    assert len(printed.splitlines()) < SHORT


# Ctrl-C, with processes.


ENTRY_POINTS = {
    "list": "execute_tasks_in_parallel(tasks, 2, True)",
    "unordered": "execute_tasks_in_parallel_unordered(tasks, 2, True)",
    "stream": "for _ in execute_tasks_in_parallel_streaming(tasks, 2, True): pass",
    "in a pool": "with worker_pool(max_workers=2):\n"
    "    execute_tasks_in_parallel(tasks, 2, True)",
    "own workers": "execute_tasks_in_parallel(tasks, 2, True, max_tasks_per_worker=1)",
}


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_ctrl_c_ends_a_call_on_processes(
    entry_point: str, terminal: bool, marks: Marks
) -> None:
    """It is raised at once, running workers are killed, and nothing is left."""
    source = (
        "tasks = [Task(mark_child_and_sleep, {'marks': marks}) for _ in range(6)]\n"
        + ENTRY_POINTS[entry_point]
    )
    with running(source, marks, 4, terminal=terminal) as program:
        program.press_ctrl_c()
        check_interrupted(program)
    assert len(marks.names()) == 4  # nothing new was started


def test_ctrl_c_twice_with_processes(terminal: bool, marks: Marks) -> None:
    """Impatience does no harm."""
    source = (
        "tasks = [Task(mark_and_hold_the_lock, {'marks': marks}) for _ in range(6)]\n"
        "execute_tasks_in_parallel(tasks, 2, True)\n"
    )
    with running(source, marks, 2, terminal=terminal) as program:
        program.press_ctrl_c()
        program.press_ctrl_c()

        assert program.exit_code() != 0
        assert program.left_over() == []
        assert "KeyboardInterrupt" in program.printed()


def test_ctrl_c_can_be_caught(terminal: bool, marks: Marks) -> None:
    """The program may go on, with calls on new workers."""
    source = (
        "tasks = [Task(mark_and_sleep, {'marks': marks}) for _ in range(6)]\n"
        "try: execute_tasks_in_parallel(tasks, 2, True)\n"
        "except KeyboardInterrupt: print('caught')\n"
        "print(execute_tasks_in_parallel([Task.of(abs, -1)] * 2, 2, True))\n"
    )
    with running(source, marks, 2, terminal=terminal) as program:
        program.press_ctrl_c()

        assert program.exit_code() == 0
        assert program.left_over() == []
        assert program.printed().replace("^C", "") == "caught\n[1, 1]\n"


def test_ctrl_c_in_the_body_of_a_loop_over_a_stream(
    terminal: bool, marks: Marks
) -> None:
    """Tasks that run while the consumer is interrupted get their grace and no more."""
    source = (
        "tasks = [Task.of(wait_for_marks, marks, 'first', 2)]\n"
        "tasks += [Task(mark_and_sleep, {'marks': marks}) for _ in range(6)]\n"
        "for _ in execute_tasks_in_parallel_streaming(tasks, 2, True, grace=0.1):\n"
        "    marks.leave('body')\n"
        "    time.sleep(100)\n"
    )
    with running(source, marks, 3, terminal=terminal) as program:
        program.press_ctrl_c()
        check_interrupted(program)


def test_ctrl_c_while_an_executor_is_waited_for(terminal: bool, marks: Marks) -> None:
    """Workers of an executor do not see it; the caller may end them."""
    source = (
        "executor = IsolatedProcessPoolExecutor(1)\n"
        "future = executor.submit(mark_and_sleep, marks)\n"
        "try: future.result()\n"
        "except KeyboardInterrupt: print('caught', future.running())\n"
        "executor.kill(future)\n"
        "print(type(future.exception()).__name__)\n"
    )
    with running(source, marks, 1, terminal=terminal) as program:
        program.press_ctrl_c()

        assert program.exit_code() == 0
        assert program.left_over() == []
        printed = program.printed().replace("^C", "")
        assert printed == "caught True\nWorkerCrashedError\n"


def test_idle_workers_do_not_see_ctrl_c(terminal: bool, marks: Marks) -> None:
    """The same warm workers go on after an interrupt that the program has caught."""
    source = (
        "def pids(name, count):\n"
        "    meet = [Task(pid_after_marks, {'marks': marks, 'name': f'{name}-{n}',"
        " 'count': count}) for n in range(2)]\n"
        "    return sorted(execute_tasks_in_parallel(meet, 2, True))\n"
        "before = pids('before', 2)\n"
        "try:\n"
        "    marks.leave('ready')\n"  # from here on the signal may come
        "    time.sleep(100)\n"
        "except KeyboardInterrupt: print('caught')\n"
        "print(pids('after', 5) == before)\n"
    )
    with running(source, marks, 3, terminal=terminal) as program:
        program.press_ctrl_c()

        assert program.exit_code() == 0
        assert program.printed().replace("^C", "") == "caught\nTrue\n"


def test_ctrl_c_while_the_first_worker_starts(marks: Marks) -> None:
    """The processes behind the workers are not interrupted with the program."""
    source = (
        "def interrupt_later():\n"
        "    os.killpg(0, signal.SIGINT)\n"
        "def busy_initializer():\n"
        "    marks.leave(os.getpid())\n"
        "    time.sleep(100)\n"
        "with worker_pool(max_workers=2, initializer=busy_initializer):\n"
        "    execute_tasks_in_parallel([Task.of(abs, 1)] * 2, 2, True)\n"
    )
    with running(source, marks, 1, terminal=True) as program:
        program.press_ctrl_c()
        check_interrupted(program)


# Ctrl-C, with threads.


COUNTING = """
interrupts = 0
def count_and_raise(number, frame):
    global interrupts
    interrupts += 1
    marks.leave(f"interrupt-{interrupts}")
    raise KeyboardInterrupt
signal.signal(signal.SIGINT, count_and_raise)
tasks = [Task(mark_and_wait, {"marks": marks, "name": f"task-{n}", "gate": gate})
         for n in range(6)]
"""


def test_ctrl_c_waits_for_running_threads(
    terminal: bool, marks: Marks, gate: Gate
) -> None:
    """Nothing new starts, and what runs is waited for, since nothing can stop it."""
    # The interrupt is announced before it is raised, and raised before it is heeded.
    source = COUNTING + (
        "from cotality.core.utils._process.backends.threads import ThreadBackend\n"
        "halt = ThreadBackend.halt\n"
        "def halt_and_say_so(self, futures):\n"
        "    halt(self, futures)\n"
        "    marks.leave('halted')\n"
        "ThreadBackend.halt = halt_and_say_so\n"
        "try: execute_tasks_in_parallel(tasks, 2)\n"
        "except KeyboardInterrupt: print('over', len(marks.names()))\n"
    )
    with running(source, marks, 2, terminal=terminal) as program:
        program.press_ctrl_c()
        marks.wait_for(4)
        assert program.process.poll() is None
        gate.open()

        assert program.exit_code() == 0
        assert program.printed().replace("^C", "") == "over 4\n"
    assert marks.names() == {"task-0", "task-1", "interrupt-1", "halted"}


def test_ctrl_c_twice_does_not_wait_for_threads(
    terminal: bool, marks: Marks, gate: Gate
) -> None:
    """The second one ends the wait; the tasks that run are left to themselves."""
    source = COUNTING + (
        "try: execute_tasks_in_parallel(tasks, 2)\n"
        "except KeyboardInterrupt: marks.leave('over')\n"
    )
    with running(source, marks, 2, terminal=terminal) as program:
        program.press_ctrl_c()
        marks.wait_for(3)
        program.press_ctrl_c()
        marks.wait_for(5)
        gate.open()

        assert program.exit_code() == 0
        assert program.printed().replace("^C", "") == ""
    begun = {"task-0", "task-1"}
    assert marks.names() == begun | {"interrupt-1", "interrupt-2", "over"}


# The end of the parent.


TASKS = {
    "sleeping": ("mark_and_sleep", 1),
    "busy in C": ("mark_and_hold_the_lock", 1),
    "with a child": ("mark_child_and_sleep", 2),
    "busy in C, with a child": ("mark_child_and_hold_the_lock", 2),
}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("task", TASKS)
def test_workers_end_with_their_parent(
    task: str, number: signal.Signals, marks: Marks
) -> None:
    """Whatever they do, and with whatever they have started."""
    function, each = TASKS[task]
    source = (
        f"tasks = [Task({function}, {{'marks': marks}}) for _ in range(4)]\n"
        "execute_tasks_in_parallel(tasks, 2, True)\n"
    )
    with running(source, marks, 2 * each) as program:
        program.send(number)

        assert program.exit_code() == -number
        assert program.left_over() == []


def test_idle_workers_end_with_their_parent(marks: Marks) -> None:
    """Warm workers, those of executors and their fork server."""
    source = (
        "executor = IsolatedProcessPoolExecutor(1)\n"
        "marks.leave(executor.submit(os.getpid).result())\n"
        "[worker] = execute_tasks_in_parallel([Task(os.getpid)], 1, True)\n"
        "marks.leave(worker)\n"
        "time.sleep(100)\n"
    )
    with running(source, marks, 2) as program:
        program.send(signal.SIGKILL)

        assert program.exit_code() == -signal.SIGKILL
        assert program.left_over() == []


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_workers_of_other_contexts_end_with_their_parent(
    method: str, marks: Marks
) -> None:
    """However a worker was started, it does not outlive who started it."""
    source = (
        "import multiprocessing, warnings\n"
        "if __name__ == '__main__':\n"
        "    warnings.simplefilter('ignore', DeprecationWarning)  # of forking\n"
        f"    context = multiprocessing.get_context({method!r})\n"
        "    executor = IsolatedProcessPoolExecutor(2, context)\n"
        "    futures = [executor.submit(mark_child_and_sleep, marks)"
        " for _ in range(4)]\n"
        "    time.sleep(100)\n"
    )
    with running(source, marks, 4) as program:
        program.send(signal.SIGKILL)

        assert program.exit_code() == -signal.SIGKILL
        assert program.left_over() == []


# The end of the program.


ENDS = {
    "warm workers": (
        "for pid in execute_tasks_in_parallel([Task(os.getpid)] * 9, 2, True):\n"
        "    marks.leave(pid)"
    ),
    "a stream that is kept": (
        "stream = execute_tasks_in_parallel_streaming(tasks, 2, True, grace=None)\n"
        "next(stream)"
    ),
    "a stream that is dropped": (
        "stream = execute_tasks_in_parallel_streaming(tasks, 2, True, grace=0)\n"
        "next(stream)\n"
        "del stream"
    ),
    "a call in a daemon thread": (
        "call = lambda: execute_tasks_in_parallel(tasks, 2, True)\n"
        "threading.Thread(target=call, daemon=True).start()\n"
        "marks.wait_for(3)"
    ),
    "sys.exit": "next(execute_tasks_in_parallel_streaming(tasks, 2, True, grace=0))\n"
    "sys.exit(0)",
}


@pytest.mark.parametrize("end", ENDS)
def test_a_program_ends_at_once(end: str, marks: Marks) -> None:
    """Nothing of ours that is still there holds it up, or says anything."""
    source = (
        "tasks = [Task.of(wait_for_marks, marks, 'first', 2)]\n"
        "tasks += [Task(mark_and_sleep, {'marks': marks}) for _ in range(6)]\n"
        + ENDS[end]
        + "\nprint('last line')\n" * (end != "sys.exit")
    )
    with Program(source, marks.folder.parent) as program:
        # Far less than idle workers stay or the tasks take.
        assert program.exit_code(within=15) == 0
        pids = {int(name) for name in marks.names() if name.isdigit()}
        program.note({pid for pid in pids if psutil.pid_exists(pid)})

        assert pids
        assert program.left_over() == []
        printed = program.printed()
        if end == "a call in a daemon thread":  # its own failure it may still tell
            printed = printed[: len("last line\n")]
        assert printed == "last line\n" * (end != "sys.exit")


def test_a_program_ends_with_a_suspended_stream_of_threads(
    marks: Marks, gate: Gate
) -> None:
    """What runs is waited for, and the program ends."""
    source = (
        "tasks = [Task.of(wait_for_marks, marks, 'first', 2)]\n"
        "tasks += [Task(mark_and_wait,"
        " {'marks': marks, 'name': f'{n}', 'gate': gate}) for n in range(6)]\n"
        "stream = execute_tasks_in_parallel_streaming(tasks, 2)\n"
        "next(stream)\n"
        "gate.open()\n"
    )
    with Program(source, marks.folder.parent) as program:
        assert program.exit_code() == 0
        assert program.printed() == ""


# Forks.


def test_a_fork_leaves_the_parent_its_executor(tmp_path: Path) -> None:
    """The child is refused, and may make an executor of its own."""
    source = (
        "import warnings\n"
        "warnings.simplefilter('ignore', DeprecationWarning)  # of forking\n"
        "executor = IsolatedProcessPoolExecutor(1)\n"
        "mine = executor.submit(os.getpid).result()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    try: executor.submit(abs, 1)\n"
        "    except WorkerStartError as error: refused = 'fork' in str(error)\n"
        "    executor.shutdown()\n"
        "    with IsolatedProcessPoolExecutor(1) as another:\n"
        "        fine = another.submit(os.getpid).result() != mine\n"
        "    os._exit(0 if refused and fine else 1)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "print(executor.submit(os.getpid).result() == mine)\n"
    )
    with Program(source, tmp_path) as program:
        assert program.exit_code() == 0
        assert program.printed() == "0\nTrue\n"


def test_a_forked_child_keeps_no_worker_alive(marks: Marks) -> None:
    """The workers of a parent that is killed end, although a child lives on."""
    source = (
        "import warnings\n"
        "warnings.simplefilter('ignore', DeprecationWarning)  # of forking\n"
        "executor = IsolatedProcessPoolExecutor(1)\n"
        "marks.leave(executor.submit(os.getpid).result())\n"
        "[worker] = execute_tasks_in_parallel([Task(os.getpid)], 1, True)\n"
        "marks.leave(worker)\n"
        "if os.fork() == 0:\n"
        "    os.close(1); os.close(2)\n"
        "    marks.leave(f'child-{os.getpid()}')\n"
        "    time.sleep(100)\n"
        "    os._exit(0)\n"
        "time.sleep(100)\n"
    )
    with running(source, marks, 3) as program:
        child = next(
            int(name.removeprefix("child-"))
            for name in marks.names()
            if name.startswith("child-")
        )
        # The tracker of multiprocessing ends with the last who may need it.
        program.seen = {
            each
            for each in program.seen
            if each.pid != child and "resource_tracker" not in f"{each.cmdline()}"
        }
        program.send(signal.SIGKILL)
        try:
            assert program.exit_code() == -signal.SIGKILL
            assert program.left_over() == []
        finally:
            os.kill(child, signal.SIGKILL)


def test_ctrl_c_at_an_instruction_of_no_line() -> None:
    """The compiler makes such ones, of which no traceback can tell the line."""

    def items() -> Iterator[int]:
        yield 1
        raise KeyboardInterrupt

    generator: Any = items  # Any: a function whose code is replaced
    generator.__code__ = items.__code__.replace(co_linetable=b"")
    with pytest.raises(KeyboardInterrupt) as caught:
        list(pmap(abs, items()))

    assert caught.tb.tb_lineno is not None
    assert caught.traceback[-1].name == "items"
    entry: TracebackType = caught.tb
    while entry.tb_next is not None:
        entry = entry.tb_next
    line: Any = entry.tb_lineno  # Any: typeshed does not know of None
    assert line is None
