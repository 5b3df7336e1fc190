"""`IsolatedProcessPoolExecutor` keeps the contract of `concurrent.futures`."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import gc
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
)
from pathlib import Path
from typing import Any

import psutil
import pytest

from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    RemoteTaskError,
    TaskExitedError,
    TaskNotPicklableError,
    WorkerCrashedError,
    WorkerStartError,
)
from tests.kit import fatal
from tests.kit.helpers import (
    Gate,
    Marks,
    add,
    echo,
    fail_with,
    mark_and_return,
    mark_and_wait,
    pid,
    pid_after_marks,
    run_script,
    wait_then,
    without_addresses,
)
from tests.kit.limits import GONE_S, LONG_S
from tests.processes.test_faults import wait_until_gone

LARGE = 50_000_000  # bytes of a message; far more than any buffer between processes
IDLE_S = 1.0  # that an idle pool is watched for
# CPU time that nobody can call polling: even one wake-up each 10 ms needs more.
NEXT_TO_NOTHING_S = 0.005


@pytest.fixture
def executor() -> Iterator[IsolatedProcessPoolExecutor]:
    with IsolatedProcessPoolExecutor(2) as executor:
        yield executor


@pytest.fixture
def single() -> Iterator[IsolatedProcessPoolExecutor]:
    with IsolatedProcessPoolExecutor(1) as executor:
        yield executor


def busy(
    executor: Executor, marks: Marks, gate: Gate, name: str = "busy"
) -> Future[str]:
    """A call that runs in a worker now, and goes on until *gate* is opened."""
    count = len(marks.names()) + 1
    future = executor.submit(mark_and_wait, marks, name, gate)
    marks.wait_for(count)
    return future


def pids_of_two(executor: Executor, marks: Marks) -> set[int]:
    """The workers of an executor that has two: their calls wait for each other."""
    before = len(marks.names())
    names = [f"{before + i}" for i in range(2)]
    calls = [executor.submit(pid_after_marks, marks, n, before + 2) for n in names]
    return {call.result(LONG_S) for call in calls}


# Calls, and what becomes of them.


def test_it_is_an_executor(executor: IsolatedProcessPoolExecutor) -> None:
    """It passes for an executor, and its failures for a broken one."""
    assert isinstance(executor, Executor)
    assert issubclass(WorkerCrashedError, BrokenExecutor)
    assert issubclass(WorkerStartError, BrokenExecutor)


def test_a_call_gives_its_result(executor: IsolatedProcessPoolExecutor) -> None:
    """Arguments go by position and by name, and the value comes back."""
    future = executor.submit(add, 1, b=2)

    assert future.result(LONG_S) == 3
    assert future.exception() is None
    assert future.done()
    assert not future.cancelled()


def test_a_call_may_use_any_argument_name(
    executor: IsolatedProcessPoolExecutor,
) -> None:
    """``fn`` and ``self`` are names like others, as in the standard executors."""
    named = executor.submit(lambda **given: given, fn=1, self=2, args=3, future=4)

    assert named.result(LONG_S) == {"fn": 1, "self": 2, "args": 3, "future": 4}


def test_a_call_that_raises_has_an_exception(
    executor: IsolatedProcessPoolExecutor,
) -> None:
    """The exception is that of the call, with its frames and its attributes."""
    future = executor.submit(fail_with, KeyError("key", 1))

    error = future.exception(LONG_S)
    assert type(error) is KeyError
    assert error.args == ("key", 1)
    with pytest.raises(KeyError) as raised:
        future.result()
    assert raised.value is error
    assert "fail_with" in [entry.name for entry in raised.traceback]


def test_a_result_can_be_waited_for_in_part(
    executor: IsolatedProcessPoolExecutor, gate: Gate
) -> None:
    """A wait that ends too early does the call no harm."""
    future = executor.submit(wait_then, gate, "value")

    with pytest.raises(TimeoutError):
        future.result(timeout=0)
    with pytest.raises(TimeoutError):
        future.exception(timeout=0)
    gate.open()
    assert future.result(LONG_S) == "value"


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_a_call_that_exits_has_failed(
    kind: type[BaseException], executor: IsolatedProcessPoolExecutor
) -> None:
    """A call cannot end the caller: what it raises is inside of its failure."""
    error = executor.submit(fail_with, kind()).exception(LONG_S)

    assert isinstance(error, TaskExitedError)
    assert isinstance(error.__cause__, kind)


def test_lambdas_and_closures_are_functions_too(
    executor: IsolatedProcessPoolExecutor,
) -> None:
    """What the standard pickle refuses may be called all the same."""
    offset = 10

    assert list(executor.map(lambda x: x + offset, range(3))) == [10, 11, 12]


def test_more_calls_than_workers(executor: IsolatedProcessPoolExecutor) -> None:
    """A thousand calls on two workers give a thousand results."""
    futures = [executor.submit(add, i, i) for i in range(1000)]

    assert [future.result(LONG_S) for future in futures] == list(range(0, 2000, 2))


def test_calls_start_in_the_order_of_submission(
    single: IsolatedProcessPoolExecutor, tmp_path: Path
) -> None:
    """What waits longest goes first."""
    path = tmp_path / "order"

    def note(number: int) -> None:
        with path.open("a") as file:
            file.write(f"{number} ")

    for number in range(20):
        single.submit(note, number)
    single.shutdown()

    assert path.read_text().split() == [str(number) for number in range(20)]


def test_workers_are_started_as_work_comes(marks: Marks) -> None:
    """One call at a time needs one process, whatever the limit is."""
    with IsolatedProcessPoolExecutor(20) as executor:
        pids = {executor.submit(pid).result(LONG_S) for _ in range(10)}

    assert len(pids) == 1


def test_the_default_is_a_worker_for_each_cpu() -> None:
    """Without a number there are as many workers as CPUs that we may use."""
    with IsolatedProcessPoolExecutor() as executor:
        cpus = executor.submit(lambda: len(os.sched_getaffinity(0))).result(LONG_S)
        assert executor._pool.max_workers == cpus


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"max_workers": 0}, ValueError),
        ({"max_workers": "two"}, TypeError),
        ({"max_tasks_per_child": 0}, ValueError),
        ({"max_tasks_per_child": 1.5}, TypeError),
        ({"initializer": "no function"}, TypeError),
        ({"initializer": echo, "initargs": 1}, TypeError),
        ({"initializer": threading.Lock().acquire}, TaskNotPicklableError),
    ],
    ids=without_addresses,
)
def test_a_wrong_argument_is_an_error_at_once(
    wrong: dict[str, Any], error: type[Exception]
) -> None:
    """Nothing is started with arguments that cannot work."""
    with pytest.raises(error):
        IsolatedProcessPoolExecutor(**wrong)


def test_from_many_threads(executor: IsolatedProcessPoolExecutor) -> None:
    """Twenty threads may submit and wait at the same time."""
    results: dict[int, list[int]] = {}

    def use(number: int) -> None:
        futures = [executor.submit(add, number, i) for i in range(25)]
        results[number] = [future.result(LONG_S) for future in futures]

    threads = [threading.Thread(target=use, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_S)

    assert results == {n: [n + i for i in range(25)] for n in range(20)}


# Done callbacks.


def test_callbacks_get_their_future(
    executor: IsolatedProcessPoolExecutor, gate: Gate
) -> None:
    """Every callback is called once, also one that comes late."""
    future = executor.submit(wait_then, gate, 1)
    called: list[tuple[str, Future[int]]] = []
    over = threading.Event()

    future.add_done_callback(lambda f: called.append(("early", f)))
    future.add_done_callback(lambda f: over.set())
    gate.open()
    assert over.wait(LONG_S)
    future.add_done_callback(lambda f: called.append(("late", f)))

    assert called == [("early", future), ("late", future)]


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt])
def test_a_callback_that_raises_harms_nobody(
    kind: type[BaseException],
    executor: IsolatedProcessPoolExecutor,
    gate: Gate,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is logged; other callbacks and other calls go on."""
    future = executor.submit(wait_then, gate, 1)
    over = threading.Event()

    def fail(_: Future[int]) -> None:
        over.set()
        raise kind("in a callback")

    future.add_done_callback(fail)
    gate.open()

    assert over.wait(LONG_S)
    assert future.result(LONG_S) == 1
    assert executor.submit(echo, 2).result(LONG_S) == 2
    assert "in a callback" in caplog.text
    caplog.clear()  # its records keep alive what the frames in them refer to


