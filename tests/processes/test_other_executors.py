"""Calls on an executor that the caller brings: one suite for executors of any make."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    ThreadPoolExecutor,
)
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils._process.rules.portion_size import Pace, Rules
from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    Retry,
    Task,
    TaskNotPicklableError,
    TaskTimeoutError,
    WorkerCrashedError,
    WorkerStartError,
    available_cpus,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_async,
    execute_tasks_in_parallel_streaming,
    execute_tasks_in_parallel_streaming_async,
    execute_tasks_in_parallel_unordered,
    iter_outcomes,
    share,
    worker_state,
)
from tests.kit.executors import (
    MAKERS,
    Breaking,
    Cancelling,
    Costly,
    Inline,
    PicklingThreads,
    Remembering,
    warmed,
)
from tests.kit.fatal import exit_with
from tests.kit.helpers import (
    Failure,
    Gate,
    Marks,
    echo,
    fail_with,
    mark_and_return,
    pid,
    run_script,
    wait_for_marks,
    wait_then,
)
from tests.kit.limits import LONG_S

pytestmark = [
    # From Python 3.12 on, of a fork in a process that has threads: pools always have.
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]


@pytest.fixture(scope="module", params=list(MAKERS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def executor(kind: str) -> Iterator[Executor]:
    """One for all tests of the module: so each of them leaves it usable."""
    executor = warmed(kind)
    yield executor
    executor.shutdown()


def numbers(count: int) -> list[Task[int]]:
    return [Task(echo, {"value": value}) for value in range(count)]


# Results.


def test_results_are_those_of_a_plain_loop(executor: Executor) -> None:
    """In the order of the tasks, or in any if so wanted."""
    tasks = numbers(300)

    assert execute_tasks_in_parallel(tasks, executor=executor) == list(range(300))
    assert sorted(
        execute_tasks_in_parallel_unordered(tasks, executor=executor)
    ) == list(range(300))
    assert list(execute_tasks_in_parallel_streaming(tasks, executor=executor)) == [
        (index, index) for index in range(300)
    ]


def test_no_tasks_are_no_results(executor: Executor) -> None:
    """Nothing is submitted for nothing."""
    assert execute_tasks_in_parallel([], executor=executor) == []


def test_the_input_is_read_no_faster_than_results_are_taken(
    executor: Executor,
) -> None:
    """An endless one is read a window ahead, and no further after a break."""
    read = itertools.count()
    tasks = (Task(echo, {"value": value}) for value in read)

    for index, value in execute_tasks_in_parallel_streaming(tasks, executor=executor):
        assert index == value
        if index == 100:
            break

    assert next(read) < 10_000


def test_a_break_cancels_what_has_not_started(executor: Executor, marks: Marks) -> None:
    """And waits for what runs, so nothing starts afterwards."""
    tasks = [Task(mark_and_return, {"marks": marks, "value": i}) for i in range(5000)]

    for _ in execute_tasks_in_parallel_streaming(tasks, executor=executor):
        break

    begun = marks.names()
    assert executor.submit(echo, 1).result() == 1  # after all that was queued before
    assert marks.names() == begun
    assert 1 <= len(begun) < 5000


def test_tiny_tasks_travel_in_portions(
    executor: Executor, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are far fewer submits than tasks."""
    if kind == "ours":
        pytest.skip("the call goes to its workers past submit")
    submitted: list[object] = []
    submit = executor.submit

    def counting(*arguments: Any) -> Any:
        submitted.append(arguments[0])
        return submit(*arguments)

    monkeypatch.setattr(executor, "submit", counting)

    execute_tasks_in_parallel(numbers(4000), executor=executor)

    assert len(submitted) < 1000


def test_outcomes_tell_when_and_where(executor: Executor, kind: str) -> None:
    """Times are times of day, whatever clocks the workers have."""
    before = time.time()

    outcomes = list(iter_outcomes([Task(pid), Task(os.getpid)], executor=executor))

    for outcome in outcomes:
        assert outcome.started_at is not None
        assert before - 1 < outcome.started_at < time.time() + 1
        assert outcome.seconds >= 0.0
        assert outcome.waited_seconds >= 0.0
        if kind == "threads":
            assert outcome.worker.startswith("ThreadPoolExecutor")
        else:
            assert outcome.worker == f"process {outcome.value}"


# What tasks may be.


