"""No more tasks run at a time than a call says: threads of a team that is resized."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import pytest

from cotality.core.utils._process.backends.thread_team import ThreadTeam
from cotality.core.utils._process.engine.observers import Measure
from cotality.core.utils._process.portions.local_chunk import LocalChunk, LocalChunks
from cotality.core.utils.process import RunReport, Task, execute_tasks_in_parallel

WAIT_S = 20
LARGE = bytes(1_000_000)


class Crowd:
    """Counts who is in it, and lets nobody out before it is told to."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.inside = self.most = self.may_leave = self.visits = 0

    def visit(self) -> None:
        with self.changed:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.changed.notify_all()
            assert self.changed.wait_for(lambda: self.may_leave > 0, WAIT_S)
            self.may_leave -= 1
            self.inside -= 1
            self.visits += 1
            self.changed.notify_all()

    def let_out(self, visitors: int) -> None:
        with self.changed:
            self.may_leave += visitors
            self.changed.notify_all()

    def wait_for(self, visitors: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.inside == visitors, WAIT_S)

    def wait_for_visits(self, visits: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.visits == visits, WAIT_S)


def portion_of(function: Callable[[], Any]) -> LocalChunk:
    return LocalChunk([Task(function)], LocalChunks(False), copy_context(), Measure.CPU)


def test_a_team_that_shrinks_runs_fewer_at_a_time_and_all_of_them() -> None:
    """Threads that are too many go, and those that stay do what is left."""
    crowd, team = Crowd(), ThreadTeam(4)
    for _ in range(10):
        team.submit(portion_of(crowd.visit), 1.0)
    crowd.wait_for(4)
    team.resize(1)
    crowd.let_out(3)  # of whom each thread goes
    crowd.wait_for(1)
    crowd.most = 0
    crowd.let_out(7)
    crowd.wait_for_visits(10)
    assert crowd.most <= 1
    team.close(wait=True)


def test_a_team_that_grows_takes_what_waits_at_once() -> None:
    """Nobody has to hand out another portion for that."""
    crowd, team = Crowd(), ThreadTeam(1)
    for _ in range(5):
        team.submit(portion_of(crowd.visit), 1.0)
    crowd.wait_for(1)
    team.resize(3)
    crowd.wait_for(3)
    crowd.let_out(5)
    crowd.wait_for_visits(5)
    assert crowd.most == 3
    team.close(wait=True)


def test_a_team_that_shrank_can_grow_again() -> None:
    """Those that went are no longer counted."""
    crowd, team = Crowd(), ThreadTeam(3)
    for _ in range(3):
        team.submit(portion_of(crowd.visit), 1.0)
    crowd.wait_for(3)
    team.resize(1)
    crowd.let_out(3)
    crowd.wait_for_visits(3)
    team.resize(3)
    for _ in range(4):
        team.submit(portion_of(crowd.visit), 1.0)
    crowd.wait_for(3)
    crowd.let_out(4)
    crowd.wait_for_visits(7)
    assert crowd.most == 3
    team.close(wait=True)


class Together:
    """Counts how many tasks run at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = 0

    def __enter__(self) -> None:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.now -= 1


def nap(together: Together, seconds: float) -> None:
    with together:
        time.sleep(seconds)


def hashed(together: Together, seconds: float) -> None:
    with together:
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            hashlib.sha256(LARGE).digest()


@pytest.mark.parametrize("function", [nap, hashed])
@pytest.mark.parametrize(("tasks", "seconds"), [(20, 0.05), (300, 0.002)])
def test_auto_runs_no_more_tasks_at_a_time_than_it_says(
    function: Callable[[Together, float], None], tasks: int, seconds: float
) -> None:
    """The report's number of workers is the most that ran together."""
    together, report = Together(), RunReport()
    execute_tasks_in_parallel(
        [
            Task(function, {"together": together, "seconds": seconds})
            for _ in range(tasks)
        ],
        use_processes="auto",
        report=report,
    )
    assert together.most <= report.workers