def test_a_callback_may_submit(executor: IsolatedProcessPoolExecutor) -> None:
    """One call may lead to the next, and so on."""
    last: Future[int] = Future()

    def go_on(future: Future[int]) -> None:
        number = future.result()
        if number == 10:
            last.set_result(number)
        else:
            executor.submit(add, number, 1).add_done_callback(go_on)

    executor.submit(echo, 0).add_done_callback(go_on)

    assert last.result(LONG_S) == 10


def test_a_callback_may_shut_down(
    executor: IsolatedProcessPoolExecutor, gate: Gate
) -> None:
    """It does not wait for itself; what was submitted is still done."""
    first = executor.submit(wait_then, gate, 1)
    others = [executor.submit(echo, i) for i in range(5)]
    over = threading.Event()

    def end(_: Future[int]) -> None:
        executor.shutdown(wait=True)
        over.set()

    first.add_done_callback(end)
    gate.open()

    assert over.wait(LONG_S)
    assert [future.result(LONG_S) for future in others] == list(range(5))
    with pytest.raises(RuntimeError):
        executor.submit(echo, 1)


@pytest.mark.parametrize("name", ["result", "exception"])
def test_a_callback_cannot_wait_for_another_call(
    executor: IsolatedProcessPoolExecutor, name: str, gate: Gate
) -> None:
    """Its thread is the one that brings the answer: an error instead of a hang."""
    raised: Future[str] = Future()
    later: list[Future[int]] = []

    def wait(_: Future[int]) -> None:
        later.append(executor.submit(echo, 7))
        try:
            raised.set_result(f"it gave {getattr(later[0], name)(LONG_S)}")
        except RuntimeError as error:
            raised.set_result(str(error))

    first = executor.submit(wait_then, gate, 1)
    first.add_done_callback(wait)
    gate.open()

    assert "would wait for ever" in raised.result(LONG_S * 2)
    assert later[0].result(LONG_S) == 7


