"""``"auto"`` where results, arguments or failures do not travel between processes.

The first task computes until others have begun beside it, so that nobody has seen a
result when the call moves: "auto" is made to go to processes as soon as it may.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from cotality.core.utils._process.auto import auto_backend
from cotality.core.utils._process.rules.where_to_run import Figures, Place
from cotality.core.utils.process import (
    RemoteTaskError,
    RunReport,
    Task,
    TaskNotPicklableError,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_async,
    execute_tasks_in_parallel_streaming,
)
from cotality.tuning import execute
from tests.kit.limits import LONG_S

WORKERS = 2
COUNT = 24
A_WHILE_S = 0.3  # long enough to look long


def processes_if_there_are(
    figures: Figures, here: Place, rate: float = 0.0
) -> Place | None:
    """Does not doubt; where nothing can go to processes the rest stays in the loop."""
    place: Place = "processes" if figures.processes else "one thread"
    return None if here == place else place


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes to processes as soon as it may."""
    monkeypatch.setattr(auto_backend, "better_place", processes_if_there_are)


# What tasks give back, are given and raise.


class Locked:
    """Cannot be pickled."""

    def __init__(self, value: int) -> None:
        self.value = value
        self.lock = threading.Lock()


class OneWay:
    """Can be pickled, but not unpickled: neither there nor back."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __reduce__(self) -> tuple[Callable[..., object], tuple[int]]:
        return refuse_to_be_made, (self.value,)


def refuse_to_be_made(value: int) -> NoReturn:
    raise ValueError(f"nobody makes {value} from a pickle")


class LockedError(Exception):
    """A failure that cannot be pickled."""

    def __init__(self, value: int) -> None:
        super().__init__(value)
        self.lock = threading.Lock()


class OneWayError(Exception):
    """Can be pickled, but not unpickled: it wants more than its `args`."""

    def __init__(self, value: int, reason: str) -> None:
        super().__init__(f"{value}: {reason}")


def begun(folder: Path, value: int, patience: float = LONG_S) -> None:
    """Write down that *value* has begun; the first one goes on until others have."""
    with (folder / f"{value}").open("a") as file:
        file.write("x")
    if value:
        return
    end = time.monotonic() + patience
    while len(list(folder.iterdir())) < 2 and time.monotonic() < end:
        pass


def gives_lock(folder: Path, value: int) -> Locked:
    begun(folder, value)
    return Locked(value)


def gives_lock_late(folder: Path, value: int) -> object:
    begun(folder, value)
    return Locked(value) if value > COUNT // 2 else value


def gives_one_way(folder: Path, value: int) -> OneWay:
    begun(folder, value)
    return OneWay(value)


def takes(folder: Path, value: Any) -> int:
    number = value if isinstance(value, int) else value.value
    begun(folder, number, A_WHILE_S)  # if none can travel, none begins meanwhile
    return number


def raises_lock(folder: Path, value: int) -> NoReturn:
    begun(folder, value)
    raise LockedError(value)


def raises_one_way(folder: Path, value: int) -> NoReturn:
    begun(folder, value)
    raise OneWayError(value, "on purpose")


def gives_plain(folder: Path, value: int) -> int:
    begun(folder, value)
    return value


def tasks_of(
    function: Callable[..., Any],
    folder: Path,
    give: Callable[[int], object] = int,
    count: int = COUNT,
) -> list[Task[Any]]:
    return [
        Task(function, {"folder": folder, "value": give(value) if value else 0})
        for value in range(count)
    ]


def runs(folder: Path) -> dict[int, int]:
    """How often each task has begun."""
    return {int(path.name): len(path.read_text()) for path in folder.iterdir()}


def value_of(result: object) -> object:
    return getattr(result, "value", result)


KINDS: dict[str, tuple[Callable[..., Any], Callable[[int], object]]] = {
    "no result can be pickled": (gives_lock, int),
    "no later result can be pickled": (gives_lock_late, int),
    "no result can be unpickled": (gives_one_way, int),
    "no argument can be pickled": (takes, Locked),
    "no argument can be unpickled": (takes, OneWay),
    "no failure can be pickled": (raises_lock, int),
    "no failure can be unpickled": (raises_one_way, int),
    "all travels": (gives_plain, int),
}
ITS_OWN = (LockedError, OneWayError, RemoteTaskError)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("is_iterator", [False, True], ids=["list", "iterator"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_task_is_lost_and_none_is_run_twice(
    kind: str, is_iterator: bool, tmp_path: Path
) -> None:
    """Whatever does not travel: each runs once, and few pay for what nobody knew."""
    function, give = KINDS[kind]
    tasks = tasks_of(function, tmp_path, give)
    if is_iterator:  # the first result is there before another task is read
        (tmp_path / f"{COUNT}").touch()
    report = RunReport()

    results = execute_tasks_in_parallel(
        iter(tasks) if is_iterator else tasks,
        WORKERS,
        use_processes="auto",
        on_error="return",
        report=report,
    )

    (tmp_path / f"{COUNT}").unlink(missing_ok=True)
    assert runs(tmp_path) == dict.fromkeys(range(COUNT), 1)
    lost = [each for each in results if isinstance(each, TaskNotPicklableError)]
    assert len(lost) <= WORKERS
    assert all("with use_processes=False" in str(error) for error in lost)
    for place, result in enumerate(results):
        if not isinstance(result, (TaskNotPicklableError, *ITS_OWN)):
            assert value_of(result) == place
        elif isinstance(result, TaskNotPicklableError):
            assert f"Raised by task {place}" in "".join(result.__notes__)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("on_error", ["raise", "group"])
@pytest.mark.parametrize("kind", KINDS)
def test_failures_mean_what_they_always_do(
    kind: str, on_error: Any, tmp_path: Path
) -> None:
    """With the first the call ends, or all are raised together; nothing runs twice."""
    function, give = KINDS[kind]
    tasks = tasks_of(function, tmp_path, give)
    failures: list[BaseException] = []
    results: list[Any] = []
    try:
        results = execute_tasks_in_parallel(
            tasks, WORKERS, use_processes="auto", on_error=on_error
        )
    except ExceptionGroup as group:
        failures = list(group.exceptions)
    except (TaskNotPicklableError, *ITS_OWN) as error:
        failures = [error]

    assert set(runs(tmp_path).values()) == {1}
    if on_error == "group" or not failures:
        assert set(runs(tmp_path)) == set(range(COUNT))
    assert len(failures) <= (COUNT if function in RAISING else WORKERS)
    assert failures or [value_of(each) for each in results] == list(range(COUNT))


RAISING = (raises_lock, raises_one_way)


@pytest.mark.usefixtures("eager")
def test_what_has_not_begun_stays_once_a_result_is_lost(tmp_path: Path) -> None:
    """In this process; the decision says why, the errors say how to avoid it."""
    report = RunReport()
    results = execute_tasks_in_parallel(
        tasks_of(gives_lock, tmp_path),
        WORKERS,
        use_processes="auto",
        on_error="return",
        report=report,
    )

    lost = [each for each in results if isinstance(each, TaskNotPicklableError)]
    assert 1 <= len(lost) <= WORKERS
    assert "result.lock" in str(lost[0])
    assert "before it had seen one come back" in str(lost[0])
    assert [value_of(each) for each in results if each not in lost] == [
        place for place in range(COUNT) if results[place] not in lost
    ]
    assert report.decision is not None
    assert report.decision.choice == "one thread"
    assert "cannot" in report.decision.reason
    assert "lock" in report.decision.reason


@pytest.mark.usefixtures("eager")
def test_a_first_result_that_cannot_be_pickled_is_enough(tmp_path: Path) -> None:
    """What no process has begun when it is seen comes back, and nothing is lost."""
    (tmp_path / f"{COUNT}").touch()  # the first task waits for nothing
    report = RunReport()
    results = execute_tasks_in_parallel(
        iter(tasks_of(gives_lock, tmp_path)),
        WORKERS,
        use_processes="auto",
        report=report,
    )

    assert [each.value for each in results] == list(range(COUNT))
    assert report.decision is not None
    assert report.decision.choice == "one thread"


@pytest.mark.usefixtures("eager")
def test_an_argument_that_cannot_be_unpickled_is_found_late(tmp_path: Path) -> None:
    """After others have gone there: its task, and what comes after, runs here."""
    tasks = tasks_of(takes, tmp_path, count=60)
    tasks[40] = Task(takes, {"folder": tmp_path, "value": OneWay(40)})

    results = execute_tasks_in_parallel(tasks, WORKERS, use_processes="auto")

    assert results == list(range(60))
    assert runs(tmp_path) == dict.fromkeys(range(60), 1)


@pytest.mark.usefixtures("eager")
def test_each_face_names_its_own_way_out(tmp_path: Path) -> None:
    """`execute` has no `use_processes`."""

    def gives(value: int) -> Locked:
        return gives_lock(tmp_path, value)

    with pytest.raises(TaskNotPicklableError, match='with executor="threads" all'):
        execute(gives, list(range(COUNT)), max_workers=WORKERS)


@pytest.mark.usefixtures("eager")
def test_a_stream_goes_on_after_a_lost_result(tmp_path: Path) -> None:
    stream = execute_tasks_in_parallel_streaming(
        tasks_of(gives_lock, tmp_path),
        WORKERS,
        use_processes="auto",
        return_exceptions=True,
    )
    results = [result for _, result in stream]

    assert runs(tmp_path) == dict.fromkeys(range(COUNT), 1)
    assert 1 <= sum(isinstance(each, Exception) for each in results) <= WORKERS


@pytest.mark.usefixtures("eager")
def test_so_does_a_coroutine(tmp_path: Path) -> None:
    """There the tasks come from an asynchronous generator."""

    async def tasks() -> AsyncIterator[Task[Any]]:
        for task in tasks_of(gives_one_way, tmp_path):
            yield task

    results = asyncio.run(
        execute_tasks_in_parallel_async(
            tasks(), WORKERS, use_processes="auto", return_exceptions=True
        )
    )

    assert runs(tmp_path) == dict.fromkeys(range(COUNT), 1)
    assert sum(isinstance(each, Exception) for each in results) <= WORKERS
