"""What tasks in worker processes log, print and warn of is seen in the parent."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path

import psutil
import pytest

from cotality.core.utils._process.channel.messages import (
    Inbox,
    Kind,
    Message,
    Output,
)
from cotality.core.utils._process.channel.worker_link import WorkerLink
from cotality.core.utils._process.output import relay
from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    Task,
    TaskTimeoutError,
    WorkerCrashedError,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
    worker_pool,
)
from tests.kit import chatty
from tests.kit.helpers import Gate, Marks, environment_of_scripts, pid, run_script
from tests.kit.limits import LONG_S, POLL_S

# It is about what is logged and printed, by processes that come and go.
pytestmark = pytest.mark.one_python

METHODS = set(multiprocessing.get_all_start_methods())
posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="no os.fork")


class Ear(logging.Handler):
    """A handler that keeps what it hears."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def texts(self) -> list[str]:
        return [record.getMessage() for record in self.records]

    @property
    def only(self) -> logging.LogRecord:
        (record,) = self.records
        return record


@contextlib.contextmanager
def listening(ear: logging.Handler, level: int = logging.INFO) -> Iterator[None]:
    before = chatty.logger.level
    chatty.logger.addHandler(ear)
    chatty.logger.setLevel(level)
    try:
        yield
    finally:
        chatty.logger.removeHandler(ear)
        chatty.logger.setLevel(before)


@pytest.fixture
def ear() -> Iterator[Ear]:
    ear = Ear()
    with listening(ear):
        yield ear


def run(*tasks: Task[object], workers: int = 1) -> list[object]:
    return execute_tasks_in_parallel(tasks, workers, True)


