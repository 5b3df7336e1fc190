"""Threads or processes."""

from __future__ import annotations

import logging
import sys

import pytest

from cotality.core.utils._process.advice.task_words import (
    CPU_WORDS,
    IO_WORDS,
    should_use_processes,
)

LOGGER = "cotality.core.utils.process"


@pytest.fixture(autouse=True)
def gil(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python with the GIL, whichever one runs the tests."""
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: True, raising=False)


@pytest.mark.parametrize(
    "word",
    [
        *("cpu", "CPU", "cpu-bound", "cpu_bound", "cpubound", "CPU Bound", " cpu "),
        *("cpu-intensive", "cpu_heavy", "CPU-bound tasks", "cpu work", "cpu/bound"),
        *("heavy computation", "cpu-bounded", "heavy CPU-bound tasks"),
        *("compute", "Compute-Bound", "computing", "computation", "computations"),
        *("computational", "calculation", "calculations", "calculate"),
        *("numeric", "numerical", "math", "maths", "number-crunching"),
    ],
)
def test_computing_gains_from_processes(
    word: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Work that computes is advised processes, however it is spelt."""
    assert should_use_processes(word) is True
    assert not caplog.records


@pytest.mark.parametrize(
    "word",
    [
        *("io", "IO", "i/o", "I/O-bound", "io_bound", "iobound", "I/O heavy"),
        *("I/O operations", "heavy I/O"),
        *("input/output", "network", "Network-Bound", "database", "databases", "db"),
        *("file", "files", "filesystem", "file system", "disk", "requests"),
        *("web", "sql", "waiting", "mixed", "mixed workload"),
    ],
)
def test_waiting_needs_no_processes(
    word: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Work that waits is advised threads, however it is spelt."""
    assert should_use_processes(word) is False
    assert not caplog.records


def test_threads_unless_told_otherwise() -> None:
    """Without a word about the work the advice is threads."""
    assert should_use_processes() is False


@pytest.mark.parametrize("word", sorted(CPU_WORDS | IO_WORDS))
def test_every_listed_word_is_known(
    word: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A word that the warning lists does not cause the warning."""
    assert should_use_processes(word) is (word in CPU_WORDS)
    assert not caplog.records


@pytest.mark.parametrize("word", ["gpu", "", "-", "cpuu", "bound", "%s %d"])
def test_unknown_word_is_threads_with_a_warning(
    word: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A word that is not known is answered with threads and a warning that names it."""
    assert should_use_processes(word) is False

    (record,) = caplog.records
    assert (record.name, record.levelno) == (LOGGER, logging.WARNING)
    assert repr(word) in record.getMessage()
    assert "cpu" in record.getMessage()
    assert "database" in record.getMessage()


@pytest.mark.parametrize("word", ["cpu", "compute", "io", "network"])
def test_without_the_gil_always_threads(
    word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a Python that runs without the GIL threads compute at the same time."""
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False)
    assert should_use_processes(word) is False


def test_python_before_the_question_has_the_gil(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A Python that cannot be asked about the GIL has it."""
    monkeypatch.delattr(sys, "_is_gil_enabled")
    assert should_use_processes("cpu") is True


@pytest.mark.parametrize("word", [None, 1, True])
def test_task_type_must_be_text_or_tasks(word: object) -> None:
    """Anything else is a `TypeError` that shows it."""
    with pytest.raises(TypeError, match="task_type must be a string") as caught:
        should_use_processes(word)  # type: ignore[call-overload]
    assert repr(word) in str(caught.value)


def test_what_is_no_task_is_shown() -> None:
    """A list of words is neither a word nor a list of tasks."""
    with pytest.raises(TypeError, match=r"tasks\[0\] must be a Task, got 'cpu'"):
        should_use_processes(["cpu"])  # type: ignore[list-item]
