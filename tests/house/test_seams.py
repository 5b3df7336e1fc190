"""What floors above the core stand on: modules beside its front door."""

from __future__ import annotations

import ast
import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from types import ModuleType
from typing import Any

import pytest

import cotality
from cotality.core import (
    calls,
    durable,
    estimates,
    hosting,
    machine,
    observing,
    pools,
)
from cotality.core.calls import (
    TasksAfter,
    TasksOver,
    checked_limits,
    marks_were_used,
    prepare,
    results_with_head_start,
    run_in_loop,
    unwrapped,
)
from cotality.core.pools import Calls, Crew, SharedPool
from cotality.core.utils.process import Outcome, Task, iter_outcomes, share
from tests.house.test_front_door import loaded_by
from tests.kit.helpers import Failure, Gate, echo
from tests.kit.limits import LONG_S

HOUSE = Path(cotality.__path__[0])
SEAMS = [calls, durable, estimates, hosting, machine, observing, pools]
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "look-up" / "seams.md").read_text("utf-8")
# Another package is installed beside this one that has modules of these names.
TAKEN = {"app", "platform", "local", "constants", "logger", "exception", "interfaces"}
ROOMS = "cotality.core.utils._process"


def name_of(seam: ModuleType) -> str:
    return seam.__name__.rpartition(".")[2]


@pytest.mark.parametrize("seam", SEAMS, ids=name_of)
def test_every_name_is_there_and_explained(seam: Any) -> None:
    """In the docstring of its module, which is on the page."""
    assert set(seam.__all__) == seam.LATER.keys()
    for name in seam.__all__:
        assert getattr(seam, name) is not None
        assert name in dir(seam)
        assert f"`{name}`" in seam.__doc__, name
    assert "Provisional" in seam.__doc__
    assert f"automodule:: {seam.__name__}\n" in PAGE
    with pytest.raises(AttributeError, match="has no attribute 'no_such_thing'"):
        _ = seam.no_such_thing


@pytest.mark.parametrize("seam", SEAMS, ids=name_of)
def test_a_type_checker_sees_what_a_program_gets(seam: Any) -> None:
    """The imports that only a checker sees name the same rooms."""
    imported = {
        name.name: each.module.removeprefix("utils._process.")
        for each in ast.walk(ast.parse(Path(seam.__file__).read_text("utf-8")))
        if isinstance(each, ast.ImportFrom) and each.module and each.level
        for name in each.names
    }

    assert imported == seam.LATER


@pytest.mark.parametrize("seam", SEAMS, ids=name_of)
def test_what_it_offers_stays_where_it_is(seam: Any) -> None:
    """By its address a pickle finds it: no class or function says it is from a seam."""
    for name in seam.__all__:
        assert getattr(getattr(seam, name), "__module__", "") != seam.__name__


def test_no_module_has_the_name_of_one_of_others() -> None:
    """They are in the same package when both are installed."""
    ours = {path.stem for path in (HOUSE / "core").iterdir()}

    assert ours >= set(map(name_of, SEAMS))
    assert ours.isdisjoint(TAKEN)


def test_a_floor_names_no_room_of_the_core() -> None:
    """Neither in an import, nor in a string that stands for one, nor in a stub."""
    floors = [
        path
        for path in HOUSE.iterdir()
        if path.is_dir() and path.name not in NOT_FLOORS
    ]
    read = [
        path for floor in floors for path in floor.rglob("*") if path.suffix in SOURCES
    ]
    for path in read:
        assert "utils._process" not in path.read_text("utf-8"), path
    assert {path.suffix for path in read} == SOURCES


NOT_FLOORS = {"core", "_kit", "__pyinstaller", "__pycache__"}
SOURCES = {".py", ".pyi", ".js", ".html", ".css"}


def test_no_string_stands_for_an_import_of_ours() -> None:
    """A module that moves would be missed in silence. Front doors name rooms late."""
    doors = {"process.py", *(f"{name_of(seam)}.py" for seam in SEAMS)}
    found = {
        f"{path.relative_to(HOUSE).as_posix()}: {text}"
        for path in HOUSE.rglob("*.py")
        if path.name not in doors
        for text in names_of_modules(ast.parse(path.read_text("utf-8")))
    }

    assert found <= KNOWN


