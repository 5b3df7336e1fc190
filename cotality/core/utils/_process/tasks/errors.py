"""The errors of our own that a task can end in, and the note that names the task.

Every class is made from its message alone and keeps the rest as attributes, so that
each can be pickled, copied and raised again anywhere.
"""

from __future__ import annotations

from concurrent.futures import BrokenExecutor

from cotality._kit.public import public
from cotality._kit.safe_text import class_and_text

from .tracebacks import field_of


@public
class TaskExitedError(RuntimeError):
    """A task raised `SystemExit`, `KeyboardInterrupt` or another non-`Exception`.

    Its cause (``__cause__``) is what the task raised. It is an error of that task
    alone: a library that calls :func:`sys.exit` ends neither the caller nor a worker.
    What ``pytest.skip()`` and ``pytest.fail()`` raise ends a call as it is, unless
    failures are returned or grouped.
    """


@public
class RemoteTaskError(RuntimeError):
    """Stands for an exception of a task that could not be brought here as it was.

    Attributes:
        type_name: The full name of the original's class.
        traceback_text: The original's traceback as text.
    """

    type_name: str = ""
    traceback_text: str = ""


@public
class WorkerCrashedError(BrokenExecutor):
    """The worker process that ran a task came to an end before the task did.

    Only this task is lost: a new worker takes the next one.

    Attributes:
        exit_code: What the process ended with; negative for a signal. None when it
            could not be learnt.
        signal_name: Such as ``"SIGSEGV"``; None when no signal ended it.
        worker_stack: The Python stack of the worker at its end, when there was time
            to write one (a segmentation fault, an abort); otherwise an empty text.
        peak_memory: The most memory the worker is known to have had, in bytes; 0
            when it is not known. It is looked at from time to time, so a process
            that grew in its last half second may have had more.
        pid: Its process id; None when it was not a worker of ours.
        on_request: Whether it was this program that ended it, together with the call.
            What the task would have come to nobody knows: it has not failed.
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
class WorkerStartError(BrokenExecutor):
    """No worker process could be brought to work; no task is to blame.

    The message tells what happened to the last one; the cause is its own error when
    there is one, such as what an initializer raised.
    """


def was_cut_off(error: BaseException) -> bool:
    """Whether *error* says that a task was ended together with its call."""
    return isinstance(error, WorkerCrashedError) and error.on_request


# Where those exceptions are defined with which test frameworks say what becomes of a
# test. They are no `Exception`, so that the code under test does not catch them.
VERDICTS = {"_pytest.outcomes", "hypothesis.errors"}


def as_raised(failure: Exception) -> BaseException:
    """What a call raises when a task ended in *failure*.

    That is *failure* itself, but for what `pytest.skip` and its like raise: it is meant
    for the test framework, and would be lost on it as the cause of something else.
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
    """What to raise where the system does not let a thread of ours start."""
    return WorkerStartError(
        f"the thread {which} cannot be started: the system allows no more threads. "
        f"Their number is limited for each user (ulimit -u) and for each container "
        f"(its pids limit); start less, or have the limit raised"
    )