def run_program(source: str, folder: Path) -> tuple[str, str]:
    """What a program of its own prints, and what it complains of."""
    ended = subprocess.run(
        [sys.executable, "-c", source],
        cwd=folder,
        env=environment_of_scripts(),
        capture_output=True,
        encoding="utf-8",
        timeout=LONG_S,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout, ended.stderr


def outcomes(*tasks: Task[object], workers: int = 1) -> list[object]:
    return execute_tasks_in_parallel(tasks, workers, True, return_exceptions=True)


# Records.


def test_a_record_has_been_handled_when_the_call_returns(
    use_processes: bool, ear: Ear
) -> None:
    """Handlers of this process get what a task logs, before the call returns."""
    tasks = [Task.of(chatty.say, f"{number}") for number in range(20)]

    execute_tasks_in_parallel(tasks, 2, use_processes)

    assert sorted(ear.texts, key=int) == [f"{number}" for number in range(20)]
    assert {record.name for record in ear.records} == {"chatty"}
    assert {record.levelname for record in ear.records} == {"INFO"}


def test_a_record_says_where_it_was_logged(ear: Ear) -> None:
    """It names the task by its index and the worker, and is otherwise as it was."""
    tasks = [Task.of(chatty.say_and_return_pid, f"{number}") for number in range(20)]

    pids = run(*tasks, workers=2)

    for record in ear.records:
        index = int(record.getMessage())
        assert vars(record)["task_index"] == index
        assert vars(record)["worker"] == f"process {pids[index]}"
        assert record.process == pids[index]
        assert record.funcName == "say_and_return_pid"
        assert Path(record.pathname) == Path(chatty.__file__)


def test_a_record_is_as_old_as_if_it_had_been_made_here(ear: Ear) -> None:
    """Its time since the start counts from the start of this program."""
    run(Task.of(chatty.say, "now"))

    here = logging.makeLogRecord({})
    apart = (here.relativeCreated - ear.only.relativeCreated) / 1000
    assert abs(apart - (here.created - ear.only.created)) < 0.001


def test_what_is_logged_before_a_crash_arrives(
    ear: Ear, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last words of a task that kills its worker are heard."""
    (outcome,) = outcomes(Task.of(chatty.speak_and_die, "goodbye"))

    assert isinstance(outcome, WorkerCrashedError)
    assert ear.texts == ["goodbye"]
    printed = capsys.readouterr()
    assert printed.out == "goodbye\n"
    assert printed.err == "goodbye unfinished"


def test_a_thread_of_a_task_is_heard(ear: Ear) -> None:
    """What a thread logs that a task has started has the index of that task."""
    run(Task.of(abs, 1), Task.of(chatty.say_from_a_thread, "hello"))

    assert ear.only.threadName == "of a task"
    assert vars(ear.only)["task_index"] == 1


@posix
def test_a_fork_of_a_worker_speaks_for_itself(tmp_path: Path) -> None:
    """It prints and warns on the descriptors, and disturbs nothing."""
    out, err = run_program(
        "import logging, sys\n"
        "from cotality.core.utils.process import *\n"
        "from tests.kit import chatty\n"
        "logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)\n"
        "tasks = [Task.of(chatty.speak_from_a_fork, 'hi')] * 3\n"
        "print(execute_tasks_in_parallel(tasks, 1, True))\n",
        tmp_path,
    )

    assert out.count("printed by a fork: hi\n") == 3
    assert out.count("printed by its parent: hi\n") == 3
    assert out.count("DEBUG:chatty:meanwhile") > 0
    assert out.endswith("[0, 0, 0]\n")
    assert err == "logged by a fork: hi\n" * 3


def test_an_exception_is_logged_with_its_traceback(ear: Ear) -> None:
    """The handler gets the exception itself, with its cause and the worker's lines."""
    run(Task(chatty.log_a_failure))

    text = logging.Formatter().format(ear.only)
    assert "could not find it\nValueError: why\n" in text
    assert 'raise KeyError("lost") from ValueError("why")' in text
    assert ear.only.exc_info is not None
    error = ear.only.exc_info[1]
    assert isinstance(error, KeyError)
    assert isinstance(error.__cause__, ValueError)


def test_arguments_and_attributes_of_a_record_travel(ear: Ear) -> None:
    """A handler that looks at the template or at attributes finds what it expects."""
    extra = {"user": "eve", "parts": ["a", {"b": 1}]}

    run(Task.of(chatty.log_with, ("x", 1), extra))

    assert (ear.only.msg, ear.only.args) == ("args: %s %s", ("x", 1))
    assert vars(ear.only)["user"] == "eve"
    assert vars(ear.only)["parts"] == ["a", {"b": 1}]


def test_arguments_that_are_no_plain_values_become_text(ear: Ear) -> None:
    """Large or changing things are not sent, only what the message says of them."""
    run(Task.of(chatty.log_with, ([1, 2], {"a": 1}), {}))

    assert (ear.only.msg, ear.only.args) == ("args: [1, 2] {'a': 1}", None)


def test_attributes_that_cannot_travel_spoil_nothing(ear: Ear) -> None:
    """Text stands in their place, and the record arrives."""
    run(Task(chatty.log_unfriendly))

    record = vars(ear.only)
    assert ear.only.getMessage().startswith("lock: <unlocked _thread.lock")
    assert record["lock"].startswith("<unlocked _thread.lock")
    assert record["bad"].startswith("<Unfriendly ")
    assert record["no"].startswith("<it cannot be rebuilt: ValueError")
    assert record["n"] == 5


def test_a_message_that_is_no_text_stays_what_it_is(ear: Ear) -> None:
    """Formatters that write JSON are given a dictionary."""

    def log_a_dictionary() -> None:
        logging.getLogger("chatty").info({"event": "start", "n": 1})

    run(Task(log_a_dictionary))

    assert ear.only.msg == {"event": "start", "n": 1}


def test_a_mistake_in_a_call_is_told_where_it_was_made(
    ear: Ear, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong arguments are complained of on stderr, and the task goes on."""
    assert run(Task(chatty.log_wrongly)) == ["went on"]

    err = capsys.readouterr().err
    assert "--- Logging error ---" in err
    assert 'logger.info("%d", "no number")' in err


def test_an_initializer_is_heard(ear: Ear, capsys: pytest.CaptureFixture[str]) -> None:
    """What is logged and printed before the first task arrives too."""

    def prepare() -> None:
        chatty.say("getting ready")
        print("ready", end="")

    with worker_pool(max_workers=1, initializer=prepare):
        run(Task.of(abs, 1))

    assert ear.texts == ["getting ready"]
    assert vars(ear.only)["task_index"] is None
    assert capsys.readouterr().out == "ready"


def test_a_worker_of_a_worker_is_heard(ear: Ear) -> None:
    """Records come through, and say in which worker they were logged first."""

    def inner() -> object:
        return execute_tasks_in_parallel(
            [Task.of(abs, 1), Task.of(chatty.say_and_return_pid, "from inside")],
            1,
            use_processes=True,
        )[1]

    (inner_pid,) = run(Task(inner))

    assert ear.texts == ["from inside"]
    assert vars(ear.only)["worker"] == f"process {inner_pid}"
    assert vars(ear.only)["task_index"] == 1


# Levels.


def test_levels_of_the_parent_hold_in_warm_workers(ear: Ear) -> None:
    """A worker sends nothing that nobody wants, also when that changes."""

    def enabled(name: str = "chatty") -> object:
        return run(Task.of(chatty.levels_here, name), Task(pid))

    levels, worker = enabled()
    assert levels == (False, True, True)
    chatty.logger.setLevel(logging.DEBUG)
    assert enabled() == [(True, True, True), worker]
    assert enabled("chatty.child") == [(True, True, True), worker]
    logging.disable(logging.INFO)
    try:
        assert enabled() == [(False, False, True), worker]
    finally:
        logging.disable(logging.NOTSET)
    chatty.logger.setLevel(logging.CRITICAL)
    assert enabled() == [(False, False, True), worker]
    chatty.logger.setLevel(logging.NOTSET)  # as the root logger has it
    assert enabled() == [tuple(map(chatty.logger.isEnabledFor, (10, 20, 50))), worker]


def test_a_record_is_filtered_where_it_arrives(ear: Ear) -> None:
    """Filters of loggers are asked in this process, once."""
    asked: list[str] = []

    def keep_odd(record: logging.LogRecord) -> bool:
        asked.append(record.getMessage())
        return int(record.getMessage()) % 2 == 1

    chatty.logger.addFilter(keep_odd)
    try:
        run(*[Task.of(chatty.say, f"{number}") for number in range(4)])
    finally:
        chatty.logger.removeFilter(keep_odd)

    assert asked == ["0", "1", "2", "3"]
    assert ear.texts == ["1", "3"]


def test_a_handler_that_a_module_makes_for_itself_is_used_once(
    ear: Ear, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is there in both processes; the record is printed once, and goes on."""
    stream = chatty.private.handlers[0]
    assert isinstance(stream, logging.StreamHandler)
    stream.setStream(sys.stdout)

    run(Task.of(chatty.say_privately, "psst"))

    assert capsys.readouterr().out == "psst\n"
    assert ear.texts == ["psst"]


# Handlers.


def test_a_handler_that_raises_harms_nobody(
    ear: Ear, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is complained of on stderr, and the next record is handled."""

    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage() == "exit":
                raise SystemExit
            raise RuntimeError("broken handler")

    with listening(Broken()):
        run(*[Task.of(chatty.say, text) for text in ("a", "exit", "b")])

    assert ear.texts == ["a", "exit", "b"]
    assert capsys.readouterr().err.count("RuntimeError: broken handler") >= 2


def test_a_handler_may_run_tasks_of_its_own(
    ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may log more than may wait: the handler that waits for them is not stuck."""
    monkeypatch.setattr(relay, "MOST_WAITING", 1000)
    results: list[object] = []

    class Busy(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage() == "start":
                results.extend(run(Task.of(chatty.say_many, 2000)))

    with listening(Busy()):
        run(Task.of(chatty.say, "start"))
        relay.wait_for_output()

    assert results == [2000]
    assert ear.texts == ["start", *[f"number {number}" for number in range(2000)]]


class Held(Ear):
    """A handler that does nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.entered = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.entered.set()
        assert self.free.wait(LONG_S)
        super().emit(record)


def in_a_thread(
    function: Callable[[], object],
) -> tuple[threading.Thread, list[object]]:
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    return thread, results


def test_a_slow_handler_slows_the_workers_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for it stays within bounds, and then all of it arrives in order."""
    monkeypatch.setattr(relay, "MOST_WAITING", 100_000)
    held = Held()
    count = 20_000
    with listening(held):
        thread, results = in_a_thread(lambda: run(Task.of(chatty.say_many, count)))
        wait_for(lambda: relay.relay.to_wake)
        assert relay.relay.size < 2 * 100_000 + 100_000
        assert not relay.output_has_room()
        held.free.set()
        thread.join(LONG_S)

    assert results == [[count]]
    assert held.texts == [f"number {number}" for number in range(count)]


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(POLL_S)


def test_a_time_limit_is_kept_while_a_worker_waits_for_a_handler(
    monkeypatch: pytest.MonkeyPatch, marks: Marks
) -> None:
    """A task that logs without end is ended, although a handler stands still."""
    monkeypatch.setattr(relay, "MOST_WAITING", 10_000)
    held = Held()

    def call() -> object:
        tasks = [Task.of(chatty.say_without_end, marks), Task.of(abs, -1)]
        return execute_tasks_in_parallel(tasks, 1, True, True, timeout=0.5)

    with listening(held):
        thread, results = in_a_thread(call)
        marks.wait_for(1)
        (worker,) = map(int, marks.names())
        wait_for(lambda: not psutil.pid_exists(worker))
        held.free.set()
        thread.join(LONG_S)

    ((late, quick),) = results  # type: ignore[misc]  # of a list of outcomes
    assert isinstance(late, TaskTimeoutError)
    assert quick == 1


def test_a_handler_that_is_stuck_is_not_waited_for_without_end() -> None:
    """Whoever waits for it is told that it was in vain."""
    held = Held()
    with listening(held), IsolatedProcessPoolExecutor(1) as executor:
        executor.submit(chatty.say, "hello").result()
        assert held.entered.wait(LONG_S)

        assert not relay.wait_for_output(0.0)

        held.free.set()
        assert relay.wait_for_output()
    assert held.texts == ["hello"]


def test_handlers_see_the_context_of_the_call(ear: Ear) -> None:
    """A filter that adds whose request it is finds the one that made the call."""
    request: ContextVar[str] = ContextVar("request", default="nobody")
    seen: list[str] = []
    ear.addFilter(lambda record: not seen.append(request.get()))  # type: ignore[func-returns-value]  # None

    request.set("a request")
    run(Task.of(chatty.say, "hello"))

    assert seen == ["a request"]


def test_the_thread_that_handles_ends_by_itself(ear: Ear) -> None:
    """A program that logs no more has no thread for it."""
    run(Task.of(chatty.say, "hello"))

    wait_for(lambda: relay.relay.thread is None)

    run(Task.of(chatty.say, "again"))
    assert ear.texts == ["hello", "again"]


def test_what_was_logged_is_handled_even_if_no_thread_can_be_started(
    ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the caller does it."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "cotality-relay":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)

    run(*[Task.of(chatty.say, f"{number}") for number in range(3)])

    assert ear.texts == ["0", "1", "2"]


# What is printed.


def test_a_caller_that_has_stood_in_leaves_the_thread_that_came_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two would handle what comes then, in whatever order."""
    mine, new = relay.Relay(), threading.Thread()
    mine.queue.append(Output(b"", os.getpid(), None, None))

    def run(idle_limit: float) -> None:
        mine.queue.clear()
        mine.thread = new  # what else comes has a thread again

    monkeypatch.setattr(mine, "run", run)
    mine.stand_in()

    assert mine.thread is new


def test_prints_go_where_the_parent_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """They reach what is ``sys.stdout`` and ``sys.stderr`` here at the moment."""
    run(Task.of(chatty.speak, "out"), Task.of(chatty.complain, "err"))
    with contextlib.redirect_stdout(io.StringIO()) as redirected:
        run(Task.of(chatty.speak, "elsewhere"), Task.of(chatty.speak, "part", ""))

    assert capsys.readouterr() == ("out\n", "err\n")
    assert redirected.getvalue() == "elsewhere\npart"


def test_order_of_prints_and_records_is_kept(
    capsys: pytest.CaptureFixture[str], ear: Ear
) -> None:
    """What one worker prints and logs is shown in the order in which it came."""
    handler = logging.StreamHandler(sys.stdout)
    with listening(handler):
        run(Task.of(chatty.speak_and_say, 200))

    expected = [f"{verb} {n}" for n in range(200) for verb in ("printed", "logged")]
    assert capsys.readouterr().out.splitlines() == expected


def test_lines_of_several_workers_stay_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No line has another one in its middle."""
    run(*[Task.of(chatty.speak, str(n) * 200) for n in range(10)] * 10, workers=2)

    lines = capsys.readouterr().out.splitlines()
    assert sorted(lines) == sorted(str(n) * 200 for n in range(10) for _ in range(10))


def test_bytes_are_printed_as_they_are() -> None:
    """Also those that are no text, where the parent's stream takes them."""
    out = io.TextIOWrapper(io.BytesIO(), "utf-8")
    with contextlib.redirect_stdout(out):
        run(
            Task.of(chatty.speak, "é"),
            Task.of(chatty.speak_bytes, b"\xff\x00"),
            Task.of(chatty.speak, "end"),
        )
    with contextlib.redirect_stdout(io.StringIO()) as text:
        run(Task.of(chatty.speak_bytes, b"\xff!"))

    assert out.detach().getvalue() == "é\n".encode() + b"\xff\x00end\n"  # type: ignore[attr-defined]  # BytesIO
    assert text.getvalue() == "\\xff!"


def test_what_the_parent_cannot_encode_is_spelled_out() -> None:
    """A character that its stream does not have is not lost, nor does it lose more."""
    out = io.TextIOWrapper(io.BytesIO(), "ascii")
    with contextlib.redirect_stdout(out):
        run(Task.of(chatty.speak, "né"), Task.of(chatty.speak, "end"))

    assert out.detach().getvalue() == b"n\\xe9\nend\n"  # type: ignore[attr-defined]  # BytesIO


def test_a_worker_has_the_stdout_of_a_program() -> None:
    """Libraries that ask it what it is get sensible answers."""
    (about,) = run(Task(chatty.about_stdout))

    assert about == {
        "encoding": "utf-8",
        "fileno": 1,
        "isatty": os.isatty(1),
        "writable": True,
        "name": "<stdout>",
        "mode": "w",
    }


def test_what_is_written_to_the_descriptor_goes_there(tmp_path: Path) -> None:
    """C code and other programs write where they would without us."""
    out, _ = run_program(
        "import contextlib, io\n"
        "from cotality.core.utils.process import *\n"
        "from tests.kit import chatty\n"
        "with contextlib.redirect_stdout(io.StringIO()) as printed:\n"
        "    tasks = [Task.of(chatty.run_a_program, 'low level\\n')]\n"
        "    execute_tasks_in_parallel(tasks, 1, True)\n"
        "print([printed.getvalue()])\n",
        tmp_path,
    )

    assert out == "low level\n['']\n"


def test_a_task_may_lead_its_descriptor_elsewhere(tmp_path: Path) -> None:
    """Then what it prints goes there as well."""
    path = tmp_path / "log"

    def lead_elsewhere() -> None:
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), 1)

    with worker_pool(max_workers=1, initializer=lead_elsewhere):
        run(Task.of(chatty.speak, "into the file"))

    assert path.read_text() == "into the file\n"


def test_a_task_may_replace_its_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """That is its own affair, and ends no worker."""
    first, *_ = run(
        Task(pid), Task(chatty.replace_stdout), Task.of(chatty.complain, "x")
    )
    (second,) = run(Task(pid))

    assert first == second
    assert capsys.readouterr() == ("", "x\n")


def test_a_task_may_close_its_stdout() -> None:
    """A later print in that worker fails as it does in any program."""
    results = outcomes(Task(chatty.close_stdout), Task.of(chatty.speak, "x"), Task(pid))

    assert isinstance(results[1], ValueError)
    assert isinstance(results[2], int)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no such signals")
def test_a_signal_handler_that_raises_spoils_no_message(
    capsys: pytest.CaptureFixture[str], ear: Ear
) -> None:
    """A task's own alarm may go off, log and raise in the middle of any print."""
    alarms, after = run(
        Task.of(chatty.speak_through_alarms, 50), Task.of(chatty.speak, "end")
    )

    assert (alarms, after) == (50, "end")
    assert set(ear.texts) <= {"x" * 100, "alarm"}
    assert ear.texts.count("alarm") >= 50
    assert set(capsys.readouterr().out.split()) == {"line", "end"}


def test_a_program_prints_in_the_order_of_its_calls(tmp_path: Path) -> None:
    """Prints of tasks come after what was printed before the call, and so on."""
    printed = run_script(
        "from cotality.core.utils.process import *\n"
        "print('before')\n"
        "execute_tasks_in_parallel([Task.of(print, 'during')] * 3, 2, True)\n"
        "print('after')\n"
        "for _ in execute_tasks_in_parallel_streaming(\n"
        "    [Task.of(print, 'stream')] * 2, 1, True): pass\n"
        "print('end')\n",
        tmp_path,
    )

    assert printed.split() == [
        "before",
        *["during"] * 3,
        "after",
        *["stream"] * 2,
        "end",
    ]


def test_what_comes_last_is_shown_before_the_program_ends(tmp_path: Path) -> None:
    """Also of an executor that nobody has shut down, with a slow handler."""
    printed = run_script(
        "import logging, sys, time\n"
        "from cotality.core.utils.process import *\n"
        "class Slow(logging.StreamHandler):\n"
        "    def emit(self, record):\n"
        "        time.sleep(0.01)\n"
        "        super().emit(record)\n"
        "format = dict(level=logging.INFO, format='%(message)s')\n"
        "logging.basicConfig(**format, handlers=[Slow(sys.stdout)])\n"
        "executor = IsolatedProcessPoolExecutor(1)\n"
        "for number in range(20):\n"
        "    executor.submit(logging.info, number)\n",
        tmp_path,
    )

    assert printed.split() == [str(number) for number in range(20)]


@posix
def test_nobody_reads_what_is_printed(tmp_path: Path) -> None:
    """A program whose output goes to ``head`` comes to its end, without our words."""
    script = (
        "from cotality.core.utils.process import *\n"
        "def chat(number):\n"
        "    for _ in range(5000): print('x' * 100)\n"
        "    return number\n"
        "import sys\n"
        "tasks = [Task.of(chat, n) for n in range(4)]\n"
        "print(execute_tasks_in_parallel(tasks, 2, True), file=sys.stderr)\n"
    )
    (tmp_path / "script.py").write_text(script)
    program = subprocess.Popen(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env=environment_of_scripts(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert program.stdout is not None
    assert program.stderr is not None
    with program.stdout, program.stderr:
        assert program.stdout.readline() == "x" * 100 + "\n"
        program.stdout.close()
        complaints = program.stderr.read()
    program.wait(LONG_S)

    assert complaints.startswith("[0, 1, 2, 3]\n")
    assert "cotality" not in complaints


def test_prints_of_a_cell_are_its_output(tmp_path: Path) -> None:
    """What tasks print, log and warn of while a cell runs is shown below it."""
    pytest.importorskip("IPython")
    printed = run_script(
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "from IPython.utils.capture import capture_output\n"
        "shell = InteractiveShell.instance()\n"
        "cells = ['from cotality.core.utils.process import *\\nimport logging',\n"
        "    'def talk(n):\\n    print(n)\\n    logging.warning(f\"log {n}\")',\n"
        "    'execute_tasks_in_parallel([Task.of(talk, 7)], 1, True)',\n"
        "    'execute_tasks_in_parallel([Task.of(talk, 8)], 1, True)']\n"
        "outputs = []\n"
        "for cell in cells:\n"
        "    with capture_output() as output:\n"
        "        shell.run_cell(cell).raise_error()\n"
        "    outputs.append((output.stdout, output.stderr))\n"
        "import json\n"
        "print(json.dumps(outputs))\n",
        tmp_path,
    )

    *_, first, second = json.loads(printed)
    assert first[0].startswith("7\n")
    assert second[0].startswith("8\n")
    assert (first[1], second[1]) == ("log 7\n", "log 8\n")


# Warnings.


def test_a_warning_of_a_task_is_a_warning_here(use_processes: bool) -> None:
    """It comes with class, text and place, to whoever records warnings here."""
    with pytest.warns(chatty.OwnWarning, match="careful") as caught:
        execute_tasks_in_parallel(
            [Task.of(chatty.warn, "careful", chatty.OwnWarning)], 1, use_processes
        )

    (warning,) = caught
    assert warning.category is chatty.OwnWarning
    assert Path(warning.filename) == Path(chatty.__file__)
    line = Path(chatty.__file__).read_text().splitlines()[warning.lineno - 1]
    assert "warnings.warn(text" in line


def test_filters_of_the_parent_hold_in_warm_workers() -> None:
    """What is an error here fails the task there, and what is ignored is ignored."""
    task = Task.of(chatty.warn, "careful", chatty.OwnWarning)
    (worker,) = run(Task(pid))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", "care", chatty.OwnWarning, r"tests\.")
        (failure,) = outcomes(task)
        assert isinstance(failure, chatty.OwnWarning)
        warnings.filterwarnings("ignore", category=chatty.OwnWarning)
        assert outcomes(task, Task(pid)) == ["careful", worker]
        assert not caught
        warnings.filterwarnings("always", category=UserWarning)
        assert outcomes(task, task, Task(pid)) == ["careful", "careful", worker]
    assert [str(each.message) for each in caught] == ["careful", "careful"]


def test_a_worker_imports_nothing_only_to_filter() -> None:
    """A filter may name a class of a module that no task uses."""

    def imported() -> bool:
        return "pytest" in sys.modules

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pytest.PytestWarning)
        assert run(Task(imported)) == [False]


def test_a_warning_is_shown_once_for_all_workers(tmp_path: Path) -> None:
    """With the usual filters, and however many workers meet the same line."""
    program = (
        "import sys, time, warnings, os\n"
        "warnings.resetwarnings()\n"
        "warnings.simplefilter('default')\n"
        "warnings.showwarning = lambda text, *_: print(text, flush=True)\n"
        "from pathlib import Path\n"
        "from cotality.core.utils.process import *\n"
        "from tests.kit.helpers import Marks\n"
        "Path('marks').mkdir()\n"
        "marks = Marks(Path('marks'))\n"
        "def work():\n"
        "    warnings.warn('careful', DeprecationWarning)\n"
        "    marks.leave(os.getpid())\n"
        "    marks.wait_for(2)\n"
        "execute_tasks_in_parallel([Task(work)] * 4, 2, True)\n"
        "print(len(marks.names()))\n"
    )

    assert run_script(program, tmp_path).split() == ["careful", "2"]


def test_a_script_sees_the_warnings_of_its_own_functions(tmp_path: Path) -> None:
    """A filter for ``__main__`` finds them, as the usual one for deprecations."""
    program = (
        "import warnings\n"
        "warnings.resetwarnings()\n"
        "warnings.simplefilter('ignore')\n"
        "warnings.filterwarnings(\n"
        "    'default', category=DeprecationWarning, module='__main__')\n"
        "warnings.showwarning = lambda text, *_: print(text)\n"
        "from cotality.core.utils.process import *\n"
        "class Old(DeprecationWarning): pass\n"
        "def work(): warnings.warn('old', Old)\n"
        "execute_tasks_in_parallel([Task(work)], 1, True)\n"
    )

    assert run_script(program, tmp_path) == "old\n"


# The executor by itself.


@pytest.mark.parametrize("method", [None, *sorted({"fork", "spawn"} & METHODS)])
def test_workers_of_an_executor_are_heard_once(
    method: str | None, ear: Ear, capsys: pytest.CaptureFixture[str]
) -> None:
    """However they are started, also as a fork that has copies of all handlers."""
    context = None if method is None else multiprocessing.get_context(method)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of forks of a process with threads
        with IsolatedProcessPoolExecutor(1, context) as executor:
            executor.submit(chatty.say, "said").result()
            executor.submit(chatty.speak, "spoken").result()

    assert ear.texts == ["said"]
    assert vars(ear.only)["task_index"] is None
    assert capsys.readouterr().out == "spoken\n"


def test_a_stream_that_is_closed_early_has_been_heard(gate: Gate, ear: Ear) -> None:
    """What its tasks have logged is handled when it is closed."""
    tasks = [Task.of(chatty.say, f"{number}") for number in range(3)]
    stream = execute_tasks_in_parallel_streaming(tasks, 1, True)

    assert next(stream) == (0, "0")
    stream.close()  # type: ignore[attr-defined]  # a generator

    assert ear.texts[0] == "0"


@posix
def test_a_fork_of_the_program_starts_anew(tmp_path: Path) -> None:
    """It leaves to its parent what waits there, and hears its own workers."""
    printed = run_script(
        "import logging, os, sys, threading, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "from cotality.core.utils.process import *\n"
        "go, there = threading.Event(), threading.Event()\n"
        "class Held(logging.StreamHandler):\n"
        "    def handle(self, record):\n"
        "        if os.getpid() == parent:\n"
        "            there.set(); go.wait()\n"
        "        return super().handle(record)\n"
        "parent = os.getpid()\n"
        "format = dict(level=logging.INFO, format='%(message)s')\n"
        "logging.basicConfig(**format, handlers=[Held(sys.stdout)])\n"
        "def call(text):\n"
        "    execute_tasks_in_parallel([Task.of(logging.info, text)], 1, True)\n"
        "thread = threading.Thread(target=call, args=('parent',)); thread.start()\n"
        "there.wait()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    call('child'); sys.stdout.flush(); os._exit(0)\n"
        "os.waitpid(child, 0)\n"
        "go.set(); thread.join()\n",
        tmp_path,
    )

    assert printed.split() == ["child", "parent"]


# Messages.


@pytest.mark.skipif(not hasattr(socket, "send_fds"), reason="no descriptors sent")
@pytest.mark.parametrize("order", ["before", "after"])
def test_descriptors_stay_with_their_message(order: str) -> None:
    """Also when one read gives other messages with it."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    inbox = Inbox()
    link = WorkerLink(theirs)
    with ours, theirs, tempfile.TemporaryFile() as file:
        if order == "before":
            link.send(Kind.OUTPUT, b"some words")
        link.send(Kind.VALUE, b"a value", [file.fileno()])
        if order == "after":
            link.send(Kind.OUTPUT, b"some words")
        messages: list[Message] = []
        while len(messages) < 2:
            messages += inbox.read(ours)

    with_fds = [message.kind for message in messages if message.fds]
    for message in messages:
        for fd in message.fds:
            os.close(fd)
    assert with_fds == [Kind.VALUE]