def test_a_callback_may_wait_for_another_executor(
    executor: IsolatedProcessPoolExecutor, gate: Gate
) -> None:
    """That one has a thread of its own."""
    found: Future[int] = Future()
    with IsolatedProcessPoolExecutor(1) as other:
        first = executor.submit(wait_then, gate, 1)
        first.add_done_callback(
            lambda _: found.set_result(other.submit(echo, 5).result(LONG_S))
        )
        gate.open()

        assert found.result(LONG_S) == 5


# Cancellation.


def test_what_waits_can_be_cancelled(
    single: IsolatedProcessPoolExecutor, marks: Marks, gate: Gate
) -> None:
    """A cancelled call never runs; what comes after it does."""
    running = busy(single, marks, gate)
    waiting = single.submit(mark_and_return, marks, "cancelled")
    after = single.submit(echo, "after")

    assert waiting.cancel()
    gate.open()

    assert running.result(LONG_S) == "busy"
    assert after.result(LONG_S) == "after"
    assert waiting.cancelled()
    with pytest.raises(CancelledError):
        waiting.result(LONG_S)
    assert marks.names() == {"busy"}


def test_what_runs_cannot_be_cancelled(
    single: IsolatedProcessPoolExecutor, marks: Marks, gate: Gate
) -> None:
    """A running call goes on, and gives its result."""
    running = busy(single, marks, gate)

    assert running.running()
    assert not running.cancel()
    gate.open()
    assert running.result(LONG_S) == "busy"
    assert not running.cancel()


def test_who_waits_for_a_cancelled_call_is_told(
    single: IsolatedProcessPoolExecutor, marks: Marks, gate: Gate
) -> None:
    """`wait` and `as_completed` end for calls that will never run."""
    running = busy(single, marks, gate)
    waiting = single.submit(echo, 1)
    waiting.cancel()
    gate.open()

    done, not_done = concurrent.futures.wait([running, waiting], LONG_S)

    assert (done, not_done) == ({running, waiting}, set())
    assert set(concurrent.futures.as_completed([running, waiting], LONG_S)) == done


# wait, as_completed, map.


def test_as_completed_yields_what_is_done(
    executor: IsolatedProcessPoolExecutor, make_gate: Callable[[str], Gate]
) -> None:
    """In the order in which calls end, not in that of submission."""
    gates = [make_gate("first"), make_gate("second")]
    first, second = (executor.submit(wait_then, gate, gate) for gate in gates)
    done = concurrent.futures.as_completed([first, second], LONG_S)

    gates[1].open()
    assert next(done) is second
    gates[0].open()
    assert next(done) is first


def test_wait_returns_when_it_is_told_to(
    executor: IsolatedProcessPoolExecutor, gate: Gate
) -> None:
    """For the first that is done, the first that fails, or all."""
    slow = executor.submit(wait_then, gate, "slow")
    quick = executor.submit(echo, "quick")

    done, _ = concurrent.futures.wait([slow, quick], LONG_S, FIRST_COMPLETED)
    assert done == {quick}

    failing = executor.submit(fail_with, ValueError())
    done, not_done = concurrent.futures.wait([slow, failing], LONG_S, FIRST_EXCEPTION)
    assert (done, not_done) == ({failing}, {slow})

    gate.open()
    done, not_done = concurrent.futures.wait([slow, quick], LONG_S, ALL_COMPLETED)
    assert (done, not_done) == ({slow, quick}, set())


@pytest.mark.parametrize("chunksize", [1, 3, 100])
def test_map_keeps_the_order(
    chunksize: int, executor: IsolatedProcessPoolExecutor
) -> None:
    """The results are those of the built-in function, up to the shortest input."""
    results = executor.map(add, range(20), range(10, 25), chunksize=chunksize)

    assert list(results) == [i + 10 + i for i in range(15)]


@pytest.mark.parametrize("chunksize", [1, 4])
def test_map_submits_at_once(
    chunksize: int, executor: IsolatedProcessPoolExecutor, marks: Marks
) -> None:
    """The calls run although nobody asks for a result."""
    executor.map(marks.leave, "abcd", chunksize=chunksize)

    marks.wait_for(4)