def test_lambdas_and_closures_travel(executor: Executor) -> None:
    """Also to workers that could not import them."""
    factor = 3
    tasks = [Task(lambda value: factor * value, {"value": i}) for i in range(5)]

    assert execute_tasks_in_parallel(tasks, executor=executor) == [0, 3, 6, 9, 12]


SCRIPT = """
from cotality.core.utils.process import Task, execute_tasks_in_parallel
from tests.kit.executors import warmed

def square(number):
    return number * number

if __name__ == "__main__":
    with warmed({kind!r}) as pool:
        tasks = [Task(square, {{"number": i}}) for i in range(3)]
        print(execute_tasks_in_parallel(tasks, executor=pool))
"""


@pytest.mark.parametrize("kind", ["threads", "spawned", "loky", "ours"])
def test_functions_of_a_script_travel(kind: str, tmp_path: Path) -> None:
    """They are in no module that a worker could import."""
    if kind == "loky":
        pytest.importorskip("loky", reason="loky is not installed")
    assert run_script(SCRIPT.format(kind=kind), tmp_path) == "[0, 1, 4]\n"


def test_what_cannot_travel_is_one_failure(executor: Executor, kind: str) -> None:
    """An argument or a result: the tasks around it have their values."""
    if kind == "threads":
        pytest.skip("threads share everything")
    tasks: list[Task[Any]] = [
        Task(echo, {"value": 0}),
        Task(echo, {"value": threading.Lock()}),
        Task(threading.Lock),
        Task(echo, {"value": 3}),
    ]

    results = execute_tasks_in_parallel(
        tasks, executor=executor, return_exceptions=True
    )

    assert (results[0], results[3]) == (0, 3)
    assert isinstance(results[1], TaskNotPicklableError)
    assert "'value'" in str(results[1])
    assert isinstance(results[2], TaskNotPicklableError)


def test_what_is_shared_is_one_object_for_a_worker(executor: Executor) -> None:
    """As on workers of ours."""
    table = share({i: i for i in range(1000)})
    tasks = [Task(identity_and_size, {"table": table}) for _ in range(200)]

    found = execute_tasks_in_parallel(tasks, executor=executor)

    assert {size for _, size in found} == {1000}
    assert len({where for where, _ in found}) <= 2


def identity_and_size(table: dict[int, int]) -> tuple[tuple[int, int], int]:
    return (os.getpid(), id(table)), len(table)


# State of workers.


class Resource:
    """Says in marks when it is made and when it is closed."""

    def __init__(self, marks: Marks) -> None:
        self.marks = marks
        self.thread = threading.get_ident()
        self.name = f"{os.getpid()} {self.thread}"
        marks.leave(f"made {self.name}")

    def close(self) -> None:
        self.marks.leave(f"closed {self.name}")

    def use(self) -> str:
        assert self.thread == threading.get_ident()
        return self.name


def use(resource: Resource) -> str:
    return resource.use()


@pytest.mark.parametrize("own_kind", ["threads", "forked", "spawned", "loky", "ours"])
def test_state_is_made_once_and_closed_when_its_worker_ends(
    own_kind: str, marks: Marks
) -> None:
    """All calls on the executor get the same, and nobody else touches it."""
    names: set[str] = set()
    with warmed(own_kind) as executor:
        for _ in range(2):
            tasks = [Task(use, {"resource": worker_state(Resource, marks)})] * 30
            names |= set(execute_tasks_in_parallel(tasks, executor=executor))
        assert not any(name.startswith("closed") for name in marks.names())

    made = {name for name in marks.names() if name.startswith("made")}
    closed = {name for name in marks.names() if name.startswith("closed")}
    assert made == {f"made {name}" for name in names}
    assert closed == {f"closed {name}" for name in names}
    assert 1 <= len(names) <= 2


# Failures.


def test_a_failure_has_its_frames_and_its_causes(executor: Executor) -> None:
    """As if it had been raised here."""
    with pytest.raises(Failure, match="outer") as caught:
        execute_tasks_in_parallel([Task(fail_deeply)], executor=executor)

    frames = traceback.extract_tb(caught.value.__traceback__)
    assert [frame.name for frame in frames][-1] == "fail_deeply"
    assert Path(frames[-1].filename).name == Path(__file__).name
    assert isinstance(caught.value.__cause__, KeyError)
    assert any("task 0" in note for note in caught.value.__notes__)


def fail_deeply() -> None:
    try:
        raise KeyError("inner")
    except KeyError as error:
        raise Failure("outer") from error


