"""Tasks that failed for good are kept, can be looked at, and run again."""

from __future__ import annotations

import datetime
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils._process.durable.dead_letters import store
from cotality.core.utils._process.durable.files import append
from cotality.core.utils.dead_letters import main
from cotality.core.utils.process import (
    DeadLetters,
    JournalError,
    JournalInUseError,
    Retry,
    Task,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
    replay,
)
from tests.kit.fatal import exit_with
from tests.kit.helpers import Failure, Gate, environment_of_scripts
from tests.kit.limits import LONG_S

# They ask what calls give, whichever workers do it.
pytestmark = pytest.mark.warm


@pytest.fixture
def letters(tmp_path: Path) -> DeadLetters:
    return DeadLetters(tmp_path / "failed.jsonl")


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


def pass_if_open(gate: Gate, number: int) -> int:
    if gate.path.exists():
        return number
    raise Failure(f"closed for {number}")


def knocks(gate: Gate, count: int) -> list[Task[int]]:
    return [Task(pass_if_open, {"gate": gate, "number": n}) for n in range(count)]


def run(tasks: list[Task[Any]], processes: bool = False, **options: Any) -> list[Any]:
    return execute_tasks_in_parallel(tasks, 2, processes, on_error="return", **options)


def test_what_failed_for_good_is_kept(
    letters: DeadLetters, gate: Gate, use_processes: bool
) -> None:
    """With its arguments, error, traceback, attempts and times; the rest is not."""
    before = time.time()
    tasks = [*knocks(gate, 2), Task(abs, positional=(-3,), label="fine")]
    retries = Retry(2, backoff=0)

    run(tasks, use_processes, retries=retries, dead_letters=letters)

    first, second = sorted(letters.entries(), key=lambda letter: letter.call)
    assert first.call.startswith("pass_if_open(")
    assert first.arguments["number"] == "0"
    assert (first.error, first.message) == ("Failure", "closed for 0")
    assert 'raise Failure(f"closed for {number}")' in first.traceback
    assert (first.attempts, first.times) == (3, 1)
    assert before - 1 < first.first_failed_at <= first.failed_at < time.time() + 1
    assert first.worker
    assert second.arguments["number"] == "1"


def test_replaying_takes_out_what_succeeds(
    letters: DeadLetters, gate: Gate, use_processes: bool
) -> None:
    """What fails again stays, and says how often and since when."""
    run(knocks(gate, 3), use_processes, dead_letters=letters)
    first = letters.entries()

    outcomes = replay(letters.path, use_processes=use_processes)

    assert [str(outcome.error) for outcome in outcomes] == [
        letter.message for letter in first
    ]
    again = letters.entries()
    assert {letter.key for letter in again} == {letter.key for letter in first}
    assert {letter.times for letter in again} == {2}
    oldest = min(letter.first_failed_at for letter in first)
    assert min(letter.first_failed_at for letter in again) == oldest
    gate.open()
    one = again[0]
    (outcome,) = replay(letters, keys=[one.key], use_processes=use_processes)
    assert f"{outcome.value}" == one.arguments["number"]
    assert len(letters.entries()) == 2
    assert len(replay(letters, use_processes=use_processes)) == 2
    assert letters.entries() == []
    assert replay(letters) == []
    assert not list(letters.path.parent.glob("*.replaying"))


def test_a_file_that_is_not_there_is_empty(letters: DeadLetters) -> None:
    """To look, to replay and to purge is no error, and makes no file."""
    run([Task(dict)], dead_letters=letters)

    assert letters.entries() == []
    assert replay(letters) == []
    assert letters.purge() == letters.purge(["no such"]) == []
    assert not letters.path.exists()


def test_a_key_that_is_not_there_is_an_error(letters: DeadLetters, gate: Gate) -> None:
    """Before anything runs."""
    run(knocks(gate, 1), dead_letters=letters)

    with pytest.raises(KeyError, match="no such"):
        replay(letters, keys=["no such"])


def test_the_death_of_a_worker_is_kept_too(letters: DeadLetters) -> None:
    """So is a time limit: whatever the failure of a task is."""
    tasks: list[Task[Any]] = [
        Task(exit_with, {"code": 3}),
        Task(time.sleep, positional=(LONG_S,)),
    ]

    run(tasks, True, timeout=0.5, dead_letters=letters)

    errors = sorted(letter.error for letter in letters.entries())
    assert errors == ["TaskTimeoutError", "WorkerCrashedError"]


