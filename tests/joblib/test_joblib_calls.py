"""Calls of joblib on our workers give what a loop gives, in each of joblib's ways."""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from cotality.core.utils.process import (
    TaskNotPicklableError,
    WorkerCrashedError,
    available_cpus,
    shutdown_workers,
)
from cotality.joblib import CotalityBackend, register
from cotality.joblib._joblib import running
from cotality.tuning import execute
from tests.joblib.work import (
    die_at,
    fail_at,
    fail_once_begun,
    meet,
    negated,
    parallel_negated,
    pid_of,
    power,
    say,
    variable,
)
from tests.kit.helpers import Gate, Marks, environment_of_scripts, wait_then
from tests.kit.limits import LONG_S
from tests.processes.test_faults import wait_until_gone

pytestmark = pytest.mark.one_python

joblib = pytest.importorskip("joblib")
Parallel, delayed = joblib.Parallel, joblib.delayed
parallel_config = joblib.parallel_config


@pytest.fixture(autouse=True)
def ours() -> Iterator[None]:
    """All calls of a test name our backend by being inside of this."""
    register()
    with parallel_config("cotality", n_jobs=2):
        yield


# What comes back.


@pytest.mark.warm
@pytest.mark.parametrize("batch_size", ["auto", 1, 7])
@pytest.mark.parametrize("pre_dispatch", ["2*n_jobs", "1.5*n_jobs", 1, "all"])
@pytest.mark.parametrize("return_as", ["list", "generator", "generator_unordered"])
def test_it_gives_what_a_loop_gives(
    batch_size: Any, pre_dispatch: Any, return_as: str
) -> None:
    """However its input is cut up, and in order where that is asked for."""
    parallel = Parallel(
        batch_size=batch_size, pre_dispatch=pre_dispatch, return_as=return_as
    )

    found = parallel(delayed(negated)(number) for number in range(100))

    if return_as == "generator_unordered":
        found = sorted(found, reverse=True)
    assert list(found) == [-number for number in range(100)]


@pytest.mark.warm
def test_arguments_go_by_position_and_by_name() -> None:
    """Lambdas and what they close over included."""
    offset = 10
    calls = [
        delayed(power)(3),
        delayed(power)(2, exponent=5),
        delayed(power)(exponent=3, base=2),
        delayed(lambda number: number + offset)(1),
    ]

    assert Parallel()(calls) == [9, 32, 8, 11]


@pytest.mark.warm
@pytest.mark.parametrize("length", [0, 1, 3000])
def test_any_number_of_calls_will_do(length: int) -> None:
    """None at all, and more than travel together."""
    calls = [delayed(negated)(number) for number in range(length)]

    assert Parallel()(calls) == [-number for number in range(length)]
    assert Parallel(batch_size=length + 1)(calls) == Parallel(n_jobs=1)(calls)


@pytest.mark.warm
def test_results_of_any_size_come_back() -> None:
    """Also such that end a portion, because they are too large to wait."""
    found = Parallel(batch_size=4)(delayed(bytes)(2**20 * n) for n in (1, 0, 2, 0, 3))

    assert [len(each) for each in found] == [2**20, 0, 2**21, 0, 3 * 2**20]


def test_no_more_is_read_than_joblib_hands_over(gate: Gate) -> None:
    """``pre_dispatch`` counts the calls that are read before one is done."""
    read: list[int] = []

    def calls() -> Iterator[Any]:
        for number in range(20):
            read.append(number)
            yield delayed(wait_then)(gate, number)

    found = Parallel(pre_dispatch=4, batch_size=1, return_as="generator")(calls())
    before = len(read)
    gate.open()

    assert before == 4
    assert list(found) == list(range(20))


def test_two_generators_may_be_open_at_a_time() -> None:
    """Although joblib gives all calls inside of a ``with`` the same backend."""
    one = Parallel(return_as="generator")(delayed(negated)(n) for n in range(50))
    first = next(one)
    other = Parallel(return_as="generator")(delayed(power)(n) for n in range(50))
    rest = list(other)

    assert [first, *one] == [-number for number in range(50)]
    assert rest == [number**2 for number in range(50)]


def test_what_a_task_prints_is_seen_here(capfd: pytest.CaptureFixture[str]) -> None:
    """Other backends of joblib lose it in notebooks."""
    Parallel()(delayed(say)(word) for word in ("one", "two"))
    shutdown_workers()

    assert sorted(capfd.readouterr().out.split()) == ["one", "two"]


# Workers.


