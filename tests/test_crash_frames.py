"""Where a worker was when it crashed, as the frames of the error that says so."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import pytest

from cotality.core.utils._process.pickling.exceptions import (
    pack_exception,
    unpack_exception,
)
from cotality.core.utils._process.tasks.frames_of_text import (
    MAX_FRAMES,
    frames_of_last_error,
    frames_of_traceback,
    shortened_traceback,
)
from cotality.core.utils._process.workers.death_frames import (
    places_at_end,
    stack_at_end,
)
from cotality.core.utils.process import (
    DeadLetters,
    IsolatedProcessPoolExecutor,
    Journal,
    Outcome,
    RemoteTaskError,
    Retry,
    Task,
    WorkerCrashedError,
    WorkerStartError,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
    iter_outcomes,
)
from cotality.tuning import managed_pool
from tests import fatal
from tests.helpers import environment_of_scripts, run_script
from tests.limits import LONG_S

needs_stacks = pytest.mark.skipif(
    sys.platform != "linux", reason="workers leave their stacks on Linux alone"
)
pytestmark = needs_stacks
END: dict[str, Callable[[], object]] = {
    "segmentation fault": faulthandler._sigsegv,  # type: ignore[attr-defined]
    "abort": os.abort,
    "C stack overflow": faulthandler._stack_overflow,  # type: ignore[attr-defined]
}


def outer(how: str) -> None:
    middle(how)


def middle(how: str) -> None:
    inner(how)


def inner(how: str) -> None:
    END[how]()


def line_after(function: Callable[..., object]) -> int:
    """The number of the first line of what *function* does."""
    return function.__code__.co_firstlineno + 1


CALLS = [(each.__name__, line_after(each)) for each in (outer, middle, inner)]


def seen(error: BaseException | None) -> list[tuple[str, int | None]]:
    """The last three frames of *error*: the functions, and the lines in this file."""
    assert isinstance(error, BaseException)
    found = traceback.extract_tb(error.__traceback__)[-3:]
    assert all(each.filename == __file__ for each in found)
    return [(each.name, each.lineno) for each in found]


def crash(task: Task[object]) -> WorkerCrashedError:
    (error,) = execute_tasks_in_parallel(
        [task], use_processes=True, return_exceptions=True
    )
    assert isinstance(error, WorkerCrashedError)
    return error


def crash_of(how: str = "segmentation fault") -> WorkerCrashedError:
    return crash(Task.of(outer, how))


# What crashes, and how.


@pytest.mark.parametrize("how", END)
def test_a_crash_has_the_frames_of_the_task(how: str) -> None:
    """From the function of the task to the line that crashed, and no others."""
    error = crash_of(how)

    assert seen(error) == CALLS
    assert len(traceback.extract_tb(error.__traceback__)) == 3


def test_a_crash_in_a_library_ends_in_the_library() -> None:
    """The frames go on below the task's own file."""
    error = crash(Task(fatal.read_address_zero))

    found = traceback.extract_tb(error.__traceback__)
    assert [each.name for each in found] == ["read_address_zero", "string_at"]
    assert found[-1].filename == ctypes.__file__


def test_what_is_printed_shows_the_lines_once() -> None:
    """The traceback has the source, and the message does not repeat the stack."""
    error = crash_of()

    text = "".join(traceback.format_exception(error))
    assert text.count(f'", line {CALLS[-1][1]}, in inner\n    END[how]()\n') == 1
    assert "^" not in text  # which columns it were nobody knows
    assert "most recent call first" not in text
    assert f"line {CALLS[-1][1]} of {__file__}, in inner" in str(error)
    assert "Segmentation fault" in error.worker_stack


def in_a_thread() -> None:
    thread = threading.Thread(target=outer, args=("segmentation fault",))
    thread.start()
    thread.join()


def test_a_crash_in_another_thread_has_the_frames_of_that_thread() -> None:
    """What the main thread did meanwhile did not crash."""
    error = crash(Task(in_a_thread))

    assert seen(error) == CALLS
    names = [each.name for each in traceback.extract_tb(error.__traceback__)]
    assert "in_a_thread" not in names


def die_unseen() -> None:
    fatal.die_of(signal.SIGKILL)


def fatal_error() -> None:
    """Python disables `faulthandler` before it aborts by itself."""
    os.close(2)  # which it writes to
    ctypes.pythonapi.Py_FatalError(b"enough")


def child_that_crashes() -> None:
    """A fork writes its stack to the place of the worker it came from."""
    child = os.fork()
    if child == 0:
        outer("segmentation fault")
    os.waitpid(child, 0)
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait(LONG_S)


