"""A process pool executor in which one crash is one failure."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from functools import partial
from multiprocessing.context import BaseContext
from typing import Any, ParamSpec, TypeVar

from cotality._kit.public import public
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.channel.segments import (
    NoRoomError,
    Segment,
    pack,
    sent_along,
)
from cotality.core.utils._process.machine import this_process
from cotality.core.utils._process.machine.cpus import (
    checked_max_workers,
    default_workers,
)
from cotality.core.utils._process.packing import patched
from cotality.core.utils._process.pickling.encode import encode
from cotality.core.utils._process.pickling.refusals import unpicklable_call
from cotality.core.utils._process.starting.launch import default_context
from cotality.core.utils._process.tasks.checks import (
    check_function,
    check_runs,
    checked_count,
)

from .handle import WorkerPlan
from .pool import Pool, check_that_it_can_come
from .requests import Item
from .worker_main import Initializer

P = ParamSpec("P")
T = TypeVar("T")


class Answer(Future[T]):
    """A future that also raises an exception which is false, and never waits in vain.

    That of the standard library asks for its exception by its truth (seen on 3.11 to
    3.13), and gives None where a class of exceptions has `__len__` or `__bool__`.
    """

    def exception(self, timeout: float | None = None) -> BaseException | None:
        check_that_it_can_come(self)
        return super().exception(timeout)

    def result(self, timeout: float | None = None) -> T:
        check_that_it_can_come(self)
        value = super().result(timeout)
        if value is None:
            error = self.exception()
            if error is not None:
                try:
                    raise error
                finally:
                    del self, error  # the error's frames would hold both of them
        return value


@public
class IsolatedProcessPoolExecutor(Executor):
    """A `concurrent.futures.Executor` on processes in which one crash is one failure.

    Use it wherever you would use `concurrent.futures.ProcessPoolExecutor`. The
    differences:

    * When a worker process dies (a segmentation fault, :func:`os._exit`, no memory),
      only the future that it was working on fails, with `WorkerCrashedError`. A new
      worker takes the next item. No item runs twice.
    * Lambdas, closures and functions of the main module work, and a script needs no
      ``if __name__ == "__main__"``. The call itself pickles what you submit.
    * :meth:`kill` ends a running call.
    * An exception arrives with the frames of the worker in its traceback.
    * The workers end with this process, also when that is killed.

    A trivial call to a running worker takes about half as long as with the standard
    executor (see *Speed* in the documentation). Each worker takes three file
    descriptors; all workers together take one thread.

    Args:
        max_workers: The most processes, at least 1. They start when there is work. None
            takes the number of CPUs that this process may use, and 1 inside a worker.
        mp_context: How to start them; by default from our own fork server, where the
            system has fork. A context of `multiprocessing` imports the main module
            again in each worker, unless it forks.
        initializer: Each worker calls it, with *initargs*, before its first item. If it
            raises, nothing can run: pending and later items fail with
            `WorkerStartError`. *initargs* may hold sockets, and connections, locks,
            values and queues of :mod:`multiprocessing` that come from a context which
            does not fork: ``multiprocessing.get_context("spawn").Lock()``. Only a fork
            can use those of the context that forks, the default on Linux up to Python
            3.13.
        max_tasks_per_child: Replace a worker after this many items.

    Raises:
        ValueError: *max_workers* or *max_tasks_per_child* is below 1.
        TypeError: *initializer* cannot be called.
        TaskNotPicklableError: *initializer* or *initargs* cannot be sent to a process.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: BaseContext | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),  # Any: arguments of any function
        *,
        max_tasks_per_child: int | None = None,
    ) -> None:
        if max_workers is None:
            max_workers = default_workers(True, this_process.is_worker)
        plan = WorkerPlan(
            context=mp_context or default_context(),
            initializer=checked_initializer(initializer, initargs, mp_context),
            max_tasks=checked_count("max_tasks_per_child", max_tasks_per_child),
        )
        self._pool = Pool(checked_max_workers(max_workers), plan)
        # The executor may be dropped without a shutdown. Its work is still finished,
        # and the workers then end. The end of the program is seen to by the pool.
        weakref.finalize(self, self._pool.abandon).atexit = False

    def submit(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Have ``fn(*args, **kwargs)`` called in a worker.

        If it cannot be pickled, the future fails with `TaskNotPicklableError`.

        Raises:
            RuntimeError: The executor has been shut down.
            TypeError: *fn* is an ``async def`` or a generator: nothing would run.
            WorkerStartError: The initializer has failed in a worker.
        """
        check_runs(fn, "fn")
        future: Future[T] = Answer()
        try:
            given = patched.sendable_arguments(args, kwargs)
            packed = pack((patched.sendable(fn), *given))
            segments: list[Segment] = []
            if isinstance(packed, bytes):
                body = packed
            else:
                with sent_along() as segments:
                    body = encode(packed)
        except Exception as error:
            if is_of_a_signal(error):
                raise
            self._pool.check_open()
            future.set_running_or_notify_cancel()
            if not isinstance(error, NoRoomError):
                error = unpicklable_call(fn, args, kwargs, error)
            future.set_exception(error)
            return future
        self._pool.put(Item(future, body, segments))
        return future

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],  # Any: arguments of any function
        timeout: float | None = None,
        chunksize: int = 1,
        **options: Any,  # Any: what later versions of Python add
    ) -> Iterator[T]:
        """As :meth:`concurrent.futures.Executor.map`.

        Args:
            timeout: Seconds from this call after which asking for a missing result
                raises `TimeoutError`; None waits for ever.
            chunksize: How many items travel together, at least 1. Larger chunks make
                short calls cheaper; a failure ends the rest of its chunk.
        """
        if chunksize < 1:
            raise ValueError(f"chunksize must be at least 1, got {chunksize!r}")
        check_runs(fn, "fn")
        if chunksize == 1:
            return super().map(fn, *iterables, timeout=timeout, **options)
        chunks = batched(zip(*iterables, strict=False), chunksize)
        call = partial(call_each, fn)
        results = super().map(call, chunks, timeout=timeout, **options)
        return itertools.chain.from_iterable(results)

    def kill(self, future: Future[Any]) -> bool:  # Any: the future of any call
        """End the call behind *future*: drop it if it waits, else end its worker.

        The worker ends at once, whatever it is doing, together with the processes that
        it has started. The future fails with `WorkerCrashedError`, and a new worker
        takes the next item.

        Returns:
            True if there was something to end; False for a call that is over, or that
            belongs to another executor.
        """
        return future.cancel() or self._pool.kill_one(future)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As :meth:`concurrent.futures.Executor.shutdown`.

        Args:
            wait: Return only when all work is done and the workers have ended.
            cancel_futures: Drop items that no worker has begun.
        """
        self._pool.close(wait=wait, cancel=cancel_futures)


def checked_initializer(
    initializer: Callable[..., object] | None,
    initargs: tuple[Any, ...],  # Any: arguments of any function
    context: BaseContext | None = None,
) -> Initializer | None:
    """*initializer* with its arguments, in a form that can go to a worker.

    What the standard pickle and cloudpickle refuse is left as it is: locks and queues
    of `multiprocessing` can be sent to a process while it is started, and only then.
    """
    if initializer is None:
        return None
    if not callable(initializer):
        raise TypeError(f"initializer must be a function, got {initializer!r}")
    check_function(initializer, "the initializer")
    try:
        function = encode(patched.sendable(initializer))
    except Exception as error:
        if is_of_a_signal(error):
            raise
        raise unpicklable_call(initializer, (), {}, error) from error
    try:
        return Initializer(function, encode(tuple(initargs)))
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        from cotality.core.utils._process.starting.only_at_start import parts_for_start

        return Initializer(function, parts_for_start(tuple(initargs), context))


def batched(items: Iterable[Any], size: int) -> Iterator[list[Any]]:  # Any: any items
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


def call_each(
    function: Callable[..., T], calls: list[tuple[Any, ...]]
) -> list[T]:  # Any: arguments of any function
    return [function(*arguments) for arguments in calls]
