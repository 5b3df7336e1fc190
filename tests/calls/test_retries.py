"""Tasks that failed and run again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils.process import (
    Retry,
    Task,
    TaskTimeoutError,
    WorkerCrashedError,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
    iter_outcomes,
)
from tests.kit.fatal import exit_with
from tests.kit.given import given, settings, st
from tests.kit.helpers import Failure, Gate, Marks, echo, wait_then
from tests.kit.limits import LONG_S

# They ask what calls give, whichever workers do it.
pytestmark = pytest.mark.warm

SOON = Retry(2, backoff=0.001)


def fail_until(marks: Marks, name: str, attempt: int) -> str:
    """Fail, until this is run number *attempt*; each run leaves a mark."""
    runs = sum(each.startswith(f"{name} ") for each in marks.names()) + 1
    marks.leave(f"{name} {runs}")
    if runs < attempt:
        raise Failure(f"run {runs}")
    return f"{name} at {runs}"


def failing(marks: Marks, name: str, attempt: int) -> Task[str]:
    return Task(fail_until, {"marks": marks, "name": name, "attempt": attempt})


def test_a_task_that_fails_runs_again_until_it_succeeds(
    use_processes: bool, marks: Marks
) -> None:
    """Its last run is what counts, and each task has as many as it needs."""
    tasks = [failing(marks, f"{i}", 1 + i % 3) for i in range(9)]

    results = execute_tasks_in_parallel(tasks, 2, use_processes, retries=SOON)

    assert results == [f"{i} at {1 + i % 3}" for i in range(9)]
    assert len(marks.names()) == 3 * (1 + 2 + 3)


def test_the_last_failure_carries_the_earlier_ones(
    use_processes: bool, marks: Marks
) -> None:
    """As context, oldest last, and as notes."""
    with pytest.raises(Failure, match="run 3") as caught:
        execute_tasks_in_parallel(
            [failing(marks, "a", 10)], 2, use_processes, retries=SOON
        )

    second = caught.value.__context__
    assert isinstance(second, Failure)
    first = second.__context__
    assert [str(second), str(first)] == ["run 2", "run 1"]
    assert first is not None
    assert first.__context__ is None
    notes = "\n".join(caught.value.__notes__)
    assert "Attempt 1 of 3: Failure: run 1" in notes
    assert "Attempt 2 of 3: Failure: run 2" in notes
    assert "Raised by task 0" in notes


def test_a_number_means_so_many_runs_after_the_first(marks: Marks) -> None:
    """As the name says: retries."""
    (outcome,) = iter_outcomes([failing(marks, "a", 10)], 1, retries=1)

    assert outcome.attempts == 2
    assert str(outcome.error) == "run 2"
    assert [str(each) for each in outcome.earlier_errors] == ["run 1"]


def test_a_task_that_succeeded_at_last_tells_of_its_failures(
    use_processes: bool, marks: Marks
) -> None:
    """The outcome says how often it ran and what went wrong before."""
    tasks = [failing(marks, "a", 3), Task(echo, {"value": "b"})]

    first, second = iter_outcomes(tasks, 2, use_processes, retries=SOON)

    assert (first.unwrap(), first.attempts) == ("a at 3", 3)
    assert [str(each) for each in first.earlier_errors] == ["run 1", "run 2"]
    assert (second.unwrap(), second.attempts, second.earlier_errors) == ("b", 1, ())


def test_only_the_failures_that_are_named_are_tried_again(
    use_processes: bool, marks: Marks
) -> None:
    """Another failure is final at once."""
    with pytest.raises(Failure, match="run 1"):
        execute_tasks_in_parallel(
            [failing(marks, "a", 3)],
            2,
            use_processes,
            retries=Retry(2, on=(KeyError, OSError), backoff=0.001),
        )

    assert marks.names() == {"a 1"}


def die_once(marks: Marks, name: str) -> str:
    if name in marks.names():
        return "alive"
    marks.leave(name)
    exit_with(3)
    return "never"


def test_the_death_of_a_worker_is_final_unless_it_is_named(marks: Marks) -> None:
    """A task that kills workers does not get the next one by default."""
    with pytest.raises(WorkerCrashedError):
        execute_tasks_in_parallel(
            [Task(die_once, {"marks": marks, "name": "a"})], 1, True, retries=SOON
        )

    again = Retry(1, on=(WorkerCrashedError,), backoff=0.001)
    assert execute_tasks_in_parallel(
        [Task(die_once, {"marks": marks, "name": "b"})], 1, True, retries=again
    ) == ["alive"]


def be_late_once(marks: Marks) -> str:
    if marks.names():
        return "in time"
    marks.leave("late")
    time.sleep(LONG_S)
    return "never"


def test_a_task_that_was_late_may_be_tried_again_if_so_named(marks: Marks) -> None:
    """Each attempt has the whole time limit."""
    again = Retry(1, on=(TaskTimeoutError,), backoff=0.001)

    assert execute_tasks_in_parallel(
        [Task(be_late_once, {"marks": marks})], 1, True, retries=again, timeout=0.3
    ) == ["in time"]


def test_a_task_that_waits_for_its_next_run_occupies_no_worker(
    use_processes: bool, marks: Marks, gate: Gate
) -> None:
    """With one worker, all others run while the first one waits."""
    waits = Retry(1, backoff=2 * LONG_S, jitter=False, max_delay=2 * LONG_S)
    tasks: list[Task[Any]] = [failing(marks, "a", 2)]
    tasks += [Task(echo, {"value": i}) for i in range(20)]
    stream = execute_tasks_in_parallel_streaming(
        tasks, 1, use_processes, ordered=False, retries=waits
    )

    assert [next(stream) for _ in range(20)] == [(i + 1, i) for i in range(20)]
    stream.close()


def test_a_run_that_ends_gives_up_what_waits(use_processes: bool, marks: Marks) -> None:
    """A task between two attempts has failed with what its last attempt raised."""
    waits = Retry(1, on=Failure, backoff=LONG_S, jitter=False)
    tasks: list[Task[Any]] = [failing(marks, "a", 2), Task(int, positional=("x",))]

    with pytest.raises(ExceptionGroup) as caught:
        execute_tasks_in_parallel(
            tasks, 1, use_processes, on_error="group", max_failures=1, retries=waits
        )

    assert [type(each) for each in caught.value.exceptions] == [Failure, ValueError]


def test_retries_keep_an_ordered_stream_in_order(
    use_processes: bool, marks: Marks
) -> None:
    """What comes late does not come later than its place."""
    tasks = [failing(marks, f"{i}", 2 if i % 5 == 0 else 1) for i in range(20)]

    results = list(
        execute_tasks_in_parallel_streaming(tasks, 2, use_processes, retries=SOON)
    )

    assert [index for index, _ in results] == list(range(20))


def test_failures_without_end_do_not_pile_up(use_processes: bool) -> None:
    """Tasks that wait for another attempt keep their place in the window."""
    read = 0

    def endless() -> Iterator[Task[Any]]:
        nonlocal read
        while True:
            read += 1
            yield Task(int, positional=("x",))

    waits = Retry(1, backoff=LONG_S, jitter=False, max_delay=LONG_S)
    stop = threading.Event()
    outcomes = iter_outcomes(
        endless(), 1, use_processes, retries=waits, progress=stop_when(stop, 1.0)
    )

    with pytest.raises(InterruptedError):
        next(outcomes)
    assert read <= 4 * 512 + 1


def stop_when(stop: threading.Event, seconds: float) -> Callable[[Any], None]:
    """A way to end a call that has nothing more to yield."""
    end = time.monotonic() + seconds

    def look(_: Any) -> None:
        if time.monotonic() > end:
            raise InterruptedError

    return look


def test_wrong_retries_are_an_error_of_the_call() -> None:
    """It names the value and says what would do."""
    for wrong in (-1, "3", 2.5, True):
        with pytest.raises((TypeError, ValueError), match="retries"):
            execute_tasks_in_parallel([], retries=wrong)  # type: ignore[call-overload]


@settings(max_examples=25, deadline=None)
@given(
    needed=st.lists(st.integers(1, 4), max_size=15),
    attempts=st.integers(1, 4),
    ordered=st.booleans(),
)
def test_retries_equal_a_loop_with_retries(
    needed: list[int], attempts: int, ordered: bool, tmp_path_factory: Any
) -> None:
    """Each task runs exactly as often as in a plain loop, with the same end."""
    runs = [0] * len(needed)
    lock = threading.Lock()

    def run(index: int) -> int:
        with lock:
            runs[index] += 1
        if runs[index] < needed[index]:
            raise Failure(index)
        return index

    outcomes = list(
        iter_outcomes(
            [Task(run, {"index": index}) for index in range(len(needed))],
            3,
            ordered=ordered,
            retries=Retry(attempts - 1, backoff=0.0001),
        )
    )

    expected = [min(each, attempts) for each in needed]
    assert runs == expected
    by_index = sorted(outcomes, key=lambda outcome: outcome.index)
    assert [outcome.attempts for outcome in by_index] == expected
    assert [outcome.ok for outcome in by_index] == [n <= attempts for n in needed]


def test_waiting_is_not_busy(tmp_path: Path, gate: Gate) -> None:
    """A call with a retry that is far away uses no CPU time while another task runs."""
    waits = Retry(1, backoff=LONG_S, jitter=False, max_delay=LONG_S)
    tasks: list[Task[Any]] = [
        Task(int, positional=("x",)),
        Task(wait_then, {"gate": gate, "value": 1}),
    ]
    timer = threading.Timer(0.5, gate.open)
    timer.start()
    began = time.thread_time()
    stream = execute_tasks_in_parallel_streaming(tasks, 2, ordered=False, retries=waits)

    assert next(stream) == (1, 1)

    assert time.thread_time() - began < 0.25
    stream.close()
    timer.join()