@pytest.mark.parametrize("end", [die_unseen, fatal_error, child_that_crashes])
def test_no_frames_are_made_up(end: Callable[[], None]) -> None:
    """What left no stack of its own end has none, and no other's."""
    error = crash(Task(end))

    assert error.__traceback__ is None
    assert error.worker_stack == ""
    assert "It was at" not in str(error)


def test_workers_that_crash_at_their_start_say_where() -> None:
    """So does `WorkerStartError`: an initializer may crash like a task."""
    with (
        IsolatedProcessPoolExecutor(
            1, initializer=outer, initargs=("segmentation fault",)
        ) as executor,
        pytest.raises(WorkerStartError) as caught,
    ):
        executor.submit(int).result(LONG_S)

    assert seen(caught.value) == CALLS


# By which way the error comes.


def test_every_way_to_a_failure_has_the_frames(tmp_path: Path) -> None:
    """Raised, returned, in a group, in a stream, as an outcome, in a dead letter."""
    tasks = [Task.of(outer, "abort")]
    letters = DeadLetters(tmp_path / "letters")

    with pytest.raises(WorkerCrashedError) as caught:
        execute_tasks_in_parallel(tasks, use_processes=True)
    assert seen(caught.value) == CALLS
    with pytest.raises(ExceptionGroup) as group:
        execute_tasks_in_parallel(
            tasks, use_processes=True, on_error="group", dead_letters=letters
        )
    assert seen(group.value.exceptions[0]) == CALLS
    stream = execute_tasks_in_parallel_streaming(
        tasks, use_processes=True, return_exceptions=True
    )
    assert [seen(error) for _, error in stream] == [CALLS]  # type: ignore[arg-type]
    outcomes: list[Outcome[None]] = list(iter_outcomes(tasks, use_processes=True))
    assert [seen(outcome.error) for outcome in outcomes] == [CALLS]
    (letter,) = DeadLetters(tmp_path / "letters").entries()
    error = letter.as_error()
    assert seen(error) == CALLS
    assert error.type_name == "WorkerCrashedError"


def test_each_attempt_has_its_own_frames() -> None:
    """With retries, the errors of earlier attempts show where those were."""
    again = Retry(attempts=2, on=(WorkerCrashedError,), backoff=0)
    (outcome,) = iter_outcomes(
        [Task.of(outer, "abort")], use_processes=True, retries=again
    )

    assert seen(outcome.error) == CALLS
    assert [seen(each) for each in outcome.earlier_errors] == [CALLS]


def test_futures_and_managed_pools_have_the_frames() -> None:
    """An executor raises the same; so do the pools of the tuning floor."""
    with IsolatedProcessPoolExecutor(1) as executor:
        assert seen(executor.submit(outer, "abort").exception(LONG_S)) == CALLS
        with pytest.raises(WorkerCrashedError) as caught:
            executor.submit(outer, "abort").result(LONG_S)
    assert seen(caught.value) == CALLS
    with managed_pool(max_workers=1):
        assert seen(crash_of("abort")) == CALLS


@pytest.mark.parametrize("keep_results", [True, False])
def test_a_journal_keeps_the_frames(tmp_path: Path, keep_results: bool) -> None:
    """Also where only the words of the failure are left."""
    journal = Journal(tmp_path / "journal", keep_results=keep_results)
    task = Task.of(outer, "abort")

    def run(resume: bool) -> object:
        (error,) = execute_tasks_in_parallel(
            [task], 1, True, True, journal=journal, resume=resume
        )
        return error

    first, second = run(False), run(True)

    assert isinstance(first, WorkerCrashedError)
    kind = WorkerCrashedError if keep_results else RemoteTaskError
    assert type(second) is kind
    assert seen(second) == seen(first) == CALLS


def test_the_frames_stay_when_it_is_raised_and_sent_again() -> None:
    """Python adds the callers in front; pickle leaves frames out, as of every error."""
    error = crash_of()

    for _ in range(2):
        with pytest.raises(WorkerCrashedError):
            raise error
    assert seen(error) == CALLS
    with pytest.raises(RuntimeError) as caught:
        raise RuntimeError("no answer") from error
    assert seen(caught.value.__cause__) == CALLS
    copy: WorkerCrashedError = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.worker_stack) == (str(error), error.worker_stack)
    arrived = unpack_exception(pack_exception(error))
    assert seen(arrived) == CALLS


def failing(depth: int) -> None:
    if depth:
        failing(depth - 1)
    raise UnsendableError


class UnsendableError(Exception):
    def __reduce__(self) -> str:
        raise TypeError("no")

    __slots__ = ("lock",)

    def __init__(self) -> None:
        self.lock = threading.Lock()