def test_n_jobs_means_what_it_means_to_joblib() -> None:
    """Negative numbers count from the CPUs that this process may use."""
    backend = CotalityBackend(nesting_level=0)
    cpus = available_cpus()

    assert backend.effective_n_jobs(3) == 3
    assert backend.effective_n_jobs(-1) == cpus
    assert backend.effective_n_jobs(-2) == max(1, cpus - 1)
    assert backend.effective_n_jobs(-100) == 1
    assert backend.effective_n_jobs(None) == 1
    with pytest.raises(ValueError, match="n_jobs == 0 in Parallel has no meaning"):
        backend.effective_n_jobs(0)


def test_a_limit_in_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours, and that of joblib's own workers."""
    backend = CotalityBackend(nesting_level=0)

    monkeypatch.setenv("COTALITY_MAX_WORKERS", "1")
    assert backend.effective_n_jobs(-1) == 1
    monkeypatch.delenv("COTALITY_MAX_WORKERS")
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert backend.effective_n_jobs(-1) == 1


def test_with_one_job_all_runs_here() -> None:
    """As a loop, as joblib has it."""
    assert set(Parallel(n_jobs=1)(delayed(pid_of)(n) for n in range(3))) == {
        os.getpid()
    }


def test_workers_stay_for_the_next_call(marks: Marks) -> None:
    """Of any `Parallel` with as many workers."""
    first = Parallel()(delayed(meet)(marks, name, 2) for name in "ab")
    second = Parallel(n_jobs=2)(delayed(meet)(marks, name, 4) for name in "cd")

    assert len(set(first)) == 2
    assert set(first) == set(second)
    assert os.getpid() not in first


def test_calls_with_another_number_have_workers_of_their_own(marks: Marks) -> None:
    """And the first ones are there again after that."""
    first = Parallel(n_jobs=2)(delayed(meet)(marks, name, 2) for name in "ab")
    other = Parallel(n_jobs=3)(delayed(meet)(marks, name, 5) for name in "cde")
    again = Parallel(n_jobs=2)(delayed(meet)(marks, name, 7) for name in "fg")

    assert len(set(other)) == 3
    assert set(first) == set(again)


def test_workers_see_the_program_as_it_is_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its environment and its directory, which loky's keep from the first call on."""
    calls = [delayed(variable)("COLOUR") for _ in range(4)]

    assert set(Parallel()(calls)) == {None}
    monkeypatch.setenv("COLOUR", "green")
    assert set(Parallel()(calls)) == {"green"}


def test_shutdown_workers_ends_them() -> None:
    """As it ends those of our own calls."""
    pids = set(Parallel()(delayed(pid_of)(number) for number in range(8)))
    shutdown_workers()

    for pid in pids:
        wait_until_gone(pid)


def test_idle_workers_end_after_their_time() -> None:
    """Which a call may set."""
    with parallel_config("cotality", n_jobs=2, idle_worker_timeout=0.1):
        pids = set(Parallel()(delayed(pid_of)(number) for number in range(8)))

    for pid in pids:
        wait_until_gone(pid)


