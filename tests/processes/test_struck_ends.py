"""An exception strikes whoever lets go of workers, before anybody has been told."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable

import psutil
import pytest

from cotality.core.utils._process.machine import this_process
from cotality.core.utils._process.workers import at_exit
from cotality.core.utils._process.workers.pool import Pool
from cotality.core.utils.process import (
    Task,
    execute_tasks_in_parallel,
    shutdown_workers,
    worker_pool,
)
from tests.kit.helpers import wait_until
from tests.kit.limits import LONG_S

MOST_S = LONG_S / 2  # a pool looks after itself once a minute


@pytest.mark.parametrize("step", ["status", "ring", "join"])
def test_workers_end_with_the_pool_that_was_struck_at_its_end(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although the thread that watches over them was asleep."""
    original = getattr(Pool, step)
    pids: set[int] = set()

    def struck(_: Pool) -> object:
        monkeypatch.setattr(Pool, step, original)
        raise KeyboardInterrupt

    def work() -> None:
        with worker_pool(max_workers=2):
            pids.update(execute_tasks_in_parallel([Task(os.getpid)] * 8, 2, True))
            pools = [each for each in at_exit.open_pools if each.status().pids]
            wait_until(lambda: pools[0].is_asleep and pools[0].sleeps_long, MOST_S)
            monkeypatch.setattr(Pool, step, struck)

    shutdown_workers()
    with pytest.raises(KeyboardInterrupt) as caught:
        work()
    del caught  # with the frame of the pool

    wait_until(lambda: not any(map(psutil.pid_exists, pids)), MOST_S)


def test_the_end_of_the_program_is_seen_to_if_that_was_struck_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever asks next makes up for it, and it is done once."""
    monkeypatch.setattr(this_process, "at_end", set())
    asked: list[Callable[[], object]] = []
    registered: list[Callable[[], object]] = []

    def struck_once(_: Callable[..., object], close: Callable[[], object]) -> None:
        asked.append(close)
        if len(asked) == 1:
            raise KeyboardInterrupt
        registered.append(close)

    monkeypatch.setattr(atexit, "register", struck_once)
    with pytest.raises(KeyboardInterrupt):
        this_process.at_exit(shutdown_workers)
    this_process.at_exit(shutdown_workers)
    this_process.at_exit(shutdown_workers)

    assert registered == [shutdown_workers]
