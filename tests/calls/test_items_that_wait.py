"""An item that waits in a worker's link behind another one, and surplus workers."""

import os
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from cotality.core.utils._process.pickling.encode import encode
from cotality.core.utils._process.starting import launch
from cotality.core.utils._process.workers.executor import checked_initializer
from cotality.core.utils._process.workers.handle import WorkerPlan
from cotality.core.utils._process.workers.pool import Pool
from cotality.core.utils._process.workers.requests import Item
from cotality.core.utils.process import IsolatedProcessPoolExecutor

LIMIT = 30.0  # s that anything here may take


def same(value: int) -> int:
    return value


def wait_for(path: Path) -> str:
    end = time.monotonic() + LIMIT
    while not path.exists():
        assert time.monotonic() < end, f"nobody made {path}"
        time.sleep(0.002)
    return path.name


def tell_and_wait(begun: Path, go: Path) -> str:
    begun.touch()
    return wait_for(go)


def note(log: Path, value: int) -> int:
    with log.open("a") as file:
        file.write(f"{value}\n")
    return value


def die_after(path: Path) -> None:
    wait_for(path)
    os._exit(3)


def make_quick(executor: IsolatedProcessPoolExecutor, workers: int) -> None:
    """From here on an item may wait in the link of each worker."""
    for _ in range(20):
        for future in [executor.submit(same, i) for i in range(4 * workers)]:
            future.result(LIMIT)


def test_another_worker_dies_that_could_have_run_it(tmp_path: Path) -> None:
    with IsolatedProcessPoolExecutor(2) as executor:
        for number in range(6):  # it waits behind the one or the other
            begun, go, end = (tmp_path / f"{name}-{number}" for name in "bge")
            make_quick(executor, 2)
            long = executor.submit(tell_and_wait, begun, go)
            dying = executor.submit(die_after, end)
            short = executor.submit(same, number)
            wait_for(begun)
            end.touch()
            assert short.result(LIMIT / 2) == number
            go.touch()
            assert long.result(LIMIT) == go.name
            assert dying.exception(LIMIT) is not None


def test_the_item_before_it_is_killed_when_it_is_over(tmp_path: Path) -> None:
    begun, go = tmp_path / "begun", tmp_path / "go"
    all_are_there = threading.Event()
    with IsolatedProcessPoolExecutor(1) as executor:
        blocker = executor.submit(wait_for, go)
        # Keeps the watching thread from giving anything out.
        blocker.add_done_callback(lambda _: all_are_there.wait(LIMIT))
        quick = executor.submit(same, 1)
        go.touch()
        first = executor.submit(same, 2)
        second = executor.submit(tell_and_wait, begun, tmp_path / "end")

        def kill_late(_: Future[int]) -> None:
            wait_for(begun)  # the second has begun, so the first is over
            executor.kill(first)
            (tmp_path / "end").touch()

        quick.add_done_callback(kill_late)
        all_are_there.set()
        assert second.result(LIMIT) == "end"
        assert first.result(LIMIT) == 2


