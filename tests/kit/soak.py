"""Minutes of crashes, time limits, early ends and kills; then a look at what is left.

Run by ``nox -s soak``, or ``python tests/kit/soak.py --seconds 60``. Each round is one
call of a random kind, and its results are checked. At the end there may be no more file
descriptors, threads, processes, shared memory or semaphores than at the start, and the
memory must be flat. The exit status is 1 if something was left over.
"""

from __future__ import annotations

import os
import sys

# A script finds what lies beside it first, and `tests/typing` is not what it wants.
# ruff: noqa: E402  # so the path comes before the imports
sys.path[0] = os.path.abspath(f"{__file__}/../../..")

import argparse
import ctypes
import gc
import platform
import random
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    Task,
    TaskTimeoutError,
    WorkerCrashedError,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
    execute_tasks_in_parallel_unordered,
    shutdown_workers,
    worker_pool,
)
from tests.kit.fates import DEADLY, Fate, meet_fate, runs
from tests.kit.helpers import Gate, Marks, echo, mark_and_wait
from tests.kit.limits import GONE_S, LONG_S, POLL_S

WARM_UP = 0.2  # of the time, after which memory should no longer grow
GROWTH = 20_000_000  # bytes that memory may grow from there to the end
MORE_OBJECTS = 500  # that Python may hold at the end: modules and caches come late
TIME_LIMIT = 0.2  # s
FAILURES = (WorkerCrashedError, ValueError)

OBJECTS = "Python objects"

Round = Callable[[random.Random, Path], None]


# The rounds. Each checks what it gets.


def random_fates(dice: random.Random, count: int, *others: str) -> list[Fate]:
    plan = [Fate(seconds=dice.choice([0, 0, 0, 0.001, 0.01])) for _ in range(count)]
    for _ in range(dice.randint(0, 4)):
        plan[dice.randrange(count)] = Fate(way=dice.choice([*DEADLY, *others]))
    return plan


def tasks_of(plan: list[Fate], path: Path) -> list[Task[int]]:
    path.unlink(missing_ok=True)
    path.touch()
    return [Task.of(meet_fate, path, i, fate) for i, fate in enumerate(plan)]


def check(plan: list[Fate], outcomes: list[Any], path: Path) -> None:  # Any: outcomes
    assert runs(path) == list(range(len(plan))), "a task did not run exactly once"
    for number, (fate, outcome) in enumerate(zip(plan, outcomes, strict=True)):
        if fate.way in DEADLY:
            assert isinstance(outcome, WorkerCrashedError), (number, fate, outcome)
        elif fate.way == "raise":
            assert isinstance(outcome, ValueError), (number, fate, outcome)
        elif fate.way == "late":
            assert isinstance(outcome, TaskTimeoutError), (number, fate, outcome)
        else:
            assert outcome == number, (number, fate, outcome)


def crashes(dice: random.Random, folder: Path) -> None:
    plan = random_fates(dice, dice.choice([3, 30, 1000]), "raise")
    tasks = tasks_of(plan, folder / "runs")
    outcomes = execute_tasks_in_parallel(tasks, dice.randint(1, 4), True, True)
    check(plan, outcomes, folder / "runs")


def time_limits(dice: random.Random, folder: Path) -> None:
    plan = random_fates(dice, 30, "late")
    tasks = tasks_of(plan, folder / "runs")
    workers = dice.randint(1, 4)
    outcomes = execute_tasks_in_parallel(tasks, workers, True, True, timeout=TIME_LIMIT)
    check(plan, outcomes, folder / "runs")


def replaced_workers(dice: random.Random, folder: Path) -> None:
    plan = random_fates(dice, 20, "raise")
    tasks = tasks_of(plan, folder / "runs")
    limit = dice.randint(1, 10)
    outcomes = execute_tasks_in_parallel(
        tasks, dice.randint(1, 3), True, True, max_tasks_per_worker=limit
    )
    check(plan, outcomes, folder / "runs")


def failures(dice: random.Random, folder: Path) -> None:
    plan = random_fates(dice, 40, "raise", "late")
    tasks = tasks_of(plan, folder / "runs")
    try:
        execute_tasks_in_parallel_unordered(
            tasks, 3, True, timeout=TIME_LIMIT, grace=dice.choice([0, 0.01, 5])
        )
    except (*FAILURES, TaskTimeoutError):
        pass  # the first of those that were planned
    seen = runs(folder / "runs")
    assert len(seen) == len(set(seen)), "a task ran twice"