def test_the_first_failure_that_ends_a_call_is_kept(
    letters: DeadLetters, gate: Gate, use_processes: bool
) -> None:
    """With on_error="raise" as well."""
    with pytest.raises(Failure):
        execute_tasks_in_parallel(
            knocks(gate, 1), 2, use_processes, dead_letters=letters
        )

    assert [letter.error for letter in letters.entries()] == ["Failure"]


def test_what_cannot_be_pickled_can_be_read(
    letters: DeadLetters, caplog: pytest.LogCaptureFixture
) -> None:
    """On threads a task may hold a lock; its letter says that it cannot run again."""

    def hold(lock: Any) -> None:
        raise Failure("held")

    run([Task(hold, {"lock": threading.Lock()})], dead_letters=letters)

    (letter,) = letters.entries()
    assert "lock" in letter.arguments["lock"]
    assert "pickle" in letter.unpicklable
    with pytest.raises(JournalError, match="cannot be run again"):
        letter.task()
    assert replay(letters) == []
    assert "cannot be run again" in caplog.text
    assert letters.entries() == [letter]


def test_only_the_latest_are_kept(tmp_path: Path, gate: Gate) -> None:
    """The oldest go when there are more than max_entries."""
    letters = DeadLetters(tmp_path / "failed.jsonl", max_entries=3)
    for number in range(6):
        run(
            [Task(pass_if_open, {"gate": gate, "number": number})], dead_letters=letters
        )

    assert [letter.arguments["number"] for letter in letters.entries()] == list("345")


def test_old_ones_go(
    tmp_path: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those older than max_age do when another one comes."""
    limit = datetime.timedelta(hours=1)
    letters = DeadLetters(tmp_path / "failed.jsonl", max_age=limit)
    first, second, third = knocks(gate, 3)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 3700)
    run([first], dead_letters=letters)
    monkeypatch.setattr(time, "time", lambda: now - 3500)
    run([second], dead_letters=letters)
    monkeypatch.setattr(time, "time", lambda: now)
    run([third], dead_letters=letters)

    assert [letter.arguments["number"] for letter in letters.entries()] == ["1", "2"]


def test_a_file_with_much_garbage_is_written_anew(
    letters: DeadLetters, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left is the same; whoever else has the file goes on with the new one."""
    monkeypatch.setattr(store, "MOST_GARBAGE", 20_000)
    other = letters.store()
    largest = 0
    for number in range(60):
        run(knocks(gate, 1), dead_letters=letters)
        largest = max(largest, letters.path.stat().st_size)
        if number % 20 == 0:
            other.add(letters.entries())

    (letter,) = letters.entries()
    assert letter.times == 63
    assert largest < 60_000
    gate.open()
    assert [outcome.value for outcome in replay(letters)] == [0]


def test_several_runs_share_a_file(tmp_path: Path, letters: DeadLetters) -> None:
    """In several processes and at once, and no letter is lost."""
    script = (
        "import sys\n"
        "from cotality.core.utils.process import *\n"
        "def fail(who, n): raise ValueError(n)\n"
        "tasks = [Task(fail, {'who': sys.argv[2], 'n': n}) for n in range(50)]\n"
        "execute_tasks_in_parallel(tasks, 2, on_error='return',\n"
        "    dead_letters=DeadLetters(sys.argv[1]))\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(letters.path), who],
            env=environment_of_scripts(),
        )
        for who in "abc"
    ]
    for process in processes:
        assert process.wait(LONG_S) == 0

    seen = {tuple(letter.arguments.values()) for letter in letters.entries()}
    assert seen == {(f"'{who}'", f"{n}") for who in "abc" for n in range(50)}


def test_one_replay_at_a_time(letters: DeadLetters, gate: Gate) -> None:
    """A second one would run each task twice, so it is refused."""

    def replay_again(path: Path, gate: Gate) -> str:
        if not gate.path.exists():
            raise Failure("at first")
        try:
            replay(path)
        except JournalInUseError as error:
            return str(error)
        return "not refused"

    task = Task(replay_again, {"path": letters.path, "gate": gate})
    run([task], dead_letters=letters)
    gate.open()

    (outcome,) = replay(letters, inline=True)

    assert "being replayed by somebody else" in str(outcome.value)
    assert letters.entries() == []


