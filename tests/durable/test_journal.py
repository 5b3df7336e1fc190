"""A run writes down what it does, and another one goes on from there."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import logging
import os
import pickle
import random
import subprocess
import sys
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cotality.core.utils._process.durable.files.append import RecordFile
from cotality.core.utils._process.durable.journal.index import KIND
from cotality.core.utils.process import (
    Journal,
    JournalError,
    JournalInUseError,
    Progress,
    RemoteTaskError,
    RunReport,
    Skipped,
    Task,
    TaskKeyError,
    WorkerCrashedError,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_async,
    execute_tasks_in_parallel_streaming,
    execute_tasks_in_parallel_streaming_async,
    execute_tasks_in_parallel_unordered,
    iter_outcomes,
    iter_outcomes_async,
)
from tests.kit.fatal import exit_with
from tests.kit.fates import leave_trace, runs, slow_double
from tests.kit.helpers import (
    Failure,
    Gate,
    Marks,
    echo,
    environment_of_scripts,
    run_script,
)
from tests.kit.limits import LONG_S

# It is about files, and what of them survives.
pytestmark = pytest.mark.one_python

ROOT = Path(__file__).parents[2]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "run.jsonl")


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Where tasks leave the traces that `runs` finds."""
    path = tmp_path / "trace"
    path.touch()
    return path


class Blob:
    """A large result whose end can be watched."""

    def __init__(self, size: int) -> None:
        self.data = bytes(size)


def double(trace: Path, number: int) -> int:
    leave_trace(trace, number)
    return 2 * number


def double_unless_odd(trace: Path, number: int) -> int:
    leave_trace(trace, number)
    if number % 2:
        raise Failure(f"{number} is odd")
    return 2 * number


def doubles(trace: Path, numbers: Iterator[int] | range) -> list[Task[int]]:
    return [Task(double, {"trace": trace, "number": number}) for number in numbers]


def take(stream: Iterator[tuple[int, Any]], seen: list[Any]) -> None:
    """Add what *stream* yields to *seen*, up to its error."""
    for _, value in stream:
        seen.append(value)


def events(journal: Journal) -> list[dict[str, Any]]:
    lines = journal.path.read_text().splitlines()
    return [json.loads(line) for line in lines[1:]]


def of_kind(journal: Journal, kind: str) -> list[dict[str, Any]]:
    return [event for event in events(journal) if event["event"] == kind]


# What is written


def test_the_journal_says_what_became_of_each_task(
    journal: Journal, trace: Path, use_processes: bool
) -> None:
    """A line when it starts, and one when it ends, with who, when and how long."""
    before = time.time()
    tasks = [
        Task(
            double_unless_odd, {"trace": trace, "number": number}, label=f"no {number}"
        )
        for number in range(3)
    ]

    results = execute_tasks_in_parallel(
        tasks, 2, use_processes, on_error="return", journal=journal
    )

    assert [results[0], results[2]] == [0, 4]
    header = json.loads(journal.path.read_text().splitlines()[0])
    assert (header["cotality"], header["version"]) == ("journal", 1)
    begin, *_, end = events(journal)
    assert (begin["event"], begin["tasks"], begin["pid"]) == ("run", 3, os.getpid())
    assert (end["event"], end["error"]) == ("end", None)
    started = [key for event in of_kind(journal, "started") for key in event["keys"]]
    assert sorted(started) == ["no 0", "no 1", "no 2"]
    finished = {event["key"]: event for event in of_kind(journal, "finished")}
    assert finished.keys() == {"no 0", "no 2"}
    for event in finished.values():
        assert before - 1 < event["at"] < time.time() + 1
        assert 0 <= event["seconds"] < 60
        assert event["attempt"] == 1
        assert event["worker"]
        assert (event.get("memory", 0) > 1e6) == use_processes
    (failed,) = of_kind(journal, "failed")
    assert (failed["key"], failed["error"]) == ("no 1", "Failure")
    assert failed["message"] == "1 is odd"
    assert failed["call"].startswith("double_unless_odd(")
    assert "1 is odd" in failed["traceback"]


def test_attempts_are_written_down(journal: Journal, tmp_path: Path) -> None:
    """One line for each that failed and is followed by another."""
    marks = Marks(tmp_path)

    def fail_once() -> int:
        if not marks.names():
            marks.leave("failed")
            raise Failure("once")
        return 1

    task = Task(fail_once, label="x")
    results = execute_tasks_in_parallel([task], retries=2, journal=journal)

    assert results == [1]
    kinds = [event["event"] for event in events(journal)]
    assert kinds == ["run", "started", "retry", "started", "finished", "end"]
    (retry,) = of_kind(journal, "retry")
    assert (retry["key"], retry["attempt"], retry["error"]) == ("x", 1, "Failure: once")
    assert [event["attempt"] for event in of_kind(journal, "started")] == [1, 2]
    assert of_kind(journal, "finished")[0]["attempt"] == 2


def test_a_line_is_there_before_the_task_begins(
    journal: Journal, use_processes: bool
) -> None:
    """No task ever ran of which the journal says nothing."""

    def look(label: str) -> bool:
        return f'"{label}"' in journal.path.read_text()

    tasks = [Task(look, {"label": f"t{n}"}, label=f"t{n}") for n in range(50)]

    results = execute_tasks_in_parallel(tasks, 2, use_processes, journal=journal)

    assert results == [True] * 50