# What frames of ours are told by, what a fork server imports before anything else, and
# who asks for warm workers.
KNOWN = {
    *(
        f"core/utils/_process/portions/chunk.py: {ROOMS}.{module}"
        for module in (
            "packing.worker_state",
            "portions.chunk",
            "portions.local_chunk",
            "portions.packed_chunk",
            "portions.stopwatch",
            "workers.worker_main",
        )
    ),
    *(
        f"core/utils/_process/starting/fork_server/serving.py: {ROOMS}.{module}"
        for module in (
            "pickling.by_value",
            "scripts.references",
            "starting.launch",
            "workers.worker_main",
        )
    ),
    f"core/utils/_process/auto/auto_backend.py: {ROOMS}.workers.lending.warm_pools",
}


def names_of_modules(tree: ast.AST) -> Iterator[str]:
    for each in ast.walk(tree):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            name = each.value
            if name.startswith(f"{ROOMS}.") and is_module(name):
                yield name


def is_module(name: str) -> bool:
    path = HOUSE.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").exists()


def test_a_call_of_the_core_loads_none_of_them() -> None:
    """On threads or processes: what nobody asks for costs nobody time."""
    loaded = loaded_by(
        "from cotality.core.utils.process import Task, execute_tasks_in_parallel\n"
        "tasks = [Task(abs, positional=(-1,))]\n"
        "if __name__ == '__main__':\n"
        "    execute_tasks_in_parallel(tasks)\n"
        "    execute_tasks_in_parallel(tasks, 1, use_processes=True)"
    )

    assert loaded.isdisjoint(seam.__name__ for seam in SEAMS)
    assert "cotality._kit.front_door" not in loaded


# A prepared call.


def fail_on(number: int, bad: int) -> int:
    if number == bad:
        raise Failure(f"{number}")
    return number


def tasks_failing_at(bad: int) -> list[Task[int]]:
    return [Task.of(fail_on, number, bad) for number in range(6)]


def test_a_prepared_call_is_run_in_any_of_its_ways(use_processes: bool) -> None:
    """With the same results, however they come."""

    def call() -> Any:
        tasks = TasksOver(abs, range(-5, 0))
        return prepare(tasks, max_workers=2, use_processes=use_processes)

    expected = [5, 4, 3, 2, 1]
    assert call().results() == expected
    assert sorted(call().results(ordered=False)) == sorted(expected)
    assert list(call().stream()) == list(enumerate(expected))
    assert [each.unwrap() for each in call().outcomes()] == expected
    limits = checked_limits(2, None)
    assert list(call().batches(limits)) == [[5, 4], [3, 2], [1]]


def test_it_has_the_same_ways_for_event_loops(use_processes: bool) -> None:
    """Of which each gives what its twin does."""

    def call() -> Any:
        tasks = TasksOver(abs, range(-5, 0))
        return prepare(tasks, max_workers=2, use_processes=use_processes)

    async def each_way() -> None:
        expected = [5, 4, 3, 2, 1]
        assert await call().results_async() == expected
        assert sorted(await call().results_async(ordered=False)) == sorted(expected)
        streamed = [each async for each in call().stream_async()]
        assert streamed == list(enumerate(expected))
        outcomes = [each async for each in call().outcomes_async()]
        assert [each.unwrap() for each in outcomes] == expected

    asyncio.run(each_way())


def test_outcomes_raise_no_failure_of_a_task() -> None:
    """Whatever failures were to mean for results."""
    oks = [each.ok for each in prepare(tasks_failing_at(2)).outcomes()]

    assert oks == [True, True, False, True, True, True]
    with pytest.raises(Failure):
        prepare(tasks_failing_at(2)).results()


def test_tasks_whose_outcomes_are_known_are_not_run_again() -> None:
    """They count as done all the same, failures included."""
    ran: list[int] = []
    known = list(iter_outcomes([Task.of(abs, -7), Task.of(abs, -8)]))
    first = [each.task for each in known]
    tasks = TasksAfter(first, ran.append, range(5), False)

    assert prepare(tasks).knowing(known).results() == [7, 8, None, None, None]
    assert sorted(ran) == [2, 3, 4]


