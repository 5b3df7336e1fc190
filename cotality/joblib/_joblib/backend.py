"""What joblib calls: a backend in its sense."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

from cotality._kit.public import public_in
from cotality.core.machine import default_workers, in_worker
from cotality.core.pools import Calls, Crew, SharedPool

from .below import run_below
from .keeping import IDLE_S, Wanted, workers_for
from .mapped import with_files
from .running import Callback, Job, RunningCall
from .sizes import Sizes
from .theirs import (
    Batch,
    Call,
    FallbackToBackend,
    Parallel,
    ParallelBackendBase,
    cpus_of_joblib,
    forget_what_was_left,
    sequential,
)

# What joblib tells each backend, and what makes no difference here: how to map arrays,
# how to start processes, what the caller would like best.
UNUSED = {
    *("max_nbytes", "temp_folder", "mmap_mode", "verbose", "context"),
    *("prefer", "require"),
}
OPTIONS = (
    *("initializer", "initargs", "idle_worker_timeout"),
    "inner_max_num_threads",
)


@public_in("cotality.joblib")
class CotalityBackend(ParallelBackendBase):
    """A backend of joblib on worker processes that stay, and of which one may die.

    joblib makes it where ``"cotality"`` is named, once :func:`register` was called:
    ``parallel_config("cotality", n_jobs=4)``, ``Parallel(4, backend="cotality")``.

    Args:
        nesting_level: How many calls of joblib it is inside of; joblib says that.
        inner_max_num_threads: How many threads numeric libraries use in each worker.
            None gives each worker its share of the CPUs, unless the environment says
            how many.
        initializer: Each worker calls it, with *initargs*, before its first task. If it
            raises, the call fails with `WorkerStartError`.
        initargs: Its arguments.
        idle_worker_timeout: Seconds that workers stay without a call.
    """

    workers: int
    sizes: Sizes

    supports_retrieve_callback = True
    supports_inner_max_num_threads = True
    supports_sharedmem = False
    uses_threads = False

    def __init__(
        self,
        nesting_level: int | None = None,
        inner_max_num_threads: int | None = None,
        *,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),  # Any: arguments of any function
        idle_worker_timeout: float | None = IDLE_S,
    ) -> None:
        super().__init__(nesting_level, inner_max_num_threads)
        self.options: dict[str, Any] = {  # Any: as they were given
            "initializer": initializer,
            "initargs": initargs,
            "idle_worker_timeout": idle_worker_timeout,
        }
        self.owner: weakref.ref[Any] | None = None  # Any: the `Parallel` it is for
        self.pool: SharedPool | None = None
        self.crew: Crew | None = None  # for the call that has begun
        self.call: RunningCall | None = None  # once it has something to run
        self.workers = 1
        self.sizes = Sizes(1)

    def __repr__(self) -> str:
        return "<CotalityBackend>"

    # Before a call.

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """How many workers *n_jobs* means, at least 1.

        -1 is one for each CPU that this process may use, -2 one less, and so on; inside
        a worker, 1. None is 1.

        Raises:
            ValueError: It is 0.
        """
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None:
            return 1
        if n_jobs > 0:
            return n_jobs
        cpus = min(default_workers(True, in_worker()), cpus_of_joblib())
        return max(cpus + 1 + n_jobs, 1)

    def configure(
        self,
        n_jobs: int | None = 1,
        parallel: Parallel | None = None,
        **options: Any,  # Any: `OPTIONS`, and what other backends may need
    ) -> int:
        """Get ready for the calls of *parallel*: how many workers it has."""
        workers = self.effective_n_jobs(n_jobs)
        if workers == 1:
            raise FallbackToBackend(sequential(self.nesting_level))
        if parallel is not None and self.parallel_now is not parallel:
            raise FallbackToBackend(self.for_one(parallel))
        given = {**self.options, **checked(options)}
        threads = given.get("inner_max_num_threads", self.inner_max_num_threads)
        self.workers = workers
        self.pool = workers_for(
            Wanted(
                workers,
                given["initializer"],
                tuple(given["initargs"]),
                given["idle_worker_timeout"],
                threads,
            )
        )
        self.sizes = Sizes(workers)
        return workers

    @property
    def parallel_now(self) -> Parallel | None:
        """The one that this is for; None if that is gone, or not known yet."""
        found: Parallel | None = None if self.owner is None else self.owner()
        return found

    def for_one(self, parallel: Parallel) -> CotalityBackend:
        """Another one like this, for *parallel* alone.

        All calls inside a ``parallel_config`` are given the same backend, and several
        of them may run at a time, as generators do.
        """
        mine = CotalityBackend(
            self.nesting_level, self.inner_max_num_threads, **self.options
        )
        mine.owner = weakref.ref(parallel)
        return mine

    # A call.

    def start_call(self) -> None:
        """A call begins.

        Raises:
            RuntimeError: No processes may be started from here.
        """
        assert self.pool is not None
        level = (self.nesting_level or 0) + 1
        self.stop_call()  # of one that has failed before it had anything to run
        self.crew = Crew(self.pool, self.workers, runs=partial(run_below, level))
        self.crew.check()
        self.sizes = Sizes(self.workers)
        self.sizes.total = getattr(self.parallel_now, "n_tasks", None)
        forget_what_was_left(self.parallel_now)

    def submit(self, func: Callable[[], Any], callback: Callback) -> Job:  # Any: list
        """Have a batch of joblib's run; *callback* is told when it is done."""
        given = getattr(func, "items", None)
        is_whole = not isinstance(given, list)  # by a joblib with batches of other kind
        calls: list[Call] = [(func, (), {})]
        if not is_whole:
            calls = with_files(cast("Batch", func).items)
        if self.call is None:
            assert self.crew is not None
            self.call = RunningCall(self.crew, self.sizes)
        job = Job(Calls(self.call.alike.calls(calls)), callback, is_whole=is_whole)
        self.call.submit(job)
        return job

    def retrieve_result_callback(self, out: Job) -> Any:  # Any: a list of results
        """The results of the batch *out*, or its failure."""
        return out.results()

    @contextmanager
    def retrieval_context(self) -> Generator[None, None, None]:
        """What joblib does around the time in which it takes results."""
        if self.call is not None and wants_all(self.parallel_now):
            self.call.wait()
        yield

    def compute_batch_size(self) -> int:
        """How many tasks the next batch should have."""
        return self.sizes.next()

    def batch_completed(self, batch_size: int, duration: float) -> None:
        """Nothing: the workers say how long their tasks took."""

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """End the call: what waits is dropped, what runs is ended."""
        call, crew = self.call, self.crew
        self.call = self.crew = None
        if call is not None:
            call.put_frames_back(sys.exc_info()[1])
            call.abort()
        elif crew is not None:
            crew.close(all_ended=True)

    def stop_call(self) -> None:
        """A call is over."""
        call, crew = self.call, self.crew
        self.call = self.crew = None
        if call is not None:
            call.finish()
        elif crew is not None:
            crew.close(all_ended=True)

    def terminate(self) -> None:
        """No more calls for now. The workers stay, for whoever calls next."""
        self.stop_call()


def wants_all(parallel: Parallel | None) -> bool:
    """Whether the caller has nothing to do before all of its results are there.

    With a time limit for each task, joblib has to look at its watch.
    """
    return (
        parallel is not None
        and not parallel.return_generator
        and parallel.timeout is None
    )


def checked(options: dict[str, Any]) -> dict[str, Any]:  # Any: as they were given
    """Those of *options* that mean something here.

    Raises:
        TypeError: There is no such option.
    """
    given = {name: value for name, value in options.items() if name not in UNUSED}
    for name in given:
        if name not in OPTIONS:
            raise TypeError(
                f"the joblib backend 'cotality' has no option {name!r}. It has "
                f"{', '.join(OPTIONS[:-1])} and {OPTIONS[-1]}."
            )
    return given
