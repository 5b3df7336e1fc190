"""Options take what a person would write: a path, a number a second, a size, a name."""

from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cotality import pmap, pmap_iter
from cotality._kit import units
from cotality.core.utils.process import (
    DeadLetters,
    Journal,
    Progress,
    Rate,
    Retry,
    RunReport,
    Task,
    execute_tasks_in_parallel,
    iter_outcomes,
    replay,
)
from cotality.tuning import execute
from tests.kit.helpers import Failure, echo, fail_with


def echoes(count: int) -> list[Task[int]]:
    return [Task.of(echo, number) for number in range(count)]


def failing() -> Task[Any]:
    return Task(fail_with, {"error": Failure("on purpose")})


# How often, how fast, how much.


@pytest.mark.parametrize("retries", [3, Retry(3, backoff=0)])
def test_a_number_of_retries_means_the_same_everywhere(retries: Any) -> None:
    """With and without a `Retry`: that many more after the first."""
    again = Retry(retries, backoff=0) if isinstance(retries, int) else retries
    (outcome,) = iter_outcomes([failing()], retries=again)

    assert outcome.attempts == 4
    assert Retry.of(3).attempts == Retry(3).attempts == 4


@pytest.mark.parametrize(
    ("given", "rate"),
    [(50, Rate(50)), (2.5, Rate(2, 0.8)), (0.5, Rate(1, 2.0)), (1, Rate(1))],
)
def test_a_rate_may_be_a_number_a_second(given: float, rate: Rate) -> None:
    """Also a fraction."""
    made = Rate.of(given)

    assert (made.count, made.per) == (rate.count, rate.per)
    assert Rate.of(rate) is rate


def test_a_number_for_a_rate_holds_tasks_back() -> None:
    """Two a second: the third one starts a second after the first."""
    starts = execute_tasks_in_parallel([Task(time.monotonic)] * 3, rate=2)

    assert max(starts) - min(starts) >= 0.9


@pytest.mark.parametrize("rate", ["50", True, None])
def test_what_is_no_rate_says_so(rate: Any) -> None:
    """And how one writes a slower one."""
    with pytest.raises(TypeError, match=r"Rate\(100, per=60\) is a hundred a minute"):
        Rate.of(rate)


@pytest.mark.parametrize("rate", [0, -1, float("inf"), float("nan")])
def test_a_rate_is_more_than_nothing(rate: float) -> None:
    """And not without end."""
    with pytest.raises(ValueError, match="rate must be more than 0"):
        Rate.of(rate)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        *(("2GB", 2e9), ("2gb", 2e9), ("2 G", 2e9), ("500 MB", 5e8), ("500M", 5e8)),
        *(("1.5GiB", 1.5 * 2**30), (".5kB", 500), ("64 KiB", 65536), ("1TB", 1e12)),
        *(("1000", 1000), ("12 B", 12)),
        *(("", None), ("GB", None), ("2 XB", None), ("-2GB", None), ("2iB", None)),
    ],
)
def test_a_size_is_read_as_people_write_it(text: str, size: float | None) -> None:
    """With a unit of either kind, or none."""
    assert units.bytes_in(text) == size


def test_a_memory_limit_may_have_a_unit() -> None:
    """As large results fill it, fewer tasks travel together."""
    report = RunReport()
    execute_tasks_in_parallel(
        [Task(bytes, positional=(100_000,))] * 60,
        max_workers=2,
        chunksize=20,
        memory_limit="1MB",
        report=report,
    )

    assert 1 < report.largest_portion <= 10


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"memory_limit": "much"}, ValueError, "a number with a unit, such as '2GB'"),
        ({"memory_limit": "0GB"}, ValueError, "more than 0 and finite, got '0GB'"),
        ({"memory_limit": 500}, ValueError, "with a unit: '500MB'"),
        ({"memory_limit": True}, TypeError, "a text such as '2GB', or bytes, got True"),
        ({"memory_limit_mb": "2G"}, TypeError, "memory_limit='2G' takes a text"),
        (
            {"memory_limit_mb": 5, "memory_limit": "5MB"},
            ValueError,
            "say the same thing twice",
        ),
    ],
)
def test_what_is_no_memory_limit_says_so(
    options: Any, error: type[Exception], text: str
) -> None:
    """Each with what to write instead."""
    with pytest.raises(error, match=text):
        execute_tasks_in_parallel(echoes(1), **options)


# Files.


@pytest.mark.parametrize("as_path", [str, Path])
def test_a_journal_may_be_a_path(as_path: Any, tmp_path: Path) -> None:
    """It is the same as with a `Journal` of that path."""
    path = tmp_path / "job.jsonl"
    tasks = [Task(time.perf_counter_ns, label=f"{number}") for number in range(3)]

    first = execute_tasks_in_parallel(tasks, journal=as_path(path))
    second = execute_tasks_in_parallel(tasks, journal=Journal(path), resume=True)

    assert first == second


def test_dead_letters_may_be_a_path(tmp_path: Path) -> None:
    """They are kept there, and can be replayed."""
    path = tmp_path / "failed.jsonl"
    execute_tasks_in_parallel([failing()], on_error="return", dead_letters=f"{path}")

    assert [letter.error for letter in DeadLetters(path).entries()] == ["Failure"]
    assert [outcome.ok for outcome in replay(path)] == [False]