def test_who_is_struck_while_closing_the_file_keeps_nobody_out(
    letters: DeadLetters, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even itself: its traceback has the file, and lives while it is handled."""
    unlock = append.unlock

    def strike(fd: int) -> None:
        monkeypatch.setattr(append, "unlock", unlock)
        raise KeyboardInterrupt

    monkeypatch.setattr(append, "unlock", strike)
    monkeypatch.setattr(store, "PATIENCE", 0.0)
    with pytest.raises(KeyboardInterrupt) as caught:
        run(knocks(gate, 3), dead_letters=letters)

    first, *_ = run(knocks(gate, 1), dead_letters=letters)
    assert isinstance(first, Failure)
    assert caught.tb is not None
    kept = sorted(each.message for each in letters.entries())
    assert "closed for 0" in kept


def test_a_place_that_cannot_be_written_ends_the_call_after_all_else(
    tmp_path: Path, gate: Gate, use_processes: bool
) -> None:
    """All outcomes are yielded; then the error says why nothing was kept."""
    (tmp_path / "a file").touch()
    letters = DeadLetters(tmp_path / "a file" / "failed.jsonl")
    tasks = [*knocks(gate, 3), Task(abs, positional=(-3,))]
    seen: list[Any] = []
    stream = execute_tasks_in_parallel_streaming(
        tasks, 2, use_processes, True, dead_letters=letters
    )

    with pytest.raises(JournalError, match="cannot be written"):
        seen.extend(stream)

    assert [index for index, _ in seen] == [0, 1, 2, 3]


def test_another_kind_of_file_is_refused(tmp_path: Path, gate: Gate) -> None:
    """A journal is no file of dead letters, and is left as it is."""
    path = tmp_path / "run.jsonl"
    path.write_text('{"cotality": "journal", "version": 1}\n')

    with pytest.raises(JournalError, match="holds a journal"):
        run(knocks(gate, 1), dead_letters=DeadLetters(path))
    with pytest.raises(JournalError, match="holds a journal"):
        DeadLetters(path).entries()


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"max_entries": 0}, ValueError),
        ({"max_age": -1}, ValueError),
        ({"max_age": "1 day"}, TypeError),
    ],
)
def test_limits_are_checked(options: Any, kind: type[Exception]) -> None:
    """When the dead letters are made."""
    with pytest.raises(kind, match=next(iter(options))):
        DeadLetters("x", **options)


def test_the_option_is_checked() -> None:
    """A number is no file of them, and a replay has its own."""
    with pytest.raises(TypeError, match="dead_letters must be a DeadLetters"):
        execute_tasks_in_parallel([], dead_letters=3)  # type: ignore[call-overload]  # to be refused
    with pytest.raises(ValueError, match="no dead_letters="):
        replay("x", dead_letters=DeadLetters("y"))


# The commands


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What a command prints, after seeing that it ends with *status*."""

    def said(*arguments: object, status: int = 0) -> str:
        assert main([f"{each}" for each in arguments]) == status
        out, err = capsys.readouterr()
        return err if status == 2 else out

    return said


def test_they_can_be_listed_and_shown(
    letters: DeadLetters, gate: Gate, said: Callable[..., str]
) -> None:
    """A line for each; or all there is about one, found by the start of its key."""
    run(knocks(gate, 2), dead_letters=letters)
    first, second = letters.entries()

    lines = said("list", letters.path).splitlines()
    as_json = json.loads(said("list", letters.path, "--json"))
    shown = said("show", letters.path, first.key[:8])

    assert [line.split()[0] for line in lines] == [first.key, second.key]
    assert f"Failure: {first.message}" in lines[0]
    assert [each["key"] for each in as_json] == [first.key, second.key]
    assert "packed" not in as_json[0]
    assert first.message in shown
    assert "Traceback" in shown
    assert "no 'zzz'" in said("show", letters.path, "zzz", status=2)
    assert "fits 2 letters" in said("show", letters.path, "", status=2)
    assert "there is no file" in said("list", gate.path, status=2)


def test_they_can_be_run_again(
    letters: DeadLetters, gate: Gate, said: Callable[..., str]
) -> None:
    """All of them or one; the exit code says whether all have succeeded."""
    run(knocks(gate, 3), dead_letters=letters)

    again = said("retry", letters.path, status=1)
    assert "0 of 3 done" in again
    for letter in letters.entries():  # each by its key, its call and its error
        line = f"{letter.key}  {letter.call}: failed again: Failure: {letter.message}"
        assert line in again.splitlines()
    gate.open()
    key = letters.entries()[0].key
    assert "1 of 1 done" in said("retry", letters.path, key)
    assert "2 of 2 done" in said("retry", letters.path, "--processes", "--workers", 1)
    assert said("list", letters.path).strip() == ""


def test_they_can_be_purged(
    letters: DeadLetters, gate: Gate, said: Callable[..., str]
) -> None:
    """By key, by age, or all; nothing goes without saying which."""
    run(knocks(gate, 3), dead_letters=letters)

    assert "say which" in said("purge", letters.path, status=2)
    assert "0 taken out, 3 left" in said("purge", letters.path, "--older-than", 1)
    key = letters.entries()[0].key
    assert "1 taken out, 2 left" in said("purge", letters.path, key)
    assert "2 taken out, 0 left" in said("purge", letters.path, "--all")


def test_one_can_be_debugged(
    letters: DeadLetters,
    gate: Gate,
    said: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It runs in this process; what it raises is shown, or what it returns."""
    run(knocks(gate, 1), dead_letters=letters)
    (letter,) = letters.entries()

    assert main(["debug", str(letters.path), letter.key]) == 1
    assert "Failure: closed for 0" in capsys.readouterr().err
    gate.open()
    assert "it returned 0" in said("debug", letters.path, letter.key)
    assert letters.entries() == [letter]


def test_the_debugger_stops_where_it_should(tmp_path: Path) -> None:
    """At the first line of a function of a script, and where it raises."""
    (tmp_path / "script.py").write_text(
        "from cotality.core.utils.process import *\n"
        "def divide(a, b):\n"
        "    quotient = a / b\n"
        "    return quotient\n"
        "execute_tasks_in_parallel([Task(divide, {'a': 1, 'b': 0}, label='d')],\n"
        "    on_error='return', dead_letters=DeadLetters('failed.jsonl'))\n"
    )
    command = [sys.executable, "-m", "cotality.core.utils.dead_letters", "debug"]
    environment = environment_of_scripts()
    subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env=environment,
        check=True,
        timeout=LONG_S,
    )

    ended = subprocess.run(
        [*command, "failed.jsonl", "d", "--pdb"],
        input="p ('first', a)\ncontinue\np ('second', b)\nquit\n",
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LONG_S,
    )

    assert ended.returncode == 1
    assert "('first', 1)" in ended.stdout
    assert "ZeroDivisionError: division by zero" in ended.stdout
    assert "('second', 0)" in ended.stdout


def test_a_kill_while_replaying_loses_no_letter(
    letters: DeadLetters, gate: Gate, tmp_path: Path
) -> None:
    """What had not succeeded is there, and the next replay is not refused."""

    def die_or_pass(folder: Path, number: int) -> int:
        if (folder / "deadly").exists() and number == 1:
            os.kill(os.getpid(), 9)
        if not (folder / "gate").exists():
            raise Failure("closed")
        return number

    tasks = [
        Task(die_or_pass, {"folder": tmp_path, "number": number}) for number in range(3)
    ]
    # One worker, so that the letters are in the order of the tasks.
    execute_tasks_in_parallel(tasks, 1, on_error="return", dead_letters=letters)
    gate.open()
    (tmp_path / "deadly").touch()
    script = (
        "import sys; from cotality.core.utils.process import replay\n"
        "replay(sys.argv[1], max_workers=1)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, str(letters.path)],
        env=environment_of_scripts(),
        timeout=LONG_S,
    )
    (tmp_path / "deadly").unlink()

    assert ended.returncode == -9
    assert {letter.arguments["number"] for letter in letters.entries()} >= {"1", "2"}
    assert all(outcome.ok for outcome in replay(letters))
    assert letters.entries() == []


def test_damage_is_no_reason_to_lose_a_letter(
    letters: DeadLetters, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    """A line that cannot be read is told of, and what comes is still kept."""
    run(knocks(gate, 1), dead_letters=letters)
    with letters.path.open("a") as file:
        file.write("garbage\n")
    run(knocks(gate, 2)[1:], dead_letters=letters)
    with caplog.at_level(logging.WARNING):
        found = letters.entries()

    assert [letter.arguments["number"] for letter in found] == ["0", "1"]
    assert "garbage" in caplog.text