def test_failures_stand_in_their_places_or_come_together(executor: Executor) -> None:
    """As *on_error* and *max_failures* say."""
    tasks: list[Task[Any]] = [
        Task(fail_with, {"error": Failure(f"{i}")}) if i % 10 == 0 else task
        for i, task in enumerate(numbers(50))
    ]

    results = execute_tasks_in_parallel(tasks, executor=executor, on_error="return")
    with pytest.raises(ExceptionGroup, match="5 of 50 tasks failed"):
        execute_tasks_in_parallel(tasks, executor=executor, on_error="group")
    with pytest.raises(ExceptionGroup, match=r"max_failures=2"):
        execute_tasks_in_parallel(
            tasks, executor=executor, on_error="group", max_failures=2
        )

    assert [isinstance(result, Failure) for result in results] == [
        i % 10 == 0 for i in range(50)
    ]


def test_a_task_that_failed_runs_again(executor: Executor, marks: Marks) -> None:
    """As *retries* says."""
    tasks = [Task(fail_once, {"marks": marks, "name": f"{i}"}) for i in range(10)]

    outcomes = list(
        iter_outcomes(tasks, executor=executor, retries=Retry(1, backoff=0))
    )

    assert {outcome.value for outcome in outcomes} == {f"{i}" for i in range(10)}
    assert {outcome.attempts for outcome in outcomes} == {2}


def fail_once(marks: Marks, name: str) -> str:
    if name not in marks.names():
        marks.leave(name)
        raise Failure(name)
    return name


@pytest.mark.parametrize("own_kind", list(MAKERS))
def test_ctrl_c_leaves_the_executor_usable(own_kind: str) -> None:
    """It ends the call, and nothing else; ours replaces the workers it has ended."""

    def tasks() -> Iterator[Task[int]]:
        yield from numbers(50)
        raise KeyboardInterrupt

    with warmed(own_kind) as executor:
        with pytest.raises(KeyboardInterrupt):
            list(execute_tasks_in_parallel_streaming(tasks(), executor=executor))

        assert executor.submit(echo, 1).result() == 1
        assert execute_tasks_in_parallel(numbers(3), executor=executor) == [0, 1, 2]


# Together with others.


def test_calls_share_an_executor(executor: Executor) -> None:
    """Each gets its own results, and others may use the executor meanwhile."""

    def call(factor: int) -> list[int]:
        tasks = [Task(lambda i: factor * i, {"i": i}) for i in range(300)]
        return execute_tasks_in_parallel(tasks, executor=executor)

    with ThreadPoolExecutor(4) as callers:
        calls = [callers.submit(call, factor) for factor in range(4)]
        other = executor.submit(echo, "other")
        assert other.result(LONG_S) == "other"
        for factor, each in enumerate(calls):
            assert each.result(LONG_S) == [factor * i for i in range(300)]


def test_coroutines_use_an_executor(executor: Executor) -> None:
    """The twins for event loops take it as well."""

    async def main() -> tuple[list[int], list[tuple[int, int]]]:
        results = await execute_tasks_in_parallel_async(numbers(50), executor=executor)
        stream = execute_tasks_in_parallel_streaming_async(
            numbers(50), executor=executor
        )
        return results, [pair async for pair in stream]

    results, pairs = asyncio.run(main())

    assert results == list(range(50))
    assert pairs == [(i, i) for i in range(50)]


def test_fewer_workers_than_the_executor_has(
    executor: Executor, tmp_path: Path
) -> None:
    """With ``max_workers=1`` no two tasks run at the same time."""
    tasks = [Task(be_alone, {"folder": tmp_path / "one"}) for _ in range(60)]

    execute_tasks_in_parallel(tasks, 1, executor=executor)


def be_alone(folder: Path) -> None:
    """Fails when it runs twice at a time."""
    folder.mkdir()
    time.sleep(0.003)
    folder.rmdir()


# Executors that do not work.


@pytest.mark.parametrize("own_kind", list(MAKERS))
def test_an_executor_that_is_shut_down_says_so(own_kind: str) -> None:
    """With its own error."""
    executor = warmed(own_kind)
    executor.shutdown()

    with pytest.raises(RuntimeError, match=r"(?i)shut|closed"):
        execute_tasks_in_parallel(numbers(3), executor=executor)


