"""The errors of our own that a task can end in, and the note that names the task.

Every class is made from its message alone and keeps the rest as attributes, so that
each can be pickled, copied and raised again anywhere.
"""

from __future__ import annotations

from concurrent.futures import BrokenExecutor
from typing import TYPE_CHECKING, Any

from cotality._kit.public import public
from cotality._kit.safe_text import class_and_text
from cotality._kit.struck import is_of_a_signal

from .tracebacks import field_of

if TYPE_CHECKING:
    from typing import Self


@public
class TaskExitedError(RuntimeError):
    """A task raised `SystemExit`, `KeyboardInterrupt` or another non-`Exception`.

    Its cause (``__cause__``) is what the task raised. Only that task fails: a library
    that calls :func:`sys.exit` ends neither the caller nor a worker. The exceptions of
    ``pytest.skip()`` and ``pytest.fail()`` end a call as they are, unless failures are
    returned or grouped.
    """


@public
class RemoteTaskError(RuntimeError):
    """Stands for an exception of a task that could not be sent to the caller as it was.

    Attributes:
        type_name: The full name of the original's class.
        traceback_text: The original's traceback as text.
    """

    type_name: str = ""
    traceback_text: str = ""


class LostWorkersError(BrokenExecutor):
    """A `BrokenProcessPool`, as soon as there is one: code for that catches it, too.

    The module of that class takes 8 ms to import even where the rest is there, and 60
    ms where it is not. So it becomes the base of this one when the first such error is
    made, and not when this module is imported.
    """

    def __new__(cls, *args: Any) -> Self:  # Any: as `BaseException` has it
        if LostWorkersError.__bases__ == (BrokenExecutor,):
            become_broken_pool()
        return super().__new__(cls, *args)


def become_broken_pool() -> None:
    try:
        from concurrent.futures.process import BrokenProcessPool
    except Exception as error:
        if is_of_a_signal(error):
            raise
        return  # no descriptor is left to read it with, nor for who wants to catch it
    LostWorkersError.__bases__ = (BrokenProcessPool,)


@public
class WorkerCrashedError(LostWorkersError):
    """The worker process that ran a task died before the task was finished.

    Only this task is lost: a new worker takes the next one.

    Attributes:
        exit_code: The exit code of the process; negative for a signal. None if it is
            not known.
        signal_name: Such as ``"SIGSEGV"``; None if no signal ended the process.
        worker_stack: The Python stack of the worker at its death, if it had time to
            write one (a segmentation fault, an abort); otherwise an empty text.
        peak_memory: The most memory that the worker is known to have used, in bytes; 0
            if that is not known. It is measured from time to time, so a process that
            grew in its last half second may have used more.
        pid: Its process id; None if it was not one of our workers.
        on_request: Whether this program ended the worker, together with the call. Such
            a task has not failed: nobody knows how it would have ended.
    """

    exit_code: int | None = None
    signal_name: str | None = None
    worker_stack: str = ""
    peak_memory: int = 0
    pid: int | None = None
    on_request: bool = False


@public
class TaskTimeoutError(TimeoutError):
    """A task ran longer than its *timeout*, and its worker was ended.

    Attributes:
        timeout: The limit in seconds.
        pid: The process id of the worker.
    """

    timeout: float = 0.0
    pid: int | None = None


@public
class WorkerStartError(LostWorkersError):
    """No worker process could be started; no task is to blame.

    The message says what happened to the last one. If that raised an error of its own,
    such as that of an initializer, it is the cause.
    """


def was_cut_off(error: BaseException) -> bool:
    """Whether *error* says that a task was ended together with its call."""
    return isinstance(error, WorkerCrashedError) and error.on_request


# The modules of the exceptions by which a test framework decides the result of a test.
# They are not `Exception`s, so that the code under test does not catch them.
VERDICTS = {"_pytest.outcomes", "hypothesis.errors"}


def as_raised(failure: Exception) -> BaseException:
    """What a call raises when a task ended in *failure*.

    That is *failure* itself, except for an exception of `pytest.skip` and its like. The
    test framework has to see that one; it would not notice it as the cause of another.
    """
    verdict = failure.__cause__
    if type(failure) is not TaskExitedError or verdict is None:
        return failure
    if VERDICTS.isdisjoint(kind.__module__ for kind in type(verdict).__mro__):
        return failure
    for note in getattr(failure, "__notes__", ()):
        verdict.add_note(note)
    return verdict


def exited(error: BaseException) -> TaskExitedError:
    """The `Exception` that stands for *error*, which is not one."""
    failure = TaskExitedError(
        f"the task raised {class_and_text(error)}. Only the task ended, as if it had "
        f"failed; a task that wants to end the program has to say so to its caller."
    )
    failure.__cause__ = error
    return failure.with_traceback(field_of(error, "__traceback__"))


def no_room_for_thread(which: str) -> WorkerStartError:
    """What to raise when the system does not let us start a thread."""
    return WorkerStartError(
        f"the thread {which} cannot be started: the system allows no more threads. "
        f"Their number is limited for each user (ulimit -u) and for each container "
        f"(its pids limit); start less, or have the limit raised"
    )