def early_breaks(dice: random.Random, folder: Path) -> None:
    tasks = tasks_of([Fate(seconds=0.002)] * 200, folder / "runs")
    taken = dice.randint(1, 20)
    stream = execute_tasks_in_parallel_streaming(
        iter(tasks), 3, True, ordered=dice.random() < 0.5, grace=dice.choice([0, 1])
    )
    for _, _ in stream:
        taken -= 1
        if not taken:
            break
    stream.close()


def threads(dice: random.Random, folder: Path) -> None:
    tasks = [Task.of(echo, i) for i in range(dice.choice([10, 2000]))]
    assert execute_tasks_in_parallel(tasks, 8) == list(range(len(tasks)))


def calls_side_by_side(dice: random.Random, folder: Path) -> None:
    wrong: list[object] = []

    def call(offset: int) -> None:
        tasks = [Task.of(echo, offset + i) for i in range(50)]
        results = execute_tasks_in_parallel(tasks, 2, True)
        if results != [offset + i for i in range(50)]:
            wrong.append(results)

    callers = [threading.Thread(target=call, args=(n,)) for n in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


def kills_from_outside(dice: random.Random, folder: Path) -> None:
    """Kill the workers of a call at any moment, idle ones too."""
    plan = [Fate(seconds=0.002)] * 200
    tasks = tasks_of(plan, folder / "runs")
    over = threading.Event()
    pauses = [dice.uniform(0, 0.05) for _ in range(3)]

    def kill_some() -> None:
        for pause in pauses:
            if over.wait(pause):
                return
            kill_a_worker()

    killer = threading.Thread(target=kill_some)
    killer.start()
    outcomes = execute_tasks_in_parallel(tasks, 3, True, True)
    over.set()
    killer.join()
    lost = [each for each in outcomes if isinstance(each, WorkerCrashedError)]
    assert len(lost) <= len(pauses), lost
    assert len(outcomes) == len(plan)
    seen = runs(folder / "runs")
    assert len(seen) == len(set(seen)), "a task ran twice"
    assert len(seen) >= len(plan) - len(lost)


def kill_a_worker() -> None:
    """End one grandchild of this process: the children of its fork server."""
    for child in psutil.Process().children():
        try:
            workers = child.children()
        except psutil.NoSuchProcess:
            continue
        if workers:
            try:
                os.kill(workers[-1].pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it has ended meanwhile
            return


def executors(dice: random.Random, folder: Path) -> None:
    marks, gate = Marks(folder / "marks"), Gate(folder / "marks" / "gate")
    shutil.rmtree(marks.folder, ignore_errors=True)
    marks.folder.mkdir()
    executor = IsolatedProcessPoolExecutor(
        2, max_tasks_per_child=dice.choice([None, None, 2])
    )
    values = [executor.submit(echo, i) for i in range(20)]
    crash = executor.submit(os._exit, 3)
    busy = executor.submit(mark_and_wait, marks, "busy", gate)
    marks.wait_for(1)
    assert executor.kill(busy)
    assert isinstance(busy.exception(LONG_S), WorkerCrashedError)
    assert isinstance(crash.exception(LONG_S), WorkerCrashedError)
    assert [value.result(LONG_S) for value in values] == list(range(20))
    if dice.random() < 0.5:
        executor.shutdown(cancel_futures=dice.random() < 0.5)


def pools(dice: random.Random, folder: Path) -> None:
    with worker_pool(max_workers=2, initializer=echo, initargs=(1,)):
        for _ in range(3):
            crashes(dice, folder)


def large_data(dice: random.Random, folder: Path) -> None:
    data = os.urandom(1) * dice.choice([100_000, 5_000_000])
    tasks = [Task.of(echo, data) for _ in range(4)]
    assert execute_tasks_in_parallel(tasks, 2, True) == [data] * 4


def ended_workers(dice: random.Random, folder: Path) -> None:
    shutdown_workers()


def changed_world(dice: random.Random, folder: Path) -> None:
    """The environment changes, so the warm workers are of no use any more."""
    os.environ["COTALITY_SOAK"] = f"{dice.randrange(3)}"
    tasks = [Task.of(os.getenv, "COTALITY_SOAK")] * 3
    results = execute_tasks_in_parallel(tasks, 2, True)
    assert results == [os.environ["COTALITY_SOAK"]] * 3


ROUNDS: tuple[Round, ...] = (
    crashes,
    time_limits,
    replaced_workers,
    failures,
    early_breaks,
    threads,
    calls_side_by_side,
    kills_from_outside,
    executors,
    pools,
    large_data,
    ended_workers,
    changed_world,
)


# What there is to leave over.


def census() -> dict[str, int]:
    """How many there are of the things that could be left over."""
    me = psutil.Process()
    return {
        "file descriptors": me.num_fds() if hasattr(me, "num_fds") else 0,
        "threads": threading.active_count(),
        "processes": len(me.children(recursive=True)),
        "files in /dev/shm": entries("/dev/shm"),
        "anonymous shared files": mappings("/memfd:"),
        "semaphores": mappings("/dev/shm/sem."),
        "temporary files": entries(os.environ["TMPDIR"]),
        OBJECTS: len(gc.get_objects()),
    }


def entries(folder: str) -> int:
    return len(os.listdir(folder)) if Path(folder).is_dir() else 0


def mappings(name: str) -> int:
    """How many mappings of this process, or open files, have *name* in theirs."""
    found = 0
    maps = Path("/proc/self/maps")
    if maps.exists():
        found += sum(name in line for line in maps.read_text().splitlines())
    fds = Path("/proc/self/fd")
    for fd in os.listdir(fds) if fds.is_dir() else ():
        try:
            found += name in os.readlink(fds / fd)
        except FileNotFoundError:
            continue  # the one that listed the others
    return found


def settled_census() -> dict[str, int]:
    """The census once everything that is about to end has ended."""
    shutdown_workers()
    gc.collect()
    before, end = census(), time.monotonic() + GONE_S
    while time.monotonic() < end:
        time.sleep(POLL_S * 50)
        gc.collect()
        now = census()
        if now == before and time.monotonic() > end - GONE_S / 2:
            break
        before = now
    return before


def memory() -> int:
    """Bytes this process has in memory, without workers and what it could give back."""
    shutdown_workers()
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    return int(psutil.Process().memory_info().rss)


# The run.


def soak(seconds: float, dice: random.Random, folder: Path) -> Counter[str]:
    """Rounds in random order for so long; how many there were of each kind."""
    done: Counter[str] = Counter()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        kind = dice.choice(ROUNDS)
        try:
            kind(dice, folder)
        except Exception:
            print(f"failed after {done.total()} rounds: {kind.__name__}")
            raise
        done[kind.__name__] += 1
    return done


def run(seconds: float, seed: int) -> bool:
    """Soak, print the tables, and say whether nothing was left over."""
    folder = Path(os.environ["TMPDIR"])
    dice = random.Random(seed)
    for kind in ROUNDS:  # what stays until the end of the program is there from now on
        kind(dice, folder)
    before = settled_census()
    done = soak(seconds * WARM_UP, dice, folder)
    memory_before = memory()
    done += soak(seconds * (1 - WARM_UP), dice, folder)
    after, memory_after = settled_census(), memory()
    print_rounds(done)
    print_census(before, after, memory_before, memory_after)
    spare = {OBJECTS: MORE_OBJECTS}
    leaks = [name for name in after if after[name] > before[name] + spare.get(name, 0)]
    if memory_after - memory_before > GROWTH:
        leaks.append("memory")
    print(f"\nLeft over: {', '.join(leaks) or 'nothing'}.")
    return not leaks


def print_rounds(done: Counter[str]) -> None:
    print("\n| kind of call | times |\n| --- | ---: |")
    for kind in ROUNDS:
        print(f"| {kind.__name__.replace('_', ' ')} | {done[kind.__name__]} |")
    print(f"| all | {done.total()} |")


def print_census(
    before: dict[str, int], after: dict[str, int], rss_before: int, rss_after: int
) -> None:
    print("\n| what | at the start | at the end |\n| --- | ---: | ---: |")
    for name in before:
        print(f"| {name} | {before[name]} | {after[name]} |")
    start, end = rss_before / 1e6, rss_after / 1e6
    print(
        f"| memory, after {WARM_UP:.0%} of the time | {start:.1f} MB | {end:.1f} MB |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = parser.parse_args()
    print(
        f"soak: {given.seconds:g} s, seed {given.seed}, Python "
        f"{platform.python_version()}, {platform.system()}, {os.cpu_count()} CPUs",
        flush=True,
    )
    with TemporaryDirectory(prefix="soak-") as folder:
        os.environ["TMPDIR"] = folder  # what is left there is ours
        fine = run(given.seconds, given.seed)
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