@pytest.mark.parametrize("chunksize", [1, 4])
def test_map_raises_in_the_place_of_the_result(
    chunksize: int, executor: IsolatedProcessPoolExecutor
) -> None:
    """Results before the failure are there; with it the iteration ends."""
    results = executor.map(lambda x: 1 // x, [1, 1, 1, 1, 0, 1], chunksize=chunksize)

    assert [next(results) for _ in range(4)] == [1] * 4
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(results) == []


@pytest.mark.parametrize("chunksize", [1, 2])
def test_map_has_a_time_limit(
    chunksize: int, executor: IsolatedProcessPoolExecutor, gate: Gate
) -> None:
    """Whoever asks for a result that is not there in time gets a `TimeoutError`."""
    results = executor.map(
        wait_then, [gate, gate], [1, 2], timeout=0.05, chunksize=chunksize
    )

    with pytest.raises(TimeoutError):
        next(results)
    gate.open()


def test_map_that_is_left_early_drops_the_rest(
    single: IsolatedProcessPoolExecutor, marks: Marks, gate: Gate
) -> None:
    """What nobody will take is not begun."""
    running = busy(single, marks, gate)
    results = single.map(mark_and_return, [marks] * 4, "abcd", timeout=0)
    with pytest.raises(TimeoutError):
        next(results)  # which is the end of this iterator
    gate.open()
    single.shutdown()

    assert running.result(0) == "busy"
    assert marks.names() == {"busy"}


@pytest.mark.parametrize("chunksize", [0, -1])
def test_map_refuses_empty_chunks(
    chunksize: int, executor: IsolatedProcessPoolExecutor
) -> None:
    """A chunk has at least one call."""
    with pytest.raises(ValueError, match="chunksize"):
        executor.map(add, [1], [2], chunksize=chunksize)


def test_map_of_nothing(executor: IsolatedProcessPoolExecutor) -> None:
    """No calls give no results."""
    assert list(executor.map(add, [], [])) == []
    assert list(executor.map(add, [], [], chunksize=5)) == []


# The end of an executor.


def test_shutdown_waits_for_what_was_submitted(gate: Gate) -> None:
    """All results are there when `shutdown` returns, and the workers are gone."""
    executor = IsolatedProcessPoolExecutor(2)
    futures = [executor.submit(wait_then, gate, i) for i in range(6)]
    gate.open()

    executor.shutdown()

    assert all(future.done() for future in futures)
    assert [future.result() for future in futures] == list(range(6))
    assert executor._pool.status().pids == ()


def test_shutdown_need_not_wait(marks: Marks, gate: Gate) -> None:
    """What was submitted is done all the same, running and waiting."""
    executor = IsolatedProcessPoolExecutor(1)
    running = busy(executor, marks, gate)
    waiting = executor.submit(echo, "waiting")

    executor.shutdown(wait=False)

    assert not running.done()
    gate.open()
    assert running.result(LONG_S) == "busy"
    assert waiting.result(LONG_S) == "waiting"


def test_shutdown_may_cancel_what_waits(marks: Marks, gate: Gate) -> None:
    """What has begun is finished, the rest is dropped, and everybody is told."""
    executor = IsolatedProcessPoolExecutor(1)
    running = busy(executor, marks, gate)
    waiting = [executor.submit(mark_and_return, marks, f"{i}") for i in range(5)]

    executor.shutdown(wait=False, cancel_futures=True)

    assert all(future.cancelled() for future in waiting)
    assert concurrent.futures.wait(waiting, LONG_S).not_done == set()
    gate.open()
    executor.shutdown()
    assert running.result(LONG_S) == "busy"
    assert marks.names() == {"busy"}


def test_nothing_can_be_submitted_after_shutdown(
    executor: IsolatedProcessPoolExecutor,
) -> None:
    """It is a `RuntimeError`, also for what could not be sent anyway."""
    executor.shutdown()

    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(echo, 1)
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(echo, threading.Lock())
    with pytest.raises(RuntimeError, match="shut down"):
        executor.map(echo, [1])


def test_shutdown_may_be_repeated(executor: IsolatedProcessPoolExecutor) -> None:
    """The second time there is nothing to do; nor is there if it was never used."""
    executor.shutdown()
    executor.shutdown(wait=False)
    executor.shutdown(cancel_futures=True)


def test_the_end_of_a_with_waits(marks: Marks) -> None:
    """All is done after the block, as with the standard executors."""
    with IsolatedProcessPoolExecutor(2) as executor:
        futures = [executor.submit(mark_and_return, marks, f"{i}") for i in range(8)]

    assert all(future.done() for future in futures)
    assert len(marks.names()) == 8


def test_an_exception_inside_a_with_is_passed_on(gate: Gate) -> None:
    """What was submitted before it is finished."""
    futures: list[Future[str]] = []

    def use_and_fail() -> None:
        with IsolatedProcessPoolExecutor(1) as executor:
            futures.append(executor.submit(wait_then, gate, "value"))
            gate.open()
            raise LookupError("inside")

    with pytest.raises(LookupError, match="inside"):
        use_and_fail()

    assert futures[0].result(0) == "value"


def test_a_forgotten_executor_finishes_its_work(marks: Marks, gate: Gate) -> None:
    """Garbage collection is an end like any: work is done, then the workers end."""
    executor = IsolatedProcessPoolExecutor(2)
    workers = pids_of_two(executor, marks)
    futures = [executor.submit(wait_then, gate, i) for i in range(6)]

    del executor
    gc.collect()
    gate.open()

    assert [future.result(LONG_S) for future in futures] == list(range(6))
    assert all(wait_until_gone(worker) for worker in workers)


def test_a_forgotten_executor_that_is_idle_ends(marks: Marks) -> None:
    """Workers without work do not outlive their executor."""
    executor = IsolatedProcessPoolExecutor(2)
    workers = pids_of_two(executor, marks)

    del executor
    gc.collect()

    assert all(wait_until_gone(worker) for worker in workers)


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "dropped"])
def test_the_end_of_the_program_waits_for_the_work(keep: bool, tmp_path: Path) -> None:
    """What is pending when the interpreter exits is still done, and told."""
    source = (
        "import time\n"
        "from cotality.core.utils.process import IsolatedProcessPoolExecutor\n"
        "executor = IsolatedProcessPoolExecutor(2)\n"
        "def work(n):\n"
        "    time.sleep(0.05)\n"
        "    return n\n"
        "for n in range(10):\n"
        "    future = executor.submit(work, n)\n"
        "    future.add_done_callback(lambda f: print(f.result()))\n"
        + ("" if keep else "del executor\n")
    )
    printed = run_script(source, tmp_path)

    assert sorted(map(int, printed.split())) == list(range(10))