def test_threads_may_call_at_the_same_time() -> None:
    """Each with a call of its own."""
    found: dict[int, list[int]] = {}

    def call(thread: int) -> None:
        with parallel_config("cotality", n_jobs=2):
            calls = [delayed(power)(thread, n) for n in range(200)]
            found[thread] = Parallel()(calls)

    threads = [threading.Thread(target=call, args=(n,)) for n in range(1, 5)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(LONG_S)

    assert found == {t: [t**n for n in range(200)] for t in range(1, 5)}


# Failures.


def test_a_failure_is_that_of_one_task() -> None:
    """Its own exception, with the frames of the worker, its cause, and its name."""
    with pytest.raises(ValueError, match="no 7") as caught:
        Parallel()(delayed(fail_at)(number, bad=7) for number in range(20))

    names = [entry.name for entry in caught.traceback]
    assert names[-1] == "fail_at"
    assert isinstance(caught.value.__cause__, KeyError)
    assert caught.value.__notes__ == ["Raised by task 7: fail_at(7, bad=7)"]


@pytest.mark.parametrize("return_as", ["list", "generator", "generator_unordered"])
@pytest.mark.parametrize("batch_size", ["auto", 5])
def test_a_crash_costs_one_call_one_error(return_as: str, batch_size: Any) -> None:
    """That names the task; and the next call works."""
    parallel = Parallel(return_as=return_as, batch_size=batch_size)

    with pytest.raises(WorkerCrashedError, match="exit code 3") as caught:
        list(parallel(delayed(die_at)(number, 6) for number in range(20)))

    assert caught.value.__notes__ == ["Raised by task 6: die_at(6, 6)"]
    assert caught.value.exit_code == 3
    again = parallel(delayed(die_at)(number, -1) for number in range(20))
    assert sorted(again) == list(range(20))


def test_what_still_runs_is_ended_by_a_failure(marks: Marks, gate: Gate) -> None:
    """Its worker is gone soon after the error is here."""
    with pytest.raises(ValueError, match="enough"):
        Parallel()(delayed(fail_once_begun)(marks, n, gate) for n in range(2))

    (pid,) = map(int, marks.names())
    wait_until_gone(pid)


def test_a_worker_that_runs_nothing_survives_a_failure() -> None:
    """It is there for the next call."""
    with pytest.raises(ValueError, match="no 0"):
        Parallel(n_jobs=2)([delayed(fail_at)(0, 0)])
    (pid,) = Parallel(n_jobs=2)([delayed(pid_of)()])
    with pytest.raises(ValueError, match="no 0"):
        Parallel(n_jobs=2)([delayed(fail_at)(0, 0)])

    assert Parallel(n_jobs=2)([delayed(pid_of)()]) == [pid]


@pytest.mark.warm
def test_what_cannot_be_sent_is_said_at_once() -> None:
    """An argument, and a result."""
    lock = threading.Lock()

    with pytest.raises(TaskNotPicklableError, match="lock"):
        Parallel()(delayed(id)(lock) for _ in range(3))
    with pytest.raises(TaskNotPicklableError, match="lock"):
        Parallel()(delayed(threading.Lock)() for _ in range(3))


@pytest.mark.warm
def test_what_is_no_function_is_refused() -> None:
    """By its name, where joblib takes it."""
    with pytest.raises(TypeError, match="a task needs a function to call, got 5"):
        Parallel()([(5, (), {}), (negated, (1,), {})])


@pytest.mark.parametrize("error", [ValueError("gone"), SystemExit(4)], ids=repr)
@pytest.mark.parametrize("after", [0, 2, 30])
def test_what_its_input_raises_is_raised(error: BaseException, after: int) -> None:
    """Also if that is no `Exception`, and our own thread reads the input."""

    def calls() -> Iterator[Any]:
        for number in range(after):
            yield delayed(negated)(number)
        raise error

    with pytest.raises(type(error)) as caught:
        Parallel(batch_size=1)(calls())

    assert caught.value is error
    assert Parallel()([delayed(negated)(1)]) == [-1]


def test_a_task_that_takes_too_long_ends_the_call(marks: Marks, gate: Gate) -> None:
    """With joblib's error, and with the worker's end."""
    with pytest.raises(multiprocessing.TimeoutError):
        Parallel(timeout=0.2)(
            delayed(fail_once_begun)(marks, number, gate) for number in (1, 2)
        )

    for pid in map(int, marks.names()):
        wait_until_gone(pid)


def test_a_generator_that_is_dropped_ends_its_tasks(marks: Marks, gate: Gate) -> None:
    """With joblib's warning; and the next call works."""
    found = Parallel(return_as="generator")(
        delayed(fail_once_begun)(marks, number, gate) for number in (1, 2)
    )
    marks.wait_for(2)
    with pytest.warns(UserWarning, match="still being processed"):
        found.close()

    for pid in map(int, marks.names()):
        wait_until_gone(pid)
    assert Parallel()([delayed(negated)(1)]) == [-1]


def test_ctrl_c_ends_the_call_and_its_tasks(marks: Marks, gate: Gate) -> None:
    """At once; and the next call works."""
    here = threading.get_ident()

    def interrupt() -> None:
        marks.wait_for(2)
        signal.pthread_kill(here, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        Parallel()(delayed(fail_once_begun)(marks, number, gate) for number in (1, 2))
    thread.join(LONG_S)

    for pid in map(int, marks.names()):
        wait_until_gone(pid)
    assert Parallel()([delayed(negated)(1)]) == [-1]


def test_one_parallel_makes_many_calls() -> None:
    """In its ``with``, also after one that has failed."""
    with Parallel(n_jobs=2) as parallel:
        assert parallel(delayed(negated)(n) for n in range(5)) == [0, -1, -2, -3, -4]
        with pytest.raises(WorkerCrashedError):
            parallel(delayed(die_at)(n, 3) for n in range(5))
        with pytest.raises(TypeError, match="not iterable"):
            parallel(5)
    with Parallel(n_jobs=2) as parallel:
        for size in (3, 0, 1):
            assert parallel(delayed(power)(n) for n in range(size)) == [
                n**2 for n in range(size)
            ]


def test_results_that_are_cached_by_joblib_are_found(tmp_path: Path) -> None:
    """By calls of joblib, and by calls of ours."""
    memory = joblib.Memory(tmp_path, verbose=0)
    cached = memory.cache(pid_of)

    first = Parallel()(delayed(cached)(number) for number in range(3))
    again = Parallel()(delayed(cached)(number) for number in range(3))

    assert first == again
    assert execute(cached, range(3), executor="processes") == first
    assert [cached(number) for number in range(3)] == first


def test_it_works_in_a_worker_of_multiprocessing() -> None:
    """Where joblib's own workers are refused."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(parallel_negated, (4,)) == [0, -1, -2, -3]


def test_what_is_no_batch_is_run_as_it_is() -> None:
    """All that joblib promises of a batch is that it can be called."""
    told: SimpleQueue[Any] = SimpleQueue()
    backend = CotalityBackend(nesting_level=0)
    backend.configure(2)
    backend.start_call()
    try:
        backend.submit(functools.partial(list, range(3)), told.put)
        job = told.get(timeout=LONG_S)
        assert backend.retrieve_result_callback(job) == [0, 1, 2]
    finally:
        backend.stop_call()


# How tasks are handed out.


def test_a_worker_gives_back_what_it_has_no_time_for(
    marks: Marks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So tasks that joblib has put together run beside each other all the same."""
    monkeypatch.setattr(running, "TIME_BOX", 0.0)
    calls = [delayed(negated)(1)] + [delayed(meet)(marks, name, 2) for name in "ab"]

    _, one, other = Parallel(batch_size=3)(calls)

    assert one != other


# How joblib gets to know of it.


def run(program: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        encoding="utf-8",
        timeout=LONG_S,
        env=environment_of_scripts(),
    )
    assert ended.stderr == ""
    return ended.stdout


def test_it_can_be_what_joblib_takes_by_itself() -> None:
    """But for who wants threads."""
    program = """
from os import getpid
from cotality.joblib import register
from joblib import Parallel, delayed, parallel_config

register(default=True)
calls = [delayed(getpid)() for _ in range(2)]
parallel = Parallel(n_jobs=2)
print(type(parallel._backend).__name__, getpid() in parallel(calls))
threads = Parallel(n_jobs=2, prefer="threads")
print(type(threads._backend).__name__, set(threads(calls)) == {getpid()})
"""
    assert run(program).splitlines() == [
        "CotalityBackend False",
        "ThreadingBackend True",
    ]


def test_a_backend_can_be_given_by_itself() -> None:
    """To a ``with`` and to a `Parallel`, of a program that registers nothing."""
    program = """
from cotality.joblib import CotalityBackend
from joblib import Parallel, delayed, parallel_config

with parallel_config(CotalityBackend(), n_jobs=2):
    print(Parallel()(delayed(abs)(number) for number in (-1, -2)))
print(Parallel(2, backend=CotalityBackend())(delayed(abs)(n) for n in (-1, -2)))
"""
    assert run(program).splitlines() == ["[1, 2]", "[1, 2]"]


def test_who_has_no_joblib_is_told_what_to_install() -> None:
    """By the call, and not by the import."""
    program = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "joblib":
            raise ModuleNotFoundError(f"No module named {name!r}", name="joblib")

sys.meta_path.insert(0, Missing())
import cotality.joblib
try:
    cotality.joblib.register()
except ModuleNotFoundError as error:
    print(error)
"""
    assert "pip install 'cotality[joblib]'" in run(program)


def test_the_import_loads_no_joblib() -> None:
    """Which takes 0.3 s."""
    program = "import cotality.joblib, sys; print('joblib' in sys.modules)"

    assert run(program) == "False\n"


def test_an_option_that_nobody_knows_is_refused() -> None:
    """With those that there are."""
    with pytest.raises(TypeError, match=r"no option 'niceness'.*initializer, initargs"):
        Parallel(n_jobs=2, niceness=3)([delayed(negated)(1)])


def test_options_for_other_backends_make_no_difference() -> None:
    """How they map arrays, for instance."""
    parallel = Parallel(max_nbytes=None, temp_folder="/nowhere", mmap_mode="c")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parallel(delayed(negated)(n) for n in range(3)) == [0, -1, -2]