@pytest.mark.parametrize("fsync", ["always", "second", "never"])
def test_outcomes_are_in_the_file_when_they_are_yielded(
    tmp_path: Path, fsync: Any, use_processes: bool
) -> None:
    """Whatever the policy, what was yielded outlives the process."""
    journal = Journal(tmp_path / "run.jsonl", fsync=fsync)
    tasks = [Task(echo, {"value": n}, label=f"t{n}") for n in range(20)]

    for index, _ in execute_tasks_in_parallel_streaming(
        tasks, 2, use_processes, journal=journal
    ):
        assert f"t{index}" in {event["key"] for event in of_kind(journal, "finished")}


def test_labels_may_be_any_text(journal: Journal) -> None:
    """Quotes, line ends and other languages are kept as they are."""
    labels = ['a "b" \\', "line\nbreak", "žluťoučký", "\udc80", "0" * 32]
    tasks = [Task(echo, {"value": n}, label=label) for n, label in enumerate(labels)]

    execute_tasks_in_parallel(tasks, 1, journal=journal)
    again = execute_tasks_in_parallel(tasks, 1, journal=journal, resume=True)

    assert again == list(range(5))
    assert [event["key"] for event in of_kind(journal, "finished")] == labels


# Going on


def run_all(tasks: list[Task[Any]], processes: bool, **options: Any) -> list[Any]:
    return execute_tasks_in_parallel(tasks, 2, processes, **options)


def run_unordered(tasks: list[Task[Any]], processes: bool, **options: Any) -> list[Any]:
    return sorted(execute_tasks_in_parallel_unordered(tasks, 2, processes, **options))


def run_stream(tasks: list[Task[Any]], processes: bool, **options: Any) -> list[Any]:
    stream = execute_tasks_in_parallel_streaming(tasks, 2, processes, **options)
    pairs = list(stream)
    assert [index for index, _ in pairs] == list(range(len(tasks)))
    return [value for _, value in pairs]


def run_generated(tasks: list[Task[Any]], processes: bool, **options: Any) -> list[Any]:
    outcomes = list(iter_outcomes(iter(tasks), 2, processes, **options))
    assert [outcome.index for outcome in outcomes] == list(range(len(tasks)))
    assert [outcome.task for outcome in outcomes] == tasks
    return [outcome.unwrap() for outcome in outcomes]


def run_async(tasks: list[Task[Any]], processes: bool, **options: Any) -> list[Any]:
    return asyncio.run(execute_tasks_in_parallel_async(tasks, 2, processes, **options))


def run_async_stream(
    tasks: list[Task[Any]], processes: bool, **options: Any
) -> list[Any]:
    async def slowly() -> Any:
        for task in tasks:
            await asyncio.sleep(0)
            yield task

    async def take() -> list[Any]:
        stream = execute_tasks_in_parallel_streaming_async(
            slowly(), 2, processes, **options
        )
        async with aclosing(stream) as pairs:
            return [value async for _, value in pairs]

    return asyncio.run(take())


def run_async_outcomes(
    tasks: list[Task[Any]], processes: bool, **options: Any
) -> list[Any]:
    async def take() -> list[Any]:
        async with aclosing(iter_outcomes_async(tasks, 2, processes, **options)) as all:
            return [outcome.unwrap() async for outcome in all]

    return asyncio.run(take())


each_way = pytest.mark.parametrize(
    "run",
    [
        run_all,
        run_unordered,
        run_stream,
        run_generated,
        run_async,
        run_async_stream,
        run_async_outcomes,
    ],
)


@each_way
def test_what_has_finished_is_not_run_again(
    run: Callable[..., list[Any]], journal: Journal, trace: Path, use_processes: bool
) -> None:
    """Its result is in its place, wherever the new tasks stand."""
    run(doubles(trace, range(10, 60, 2)), use_processes, journal=journal)

    results = run(
        doubles(trace, range(70)), use_processes, journal=journal, resume=True
    )

    assert results == [2 * number for number in range(70)]
    assert runs(trace) == list(range(70))


def test_a_journal_may_be_resumed_from_the_start(
    journal: Journal, trace: Path, use_processes: bool
) -> None:
    """With resume=True the first run needs no other call than those after it."""
    for _ in range(3):
        results = execute_tasks_in_parallel(
            doubles(trace, range(5)), 2, use_processes, journal=journal, resume=True
        )
        assert results == [0, 2, 4, 6, 8]

    assert runs(trace) == list(range(5))


def test_a_resumed_outcome_is_the_one_of_the_earlier_run(
    journal: Journal, use_processes: bool
) -> None:
    """Value, times, worker and attempts are as they were."""
    tasks = [Task(echo, {"value": number}) for number in range(40)]
    first = list(iter_outcomes(tasks, 2, use_processes, journal=journal))

    second = list(iter_outcomes(tasks, 2, use_processes, journal=journal, resume=True))

    for before, after in zip(first, second, strict=True):
        assert after.value == before.value
        assert after.started_at == pytest.approx(before.started_at, abs=1e-5)
        assert after.seconds == pytest.approx(before.seconds, abs=2e-6)
        assert (after.worker, after.attempts) == (before.worker, before.attempts)
        assert after.waited_seconds == 0.0


