"""Where a worker was when it crashed, as the frames of the error that says so."""

from __future__ import annotations

import ctypes
import pickle
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotality._kit.traceback_text import traceback_text_of
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
from cotality.core.utils._process.tasks.tracebacks import unpack_frames
from cotality.core.utils._process.workers.death_frames import (
    places_at_end,
    read_end,
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
    shutdown_workers,
)
from cotality.flow import Flow, Step
from cotality.tuning import managed_pool
from tests.kit import crashes, fatal
from tests.kit.crashes import CALLS, END, UNSEEN, in_a_thread, outer
from tests.kit.helpers import run_script
from tests.kit.limits import LONG_S

needs_stacks = pytest.mark.skipif(
    sys.platform != "linux", reason="workers leave their stacks on Linux alone"
)
pytestmark = needs_stacks


def seen(error: BaseException | None) -> list[tuple[str, int | None]]:
    """The last three frames of *error*: the functions, and the lines in `crashes`."""
    assert isinstance(error, BaseException)
    found = traceback.extract_tb(error.__traceback__)[-3:]
    assert all(each.filename == crashes.__file__ for each in found)
    return [(each.name, each.lineno) for each in found]


def crash_of(how: str = "segmentation fault") -> WorkerCrashedError:
    (error,) = execute_tasks_in_parallel(
        [Task.of(outer, how)], use_processes=True, return_exceptions=True
    )
    assert isinstance(error, WorkerCrashedError)
    return error


# What crashes, and how.


CRASHES: dict[str, Task[object]] = {
    **{how: Task.of(outer, how) for how in END},
    **{each.__name__: Task(each) for each in (in_a_thread, *UNSEEN)},
    "library": Task(fatal.read_address_zero),
}
Crashed: TypeAlias = dict[str, WorkerCrashedError]


@pytest.fixture(scope="module")
def crashed() -> Crashed:
    """The errors of all `CRASHES`, of which each has cost one worker."""
    errors = execute_tasks_in_parallel(list(CRASHES.values()), 2, True, True)
    shutdown_workers()
    found = [each for each in errors if isinstance(each, WorkerCrashedError)]
    return dict(zip(CRASHES, found, strict=True))


@pytest.mark.parametrize("how", END)
def test_a_crash_has_the_frames_of_the_task(crashed: Crashed, how: str) -> None:
    """From the function of the task to the line that crashed, and no others."""
    error = crashed[how]

    assert seen(error) == CALLS
    assert len(traceback.extract_tb(error.__traceback__)) == 3


def test_a_crash_in_a_library_ends_in_the_library(crashed: Crashed) -> None:
    """The frames go on below the task's own file."""
    found = traceback.extract_tb(crashed["library"].__traceback__)

    assert [each.name for each in found] == ["read_address_zero", "string_at"]
    assert found[-1].filename == ctypes.__file__


def test_what_is_printed_shows_the_lines_once(crashed: Crashed) -> None:
    """The traceback has the source, and the message does not repeat the stack."""
    error = crashed["segmentation fault"]

    text = "".join(traceback.format_exception(error))
    assert text.count(f'", line {CALLS[-1][1]}, in inner\n    END[how]()\n') == 1
    assert "^" not in text  # which columns it were nobody knows
    assert "most recent call first" not in text
    assert f"line {CALLS[-1][1]} of {crashes.__file__}, in inner" in str(error)
    assert "Segmentation fault" in error.worker_stack


def test_a_crash_in_another_thread_has_the_frames_of_that_thread(
    crashed: Crashed,
) -> None:
    """What the main thread did meanwhile did not crash."""
    error = crashed["in_a_thread"]

    assert seen(error) == CALLS
    names = [each.name for each in traceback.extract_tb(error.__traceback__)]
    assert "in_a_thread" not in names


@pytest.mark.parametrize("end", [each.__name__ for each in UNSEEN])
def test_no_frames_are_made_up(crashed: Crashed, end: str) -> None:
    """What left no stack of its own end has none, and no other's."""
    error = crashed[end]

    assert error.__traceback__ is None
    assert error.worker_stack == ""
    assert "It was at" not in str(error)


DEATH_FRAMES = "cotality.core.utils._process.workers.death_frames"