@pytest.mark.parametrize("own_kind", ["forked", "spawned"])
def test_a_pool_that_breaks_keeps_what_was_done(own_kind: str) -> None:
    """What it had taken is lost, what it refuses never started, and each says which."""
    check_a_pool_that_breaks(own_kind)


def test_loky_that_breaks_keeps_what_was_done(tmp_path: Path) -> None:
    """Likewise; in a program of its own, because it leaves a pipe open here."""
    pytest.importorskip("loky", reason="loky is not installed")
    run_script(
        "from tests.processes.test_other_executors import check_a_pool_that_breaks\n"
        "if __name__ == '__main__':\n"
        "    check_a_pool_that_breaks('loky')\n",
        tmp_path,
    )


def check_a_pool_that_breaks(kind: str) -> None:
    crash: Task[Any] = Task(exit_with, {"code": 3})
    with warmed(kind) as executor:
        results = execute_tasks_in_parallel(
            [*numbers(20), crash, *numbers(200)],
            1,
            executor=executor,
            return_exceptions=True,
        )

    lost = [result for result in results if isinstance(result, WorkerCrashedError)]
    refused = [result for result in results if isinstance(result, WorkerStartError)]
    values = [result for result in results if isinstance(result, int)]
    assert isinstance(results[20], WorkerCrashedError)
    assert "perhaps after it had begun" in str(results[20])
    assert values == list(range(len(values)))
    assert refused
    assert all("was not started" in str(error) for error in refused)
    assert all(isinstance(error.__cause__, BrokenExecutor) for error in refused)
    assert len(values) + len(lost) + len(refused) == 221


def test_tasks_that_were_refused_wait_for_those_that_were_taken(gate: Gate) -> None:
    """So the results of these are not lost when the call ends for it."""
    with Breaking(takes=1) as executor:
        tasks = itertools.chain(
            [Task(wait_then, {"gate": gate, "value": 0})],
            (Task(echo, {"value": i}) for i in itertools.count(1)),
        )
        stream = execute_tasks_in_parallel_streaming(
            tasks, executor=executor, on_error="return", ordered=False
        )
        threading.Timer(0.05, gate.open).start()

        assert next(stream) == (0, 0)
        with pytest.raises(BrokenExecutor, match="tasks from number 1 on were not"):
            next(stream)


def test_a_list_of_tasks_has_a_result_for_each_when_the_executor_breaks() -> None:
    """Those that were refused have failed."""
    with Breaking(takes=1) as executor:
        results = execute_tasks_in_parallel(
            numbers(30), executor=executor, on_error="return"
        )

    assert results[0] == 0
    assert all(isinstance(result, WorkerStartError) for result in results[1:])
    assert len(results) == 30


def test_an_executor_whose_work_is_always_cancelled_ends_the_call() -> None:
    """It would be handed out for ever."""
    with pytest.raises(WorkerStartError, match="somebody cancels whatever"):
        execute_tasks_in_parallel(numbers(3), executor=Cancelling())


# What may be given together.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"use_processes": True}, "leave out one of the two"),
        ({"timeout": 1.0}, "it cannot end those of another executor"),
        ({"max_tasks_per_worker": 3}, "those of another executor"),
        ({"initializer": print}, "when that is made"),
    ],
)
def test_options_that_a_foreign_executor_cannot_keep(
    options: dict[str, Any], message: str
) -> None:
    """They are errors of the call."""
    with pytest.raises(ValueError, match=message):
        execute_tasks_in_parallel([], executor=Inline(), **options)