@pytest.mark.parametrize(
    ("name", "begins"),
    [("run.html", "<!"), ("run.HTM", "<!"), ("run.txt", "3 tasks"), ("run.json", "{")],
)
def test_a_report_may_be_a_file(name: str, begins: str, tmp_path: Path) -> None:
    """What it holds is said by its name; it is there when the call returns."""
    path = tmp_path / name
    execute_tasks_in_parallel(echoes(3), report=path)

    text = path.read_text("utf-8")
    assert text.lstrip().lower().startswith(begins.lower()), text[:80]
    if name.endswith("json"):
        json.loads(text)


def test_a_report_is_written_when_the_call_fails(tmp_path: Path) -> None:
    """Then it is wanted most."""
    path = tmp_path / "run.txt"
    with pytest.raises(Failure):
        execute_tasks_in_parallel([failing()], report=path)

    assert "on purpose" in path.read_text("utf-8")


def test_a_run_with_words_fills_a_file_as_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And what it returns has the same report."""
    path = tmp_path / "run.html"
    result = execute(abs, [-1, 2], verbose=True, report=f"{path}")

    assert result == [1, 2]
    assert result.report.done == 2
    assert path.exists()
    assert capsys.readouterr().err


def test_results_are_worth_more_than_their_report(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that cannot be written is a line in the log, once all is done."""
    folder = tmp_path / "gone"
    folder.mkdir()
    tasks = [Task(folder.rmdir), *echoes(2)]

    with caplog.at_level(logging.WARNING):
        results = execute_tasks_in_parallel(tasks, report=folder / "run.html")

    assert results == [None, 0, 1]
    assert "run.html' cannot be written" in caplog.text


@pytest.mark.parametrize(
    ("report", "error", "text"),
    [
        ("run", ValueError, "must end in what it is to hold: .html for the page"),
        ("nowhere/run.html", FileNotFoundError, "Make 'nowhere' first"),
        (True, TypeError, "a file such as 'run.html', or a RunReport"),
    ],
)
def test_a_report_that_could_not_be_written_is_refused(
    report: Any, error: type[Exception], text: str
) -> None:
    """Before anything runs."""
    ran: list[int] = []
    with pytest.raises(error, match=text):
        execute_tasks_in_parallel([Task.of(ran.append, 1)], report=report)

    assert not ran


# The bar.


def test_a_bar_may_have_a_name_and_a_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are in the line that a log gets."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    execute_tasks_in_parallel(echoes(3), progress="Hashing", unit="file")

    assert stream.getvalue().startswith("Hashing: 3 files in ")


def test_a_function_gets_them_as_well() -> None:
    """It may show a bar of its own."""
    seen: list[Progress] = []
    execute_tasks_in_parallel(echoes(1), progress=seen.append, unit="entry")

    assert seen[-1].unit == "entry"


@pytest.mark.parametrize(
    ("unit", "count", "shown"),
    [
        *(("file", 1, "1 file"), ("file", 2, "2 files"), ("files", 2, "2 files")),
        *(("entry", 2, "2 entries"), ("day", 2, "2 days")),
    ],
)
def test_a_unit_has_a_plural(
    unit: str, count: int, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the usual kinds."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    execute_tasks_in_parallel(echoes(count), progress=True, unit=unit)

    assert stream.getvalue().startswith(f"progress: {shown} in ")


def test_a_name_cannot_disturb_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is it in the way of one that knows ASCII alone."""
    stream = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr("sys.stderr", stream)
    execute_tasks_in_parallel(echoes(1), progress="Gr\xf6\xdfe\n\x1b[2J")

    stream.seek(0)
    assert stream.read().startswith(r"Gr\xf6\xdfe \x1b[2J: 1 task in")


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"progress": " "}, ValueError, "progress must not be an empty text"),
        ({"progress": 3}, TypeError, "a name for the bar, or a function"),
        ({"unit": ""}, ValueError, "unit must not be an empty text"),
        ({"unit": 3}, TypeError, "unit must be a text such as 'file', got 3"),
    ],
)
def test_what_is_no_name_says_so(
    options: Any, error: type[Exception], text: str
) -> None:
    """Before anything runs."""
    with pytest.raises(error, match=text):
        execute_tasks_in_parallel(echoes(1), **options)


@pytest.mark.parametrize(
    ("initargs", "text"),
    [(3, r"Write initargs=\(3,\)"), ("abc", r"Write initargs=\('abc',\)")],
)
def test_arguments_of_an_initializer_are_in_a_tuple(initargs: Any, text: str) -> None:
    """A text is no tuple of its letters."""
    with pytest.raises(TypeError, match=text):
        execute_tasks_in_parallel(echoes(1), initializer=echo, initargs=initargs)


class OfUnknownLength:
    """Wraps data of any kind."""

    def __init__(self, data: Iterable[int]) -> None:
        self.data = data

    def __len__(self) -> int:
        raise NotImplementedError

    def __iter__(self) -> Iterator[int]:
        return iter(self.data)


def test_the_length_of_data_is_not_needed(use_processes: bool) -> None:
    """Whatever happens when it is asked for: a loop does not ask."""
    data = OfUnknownLength(range(-3, 0))

    assert pmap(abs, data) == [3, 2, 1]
    assert pmap(abs, data, processes=use_processes) == [3, 2, 1]
    assert list(pmap_iter(max, data, [1, 1], processes=use_processes)) == [1, 1]