def test_the_end_of_the_program_ends_idle_workers(tmp_path: Path) -> None:
    """An executor without a shutdown keeps no program from ending."""
    source = (
        "import os\n"
        "from cotality.core.utils.process import IsolatedProcessPoolExecutor\n"
        "executor = IsolatedProcessPoolExecutor(2)\n"
        "print(executor.submit(os.getpid).result())\n"
    )
    assert wait_until_gone(int(run_script(source, tmp_path)))


def test_nothing_can_be_submitted_while_the_program_ends(tmp_path: Path) -> None:
    """A call that comes too late is refused, as by the standard executors."""
    source = (
        "import atexit\n"
        "from cotality.core.utils.process import IsolatedProcessPoolExecutor\n"
        "def too_late():\n"
        "    try: executor.submit(abs, -1)\n"
        "    except RuntimeError as error: print(error)\n"
        "atexit.register(too_late)\n"
        "executor = IsolatedProcessPoolExecutor(1)\n"
        "print(executor.submit(abs, -1).result())\n"
    )
    first, *rest = run_script(source, tmp_path).splitlines()

    assert first == "1"
    assert rest
    assert "cannot submit" in rest[0]


# Initializers.


def test_the_initializer_runs_once_in_each_worker(marks: Marks, tmp_path: Path) -> None:
    """Before the first call, with its arguments."""
    log = tmp_path / "log"

    def prepare(word: str) -> None:
        os.environ["PREPARED"] = word
        with log.open("a") as file:
            file.write(f"{os.getpid()} ")

    with IsolatedProcessPoolExecutor(
        2, initializer=prepare, initargs=("yes",)
    ) as executor:
        workers = pids_of_two(executor, marks)
        words = executor.map(lambda _: os.environ["PREPARED"], range(10))
        assert set(words) == {"yes"}

    assert sorted(map(int, log.read_text().split())) == sorted(workers)


def test_locks_and_queues_may_be_initargs() -> None:
    """What can only be handed to a process at its start is handed to it then."""
    context = multiprocessing.get_context("spawn")
    lock, queue = context.Lock(), context.SimpleQueue()

    def prepare(lock: Any, queue: Any) -> None:
        with lock:
            queue.put(os.getpid())

    with lock:
        executor = IsolatedProcessPoolExecutor(
            1, initializer=prepare, initargs=(lock, queue)
        )
        future = executor.submit(pid)
        assert queue.empty()
    assert queue.get() == future.result(LONG_S)
    executor.shutdown()
    queue.close()