def test_what_is_wrong_with_a_call_is_said_before_it_runs() -> None:
    """In words of the core."""
    with pytest.raises(TypeError, match="tasks must be an iterable of Task"):
        prepare(3)
    with pytest.raises(ValueError, match="max_workers must be at least 1"):
        prepare([], max_workers=0)
    with pytest.raises(TypeError, match="there is no option 'retrys'"):
        prepare([], options={"retrys": 3})  # type: ignore[typeddict-unknown-key]  # that is what is tested
    with pytest.raises(ValueError, match="say how large a batch is"):
        checked_limits(None, None)


# Without a call.


def test_a_loop_fails_as_a_call_does() -> None:
    """With the note that names the item, and with what there was before."""
    results = [10]

    with pytest.raises(Failure) as caught:
        run_in_loop(lambda item: fail_on(item, 3), iter([1, 2, 3, 4]), results)

    assert results == [10, 1, 2]
    assert caught.value.__notes__[0].startswith("Raised by task 3: ")


def test_a_known_failure_is_raised_with_its_note() -> None:
    """As if its task had run in the call that it is told to."""
    outcome: Outcome[Any] = next(iter_outcomes([Task.of(fail_on, 1, 1)]))

    with pytest.raises(Failure) as caught:
        unwrapped(outcome)

    assert caught.value.__notes__[0].startswith("Raised by task 0: ")


def test_a_loop_becomes_a_call_only_where_it_pays() -> None:
    """And that is made by whoever asks for it."""
    made: list[Any] = []
    is_made = threading.Event()

    def prepared(tasks: Any) -> Any:
        made.append(prepare(tasks, max_workers=2))
        is_made.set()
        return made[-1]

    def work(item: int) -> int:
        assert is_made.wait(LONG_S)
        return item

    assert results_with_head_start(abs, [-1], prepared) == [1]  # nothing to hand on
    assert not made
    assert results_with_head_start(work, list(range(20)), prepared) == list(range(20))
    assert len(made) == 1


# Workers that outlive a call.


def test_calls_share_the_workers_of_a_pool() -> None:
    """Those in a ``with``, and those that are told whose to use."""
    pool = SharedPool(1, closed="closed for today")
    try:
        with pool.use():
            inside = prepare([Task(os.getpid)], use_processes=True).results()
        told = prepare([Task(os.getpid)], use_processes=True, lender=pool).results()

        assert inside == told == list(pool.status().pids)
        assert pool.status().calls == 0
    finally:
        pool.shut_down(None)
    assert pool.status().is_shut_down
    with pytest.raises(RuntimeError, match="closed for today"), pool.use():
        pass


def test_a_scheduler_of_others_has_a_crew() -> None:
    """Which runs what it is handed, gives back the rest, and names what has failed."""
    pool = SharedPool(1)
    crew = Crew(pool, 1)
    calls = Calls([(abs, (-1,), {}), (fail_on, (5, 5), {}), (abs, (-3,), {})])
    arrived: SimpleQueue[Any] = SimpleQueue()
    try:
        crew.check()
        portion, future = crew.hand_over(70, calls, LONG_S)
        future.add_done_callback(arrived.put)
        report = crew.report(portion, arrived.get(timeout=LONG_S))
    finally:
        crew.close(all_ended=True)
        pool.shut_down(None)

    assert report.values[:1] == [1]
    assert len(report.values) == 2
    assert report.errors[1].__notes__ == ["Raised by task 71: fail_on(5, 5)"]


def test_a_call_can_be_taken_from_a_crew(gate: Gate) -> None:
    """What it runs is ended; the pool goes on."""
    pool = SharedPool(1)
    crew = Crew(pool, 1)
    arrived: SimpleQueue[Any] = SimpleQueue()
    try:
        _, future = crew.hand_over(0, Calls([(gate.wait, (), {})]), LONG_S)
        future.add_done_callback(arrived.put)
        crew.close(all_ended=False)
        ended = arrived.get(timeout=LONG_S)
        with pool.use():
            assert prepare([Task(abs, positional=(-4,))], use_processes=True).results()
    finally:
        pool.shut_down(None)

    assert ended.cancelled() or ended.exception() is not None


def test_marks_are_seen_by_whoever_runs_items_alone() -> None:
    """Only a call reads them."""
    share(echo)

    assert marks_were_used()
