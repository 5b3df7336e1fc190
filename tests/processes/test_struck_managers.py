"""An exception strikes whoever ends a pool manager: its workers end all the same."""

from __future__ import annotations

import gc

import psutil
import pytest

from cotality.core.utils._process.workers.lending.shared_pool import SharedPool
from cotality.core.utils._process.workers.pool import Pool
from cotality.tuning import (
    PoolManager,
    get_global_pool_manager,
    managed_pool,
    shutdown_global_pool_manager,
)
from tests.kit.helpers import wait_until


def pids_of(manager: PoolManager) -> tuple[int, ...]:
    manager.warm_up()
    pids = manager.status().pids
    assert pids
    return pids


def have_ended(pids: tuple[int, ...]) -> bool:
    return not any(map(psutil.pid_exists, pids))


def test_workers_end_with_a_manager_that_is_dropped() -> None:
    """However long they might have stayed without a call."""
    pids = pids_of(PoolManager(1, idle_seconds=None))

    gc.collect()
    wait_until(lambda: have_ended(pids))


@pytest.mark.parametrize("step", ["shut_down", "wait_for_loans", "all_pools"])
def test_workers_end_with_a_pool_whose_end_was_struck(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has the manager any more who could shut it down."""
    pids: tuple[int, ...] = ()

    def work() -> None:
        nonlocal pids
        with managed_pool(1, idle_seconds=None) as manager:
            pids = pids_of(manager)
            strike_once(monkeypatch, SharedPool, step)

    with pytest.raises(KeyboardInterrupt) as caught:
        work()
    del caught

    gc.collect()
    wait_until(lambda: have_ended(pids))


@pytest.mark.parametrize(
    ("thing", "step"), [(SharedPool, "shut_down"), (Pool, "close")]
)
def test_a_shutdown_of_the_global_manager_that_was_struck_is_done_once_more(
    thing: type[object], step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the same call."""
    pids = pids_of(get_global_pool_manager())
    strike_once(monkeypatch, thing, step)
    with pytest.raises(KeyboardInterrupt):
        shutdown_global_pool_manager()

    shutdown_global_pool_manager()

    assert have_ended(pids)


def strike_once(
    monkeypatch: pytest.MonkeyPatch, thing: type[object], step: str
) -> None:
    original = getattr(thing, step)

    def struck(*given: object, **named: object) -> object:
        monkeypatch.setattr(thing, step, original)
        raise KeyboardInterrupt

    monkeypatch.setattr(thing, step, struck)
