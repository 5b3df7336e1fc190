"""What ``python -m cotality.core.utils.journal`` prints of a journal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from cotality.core.utils.journal import main
from cotality.core.utils.process import (
    Journal,
    Task,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
)
from tests.kit.helpers import Failure, Gate, echo, environment_of_scripts, wait_then
from tests.kit.limits import LONG_S


def fail_from_two(number: int) -> int:
    if number < 2:
        return number
    raise Failure("even" if number % 2 == 0 else "odd\nand more")


@dataclass(repr=False)
class Slow:
    """Takes longer to show than to work with."""

    number: int
    shown: ClassVar[int] = 0

    def __repr__(self) -> str:
        Slow.shown += 1
        time.sleep(0.002)
        return "slow"


@dataclass(repr=False)
class Never(Slow):
    shown: ClassVar[int] = 0

    def __repr__(self) -> str:
        Never.shown += 1
        return "never"


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "run.jsonl")


def tasks(count: int) -> list[Task[Any]]:
    return [Task(fail_from_two, {"number": n}, label=f"no {n}") for n in range(count)]


def test_the_summary_has_what_a_person_asks_first(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    """How far it is, what has failed and how often, and what took longest."""
    execute_tasks_in_parallel(tasks(7), 1, on_error="return", journal=journal)

    assert main([str(journal.path)]) == 1

    printed = capsys.readouterr().out
    assert "1 run, the last one ended" in printed
    assert "7 of 7 tasks done: 2 finished, 5 failed" in printed
    assert "3  Failure: even  (no 2, no 4, no 6)" in printed
    assert "2  Failure: odd  (no 3, no 5)" in printed
    assert printed.index("even") < printed.index("odd") < printed.index("slowest")


def test_the_keys_of_failed_tasks_can_be_listed(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    """One a line, for other programs; what was run again and finished is not there."""
    execute_tasks_in_parallel(tasks(4), 2, on_error="return", journal=journal)
    corrected = [Task(echo, {"value": 1}, label="no 2"), *tasks(4)[3:]]
    execute_tasks_in_parallel(
        corrected, 2, on_error="return", journal=journal, resume=True, retry_failed=True
    )

    assert main([str(journal.path), "--failed"]) == 1
    assert capsys.readouterr().out == (
        "no 3\tFailure: odd and more\tfail_from_two(number=3)\n"
    )
    assert main([str(journal.path), "--failed", "--json"]) == 1
    (failed,) = json.loads(capsys.readouterr().out)
    assert (failed["key"], failed["call"]) == ("no 3", "fail_from_two(number=3)")


def test_it_can_be_asked_while_the_run_goes_on(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    """What runs is shown as running, in the process that has it."""
    numbered = [Task(echo, {"value": n}, label=f"{n}") for n in range(9)]
    stream = execute_tasks_in_parallel_streaming(numbered, 1, journal=journal)
    with closing(stream):
        next(stream)

        assert main([str(journal.path), "--json"]) == 0

    said = json.loads(capsys.readouterr().out)
    assert (said["state"], said["pid"]) == ("running", os.getpid())
    assert said["finished"] >= 1
    assert main([str(journal.path)]) == 0
    assert "the last one ended" in capsys.readouterr().out


def test_what_was_interrupted_is_told(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tasks that a killed run had started are named."""
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

    assert main([str(journal.path)]) == 0

    printed = capsys.readouterr().out
    assert "the last one was interrupted" in printed
    assert "1 started, not finished: b" in printed
    assert "1 of 2 tasks done" in printed


SHOW = "[0-9a-f]{8} "  # of a key that is no label


def test_what_runs_and_what_took_longest_is_shown_with_its_call(
    journal: Journal, gate: Gate, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key that nobody has chosen says nothing to people."""
    waiting = [Task(wait_then, {"gate": gate, "value": n}) for n in range(3)]
    stream = execute_tasks_in_parallel_streaming(
        [*waiting, Task(echo, {"value": "first"})], 4, journal=journal, ordered=False
    )
    with closing(stream):
        next(stream)

        main([str(journal.path)])
        printed = capsys.readouterr().out
        assert re.search(f"3 running: {SHOW}wait_then\\(gate=.*value=.\\), ", printed)
        assert re.search(rf"s  {SHOW}echo\(value='first'\)", printed)

        gate.open()
        list(stream)
    main([str(journal.path), "--json"])
    slowest = json.loads(capsys.readouterr().out)["slowest"]
    assert len(slowest) == 4
    assert all(each["call"].startswith(("wait_then(", "echo(")) for each in slowest)


def test_few_of_many_tasks_are_shown_with_their_calls(journal: Journal) -> None:
    """Those that were among the slowest so far, however they were handed out."""
    many = [Task(echo, {"value": n}) for n in range(3_000)]
    many[1_500] = Task.of(time.sleep, 0.05)
    execute_tasks_in_parallel(many, 1, journal=journal)

    lines = [json.loads(line) for line in journal.path.read_text().splitlines()]
    ended = [
        line["call"]
        for line in lines[1:]
        if line["event"] == "finished" and "call" in line
    ]
    assert "sleep(0.05)" in ended
    assert 5 <= len(ended) < 300


def test_a_call_that_takes_long_to_describe_is_left_out(journal: Journal) -> None:
    """At first nobody knows that; for a task with a label nobody asks."""
    tasks = [Task.of(isinstance, Slow(number), Slow) for number in range(200)]
    labelled = [
        Task(isinstance, positional=(Never(n), Slow), label=f"{n}") for n in range(20)
    ]
    execute_tasks_in_parallel([*labelled, *tasks], 1, journal=journal, chunksize=1)

    assert Slow.shown < 60
    assert Never.shown == 0


def test_damaged_lines_are_told_and_the_rest_is_counted(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    """A summary is no reason to stop at the first of them."""
    execute_tasks_in_parallel(tasks(2), 1, journal=journal)
    lines = journal.path.read_text().splitlines(keepends=True)
    lines[3] = "garbage\n"
    journal.path.write_text("".join(lines))

    assert main([str(journal.path)]) == 1

    printed = capsys.readouterr().out
    assert "line 4 (byte" in printed
    assert "'garbage'" in printed
    assert "1 of 2 tasks done" in printed


def test_what_is_no_journal_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on standard error, and exit code 2."""
    (tmp_path / "notes").write_text("notes\n")

    assert main([str(tmp_path / "notes")]) == 2
    assert main([str(tmp_path / "nothing")]) == 2

    said = capsys.readouterr()
    assert said.out == ""
    first, second = said.err.splitlines()
    assert "is not a journal" in first
    assert "there is no file" in second


def test_it_is_a_command(journal: Journal) -> None:
    """``python -m`` runs it, and does not import what it does not need."""
    execute_tasks_in_parallel(tasks(2), 1, journal=journal)

    printed = subprocess.check_output(
        [
            sys.executable,
            "-W",
            "error",
            "-m",
            "cotality.core.utils.journal",
            journal.path,
        ],
        env=environment_of_scripts(),
        text=True,
        timeout=LONG_S,
    )

    assert "2 of 2 tasks done" in printed