@pytest.mark.one_python
@pytest.mark.parametrize("name", ["tblib", DEATH_FRAMES])
def test_where_nothing_can_be_imported_the_words_are_left(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """As there may be no descriptor left, or another module of that name."""
    monkeypatch.setitem(sys.modules, name, None)

    error = crash_of()

    assert error.__traceback__ is None
    assert error.signal_name == "SIGSEGV"
    for text in (str(error), error.worker_stack):
        assert text.index(" in inner") < text.index(" in middle") < text.index("outer")
    assert crash_of("abort").signal_name == "SIGABRT"  # who looks after them goes on


@pytest.mark.one_python
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


@pytest.mark.one_python
def test_every_way_to_a_failure_has_the_frames(tmp_path: Path) -> None:
    """Raised, in a group, in a stream, as an outcome, in a dead letter."""
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
    (letter,) = letters.entries()
    error = letter.as_error()
    assert seen(error) == CALLS
    assert error.type_name == "WorkerCrashedError"


@pytest.mark.one_python
def test_each_attempt_has_its_own_frames() -> None:
    """With retries, the errors of earlier attempts show where those were."""
    outcome: Outcome[None]
    again = Retry(1, on=(WorkerCrashedError,), backoff=0)
    (outcome,) = iter_outcomes(
        [Task.of(outer, "abort")], use_processes=True, retries=again
    )

    assert seen(outcome.error) == CALLS
    assert [seen(each) for each in outcome.earlier_errors] == [CALLS]


@pytest.mark.one_python
def test_futures_and_managed_pools_have_the_frames() -> None:
    """An executor raises the same; so do the pools of the tuning floor."""
    with (
        IsolatedProcessPoolExecutor(1) as executor,
        pytest.raises(WorkerCrashedError) as caught,
    ):
        executor.submit(outer, "abort").result(LONG_S)
    assert seen(caught.value) == CALLS
    with managed_pool(max_workers=1):
        assert seen(crash_of("abort")) == CALLS


@pytest.mark.one_python
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


def test_the_frames_stay_when_it_is_raised_and_sent_again(crashed: Crashed) -> None:
    """Python adds the callers in front; pickle leaves frames out, as of every error."""
    error = unpack_exception(pack_exception(crashed["abort"]))
    assert isinstance(error, WorkerCrashedError)

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


# What it costs.


def test_an_error_that_is_kept_keeps_nothing_else(crashed: Crashed) -> None:
    """Its frames hold no locals, and no callers that would."""
    frames = crashed["segmentation fault"].__traceback__
    assert frames is not None

    while frames is not None:
        assert not frames.tb_frame.f_locals
        caller = frames.tb_frame.f_back
        assert caller is None or caller.f_back is None
        frames = frames.tb_next


LOADS = """
import sys
from cotality.core.utils.process import Task, execute_tasks_in_parallel
from tests.kit.fatal import read_address_zero

if __name__ == "__main__":
    for task in (Task(int), Task(read_address_zero)):
        results = execute_tasks_in_parallel([task], 1, True, True)
        print("tblib" in sys.modules)
"""


@pytest.mark.one_python
def test_it_is_loaded_when_something_has_crashed(tmp_path: Path) -> None:
    """Calls that go well do not wait for it."""
    ended = run_script(LOADS, tmp_path)

    assert ended == "False\nTrue\n"


class CrashesInBatches:
    def handle(self, items: list[str]) -> list[str]:
        outer(items[0])
        return items


@pytest.mark.one_python
@pytest.mark.parametrize(
    ("step", "above"), [(Step(outer), []), (Step(CrashesInBatches), ["handle"])]
)
def test_a_worker_of_a_flow_leaves_the_frames_of_its_handler(
    step: Step[str, object], above: list[str]
) -> None:
    """And none of ours, whichever floor they are of."""
    with Flow(step) as flow, pytest.raises(WorkerCrashedError) as caught:
        flow.call("segmentation fault")

    assert seen(caught.value) == CALLS
    functions = [each.name for each in traceback.extract_tb(caught.tb)]
    there = functions[functions.index("result_in") + 1 :]
    assert there == [*above, "outer", "middle", "inner"]
    assert caught.value.signal_name == "SIGSEGV"


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


# A traceback as text that may be anything, and for the reader of a text of C.
PARTS = st.one_of(
    st.text(st.characters(), max_size=20),
    st.sampled_from(
        [
            "Traceback (most recent call last):",
            "  + Exception Group Traceback (most recent call last):",
            "Stack (most recent call first):",
            "Fatal Python error: Aborted",
            "    raise ValueError",
            "  [Previous line repeated 990 more times]",
            "ValueError",
        ]
    ),
    st.builds(
        lambda margin, file, line, rest: f'{margin}  File "{file}", line {line}{rest}',
        st.sampled_from(["", "  ", "  | "]),
        st.text(st.characters(), max_size=10) | st.just(__file__),
        st.integers() | st.text(st.characters(categories=["Nd"])),
        st.sampled_from([", in ", " in ", ", in f", " in f"]) | st.text(max_size=5),
    ),
)


@pytest.mark.one_python
@settings(max_examples=40)  # 3,000 of them have found nothing
@given(st.lists(PARTS, max_size=12).map("\n".join), PARTS, st.integers(200, 400))
def test_no_text_is_too_odd(text: str, words: str, limit: int) -> None:
    """Whatever it is, frames can be shown that come out of it, and no failure."""
    for frames in (
        frames_of_traceback(text),
        frames_of_last_error(text, words),
        frames_of_traceback(shortened_traceback(text, limit)),
        unpack_frames(places_at_end(text)),
        unpack_frames(read_end(text, None, is_known=False)[1]),
    ):
        assert len(traceback.format_tb(frames)) <= MAX_FRAMES
    assert len(shortened_traceback(text, limit)) <= limit


# Files that are not what they were.

SOURCE = """
def fail():
    raise ValueError(
        "two lines"
    )

fail()
"""


def failed_in(file: Path) -> ValueError:
    file.write_text(SOURCE)
    try:
        exec(compile(SOURCE, file, "exec"), {})
    except ValueError as error:
        return error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)
    raise AssertionError