def test_the_item_before_it_is_killed_while_it_runs(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    with IsolatedProcessPoolExecutor(1) as executor:
        make_quick(executor, 1)
        first = executor.submit(tell_and_wait, begun, tmp_path / "never")
        second = executor.submit(same, 2)
        wait_for(begun)
        assert executor.kill(first)
        assert second.result(LIMIT) == 2
        assert first.exception(LIMIT) is not None


def test_a_whole_queue_behind_a_long_item_goes_to_another_worker(
    tmp_path: Path,
) -> None:
    with IsolatedProcessPoolExecutor(2) as executor:
        for number in range(4):
            begun, go = tmp_path / f"b-{number}", tmp_path / f"g-{number}"
            make_quick(executor, 2)
            long = executor.submit(tell_and_wait, begun, go)
            quick = [executor.submit(same, each) for each in range(40)]
            assert [each.result(LIMIT) for each in quick] == list(range(40))
            go.touch()
            assert long.result(LIMIT) == go.name


def test_it_does_not_wait_while_what_came_later_is_done(tmp_path: Path) -> None:
    """Although that leaves no other worker idle."""
    over = threading.Event()
    go = tmp_path / "go"
    with IsolatedProcessPoolExecutor(2) as executor:

        def one_more(_: Future[int]) -> None:
            if not over.is_set():
                executor.submit(same, 1).add_done_callback(one_more)

        for _ in range(60):
            executor.submit(same, 1).add_done_callback(one_more)
        try:
            long = executor.submit(wait_for, go)
            quick = [executor.submit(same, each) for each in range(100)]
            assert [each.result(LIMIT / 2) for each in quick] == list(range(100))
            assert not long.done()
        finally:
            over.set()
            go.touch()
        assert long.result(LIMIT) == go.name


def test_of_a_queue_only_the_item_that_runs_dies_with_its_worker(
    tmp_path: Path,
) -> None:
    with IsolatedProcessPoolExecutor(1) as executor:
        for number in range(4):
            log, go = tmp_path / f"log-{number}", tmp_path / f"go-{number}"
            make_quick(executor, 1)
            before = [executor.submit(note, log, each) for each in range(3)]
            dying = executor.submit(die_after, go)
            after = [executor.submit(note, log, each) for each in range(3, 20)]
            go.touch()
            results = [each.result(LIMIT) for each in before + after]
            assert results == list(range(20))
            assert dying.exception(LIMIT) is not None
            assert sorted(map(int, log.read_text().split())) == list(range(20))


def test_of_a_queue_any_item_can_be_killed(tmp_path: Path) -> None:
    with IsolatedProcessPoolExecutor(1) as executor:
        for number in range(6):
            log = tmp_path / f"log-{number}"
            make_quick(executor, 1)
            begun, go = tmp_path / f"b-{number}", tmp_path / f"g-{number}"
            first = executor.submit(tell_and_wait, begun, go)
            others = [executor.submit(note, log, each) for each in range(12)]
            wait_for(begun)
            assert executor.kill(others[number])
            if number % 2:
                go.touch()
            else:
                assert executor.kill(first)
            for each, other in enumerate(others):
                if each == number:
                    assert other.cancelled() or other.exception(LIMIT) is not None
                else:
                    assert other.result(LIMIT) == each
            noted = sorted(map(int, log.read_text().split()))
            assert noted == [each for each in range(12) if each != number]


@pytest.mark.parametrize("wanted", [1, 2])
def test_workers_that_only_start_are_too_many_for_the_next_call(
    tmp_path: Path, wanted: int
) -> None:
    go = tmp_path / "go"
    plan = WorkerPlan(launch.default_context(), checked_initializer(wait_for, (go,)))
    pool = Pool(4, plan, for_calls=True)
    try:
        ready = pool.assemble()
        end = time.monotonic() + LIMIT
        while len(pool.status().pids) < 4:
            assert time.monotonic() < end
            time.sleep(0.002)
        pool.park()
        assert pool.unpark(wanted)
        go.touch()
        ready.result(LIMIT)
        while len(pool.status().pids) > wanted:
            assert time.monotonic() < end
            time.sleep(0.002)
        assert len(pool.status().pids) == wanted
    finally:
        pool.close(wait=True, cancel=True)


def test_workers_that_were_let_go_of_while_they_started_have_not_failed(
    tmp_path: Path,
) -> None:
    """They are ended before they are ready; what waits for others is run."""
    go = tmp_path / "go"
    plan = WorkerPlan(launch.default_context(), checked_initializer(wait_for, (go,)))
    pool = Pool(5, plan, for_calls=True)
    try:
        pool.assemble()
        end = time.monotonic() + LIMIT
        while len(pool.status().pids) < 5:
            assert time.monotonic() < end
            time.sleep(0.002)
        pool.park()
        assert pool.unpark(1)
        item = Item(Future(), encode((same, (1,), {})))
        pool.put(item)
        while len(pool.workers) > 1:  # those that did not go were ended
            assert time.monotonic() < end
            time.sleep(0.01)
        go.touch()
        assert item.future.result(LIMIT) == 1
    finally:
        pool.close(wait=True, cancel=True)