def test_a_failure_is_an_outcome_like_any_other(
    journal: Journal, trace: Path, use_processes: bool
) -> None:
    """It is not run again, is of its class, and says where it comes from."""
    tasks = [
        Task(double_unless_odd, {"trace": trace, "number": number})
        for number in range(3)
    ]
    execute_tasks_in_parallel(
        tasks, 2, use_processes, on_error="return", journal=journal
    )

    for _ in range(2):
        with pytest.raises(Failure, match="1 is odd") as raised:
            execute_tasks_in_parallel(
                tasks, 2, use_processes, journal=journal, resume=True
            )

    notes = raised.value.__notes__
    assert len(notes) == 2
    assert "retry_failed=True" in notes[0]
    assert notes[1].startswith("Raised by task 1: double_unless_odd(")
    assert raised.traceback[-1].name == "double_unless_odd"
    assert runs(trace) == [0, 1, 2]


def test_what_has_failed_may_be_run_again(
    journal: Journal, trace: Path, use_processes: bool
) -> None:
    """retry_failed=True runs it, and nothing else."""
    tasks = [
        Task(double_unless_odd, {"trace": trace, "number": number}, label=f"{number}")
        for number in range(4)
    ]
    execute_tasks_in_parallel(tasks, 2, use_processes, True, journal=journal)
    corrected = [
        Task(double, {"trace": trace, "number": number}, label=f"{number}")
        for number in range(4)
    ]

    results = execute_tasks_in_parallel(
        corrected, 2, use_processes, journal=journal, resume=True, retry_failed=True
    )
    again = execute_tasks_in_parallel(
        corrected, 2, use_processes, journal=journal, resume=True
    )

    assert results == again == [0, 2, 4, 6]
    assert runs(trace) == [0, 1, 1, 2, 3, 3]


def test_a_failure_of_an_earlier_run_is_not_tried_again(
    journal: Journal, trace: Path
) -> None:
    """Retries are about what runs."""
    task = Task(double_unless_odd, {"trace": trace, "number": 1})
    execute_tasks_in_parallel([task], 1, journal=journal, on_error="return")

    with pytest.raises(Failure):
        execute_tasks_in_parallel([task], 1, journal=journal, resume=True, retries=3)

    assert runs(trace) == [1]


def test_the_death_of_a_worker_is_kept(journal: Journal) -> None:
    """A resumed run gives the same failure."""
    task = Task(exit_with, {"code": 3})

    def outcome(**options: Any) -> Any:
        (result,) = execute_tasks_in_parallel(
            [task], 1, True, True, journal=journal, **options
        )
        return result

    first, second = outcome(), outcome(resume=True)

    assert isinstance(second, WorkerCrashedError)
    assert (str(second), second.exit_code) == (str(first), 3)


def test_results_of_all_kinds_come_back(journal: Journal, use_processes: bool) -> None:
    """Arrays, large and small, None, and exceptions that were returned."""
    values: list[Any] = [
        None,
        ValueError("a value"),
        b"x" * 3_000_000,
        {"nested": [1, (2, {3})]},
        "text",
    ]
    tasks: list[Task[Any]] = [
        Task(echo, {"value": value}, label=f"value {number}")
        for number, value in enumerate(values)
    ]
    tasks += [
        Task(np.arange, positional=(size,), label=f"{size}") for size in (3, 10**6)
    ]
    execute_tasks_in_parallel(tasks, 2, use_processes, journal=journal)

    results = execute_tasks_in_parallel(
        tasks, 2, use_processes, journal=journal, resume=True
    )

    assert repr(results[:5]) == repr(values)
    assert [len(array) for array in results[5:]] == [3, 10**6]
    assert (results[6] == np.arange(10**6)).all()


def test_results_need_not_be_kept(
    tmp_path: Path, trace: Path, use_processes: bool
) -> None:
    """Then a Skipped stands for each, failures are told in words, no file is made."""
    journal = Journal(tmp_path / "run.jsonl", keep_results=False)
    tasks = [
        Task(double_unless_odd, {"trace": trace, "number": number}, label=f"t{number}")
        for number in range(2)
    ]
    execute_tasks_in_parallel(tasks, 2, use_processes, True, journal=journal)

    good, bad = execute_tasks_in_parallel(
        tasks, 2, use_processes, True, journal=journal, resume=True
    )

    assert good == Skipped("t0")
    assert isinstance(bad, RemoteTaskError)
    assert (str(bad), bad.type_name) == ("Failure: 1 is odd", "Failure")
    assert "double_unless_odd" in bad.traceback_text
    assert not journal.results_path.exists()
    assert runs(trace) == [0, 1]


