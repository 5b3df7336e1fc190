"""Threads or processes, and how many."""

from __future__ import annotations

import logging
import os
import sys

import pytest

from cotality.core.utils._process.advice import (
    CPU_WORDS,
    IO_WORDS,
    available_cpus,
    default_workers,
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


@pytest.mark.parametrize("word", [None, 1, b"cpu", ["cpu"], True])
def test_task_type_must_be_text(word: object) -> None:
    """Anything but a string is a `TypeError` that shows it."""
    with pytest.raises(TypeError, match="task_type must be a string") as caught:
        should_use_processes(word)  # type: ignore[arg-type]
    assert repr(word) in str(caught.value)


def test_cpus_are_those_of_this_process() -> None:
    """CPUs that this process may not use do not count."""
    assert 1 <= available_cpus() <= (os.cpu_count() or 1)


def test_newer_python_is_asked_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python itself knows how many CPUs a process may use, that is the answer."""
    monkeypatch.setattr(os, "process_cpu_count", lambda: 7, raising=False)
    assert available_cpus() == 7


def test_affinity_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Python 3.13 the CPUs that this process is kept to are counted."""
    monkeypatch.delattr(os, "process_cpu_count", raising=False)
    monkeypatch.setattr(
        os, "sched_getaffinity", lambda process: {3, 5, 8}, raising=False
    )
    assert available_cpus() == 3


@pytest.mark.parametrize(("known", "counted"), [(6, 6), (None, 1)])
def test_machine_without_affinity(
    monkeypatch: pytest.MonkeyPatch, known: int | None, counted: int
) -> None:
    """Where there is no affinity all CPUs count, and one when nobody knows."""
    monkeypatch.delattr(os, "process_cpu_count", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: known)
    assert available_cpus() == counted


@pytest.mark.parametrize("inside_worker", [False, True])
@pytest.mark.parametrize(("cpus", "threads"), [(1, 5), (8, 12), (28, 32), (96, 32)])
def test_default_threads(
    monkeypatch: pytest.MonkeyPatch, cpus: int, threads: int, inside_worker: bool
) -> None:
    """Threads are four more than CPUs, 32 at most, in a worker as elsewhere."""
    monkeypatch.setattr(os, "process_cpu_count", lambda: cpus, raising=False)
    assert default_workers(False, inside_worker) == threads


@pytest.mark.parametrize(
    ("platform", "workers"), [("linux", 96), ("darwin", 96), ("win32", 61)]
)
def test_default_processes(
    monkeypatch: pytest.MonkeyPatch, platform: str, workers: int
) -> None:
    """There is a worker process for each CPU, and on Windows 61 at most."""
    monkeypatch.setattr(os, "process_cpu_count", lambda: 96, raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    assert default_workers(True, False) == workers


def test_processes_are_not_multiplied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside a worker process the default is one more process, not one for each CPU."""
    monkeypatch.setattr(os, "process_cpu_count", lambda: 96, raising=False)
    assert default_workers(True, True) == 1