def test_an_initializer_that_fails_fails_everything(tmp_path: Path) -> None:
    """What waits and what comes later fails, each with an error of its own."""
    with IsolatedProcessPoolExecutor(2, initializer=int, initargs=("x",)) as executor:
        futures = [executor.submit(echo, i) for i in range(5)]
        errors = [future.exception(LONG_S) for future in futures]

        assert all(isinstance(error, WorkerStartError) for error in errors)
        assert all("initializer" in str(error) for error in errors)
        assert all(isinstance(error.__cause__, ValueError) for error in errors if error)
        assert len({id(error) for error in errors}) == 5
        with pytest.raises(BrokenExecutor, match="initializer") as raised:
            executor.submit(echo, 1)
        assert isinstance(raised.value.__cause__, ValueError)


def test_initargs_that_cannot_be_sent_are_refused_at_once() -> None:
    """The error says what it is that cannot go to a process."""
    with pytest.raises(TaskNotPicklableError, match=r"initargs\[0\] is a _thread.lock"):
        IsolatedProcessPoolExecutor(1, initializer=echo, initargs=(threading.Lock(),))


# The number of calls of a worker.


def test_a_worker_may_be_replaced_after_some_calls() -> None:
    """Ten calls at two for each worker take five workers, and come to an end."""
    with IsolatedProcessPoolExecutor(1, max_tasks_per_child=2) as executor:
        futures = [executor.submit(pid) for _ in range(10)]
        pids = [future.result(LONG_S) for future in futures]

    assert [pids.count(each) for each in dict.fromkeys(pids)] == [2] * 5


def test_workers_are_replaced_side_by_side() -> None:
    """No worker is used too often, and no call is lost, with several workers."""
    with IsolatedProcessPoolExecutor(3, max_tasks_per_child=1) as executor:
        pids = [f.result(LONG_S) for f in [executor.submit(pid) for _ in range(10)]]

    assert len(set(pids)) == 10


# The end of a worker.


def test_a_crash_fails_one_future(executor: IsolatedProcessPoolExecutor) -> None:
    """The calls that wait, and those that come later, are done by others."""
    before = [executor.submit(echo, i) for i in range(5)]
    crash = executor.submit(fatal.exit_with, 3)
    after = [executor.submit(echo, i) for i in range(5)]

    error = crash.exception(LONG_S)
    assert isinstance(error, WorkerCrashedError)
    assert error.exit_code == 3
    assert [future.result(LONG_S) for future in before + after] == [*range(5)] * 2
    assert executor.submit(echo, "later").result(LONG_S) == "later"


def test_each_future_has_an_exception_of_its_own(
    executor: IsolatedProcessPoolExecutor,
) -> None:
    """Calls that fail the same way do not share one object and its traceback."""
    futures = [executor.submit(fatal.die_of, signal.SIGKILL) for _ in range(4)]
    errors = [future.exception(LONG_S) for future in futures]

    assert all(isinstance(error, WorkerCrashedError) for error in errors)
    assert len({id(error) for error in errors}) == 4


def test_a_crash_is_noticed_although_a_child_lives_on(
    single: IsolatedProcessPoolExecutor,
) -> None:
    """Not even if the child holds all files of an idle worker that got one call."""
    single.submit(pid).result(LONG_S)

    error = single.submit(fatal.fork_and_die).exception(GONE_S * 2)

    assert isinstance(error, WorkerCrashedError)
    assert error.exit_code == 7


def test_a_crash_in_a_chunk_of_map(executor: IsolatedProcessPoolExecutor) -> None:
    """`map` raises it in its place."""

    def work(number: int) -> int:
        if number == 5:
            os._exit(1)
        return number

    results = executor.map(work, range(10), chunksize=2)

    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(WorkerCrashedError):
        next(results)


def test_a_running_call_can_be_killed(
    executor: IsolatedProcessPoolExecutor, marks: Marks, gate: Gate
) -> None:
    """Its future fails, its worker is replaced, others notice nothing."""
    doomed, other = (busy(executor, marks, gate, name) for name in "ab")

    assert executor.kill(doomed)

    error = doomed.exception(LONG_S)
    assert isinstance(error, WorkerCrashedError)
    assert error.signal_name == "SIGKILL"
    assert "on request" in str(error)
    assert executor.submit(echo, "next").result(LONG_S) == "next"
    gate.open()
    assert other.result(LONG_S) == "b"


def test_a_call_that_waits_can_be_killed(
    single: IsolatedProcessPoolExecutor, marks: Marks, gate: Gate
) -> None:
    """It is dropped, and no worker is harmed."""
    running = busy(single, marks, gate)
    waiting = single.submit(mark_and_return, marks, "never")

    assert single.kill(waiting)

    assert waiting.cancelled()
    gate.open()
    assert running.result(LONG_S) == "busy"
    single.shutdown()
    assert marks.names() == {"busy"}


