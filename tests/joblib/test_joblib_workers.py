"""What tasks of joblib find in a worker: how deep they are, and what was set up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cotality.core.utils.process import WorkerStartError, shutdown_workers
from cotality.joblib import CotalityBackend, register
from tests.joblib.work import (
    has_imported,
    inner,
    inner_threads,
    negated,
    refuse,
    set_state,
    state,
    variable,
)
from tests.kit.helpers import Marks

joblib = pytest.importorskip("joblib")
Parallel, delayed = joblib.Parallel, joblib.delayed
parallel_config = joblib.parallel_config


@pytest.fixture(autouse=True)
def ours() -> Iterator[None]:
    register()
    with parallel_config("cotality", n_jobs=2):
        yield


# Calls inside of tasks.


def test_inner_calls_run_on_threads_and_then_in_a_loop() -> None:
    """As joblib's documentation has it for workers of its own."""
    found = Parallel()(delayed(inner)(2) for _ in range(8))

    for each in found:
        assert [kind for kind, *_ in each] == [
            "ThreadingBackend",
            "SequentialBackend",
            "SequentialBackend",
        ]
        assert all(runs_here for *_, runs_here in each)


def test_inner_calls_have_threads_when_they_ask_for_them(marks: Marks) -> None:
    """Two that wait for each other."""
    assert Parallel()([delayed(inner_threads)(marks)]) == [1]


def test_a_worker_does_not_import_joblib_for_nothing() -> None:
    """That takes 0.3 s; and a task that imports it finds how deep it is."""
    calls = [delayed(has_imported)("joblib"), delayed(inner)(0)]

    before, ((kind, *_),) = Parallel(batch_size=2)(calls)

    assert not before
    assert kind == "ThreadingBackend"


def test_an_inner_call_may_name_our_workers() -> None:
    """Then it has processes of its own, below the worker."""
    (found,) = Parallel(n_jobs=2)([delayed(inner)(1, "cotality")])

    (_, _, _), (_, _, runs_here) = found
    assert not runs_here


def test_how_deep_a_task_is_is_a_matter_of_its_own_call() -> None:
    """Workers that are kept serve calls of any depth, one after the other."""
    kinds: list[str] = []
    for level in (0, 1, 0):
        backend = CotalityBackend(nesting_level=level)
        (((kind, *_),),) = Parallel(n_jobs=2, backend=backend)([delayed(inner)(0)])
        kinds.append(kind)

    assert kinds == ["ThreadingBackend", "SequentialBackend", "ThreadingBackend"]


# What a worker is set up with.


def test_each_worker_is_set_up_once() -> None:
    """By the call itself, or by what is around it."""
    calls = [delayed(state)() for _ in range(8)]

    assert set(Parallel(initializer=set_state, initargs=("a",))(calls)) == {"a"}
    with parallel_config("cotality", n_jobs=2, initializer=set_state, initargs=("b",)):
        assert set(Parallel()(calls)) == {"b"}
    assert set(Parallel()(calls)) == {None}


def test_workers_that_are_set_up_alike_stay(marks: Marks) -> None:
    """For calls with the same initializer and the same arguments."""
    from tests.joblib.work import meet

    def pids(names: str, count: int) -> set[int]:
        parallel = Parallel(n_jobs=2, initializer=set_state, initargs=(5,))
        return set(parallel(delayed(meet)(marks, name, count) for name in names))

    assert pids("ab", 2) == pids("cd", 4)


def test_an_initializer_that_fails_says_so() -> None:
    """In its own words; and calls without it work."""
    with pytest.raises(WorkerStartError) as caught:
        Parallel(initializer=refuse)(delayed(negated)(n) for n in range(4))

    assert isinstance(caught.value.__cause__, RuntimeError)
    assert "no model here" in str(caught.value.__cause__)
    assert Parallel()([delayed(negated)(1)]) == [-1]


THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
ALL_THREADS = (*THREADS, "NUMBA_NUM_THREADS")


def test_numeric_libraries_share_the_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the caller says how many threads each worker may use."""
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    calls = [delayed(variable)(name) for name in THREADS]

    assert set(Parallel(n_jobs=64)(calls)) == {"1"}
    with parallel_config("cotality", n_jobs=2, inner_max_num_threads=3):
        all_calls = [delayed(variable)(name) for name in ALL_THREADS]
        assert set(Parallel()(all_calls)) == {"3"}
    assert set(Parallel(n_jobs=2, inner_max_num_threads=4)(calls)) == {"4"}


def test_what_the_caller_says_counts_more_than_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Which counts more than our share."""
    monkeypatch.setenv("OMP_NUM_THREADS", "7")

    assert Parallel(n_jobs=2)([delayed(variable)("OMP_NUM_THREADS")]) == ["7"]
    with parallel_config("cotality", n_jobs=2, inner_max_num_threads=3):
        assert Parallel()([delayed(variable)("OMP_NUM_THREADS")]) == ["3"]
    shutdown_workers()