def test_an_executor_of_unknown_size_gets_work_for_the_machine(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As many portions at a time as there are CPUs."""
    with caplog.at_level(logging.DEBUG, "cotality"):
        execute_tasks_in_parallel(numbers(3), executor=Inline())

    assert f"up to {available_cpus()} workers" in caplog.text


# Odd ones.


def test_tasks_that_call_many_functions_find_them_all(use_processes: bool) -> None:
    """However many were packed before: only the latest are known by their numbers."""
    tasks = [Task(lambda i: -i, {"i": i}) for i in range(2000)]

    assert execute_tasks_in_parallel(tasks, 2, use_processes) == [
        -i for i in range(2000)
    ]


def test_portions_fit_what_it_costs_to_submit() -> None:
    """With 2.5 ms a submit, tasks of 50 us travel in portions of 100 and more.

    Of fewer on a machine that is busy with something else, where they take longer.
    """
    executor = Costly()

    execute_tasks_in_parallel(
        [Task(spin, {"seconds": 50e-6})] * 8000, 2, executor=executor
    )

    assert executor.submits < 8000 / 20
    pace = Pace(Rules(), workers=8, largest=2048)
    pace.learn_cost(0.0025)
    sizes = [pace.size]
    for _ in range(8):
        pace.observe(pace.size, pace.size * 50e-6)
        sizes.append(pace.size)
    assert sizes == [1, 3, 9, 27, 81, 243, 729, 1600, 1600]


def test_what_tasks_take_is_no_cost_of_an_executor_that_runs_them_at_once() -> None:
    """Or ever longer portions would seem to cost ever more."""
    executor = Inline()

    execute_tasks_in_parallel(
        [Task(spin, {"seconds": 0.005})] * 100, 1, executor=executor
    )

    assert executor.submits >= 100 * 0.005 / 0.02


def spin(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_threads_of_one_worker_process_do_not_disturb_one_another() -> None:
    """Each has the functions of the call it works for."""

    def call(factor: int) -> list[int]:
        tasks = [Task(lambda i: factor * i, {"i": i}) for i in range(2000)]
        return execute_tasks_in_parallel(tasks, executor=executor)

    with PicklingThreads(4) as executor, ThreadPoolExecutor(3) as callers:
        for factor, found in enumerate(callers.map(call, range(3))):
            assert found == [factor * i for i in range(2000)]


def test_an_executor_that_remembers_results_runs_a_task_again(marks: Marks) -> None:
    """No attempt looks like another to it."""
    [outcome] = iter_outcomes(
        [Task(fail_once, {"marks": marks, "name": "it"})],
        executor=Remembering(),
        retries=Retry(1, backoff=0),
    )

    assert (outcome.value, outcome.attempts) == ("it", 2)


@pytest.mark.parametrize("make", [Inline, MAKERS["forked"]], ids=["inline", "forked"])
def test_a_task_in_a_worker_of_ours_may_use_an_executor(
    make: Callable[[], Executor],
) -> None:
    """What happens there is nothing that its own worker has done."""
    tasks = [Task(call_in_here, {"make": make, "count": 20 + i}) for i in range(3)]

    assert execute_tasks_in_parallel(tasks, 2, use_processes=True) == [
        (20 + i, "kept") for i in range(3)
    ]


def call_in_here(make: Callable[[], Executor], count: int) -> tuple[int, str]:
    with make() as executor:
        values = execute_tasks_in_parallel(numbers(count), executor=executor)
    assert values == list(range(count))
    return len(values), "kept"


# One of ours.


def test_an_executor_of_ours_keeps_our_promises(gate: Gate) -> None:
    """A worker that dies and a task that takes too long cost that one task each."""
    tasks: list[Task[Any]] = [
        Task(exit_with, {"code": 3}),
        Task(wait_then, {"gate": gate, "value": 1}),
        *numbers(20),
    ]
    with IsolatedProcessPoolExecutor(2) as executor:
        results = execute_tasks_in_parallel(
            tasks, executor=executor, timeout=0.5, return_exceptions=True
        )

    assert isinstance(results[0], WorkerCrashedError)
    assert isinstance(results[1], TaskTimeoutError)
    assert results[2:] == list(range(20))


def test_calls_share_the_workers_of_an_executor_of_ours() -> None:
    """However many calls there are, there are no more processes."""
    tasks = [Task(pid)] * 20
    with (
        IsolatedProcessPoolExecutor(2) as executor,
        ThreadPoolExecutor(10) as callers,
    ):
        calls = [
            callers.submit(execute_tasks_in_parallel, tasks, executor=executor)
            for _ in range(10)
        ]
        pids = {each for call in calls for each in call.result(LONG_S)}

    assert len(pids) <= 2
    assert os.getpid() not in pids


def test_a_call_on_part_of_an_executor_leaves_room_for_others(
    marks: Marks, gate: Gate
) -> None:
    """A call with ``max_workers=1`` never holds both workers."""
    with (
        IsolatedProcessPoolExecutor(2) as executor,
        ThreadPoolExecutor(1) as callers,
    ):
        tasks = [Task(wait_then, {"gate": gate, "value": i}) for i in range(4)]
        call = callers.submit(execute_tasks_in_parallel, tasks, 1, executor=executor)
        try:
            other = executor.submit(wait_for_marks, marks, "other", 1)
            assert other.result(LONG_S) == 1
        finally:
            gate.open()
        assert call.result(LONG_S) == [0, 1, 2, 3]