def test_a_result_that_cannot_be_kept_is_told_of(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    """The run that has it goes on; the next one gets a Skipped that says why."""
    tasks: list[Task[Any]] = [Task(threading.Lock, label="lock"), Task(dict)]

    first = execute_tasks_in_parallel(tasks, 1, journal=journal)
    second = execute_tasks_in_parallel(tasks, 1, journal=journal, resume=True)

    assert first[0].acquire(blocking=False)
    assert isinstance(second[0], Skipped)
    assert "cannot be pickled" in second[0].reason
    assert second[1] == {}
    assert "lock cannot be pickled" in caplog.text


def test_resumed_tasks_are_read_within_bounds_and_not_kept(
    journal: Journal, use_processes: bool
) -> None:
    """Many finished tasks at the start of a stream go by; nobody holds them."""
    count = 5_000

    def tasks() -> Iterator[Task[int]]:
        for number in range(count):
            task = Task(echo, {"value": number})
            alive.append(weakref.ref(task))
            yield task

    alive: list[weakref.ref[Any]] = []
    for _ in execute_tasks_in_parallel_streaming(
        tasks(), 2, use_processes, journal=journal
    ):
        pass
    alive.clear()
    stream = execute_tasks_in_parallel_streaming(
        tasks(), 2, use_processes, journal=journal, resume=True
    )

    most_ahead = most_alive = 0
    for index, value in stream:
        assert index == value
        most_ahead = max(most_ahead, len(alive) - index)
        if index % 100 == 0:
            most_alive = max(most_alive, sum(each() is not None for each in alive))

    assert most_ahead < 1000
    assert most_alive < 1000


def test_large_results_are_looked_up_a_few_at_a_time(
    journal: Journal, tmp_path: Path
) -> None:
    """What a resumed stream holds is bounded by its size."""
    tasks = [Task(Blob, {"size": 400_000}, label=f"{n}") for n in range(60)]
    for _ in execute_tasks_in_parallel_streaming(tasks, 2, journal=journal):
        pass
    alive: list[weakref.ref[Blob]] = []
    most = 0

    for _, thing in execute_tasks_in_parallel_streaming(
        tasks, 2, journal=journal, resume=True
    ):
        alive.append(weakref.ref(thing))
        del thing
        most = max(most, sum(isinstance(o, Blob) for o in gc.get_objects()))

    assert len(alive) == 60
    assert most < 12


def test_results_of_every_size_are_found_again(
    journal: Journal, use_processes: bool
) -> None:
    """Tiny ones are written together, large ones by themselves."""
    sizes = [0, 1, 10, 1000, 50_000, 300_000, 2] * 300
    tasks = [
        Task(bytes, positional=(size,), label=f"{number}")
        for number, size in enumerate(sizes)
    ]
    execute_tasks_in_parallel(tasks, 2, use_processes, journal=journal)

    again = execute_tasks_in_parallel(
        tasks, 2, use_processes, journal=journal, resume=True
    )

    assert [len(result) for result in again] == sizes


def test_progress_and_report_know_what_was_not_run(
    journal: Journal, trace: Path, use_processes: bool
) -> None:
    """Resumed tasks are done from the start, and took no time of this run."""
    execute_tasks_in_parallel(
        doubles(trace, range(8)), 2, use_processes, journal=journal
    )
    seen: list[Progress] = []
    report = RunReport()

    execute_tasks_in_parallel(
        doubles(trace, range(10)),
        2,
        use_processes,
        journal=journal,
        resume=True,
        progress=seen.append,
        report=report,
    )

    assert (seen[-1].done, seen[-1].total, seen[-1].finished) == (10, 10, True)
    assert (report.done, report.recalled, report.runs) == (10, 8, 2)


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resume": True}, "resume=True needs .*journal="),
        ({"retry_failed": True}, "retry_failed=True needs .*journal="),
    ],
)
def test_options_need_a_journal(options: Any, message: str) -> None:
    """Which is said by the call, also of a stream."""
    with pytest.raises(ValueError, match=message):
        execute_tasks_in_parallel_streaming([], **options)


def test_wrong_values_are_refused_at_once(tmp_path: Path) -> None:
    """By the call, or where the journal is made, and nothing is touched."""
    path = tmp_path / "run.jsonl"
    with pytest.raises(TypeError, match="journal must be a Journal"):
        execute_tasks_in_parallel([], journal=3)  # type: ignore[call-overload]  # to be refused
    with pytest.raises(ValueError, match="add resume=True"):
        execute_tasks_in_parallel([], journal=Journal(path), retry_failed=True)
    with pytest.raises(TypeError, match="resume must be True or False"):
        execute_tasks_in_parallel([], journal=Journal(path), resume=1)  # type: ignore[call-overload]  # as above
    with pytest.raises(ValueError, match="fsync must be one of 'always'"):
        Journal(path, fsync="sometimes")  # type: ignore[arg-type]  # as above
    assert not path.exists()


def test_a_used_journal_is_not_begun_anew(journal: Journal, trace: Path) -> None:
    """Whoever forgets resume=True is told, before anything runs twice."""
    tasks = doubles(trace, range(3))
    execute_tasks_in_parallel(tasks, 2, journal=journal)

    with pytest.raises(JournalError, match=r"3 finished tasks.*resume=True"):
        execute_tasks_in_parallel(tasks, 2, journal=journal)

    assert runs(trace) == [0, 1, 2]


