"""Run functions in parallel, on threads or on processes.

    >>> from cotality import pmap
    >>> pmap(abs, [-1, 2, -3])
    [1, 2, 3]

These are the words that most people need, the same objects as in
:mod:`cotality.core.utils.process`, where all others are:

* :func:`pmap` calls a function with each item of some data, and :func:`pmap_iter`
  yields what it returns; :func:`pmap_async` is for event loops; the decorator
  :func:`parallel` gives a function a method ``map``;
* :func:`run_tasks` runs calls of several functions, each a :class:`Task`;
  :func:`iter_outcomes` says of each how it ended, in an :class:`Outcome`;
* options that are more than a number or a path: :class:`Retry`, :class:`Rate`,
  :class:`Journal`, :class:`DeadLetters`, :class:`RunReport`, and the :class:`Progress`
  that a function gets; :func:`replay` runs dead letters again;
* :func:`share` sends a large object once, :func:`worker_state` makes one in each
  worker, and :func:`worker_pool` keeps workers for several calls;
* what may be raised: :class:`TaskTimeoutError`, :class:`WorkerCrashedError`,
  :class:`TaskNotPicklableError`.
"""

import sys

# Type checkers take a variable of this name for true, and see what each name is.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from .core.utils.process import (
        DeadLetters,
        Journal,
        Outcome,
        Progress,
        Rate,
        Retry,
        RunReport,
        Task,
        TaskNotPicklableError,
        TaskTimeoutError,
        WorkerCrashedError,
        iter_outcomes,
        parallel,
        pmap,
        pmap_async,
        pmap_iter,
        replay,
        run_tasks,
        share,
        worker_pool,
        worker_state,
    )

__all__ = [
    "DeadLetters",
    "Journal",
    "Outcome",
    "Progress",
    "Rate",
    "Retry",
    "RunReport",
    "Task",
    "TaskNotPicklableError",
    "TaskTimeoutError",
    "WorkerCrashedError",
    "iter_outcomes",
    "parallel",
    "pmap",
    "pmap_async",
    "pmap_iter",
    "replay",
    "run_tasks",
    "share",
    "worker_pool",
    "worker_state",
]

if "-c" in getattr(sys, "argv", [])[1:]:  # no interpreter, but perhaps it was to be one
    from .core.utils._process.starting import own_start

    own_start.end_second_program(is_import=True)

# A script such as html.py stands in the way of a module that is imported later. In a
# process that another one has started the arguments tell which script it was.
_script = getattr(sys.modules.get("__main__"), "__file__", None)
_needed = ("cloudpickle", "tblib", "typing_extensions", "pybreaker", "rich")
for _path in (_script, *getattr(sys, "argv", [])[:1]):
    _name = str(_path).replace("\\", "/").rpartition("/")[2].partition(".")[0]
    if _name in sys.stdlib_module_names or _name in _needed:
        from .core.utils._process.starting import own_name

        own_name.import_hidden_module()


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .core.utils import process

    thing: object = getattr(process, name)
    globals()[name] = thing
    return thing


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