WAYS = pytest.mark.parametrize("way", ["words", "pickle"])


class Kept:
    """A failure that a file has kept, in words and as a pickle."""

    def __init__(self, file: Path) -> None:
        error = failed_in(file)
        self.text = traceback_text_of(error)
        self.packed = pack_exception(error)

    def shown(self, way: str) -> str:
        """What is shown of its frames now."""
        frames = frames_of_traceback(self.text)
        if way == "pickle":
            frames = unpack_exception(self.packed, is_old=True).__traceback__
        return "".join(traceback.format_tb(frames))


@WAYS
def test_the_lines_of_a_file_that_has_stayed_are_shown(
    tmp_path: Path, way: str
) -> None:
    """From words that are left as from pickles."""
    file = tmp_path / "file.py"
    kept = Kept(file)

    shown = kept.shown(way)

    assert f'  File "{file}", line 7, in <module>\n    fail()\n' in shown
    assert f'  File "{file}", line 3, in fail\n    raise ValueError(\n' in shown


@WAYS
def test_a_line_that_is_another_one_by_now_is_not_shown(
    tmp_path: Path, way: str
) -> None:
    """The name of the file says why; frames whose lines are the same have them."""
    file = tmp_path / "file.py"
    kept = Kept(file)
    kept.shown(way)
    file.write_text(SOURCE.replace("raise Value", "raise Type"))

    shown = kept.shown(way)

    assert "    fail()\n" in shown
    assert f'  File "{file} (as it was then)", line 3, in fail\n' in shown
    assert "raise" not in shown


@WAYS
@pytest.mark.parametrize("name", ["gone.py", "<string>", "<stdin>", "/tmp/ipykernel/1"])
def test_files_that_are_gone_have_no_lines(tmp_path: Path, way: str, name: str) -> None:
    """As is usual."""
    file = tmp_path / "file.py"
    kept = Kept(file)
    file.unlink()
    kept.text = kept.text.replace(str(file), name)

    shown = kept.shown(way)

    assert "line 3, in fail\n" in shown
    assert "as it was" not in shown
    assert "raise" not in shown


def in_that_file(source: str, name: str) -> None:
    exec(compile(source, name, "exec"), {})


def test_what_journals_and_letters_show_is_what_it_was(tmp_path: Path) -> None:
    """A run that resumes after an edit shows no line that has not failed."""
    file = tmp_path / "file.py"
    file.write_text(SOURCE)
    task = Task.of(in_that_file, SOURCE, str(file))
    letters = DeadLetters(tmp_path / "letters")
    for journal in (
        Journal(tmp_path / "all"),
        Journal(tmp_path / "words", keep_results=False),
    ):
        execute_tasks_in_parallel(
            [task], 1, False, True, journal=journal, dead_letters=letters
        )
    file.write_text(SOURCE.replace("raise Value", "raise Type"))

    (letter,) = letters.entries()
    errors: list[object] = [letter.as_error()]
    for name, keep_results in (("all", True), ("words", False)):
        journal = Journal(tmp_path / name, keep_results=keep_results)
        errors += execute_tasks_in_parallel(
            [task], 1, False, True, journal=journal, resume=True
        )

    for error in errors:
        assert isinstance(error, Exception)
        shown = "".join(traceback.format_tb(error.__traceback__))
        assert "    fail()\n" in shown
        assert f'  File "{file} (as it was then)", line 3, in fail\n' in shown
        assert "raise" not in shown


# Who shows it.


def test_pytest_shows_the_lines_that_crashed(crashed: Crashed) -> None:
    """A test that crashes a worker fails with the source of the task."""
    failed = pytest.ExceptionInfo.from_exception(crashed["segmentation fault"])
    file, line = Path(crashes.__file__).name, CALLS[-1][1]

    long, short = str(failed.getrepr()), str(failed.getrepr(style="short"))

    assert "\n>   END[how]()\n" in long
    assert f"{file}:{line}: WorkerCrashedError" in long
    for name, number in CALLS:
        assert f"{file}:{number}: in {name}\n" in short
    assert f"{file}:{line}: in inner\n    END[how]()\nE " in short