@pytest.mark.parametrize("labelled", [False, True])
def test_two_tasks_with_one_key_end_the_input(
    journal: Journal, trace: Path, labelled: bool, use_processes: bool
) -> None:
    """The error names both; what came before them is done, and is in the journal."""
    tasks = doubles(trace, range(20))
    if labelled:
        tasks[3] = Task(double, {"trace": trace, "number": 3}, label="x")
        tasks.append(Task(double, {"trace": trace, "number": 77}, label="x"))
        message = r"tasks 3 and 20 have the same label 'x'.*double\(.*77\)"
    else:
        tasks += doubles(trace, range(3, 5))
        message = r"tasks 3 and 20 are the same call, double\(.*number=3\)"
    tasks += doubles(trace, range(100, 200))
    seen: list[int] = []

    with pytest.raises(TaskKeyError, match=message):
        take(
            execute_tasks_in_parallel_streaming(
                tasks, 2, use_processes, journal=journal
            ),
            seen,
        )

    assert seen == [2 * number for number in range(20)]
    assert runs(trace) == list(range(20))
    assert len(of_kind(journal, "finished")) == 20


def test_a_task_without_a_key_ends_the_input(
    journal: Journal, trace: Path, use_processes: bool
) -> None:
    """What came before it is done."""
    tasks: list[Task[Any]] = [
        *doubles(trace, range(3)),
        Task(echo, {"value": object()}),
        *doubles(trace, range(5, 9)),
    ]

    with pytest.raises(TaskKeyError, match=r"task 3 .*arguments\['value'\]"):
        execute_tasks_in_parallel(tasks, 2, use_processes, journal=journal)

    assert runs(trace) == [0, 1, 2]


def test_a_journal_has_one_run_at_a_time(journal: Journal, gate: Gate) -> None:
    """A second one in the same process is refused at once; afterwards it may run."""
    stream = execute_tasks_in_parallel_streaming(
        [Task(echo, {"value": 1}), Task(echo, {"value": 2})], 1, journal=journal
    )
    with closing(stream):
        next(stream)

        with pytest.raises(JournalInUseError, match="in use"):
            execute_tasks_in_parallel(
                [Task(echo, {"value": 1})], journal=journal, resume=True
            )

    again = execute_tasks_in_parallel(
        [Task(echo, {"value": 1})], journal=journal, resume=True
    )
    assert again == [1]


def test_a_journal_has_one_process_at_a_time(journal: Journal) -> None:
    """Another process is refused as long as this one runs, and no longer."""
    script = (
        "import sys\n"
        "from cotality.core.utils.process import *\n"
        "try:\n"
        "    execute_tasks_in_parallel([Task(dict)], 1, resume=True,\n"
        "        journal=Journal(sys.argv[1]))\n"
        "except JournalInUseError: print('in use')\n"
        "else: print('done')\n"
    )

    def elsewhere() -> str:
        return subprocess.check_output(
            [sys.executable, "-c", script, str(journal.path)],
            env=environment_of_scripts(),
            text=True,
            timeout=LONG_S,
        ).strip()

    task = Task(elsewhere, label="elsewhere")
    (result,) = execute_tasks_in_parallel([task], 1, journal=journal)

    assert result == "in use"
    assert elsewhere() == "done"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_does_not_keep_the_lock(journal: Journal, gate: Gate) -> None:
    """A child made by a task, that outlives the run, does not block the next one."""
    pids: list[int] = []

    def fork() -> None:
        pid = os.fork()
        if pid == 0:
            gate.wait()
            os._exit(0)
        pids.append(pid)

    execute_tasks_in_parallel([Task(fork)], 1, journal=journal)

    try:
        execute_tasks_in_parallel([Task(dict)], 1, journal=journal, resume=True)
    finally:
        gate.open()
        os.waitpid(pids[0], 0)


@pytest.mark.parametrize("content", ["precious\n", "precious", '{"a": 1}\n', "\n"])
def test_another_file_is_left_alone(tmp_path: Path, content: str) -> None:
    """What is no journal is refused, and not a byte of it changes."""
    path = tmp_path / "notes.txt"
    path.write_text(content)

    with pytest.raises(JournalError, match="is not a journal"):
        execute_tasks_in_parallel([Task(dict)], journal=Journal(path), resume=True)

    assert path.read_text() == content


def test_a_newer_version_is_refused(journal: Journal) -> None:
    """By its number, and nothing is written."""
    header = '{"cotality": "journal", "version": 2}\n{"event":"new"}\n'
    journal.path.write_text(header)

    with pytest.raises(JournalError, match="newer cotality, in version 2"):
        execute_tasks_in_parallel([Task(dict)], journal=journal, resume=True)

    assert journal.path.read_text() == header


def test_events_of_later_programs_are_passed_over(
    journal: Journal, trace: Path
) -> None:
    """An event or a field that this version does not know is no damage."""
    execute_tasks_in_parallel(doubles(trace, range(2)), 1, journal=journal)
    with closing(RecordFile(journal.path, KIND)) as file:
        file.add(b'{"event":"moon","phase":3}\n')

    results = execute_tasks_in_parallel(
        doubles(trace, range(3)), 1, journal=journal, resume=True
    )

    assert results == [0, 2, 4]
    assert runs(trace) == [0, 1, 2]


# What goes wrong