def test_a_stand_in_shows_its_frames_and_not_their_text() -> None:
    """`RemoteTaskError` has real frames, so a note with the same lines is too much."""
    with pytest.raises(RemoteTaskError) as caught:
        execute_tasks_in_parallel([Task.of(failing, 1)], use_processes=True)

    error = caught.value
    names = [each.name for each in traceback.extract_tb(error.__traceback__)]
    assert names[-2:] == ["failing", "failing"]
    assert "in failing" in error.traceback_text
    assert not any("original traceback" in note for note in error.__notes__)


# What it costs.


def test_an_error_that_is_kept_keeps_nothing_else() -> None:
    """Its frames hold no locals, and no callers that would."""
    error = crash_of()

    frames = error.__traceback__
    while frames is not None:
        assert not {*frames.tb_frame.f_locals} - {
            "__name__",
            "__file__",
            "__builtins__",
        }
        if sys.version_info[:2] != (3, 12):
            caller = frames.tb_frame.f_back
            assert caller is None or caller.f_back is None
        frames = frames.tb_next


LOADS = """
import sys
from cotality.core.utils.process import Task, execute_tasks_in_parallel
from tests.fatal import read_address_zero

if __name__ == "__main__":
    for task in (Task(int), Task(read_address_zero)):
        results = execute_tasks_in_parallel([task], 1, True, True)
        print("tblib" in sys.modules)
"""


def test_it_is_loaded_when_something_has_crashed(tmp_path: Path) -> None:
    """Calls that go well do not wait for it."""
    ended = run_script(LOADS, tmp_path)

    assert ended == "False\nTrue\n"


# Text that may be anything.

DUMP = """\
Fatal Python error: Segmentation fault

Current thread 0x00007f0c5b1f3740 [python] (most recent call first):
  Garbage-collecting
  File "/here/caf\\xe9.py", line 3 in \\u0436
  File ???, line ??? in ???
  File "/here/\\x1b[2J.py", line 2 in <lambda>
  File "<string>", line 1 in <module>
  ...

Thread 0x00007f0c5b1f3741 (most recent call first):
  File "/here/other.py", line 9 in other

Current thread's C stack trace (most recent call first):
  Binary file "/usr/lib/libc.so.6", at +0x45330 [0x7f1]
  File "/here/no.py", line 1 in no

Extension modules: numpy, pandas (total: 2)
"""


def test_a_stack_of_faulthandler_is_read() -> None:
    """Of the current thread, outermost first, with letters instead of numbers."""
    assert [each[:2] for each in places_at_end(DUMP)] == [
        ("<string>", "<module>"),
        ("/here/\\x1b[2J.py", "<lambda>"),
        ("/here/café.py", "ж"),
    ]


@pytest.mark.parametrize(
    ("signal_name", "is_known", "found"),
    [
        ("SIGABRT", True, "Aborted\n"),
        ("SIGSEGV", True, ""),
        ("SIGKILL", True, ""),
        (None, True, ""),
        (None, False, "Aborted\n"),
    ],
)
def test_only_the_last_stack_counts_and_only_if_it_fits_the_end(
    signal_name: str | None, is_known: bool, found: str
) -> None:
    """A fork that has crashed before wrote to the same place."""
    text = f"{DUMP}Fatal Python error: Aborted\n"

    end = stack_at_end(text, signal_name, is_known=is_known)

    assert end.removeprefix("Fatal Python error: ") == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\0" * 100,
        "Segmentation fault",
        DUMP[: DUMP.index("  File")],
        DUMP.replace("Current thread 0", "Thread 0"),
        'Stack (most recent call first):\n  File "a.py", line 99999999999999 in f',
        'Stack (most recent call first):\n  File "a.py", line 1',
        'Stack (most recent call first):\nFile "a.py", line 1 in f',
    ],
)
def test_what_is_no_stack_has_no_frames(text: str) -> None:
    assert places_at_end(text) == []


def names_in(frames: TracebackType | None) -> list[tuple[str, int | None, str]]:
    found = traceback.extract_tb(frames)
    return [(each.filename, each.lineno, each.name) for each in found]


def failed_as_text() -> tuple[str, str]:
    """The traceback of an error with a cause, whose message quotes a traceback."""
    words = f"{ValueError.__name__}: quoted\n\n{QUOTED}"
    try:
        try:
            END["nothing"]()
        except KeyError as error:
            raise ValueError(words.partition(": ")[2]) from error
    except ValueError as error:
        error.add_note(QUOTED)
        return traceback.format_exc(), words
    raise AssertionError


