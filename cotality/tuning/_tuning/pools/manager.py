"""One set of worker processes for all requests of a service."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from typing import Any, Literal, TypeVar, Unpack, overload

from cotality._kit.around import Around, around
from cotality._kit.public import public_in
from cotality.core.calls import (
    DEFAULT_GRACE,
    Awaits,
    OnError,
    Prepared,
    checked_seconds,
    takes_options_without,
)
from cotality.core.machine import after_fork
from cotality.core.pools import IDLE_SECONDS, PoolStatus, SharedPool, number_said
from cotality.tuning._tuning.work import calling
from cotality.tuning._tuning.work.calling import call_for
from cotality.tuning._tuning.work.choice import PARAMETERS, PLACES_SAID
from cotality.tuning._tuning.work.options import WorkerOptions
from cotality.tuning._tuning.work.work import Work

T = TypeVar("T")
R = TypeVar("R")

SHUT_DOWN = (
    "this pool manager has been shut down, and runs nothing more. "
    "get_global_pool_manager() gives one that is open; managed_pool() makes another."
)

# Options for which a call starts workers of its own, which is what a manager prevents.
NEED_OWN_WORKERS = ("initializer", "initargs", "max_tasks_per_worker")

public = public_in("cotality.tuning")


@public
class PoolManager:
    """One set of worker processes that all calls, threads and requests share.

    A call that gives a number of workers has those for itself, so a service that
    answers 50 requests at once would start 50 times as many. Calls on a manager share
    *max_workers* processes. Their portions stand in one queue, so small requests need
    not wait until a large one ends.

    The processes start when the first call needs them, or with :meth:`warm_up`. They
    end after *idle_seconds* without a call; the next call starts new ones. They always
    end with this process. You may use a manager from all threads and event loops. In a
    forked child it starts afresh: the child gets workers of its own.

    Workers keep the directory, the environment and the import path that this process
    had when they started.

    Args:
        max_workers: The most processes, at least 1. None takes the value of the
            environment variable ``COTALITY_MAX_WORKERS``, or else the number of CPUs
            that this process may use, and 1 inside a worker.
        workers: Another word for *max_workers*.
        idle_seconds: How long the workers stay without a call, more than 0; None keeps
            them until the end.
        niceness: How far workers give way to others that want a CPU, such as the
            threads that answer requests: from 0, not at all, to 19. It is useful if
            there are more workers than CPUs. Workers then give way to other programs,
            too. No effect on Windows.
        initializer: Each worker calls it, with *initargs*, before its first task: to
            load a model, or to import a large module. If it raises, the calls of that
            time fail with `WorkerStartError`, and the next call tries again.
        initargs: The arguments of *initializer*.

    Raises:
        ValueError: An argument is out of range, or ``COTALITY_MAX_WORKERS`` is not a
            number of workers.
        TypeError: An argument has the wrong type.
        TaskNotPicklableError: *initializer* cannot be sent to a process.

    A call costs about 40 microseconds more than one on warm workers of its own
    (measured on 2 cores, Python 3.11).
    """

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        workers: int | None = None,
        idle_seconds: float | None = IDLE_SECONDS,
        niceness: int = 0,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),  # Any: arguments of any function
    ) -> None:
        self._shared = SharedPool(
            number_said(workers, max_workers),
            idle_seconds=idle_seconds,
            niceness=niceness,
            initializer=initializer,
            initargs=initargs,
            closed=SHUT_DOWN,
        )

    def __repr__(self) -> str:
        status = self.status()
        if status.is_shut_down:
            return "<PoolManager, shut down>"
        return (
            f"<PoolManager, {status.busy} of {len(status.pids)} workers busy, "
            f"at most {status.max_workers}>"
        )

    @property
    def max_workers(self) -> int:
        """How many worker processes there may be."""
        return self._shared.max_workers

    # In the signatures, Any: the items of any data, as arguments of any function.

    @overload
    def execute(
        self,
        func: Callable[[T], R],
        data: Iterable[T],
        *,
        n_jobs: int | None = None,
        chunksize: int | None = None,
        unpack: Literal[False] = False,
        on_error: Literal["raise", "group"] | None = None,
        **options: Unpack[WorkerOptions],
    ) -> list[R]: ...
    @overload
    def execute(
        self,
        func: Callable[..., R],
        data: Iterable[Any],
        *,
        n_jobs: int | None = None,
        chunksize: int | None = None,
        unpack: Literal[True],
        on_error: Literal["raise", "group"] | None = None,
        **options: Unpack[WorkerOptions],
    ) -> list[R]: ...
    @overload
    def execute(
        self,
        func: Callable[..., R],
        data: Iterable[Any],
        *,
        n_jobs: int | None = None,
        chunksize: int | None = None,
        unpack: bool = False,
        on_error: Literal["return"],
        **options: Unpack[WorkerOptions],
    ) -> list[R | Exception]: ...
    @takes_options_without(*PARAMETERS, *PLACES_SAID)
    def execute(
        self,
        func: Callable[..., R],
        data: Iterable[Any],
        *,
        n_jobs: int | None = None,
        chunksize: int | None = None,
        unpack: bool = False,
        on_error: OnError | None = None,
        **options: Unpack[WorkerOptions],
    ) -> list[R] | list[R | Exception]:
        """``[func(item) for item in data]``, on the workers of this manager.

        Args:
            func: What to call, once with each item.
            data: The items; read in the calling thread, as workers become free.
            n_jobs: The most workers that work for this call; None takes all of them.
            chunksize: As for `execute`, as are *unpack* and *on_error*.
            **options: Likewise, such as *timeout* and *retries*.

        Raises:
            RuntimeError: The manager has been shut down.
            ValueError: An option is out of range, or wants workers of its own.
            TypeError: An argument is not what it must be.
            Exception: As for `execute`.
        """
        call = self._call(
            func,
            data,
            n_jobs=n_jobs,
            chunksize=chunksize,
            unpack=unpack,
            on_error=on_error,
            options=options,
        )
        with self._shared.use():
            return call.results()

    @overload
    def execute_async(
        self,
        func: Callable[[T], R],
        data: Iterable[T],
        *,
        n_jobs: int | None = None,
        chunksize: int | None = None,
        unpack: Literal[False] = False,
        on_error: Literal["raise", "group"] | None = None,
        **options: Unpack[WorkerOptions],
    ) -> Awaits[list[R]]: ...
    @overload
    def execute_async(
        self,
        func: Callable[..., R],
        data: Iterable[Any],
        *,
        n_jobs: int | None = None,
        chunksize: int | None = None,
        unpack: Literal[True],
        on_error: Literal["raise", "group"] | None = None,
        **options: Unpack[WorkerOptions],
    ) -> Awaits[list[R]]: ...
    @overload
    def execute_async(
        self,
        func: Callable[..., R],
        data: Iterable[Any],
        *,
        n_jobs: int | None = None,
        chunksize: int | None = None,
        unpack: bool = False,
        on_error: Literal["return"],
        **options: Unpack[WorkerOptions],
    ) -> Awaits[list[R | Exception]]: ...
    @takes_options_without(*PARAMETERS, *PLACES_SAID)
    def execute_async(
        self,
        func: Callable[..., R],
        data: Iterable[Any],
        *,
        n_jobs: int | None = None,
        chunksize: int | None = None,
        unpack: bool = False,
        on_error: OnError | None = None,
        **options: Unpack[WorkerOptions],
    ) -> Awaits[list[R] | list[R | Exception]]:
        """As :meth:`execute`, to be awaited; the event loop goes on meanwhile.

        Wrong arguments are errors of the call itself, not of the ``await``. *data* is
        read, and arguments and results are pickled, in the thread of the loop.

        Raises:
            CancelledError: The awaiting task was cancelled. What has not started is
                dropped, and workers that run something of this call are killed.
            Exception: As for :meth:`execute`.
        """
        call = self._call(
            func,
            data,
            n_jobs=n_jobs,
            chunksize=chunksize,
            unpack=unpack,
            on_error=on_error,
            options=options,
        )
        return self._awaited(call)

    async def _awaited(self, call: Prepared) -> list[Any]:
        with self._shared.use():
            return await call.results_async()

    def _call(
        self,
        func: Callable[..., object],
        data: Iterable[Any],
        *,
        n_jobs: int | None,
        chunksize: int | None,
        unpack: bool,
        on_error: OnError | None,
        options: WorkerOptions,
    ) -> Prepared:
        check_options(options)
        self._shared.check_open()
        work = Work.checked(
            func,
            data,
            plan=None,
            executor="processes",
            n_jobs=n_jobs,
            max_workers=self.max_workers,
            chunksize=chunksize,
            unpack=unpack,
            on_error=on_error,
            options=options,
            face="manager",
        )
        return call_for(work)

    def workers(self) -> Around[None]:
        """Run calls inside the ``with`` on the workers of this manager.

        This affects every call with ``use_processes=True`` in this thread or coroutine,
        and calls with ``"auto"`` that decide for processes. No such call uses more than
        *max_workers* of them. The ``with`` alone starts nothing and holds nothing, so
        it may last as long as the program.

        Raises:
            RuntimeError: The manager has been shut down.
        """
        return self._shared.use()

    def warm_up(self) -> None:
        """Start all workers now, and wait until they are ready.

        So the first request need not wait for them. It takes 0.1 s for the first worker
        and 10 ms for each further one, plus the time of *initializer*; nothing if they
        are running. In an event loop: ``await asyncio.to_thread(manager.warm_up)``. It
        does nothing in a worker that imports the module which makes this call.

        Raises:
            RuntimeError: The manager has been shut down.
            WorkerStartError: No worker can be started. If the system refuses only some
                of them, a warning is logged.
        """
        self._shared.warm_up()

    def status(self) -> PoolStatus:
        """What the workers are doing now; does not wait for them."""
        return self._shared.status()

    def shutdown(self, *, grace: float | None = DEFAULT_GRACE) -> None:
        """Accept no more calls, end the workers, and wait for them.

        You may call it again, and from any thread.

        Args:
            grace: Seconds that running calls get to finish. Then their workers are
                killed and the calls fail. None waits as long as it takes. A call of
                this thread, or of an event loop that runs in it, cannot finish
                meanwhile.
        """
        self._shared.shut_down(checked_seconds("grace", grace, zero=True))


def check_options(options: WorkerOptions) -> None:
    """Refuse what would start more workers."""
    for name in NEED_OWN_WORKERS:
        if options.get(name) not in (None, ()):
            raise ValueError(
                f"{name} would start workers for this call alone. Give an initializer "
                f"to the manager, when that is made, or call execute()."
            )


# The one for the whole process.

global_manager: PoolManager | None = None
using_global_manager = threading.Lock()


def workers_of_program() -> SharedPool | None:
    """Whose workers a call uses where there is a global pool manager."""
    manager = global_manager
    if manager is None or manager._shared.is_shut_down:  # pyright: ignore[reportPrivateUsage]  # of this module
        return None
    return manager._shared  # pyright: ignore[reportPrivateUsage]  # of this module


calling.lender_of_program = workers_of_program


@public
def get_global_pool_manager() -> PoolManager:
    """The pool manager of this process; the first call makes it.

    It has the default number of workers: the value of ``COTALITY_MAX_WORKERS``, or else
    one for each CPU that this process may use. Once it exists, `execute` and its
    siblings use its workers as well. If a server has several processes, each has a
    manager, so divide the CPUs among them with that variable. Use `managed_pool` for
    other settings.

    Raises:
        ValueError: ``COTALITY_MAX_WORKERS`` is not a number of workers.
    """
    global global_manager
    with using_global_manager:
        if global_manager is None or global_manager.status().is_shut_down:
            global_manager = PoolManager()
        return global_manager


@public
def shutdown_global_pool_manager(*, grace: float | None = DEFAULT_GRACE) -> None:
    """Shut down the pool manager of this process, if there is one, and wait for it.

    The next `get_global_pool_manager` makes another. You need not call this at the end
    of the program: workers end with it.

    Args:
        grace: As for :meth:`PoolManager.shutdown`.
    """
    global global_manager
    manager = global_manager
    if manager is None:
        return
    manager.shutdown(grace=grace)
    # Not before: should an exception strike on the way, it can be done once more.
    with using_global_manager:
        if global_manager is manager:
            global_manager = None


@public
@around
def managed_pool(
    max_workers: int | None = None,
    *,
    workers: int | None = None,
    idle_seconds: float | None = IDLE_SECONDS,
    niceness: int = 0,
    initializer: Callable[..., object] | None = None,
    initargs: tuple[Any, ...] = (),  # Any: arguments of any function
    grace: float | None = DEFAULT_GRACE,
) -> Generator[PoolManager, None, None]:
    """A `PoolManager` for a ``with`` block, which is shut down at the end of the block.

    Calls with ``use_processes=True`` inside the block, in this thread or coroutine, run
    on its workers. Other threads and coroutines call the methods of the manager.

    Args:
        max_workers: As for `PoolManager`, as are *workers*, *idle_seconds*,
            *niceness*, *initializer* and *initargs*.
        grace: As for :meth:`PoolManager.shutdown`. After Ctrl-C there is no grace.
    """
    manager = PoolManager(
        max_workers,
        workers=workers,
        idle_seconds=idle_seconds,
        niceness=niceness,
        initializer=initializer,
        initargs=initargs,
    )
    checked_seconds("grace", grace, zero=True)
    try:
        with manager.workers():
            yield manager
    except (KeyboardInterrupt, SystemExit):
        grace = 0.0
        raise
    finally:
        manager.shutdown(grace=grace)


def forget_lock() -> None:
    """In a forked child: another thread of the parent may have held it."""
    global using_global_manager
    using_global_manager = threading.Lock()


after_fork(forget_lock)