def test_a_torn_line_at_the_end_is_cut_off(journal: Journal, trace: Path) -> None:
    """Wherever a kill has cut the file, the next run goes on on a fresh line."""
    tasks = doubles(trace, range(3))
    execute_tasks_in_parallel(tasks, 1, journal=journal)
    whole = journal.path.read_bytes()
    results = {path: path.read_bytes() for path in journal.results_path.iterdir()}
    ends = [offset + 1 for offset, byte in enumerate(whole) if byte == 10]
    cuts = {0, 1, 12, 20, *ends, *(end - 1 for end in ends), *(e + 30 for e in ends)}

    for cut in sorted(cut for cut in cuts if cut <= len(whole)):
        journal.path.write_bytes(whole[:cut])
        for path in journal.results_path.iterdir():
            path.unlink()
        for path, data in results.items():
            path.write_bytes(data)

        again = execute_tasks_in_parallel(tasks, 1, journal=journal, resume=True)

        assert again == [0, 2, 4], cut
        assert {event["key"] for event in of_kind(journal, "finished")} == {
            json.loads(line)["key"]
            for line in whole.splitlines()
            if b'"finished"' in line
        }, cut


def test_a_damaged_line_is_named_and_may_be_skipped(
    journal: Journal, trace: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """By itself it ends the run before anything is handed out; nothing is lost."""
    tasks = doubles(trace, range(5))
    execute_tasks_in_parallel(tasks, 1, journal=journal)
    lines = journal.path.read_bytes().splitlines(keepends=True)
    broken = next(n for n, line in enumerate(lines) if b'"finished"' in line)
    lines[broken] = lines[broken][:40] + b"\0\0\0" + lines[broken][43:]
    damaged = b"".join(lines)
    journal.path.write_bytes(damaged)

    message = rf"line {broken + 1} of .*run.jsonl.*cannot be read.*skip_damaged=True"
    with pytest.raises(JournalError, match=message):
        execute_tasks_in_parallel(tasks, 1, journal=journal, resume=True)
    assert journal.path.read_bytes() == damaged
    assert runs(trace) == [0, 1, 2, 3, 4]

    lenient = Journal(journal.path, skip_damaged=True)
    again = execute_tasks_in_parallel(tasks, 1, journal=lenient, resume=True)

    assert again == [0, 2, 4, 6, 8]
    assert runs(trace) == [0, 0, 1, 2, 3, 4]
    assert "is skipped" in caplog.text


@pytest.mark.parametrize("how", ["changed", "gone", "short"])
def test_a_damaged_result_is_named_and_may_be_skipped(
    journal: Journal, trace: Path, how: str
) -> None:
    """Its checksum tells; only its own task is run again, if that is wanted."""
    tasks = doubles(trace, range(5))
    execute_tasks_in_parallel(tasks, 1, journal=journal)
    (results,) = journal.results_path.iterdir()
    data = results.read_bytes()
    if how == "changed":
        results.write_bytes(data[:-2] + b"\x07" + data[-1:])
    elif how == "short":
        results.write_bytes(data[:-2])
    else:
        results.unlink()
    lost = 5 if how == "gone" else 1

    with pytest.raises(JournalError, match=r"task \d .*skip_damaged=True"):
        execute_tasks_in_parallel(tasks, 1, journal=journal, resume=True)

    lenient = Journal(journal.path, skip_damaged=True)
    for _ in range(2):
        again = execute_tasks_in_parallel(tasks, 1, journal=lenient, resume=True)
        assert again == [0, 2, 4, 6, 8]
    assert len(runs(trace)) == 5 + lost


@pytest.mark.parametrize("place", ["missing/run.jsonl", "file/run.jsonl", "folder"])
def test_a_place_that_cannot_be_written_is_named(
    tmp_path: Path, trace: Path, place: str
) -> None:
    """Before anything runs."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()

    with pytest.raises(JournalError, match=f"{place} cannot be opened") as raised:
        execute_tasks_in_parallel(
            doubles(trace, range(3)), 1, journal=Journal(tmp_path / place)
        )

    assert isinstance(raised.value.__cause__, OSError)
    assert runs(trace) == []


def test_results_that_cannot_be_written_end_the_run(
    journal: Journal, trace: Path, use_processes: bool
) -> None:
    """What was computed is yielded, then the error is raised."""
    journal.results_path.touch()  # where the directory should be
    seen: list[int] = []

    with pytest.raises(JournalError, match="cannot be written: File exists"):
        take(
            execute_tasks_in_parallel_streaming(
                doubles(trace, range(1000)), 2, use_processes, journal=journal
            ),
            seen,
        )

    assert seen == [2 * number for number in runs(trace)]
    assert 0 < len(seen) < 1000
    journal.results_path.unlink()
    again = execute_tasks_in_parallel(
        doubles(trace, range(1000)), 2, use_processes, journal=journal, resume=True
    )
    assert again == list(range(0, 2000, 2))


@pytest.fixture(params=["append", "results"])
def full_disk(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], None]:
    """Lets the disk be full after so many bytes, half-way through a write."""
    left = {"bytes": 1 << 60}
    real = os.write

    def write(fd: int, data: Any) -> int:
        name = os.readlink(f"/proc/self/fd/{fd}")
        if name.endswith(".jsonl" if request.param == "append" else ".pickles"):
            if left["bytes"] <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            data = data[: left["bytes"]]
            left["bytes"] -= len(data)
        return real(fd, data)

    def fill(count: int) -> None:
        left["bytes"] = count

    monkeypatch.setattr(os, "write", write)
    return fill


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
@pytest.mark.parametrize("room", [0, 10, 700, 5_000])
def test_a_full_disk_ends_the_run_and_loses_nothing(
    full_disk: Callable[[int], None],
    room: int,
    journal: Journal,
    trace: Path,
    use_processes: bool,
) -> None:
    """All that ran is yielded; once there is room, the next run does the rest."""
    tasks = doubles(trace, range(3_000))
    execute_tasks_in_parallel(tasks[:10], 2, use_processes, journal=journal)
    full_disk(room)
    seen: list[int] = []

    with pytest.raises(JournalError, match="No space left on device"):
        take(
            execute_tasks_in_parallel_streaming(
                tasks, 2, use_processes, ordered=False, journal=journal, resume=True
            ),
            seen,
        )
    before = runs(trace)

    assert set(seen) <= {2 * number for number in before}
    assert len(seen) == len(before) or room < 700  # not even the first are looked up
    assert len(before) < 3_000
    assert len(set(before)) == len(before)
    full_disk(1 << 60)
    recorded = len({event["key"] for event in of_kind(journal, "finished")})
    again = execute_tasks_in_parallel(
        tasks, 2, use_processes, journal=journal, resume=True
    )
    assert again == [2 * number for number in range(3_000)]
    assert len(runs(trace)) == len(before) + 3_000 - recorded


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit on this system")
def test_a_limit_of_the_system_ends_the_run_and_loses_nothing(
    journal: Journal, trace: Path
) -> None:
    """A real one: files may have so many bytes, and the journal comes to that."""
    script = (
        "import sys, resource\n"
        "from pathlib import Path\n"
        "from cotality.core.utils.process import *\n"
        "from tests.kit.fates import slow_double\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "tasks = [Task(slow_double, {'trace': Path(sys.argv[2]), 'number': n})\n"
        "    for n in range(500)]\n"
        "try:\n"
        "    execute_tasks_in_parallel(tasks, 2, resume=True,\n"
        "        journal=Journal(sys.argv[1]))\n"
        "except JournalError as error: print(error.__cause__.errno)\n"
    )
    printed = subprocess.check_output(
        [sys.executable, "-c", script, str(journal.path), str(trace)],
        env=environment_of_scripts(),
        cwd=ROOT,
        text=True,
        timeout=LONG_S,
    )
    before = runs(trace)
    recorded = len(of_kind(journal, "finished"))
    tasks = [
        Task(slow_double, {"trace": trace, "number": number}) for number in range(500)
    ]

    assert int(printed) == errno.EFBIG
    assert 0 < recorded <= len(before) < 500
    again = execute_tasks_in_parallel(tasks, 2, journal=journal, resume=True)
    assert again == [2 * number for number in range(500)]
    assert len(runs(trace)) == 500 + len(before) - recorded


def test_an_interrupted_append_leaves_whole_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Ctrl-C between the halves of a line takes back the first half."""
    file = RecordFile(tmp_path / "x", KIND)
    file.append(b'{"event":"one"}\n')
    whole = file.path.read_bytes()
    real = os.write
    halves = iter([lambda fd, data: real(fd, data[:5]), KeyboardInterrupt])

    def write(fd: int, data: Any) -> Any:
        half: Any = next(halves)
        if half is KeyboardInterrupt:
            raise KeyboardInterrupt
        return half(fd, data)

    with closing(file):
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", write)
            with pytest.raises(KeyboardInterrupt):
                file.append(b'{"event":"two"}\n')
        assert file.path.read_bytes() == whole
        file.append(b'{"event":"three"}\n')
    assert file.path.read_bytes() == whole + b'{"event":"three"}\n'


def test_leaving_a_stream_early_keeps_what_has_finished(
    journal: Journal, trace: Path, use_processes: bool
) -> None:
    """Also what had finished and was not taken; the rest is run the next time."""
    stream = execute_tasks_in_parallel_streaming(
        doubles(trace, range(500)), 2, use_processes, journal=journal
    )
    with closing(stream):
        for _ in range(20):
            next(stream)
    before = runs(trace)

    again = execute_tasks_in_parallel(
        doubles(trace, range(500)), 2, use_processes, journal=journal, resume=True
    )

    assert 20 <= len(before) <= 500
    assert again == [2 * number for number in range(500)]
    assert runs(trace) == list(range(500))


# Kills

KILLED = """
import sys
from pathlib import Path
from cotality.core.utils.process import (
    Journal, Task, execute_tasks_in_parallel_streaming
)
from tests.kit.fates import slow_double
folder, processes = Path(sys.argv[1]), sys.argv[2] == "processes"
tasks = (
    Task(slow_double, {"trace": folder / "trace", "number": n}) for n in range(2000)
)
journal = Journal(folder / "run.jsonl")
for index, value in execute_tasks_in_parallel_streaming(
    tasks, 2, processes, ordered=False, journal=journal, resume=True
):
    assert value == 2 * index
"""


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_a_run_that_is_killed_twenty_times_is_done_in_the_end(
    kind: str, tmp_path: Path, trace: Path
) -> None:
    """Finished tasks ran once; the journal names every task that may have run twice."""
    dice = random.Random(4711)
    journal = Journal(tmp_path / "run.jsonl")
    kills = 0
    command = [sys.executable, "-c", KILLED, str(tmp_path), kind]

    while True:
        process = subprocess.Popen(command, env=environment_of_scripts(), cwd=ROOT)
        try:
            if kills < 20:
                wait_for_progress(journal, process, dice.randrange(1, 90))
                time.sleep(dice.random() * 0.01)
                process.kill()
            status = process.wait(LONG_S)
        finally:
            process.kill()
            process.wait()
        if status == 0:
            break
        kills += 1
        finished, _ = finished_and_started(journal)
        assert set(finished.values()) <= {1}

    assert kills == 20
    count = Counter(runs(trace))
    finished, started = finished_and_started(journal)
    again = {
        key for event in of_kind(journal, "started") for key in event.get("again", [])
    }
    keys = keys_by_number(trace)
    assert count.keys() == set(range(2000))
    assert finished == Counter(keys.values())
    for number, times in count.items():
        assert times <= started[keys[number]], number
        assert times == 1 or keys[number] in again, number
    results = execute_tasks_in_parallel(
        [Task(slow_double, {"trace": trace, "number": n}) for n in range(2000)],
        journal=journal,
        resume=True,
    )
    assert results == [2 * number for number in range(2000)]
    assert Counter(runs(trace)) == count


FINISHED = b'"event":"finished"'


def wait_for_progress(
    journal: Journal, process: subprocess.Popen[bytes], tasks: int
) -> None:
    """Return when so many more tasks have ended, or the process has."""
    end = time.monotonic() + LONG_S
    content = journal.path.read_bytes() if journal.path.exists() else b""
    wanted = content.count(FINISHED) + tasks
    while process.poll() is None and time.monotonic() < end:
        if journal.path.exists():
            with journal.path.open("rb") as file:
                file.seek(len(content))  # not all of it anew each millisecond
                content += file.read()
        if content.count(FINISHED) >= wanted:
            return
        time.sleep(0.001)


def finished_and_started(journal: Journal) -> tuple[Counter[str], Counter[str]]:
    """How often each task has finished, and been handed out and not been returned."""
    finished: Counter[str] = Counter()
    started: Counter[str] = Counter()
    for line in journal.path.read_bytes().splitlines(keepends=True)[1:]:
        event = json.loads(line) if line.endswith(b"\n") else {"event": "torn"}
        if event["event"] == "finished":
            finished[event["key"]] += 1
        elif event["event"] == "started":
            started.update(event["keys"])
        elif event["event"] == "returned":
            started.subtract(event["keys"])
    return finished, started


def keys_by_number(trace: Path) -> dict[int, str]:
    from cotality.core.utils._process.durable.keys.task_key import Keys

    keys = Keys()
    return {
        n: keys.of(Task(slow_double, {"trace": trace, "number": n}), n)
        for n in range(2000)
    }


def test_what_was_running_says_so(
    journal: Journal, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A task whose run was killed runs again; the journal and the log say that."""
    script = (
        "import os, sys\n"
        "from cotality.core.utils.process import *\n"
        "def die(): os.kill(os.getpid(), 9)\n"
        "execute_tasks_in_parallel([Task(dict, label='a'), Task(die, label='b')], 1,\n"
        "    journal=Journal(sys.argv[1]))\n"
    )
    subprocess.run(
        [sys.executable, "-c", script, str(journal.path)],
        env=environment_of_scripts(),
        timeout=LONG_S,
    )
    tasks: list[Task[Any]] = [Task(dict, label=name) for name in "abc"]

    with caplog.at_level(logging.WARNING, "cotality"):
        execute_tasks_in_parallel(tasks, 1, journal=journal, resume=True)

    assert "1 tasks were started and not finished" in caplog.text
    again = [event.get("again") for event in of_kind(journal, "started")]
    assert [keys for keys in again if keys] == [["b"]]


def test_a_result_belongs_to_the_class_of_the_script(tmp_path: Path) -> None:
    """A class of `__main__` is the same class when the script is run again."""
    program = (
        "from cotality.core.utils.process import *\n"
        "class Point:\n    pass\n"
        "class Trouble(Exception):\n    pass\n"
        "def make(): return Point()\n"
        "def fail(): raise Trouble('no')\n"
        "for processes in (False, True):\n"
        "    point, trouble = execute_tasks_in_parallel(\n"
        "        [Task(make), Task(fail)], 1, processes, True, resume=True,\n"
        "        journal=Journal(f'{processes}.jsonl'))\n"
        "    print(type(point) is Point, type(trouble) is Trouble)\n"
    )
    for _ in range(2):
        assert run_script(program, tmp_path) == "True True\n" * 2


def test_journals_travel_as_arguments(journal: Journal) -> None:
    """One that is made here may be used by a worker: it is a path and some rules."""
    copy = pickle.loads(pickle.dumps(journal))

    assert (copy.path, copy.fsync, repr(copy)) == (
        journal.path,
        "second",
        f"Journal({str(journal.path)!r})",
    )