def test_what_is_over_cannot_be_killed(
    single: IsolatedProcessPoolExecutor, marks: Marks, gate: Gate
) -> None:
    """Nor can the call of another executor, and nobody is harmed by the attempt."""
    worker = single.submit(pid).result(LONG_S)
    done = single.submit(echo, 1)
    assert done.result(LONG_S) == 1

    assert not single.kill(done)
    with IsolatedProcessPoolExecutor(1) as another:
        running = busy(another, marks, gate)
        assert not single.kill(running)
        gate.open()
        assert running.result(LONG_S) == "busy"

    assert single.submit(pid).result(LONG_S) == worker


# What is large, and what cannot travel.


@pytest.mark.parametrize("warm", [False, True], ids=["new worker", "idle worker"])
def test_large_messages(warm: bool, single: IsolatedProcessPoolExecutor) -> None:
    """Fifty megabytes go there and back, to a worker that starts or that waits."""
    if warm:
        single.submit(pid).result(LONG_S)
    data = b"d" * LARGE

    assert single.submit(echo, data).result(LONG_S) == data


def test_large_messages_keep_nobody_waiting(marks: Marks) -> None:
    """While several travel both ways, other workers answer."""
    data = b"d" * LARGE
    with IsolatedProcessPoolExecutor(3) as executor:
        large = [executor.submit(echo, data) for _ in range(4)]
        small = [executor.submit(echo, i) for i in range(20)]

        assert [future.result(LONG_S) for future in small] == list(range(20))
        assert all(future.result(LONG_S) == data for future in large)


def test_a_large_message_to_a_worker_that_does_not_read(
    executor: IsolatedProcessPoolExecutor, tmp_path: Path, marks: Marks
) -> None:
    """A worker that is stopped while a message is sent to it holds up no other."""
    stopped, other = pids_of_two(executor, marks)
    for worker in (stopped, other):
        os.kill(worker, signal.SIGSTOP)
    large = executor.submit(echo, b"d" * LARGE)
    small = executor.submit(echo, "small")
    try:
        # Whichever of the two got the small one.
        for worker in (stopped, other):
            os.kill(worker, signal.SIGCONT)
            if concurrent.futures.wait([large, small], 0.2).done:
                break
        done = concurrent.futures.wait([large, small], LONG_S, FIRST_COMPLETED).done
        assert done
    finally:
        for worker in (stopped, other):
            os.kill(worker, signal.SIGCONT)

    assert small.result(LONG_S) == "small"
    assert large.result(LONG_S) == b"d" * LARGE


class HasALock:
    def __init__(self) -> None:
        self.lock = threading.Lock()


def raise_with_a_lock() -> None:
    error = ValueError("with a lock")
    error.lock = threading.Lock()  # type: ignore[attr-defined]
    raise error


def test_an_argument_that_cannot_be_sent(
    executor: IsolatedProcessPoolExecutor,
) -> None:
    """The future tells which one it is, and where inside of it."""
    error = executor.submit(echo, value=[HasALock()]).exception(LONG_S)

    assert isinstance(error, TaskNotPicklableError)
    assert "arguments['value'][0].lock" in str(error)
    assert executor.submit(echo, 1).result(LONG_S) == 1


def test_a_result_that_cannot_be_sent(executor: IsolatedProcessPoolExecutor) -> None:
    """The call has run, and its future says why there is no result."""
    error = executor.submit(HasALock).exception(LONG_S)

    assert isinstance(error, TaskNotPicklableError)
    assert "result.lock" in str(error)
    assert executor.submit(echo, 1).result(LONG_S) == 1


def test_an_exception_that_cannot_be_sent(
    executor: IsolatedProcessPoolExecutor,
) -> None:
    """Another stands for it, with its name and text."""
    error = executor.submit(raise_with_a_lock).exception(LONG_S)

    assert isinstance(error, RemoteTaskError | ValueError)
    assert "with a lock" in str(error)


def explode() -> None:
    raise OSError("does not want to be unpickled")


class ExplodesWhenUnpickled:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return explode, ()


@pytest.mark.parametrize("function", [echo, ExplodesWhenUnpickled])
def test_what_cannot_be_unpickled(
    function: Any, executor: IsolatedProcessPoolExecutor
) -> None:
    """On either side it is the failure of one call."""
    given = [ExplodesWhenUnpickled()] if function is echo else []

    error = executor.submit(function, *given).exception(LONG_S)

    assert "does not want to be unpickled" in str(error)
    assert executor.submit(echo, 1).result(LONG_S) == 1


# Contexts of multiprocessing.


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_contexts_of_multiprocessing(method: str, marks: Marks) -> None:
    """Whatever way the workers are started, one crash is one failure."""
    context = multiprocessing.get_context(method)
    with IsolatedProcessPoolExecutor(2, context) as executor:
        workers = pids_of_two(executor, marks)
        assert len(workers) == 2
        crash = executor.submit(fatal.exit_with, 3)
        results = executor.map(add, range(10), range(10))

        assert isinstance(crash.exception(LONG_S), WorkerCrashedError)
        assert list(results) == list(range(0, 20, 2))
    end_fork_server_of_multiprocessing()


