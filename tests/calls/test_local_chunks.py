"""How portions on threads are stopped: by whoever waits for them, not by a clock."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable
from contextvars import Context
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils._process.portions import local_chunk
from cotality.core.utils._process.portions.chunk import ChunkReport
from cotality.core.utils._process.portions.local_chunk import LocalChunk, LocalChunks
from cotality.core.utils._process.rules.portion_size import Rules
from cotality.core.utils.process import Journal, Task, execute_tasks_in_parallel
from tests.kit.helpers import Failure, Gate
from tests.kit.limits import LONG_S

RULES = Rules()
NEVER = 1e6  # s


def chunk_of(chunks: LocalChunks, calls: list[Callable[[], Any]]) -> LocalChunk:
    return LocalChunk([Task(call) for call in calls], chunks, Context())


def test_what_comes_before_the_first_task_is_not_what_it_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To look at the thread takes long here, and the task does nothing."""
    burnt = 0.05  # s

    def look(native_id: int) -> float:
        end = time.thread_time() + burnt
        while time.thread_time() < end:
            pass
        return 0.0

    monkeypatch.setattr(local_chunk, "seconds_in_queue", look)
    chunk = chunk_of(LocalChunks(until_failure=False), [int])
    chunk.is_observed = True

    report = chunk.run(NEVER)

    assert report.cpu_seconds < burnt
    assert report.others_cpu_seconds < burnt


def test_a_portion_that_is_overdue_ends_with_the_task_that_runs() -> None:
    """The tasks behind it are handed back."""
    chunks = LocalChunks(until_failure=False)
    chunk = chunk_of(chunks, [int, chunks.look, int, int])
    chunks.add(chunk, 0.0)

    report = chunk.run(0.0)

    assert len(report.values) == 2
    assert chunks.look_at == math.inf


def test_the_first_task_of_a_portion_always_runs() -> None:
    """However late it is: what always came back as it was would never end."""
    chunks = LocalChunks(until_failure=False)
    chunk = chunk_of(chunks, [int] * 3)
    chunks.add(chunk, 0.0)
    chunk.began_at = 0.0

    chunks.look()

    assert chunk.run(0.0).values == [0]


def test_a_portion_that_no_thread_has_taken_is_not_overdue() -> None:
    """Its time begins when it does. It is looked at again."""
    chunks = LocalChunks(until_failure=False)
    chunk = chunk_of(chunks, [int] * 3)
    chunks.add(chunk, 0.0)

    chunks.look()

    assert chunks.look_at < math.inf
    assert chunk.run(0.0).values == [0, 0, 0]


def test_a_portion_within_its_time_box_is_left_alone() -> None:
    """And looked at again when the box is over."""
    chunks = LocalChunks(until_failure=False)
    chunk = chunk_of(chunks, [chunks.look, lambda: chunks.look_at, int])
    chunks.add(chunk, NEVER)

    values = chunk.run(NEVER).values

    assert len(values) == 3
    assert NEVER / 2 < values[1] < math.inf


@pytest.mark.parametrize("has_begun", [True, False])
def test_nothing_starts_once_the_call_is_halted(has_begun: bool) -> None:
    """In no portion, whether it runs or waits for a thread."""
    chunks = LocalChunks(until_failure=False)
    chunk = chunk_of(chunks, [chunks.halt if has_begun else int, int, int])
    chunks.add(chunk, NEVER)
    if not has_begun:
        chunks.halt()

    assert len(chunk.run(NEVER).values) == has_begun


def test_a_failure_that_ends_the_call_stops_all_portions(gate: Gate) -> None:
    """The one that runs in another thread as well, with the task that it runs."""
    chunks = LocalChunks(until_failure=True)
    begun = threading.Event()
    other = chunk_of(chunks, [begun.set, gate.wait, int, int])

    def fail() -> None:
        assert begun.wait(LONG_S)
        raise Failure

    failing = chunk_of(chunks, [fail, int])
    reports: list[ChunkReport] = []
    for chunk in (other, failing):
        chunks.add(chunk, NEVER)
    thread = threading.Thread(target=lambda: reports.append(other.run(NEVER)))
    thread.start()

    report = failing.run(NEVER)
    gate.open()
    thread.join(LONG_S)

    assert report.values == [None]
    assert len(reports[0].values) <= 2


def test_what_is_behind_a_long_task_is_handed_back(tmp_path: Path) -> None:
    """Its portion is overdue, and the journal says what came back of it."""
    long = range(1500, 10_000, 2000)

    def work(number: int) -> int:
        if number in long:
            time.sleep(5 * RULES.time_box)
        return number

    journal = Journal(tmp_path / "run.jsonl")
    tasks = [Task(work, {"number": i}, label=f"{i}") for i in range(10_000)]

    assert execute_tasks_in_parallel(tasks, 2, journal=journal) == list(range(10_000))

    events = map(json.loads, journal.path.read_text().splitlines()[1:])
    returned = [event["keys"] for event in events if event["event"] == "returned"]
    behind = {f"{number + 1}" for number in long}
    assert any(keys[0] in behind for keys in returned)