QUOTED = 'Traceback (most recent call last):\n  File "no.py", line 1, in no\n'


def test_the_text_of_a_chain_gives_the_frames_of_its_last_error() -> None:
    """Neither those of its cause nor any that its message or a note quotes."""
    text, words = failed_as_text()

    ((file, line, name),) = names_in(frames_of_last_error(text, words))

    start = failed_as_text.__code__.co_firstlineno
    assert (file, line, name) == (__file__, start + 7, "failed_as_text")
    assert text.count("most recent call last") == 4


def test_the_text_of_a_group_gives_the_frames_of_the_group() -> None:
    """Not those of its members, which stand further to the right."""
    try:
        raise ExceptionGroup("both", [ValueError(1), ValueError(2)])
    except ExceptionGroup:
        text = traceback.format_exc()

    assert [name for *_, name in names_in(frames_of_traceback(text))] == [
        "test_the_text_of_a_group_gives_the_frames_of_the_group"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ValueError: nothing",
        QUOTED.partition("\n")[2],
        "Traceback (most recent call last):",
        'Traceback (most recent call last):\n  File "a.py", line 1\nSyntaxError',
        'Traceback (most recent call last):\n    File "a.py", line 1, in f\n',
        f'Traceback (most recent call last):\n  File "{"a" * 5000}", line 1, in f\n',
        f'Traceback (most recent call last):\n  File "a", line {"9" * 1999}, in f\n',
        'Traceback (most recent call last):\n  File "a", line ',
        'Traceback (most recent call last):\nValueError\n  File "a", line 1, in f\n',
    ],
)
def test_what_is_no_traceback_has_no_frames(text: str) -> None:
    assert frames_of_traceback(text) is None
    assert frames_of_last_error(text, "ValueError") is None


def test_damage_costs_the_lines_that_are_damaged() -> None:
    """What is obeyed by a terminal is shown in numbers; columns are not made up."""
    text = (
        "Traceback (most recent call last):\n"
        '  File "a\x1b[2J.py", line 1, in f\n'
        '    File "b.py", line 1, in code\n'
        '  File "c\0.py", line x, in g\n'
        "  [Previous line repeated 990 more times]\n"
        f'  File "d.py", line {"9" * 30}, in g\n'
        '  File "e.py", line 5, in h'
    )

    frames = frames_of_traceback(text)

    assert names_in(frames) == [("a\\x1b[2J.py", 1, "f"), ("e.py", 5, "h")]
    shown = "".join(traceback.format_tb(frames))
    assert shown == '  File "a\\x1b[2J.py", line 1, in f\n  File "e.py", line 5, in h\n'


def test_of_very_many_frames_the_innermost_are_made() -> None:
    """The number is bounded, whatever the text says."""
    lines = [f'  File "a.py", line {number}, in f' for number in range(1, 5000)]
    text = "\n".join(["Traceback (most recent call last):", *lines])

    found = names_in(frames_of_traceback(text))

    assert len(found) == MAX_FRAMES
    assert found[-1] == ("a.py", 4999, "f")


def test_a_long_traceback_is_kept_with_its_frames(tmp_path: Path) -> None:
    """What a journal says in words still begins with the line that says what it is."""
    for message in ("short", "long" * 10_000):
        lines = [f'  File "a.py", line {number}, in f' for number in range(1, 5000)]
        whole = "\n".join([QUOTED.partition("\n")[0], *lines, f"ValueError: {message}"])

        text = shortened_traceback(whole, 10_000)

        assert len(text) <= 10_000
        assert names_in(frames_of_traceback(text))[-1] == ("a.py", 4999, "f")
        assert "\nValueError: " in text
    assert shortened_traceback(whole[100:], 1000) == whole[-1000:]


PYTEST = """
import faulthandler
from cotality.core.utils.process import Task, execute_tasks_in_parallel

def innermost():
    faulthandler._sigsegv()

def test_it():
    execute_tasks_in_parallel([Task(innermost)], use_processes=True)
"""


@pytest.mark.one_python
def test_pytest_shows_the_line_that_crashed(tmp_path: Path) -> None:
    """A test that crashes a worker fails with the source of the task."""
    (tmp_path / "test_it.py").write_text(PYTEST)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    ended = subprocess.run(
        [*command, "test_it.py"],
        cwd=tmp_path,
        env=environment_of_scripts(),
        capture_output=True,
        text=True,
        timeout=LONG_S,
        check=False,
    )

    assert ended.returncode == 1
    assert "\n>   faulthandler._sigsegv()\n" in ended.stdout
    assert "test_it.py:6: WorkerCrashedError" in ended.stdout