def end_fork_server_of_multiprocessing() -> None:
    """It is not ours, and would stay until the program ends."""
    from multiprocessing import forkserver

    server: Any = forkserver._forkserver  # Any: not public
    if server._forkserver_pid is not None:
        server._stop()


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_forked_workers_know_what_the_parent_knew(marks: Marks) -> None:
    """Several executors with forked workers side by side do not get entangled."""
    context = multiprocessing.get_context("fork")
    lock = context.Lock()

    def prepare(lock: Any) -> None:
        with lock:
            os.environ["PREPARED"] = "yes"

    with (
        IsolatedProcessPoolExecutor(2, context, prepare, (lock,)) as first,
        IsolatedProcessPoolExecutor(2, context) as second,
    ):
        assert pids_of_two(first, marks).isdisjoint(pids_of_two(second, marks))
        first.shutdown()
        assert second.submit(echo, 1).result(LONG_S) == 1


# With asyncio.


def test_run_in_executor(executor: IsolatedProcessPoolExecutor) -> None:
    """An event loop gets results and exceptions."""

    async def main() -> list[object]:
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(executor, add, i, i) for i in range(10)]
        failing = loop.run_in_executor(executor, fail_with, ValueError("in a call"))
        with pytest.raises(ValueError, match="in a call"):
            await failing
        return list(await asyncio.gather(*calls))

    assert asyncio.run(main()) == list(range(0, 20, 2))


def test_a_coroutine_that_is_cancelled_drops_its_call(
    single: IsolatedProcessPoolExecutor, marks: Marks, gate: Gate
) -> None:
    """What had not begun when `asyncio` gave it up is never run."""
    running = busy(single, marks, gate)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        waiting = loop.run_in_executor(single, marks.leave, "never")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(waiting, timeout=0.01)
        gate.open()
        assert await asyncio.wrap_future(running) == "busy"
        assert await loop.run_in_executor(single, echo, "after") == "after"

    asyncio.run(main())
    assert marks.names() == {"busy"}


def test_a_coroutine_may_give_up_a_call_that_runs(
    single: IsolatedProcessPoolExecutor, marks: Marks, gate: Gate
) -> None:
    """The call goes on; its result is of no interest to anybody."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(single, mark_and_wait, marks, "busy", gate)
        await loop.run_in_executor(None, marks.wait_for, 1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        gate.open()
        assert await loop.run_in_executor(single, echo, "after") == "after"

    asyncio.run(main())


def test_a_loop_may_have_it_as_its_default() -> None:
    """`asyncio.to_thread` is not for it, `run_in_executor(None, ...)` may be."""

    async def main() -> bool:
        loop = asyncio.get_running_loop()
        with IsolatedProcessPoolExecutor(1) as executor:
            call = loop.run_in_executor(executor, pid)
            return await call != os.getpid()

    assert asyncio.run(main())


# An executor that has nothing to do.


def test_an_idle_executor_uses_no_cpu(
    executor: IsolatedProcessPoolExecutor, marks: Marks
) -> None:
    """Neither this process nor a worker looks up while there is nothing to do."""
    processes = [psutil.Process(worker) for worker in pids_of_two(executor, marks)]
    gc.collect()
    before = [cpu_time(process) for process in processes]
    ours = time.process_time()

    time.sleep(IDLE_S)  # the test is about what happens meanwhile: nothing

    assert time.process_time() - ours < NEXT_TO_NOTHING_S
    spent = [cpu_time(p) - b for p, b in zip(processes, before, strict=True)]
    assert max(spent) < NEXT_TO_NOTHING_S


def cpu_time(process: psutil.Process) -> float:
    """Seconds; exact where Linux tells, else in hundredths."""
    try:
        nanoseconds = Path(f"/proc/{process.pid}/schedstat").read_text().split()[0]
    except FileNotFoundError:
        times = process.cpu_times()
        return float(times.user + times.system)
    return int(nanoseconds) / 1e9


# What runs nothing when it is called.


async def ask(value: int) -> int:
    return value


def count(value: int) -> Iterator[int]:
    yield value


@pytest.mark.parametrize("chunksize", [1, 5])
@pytest.mark.parametrize("function", [ask, count, functools.partial(ask, 1)])
def test_a_coroutine_and_a_generator_are_refused_at_the_call(
    executor: IsolatedProcessPoolExecutor, function: Callable[..., Any], chunksize: int
) -> None:
    """As by all calls here: a worker would only make an object of it."""
    with pytest.raises(TypeError, match=r"fn is (ask|count), an? (async|generator)"):
        executor.submit(function, 1)
    with pytest.raises(TypeError, match=r"fn is (ask|count), an? (async|generator)"):
        executor.map(function, [1], chunksize=chunksize)
