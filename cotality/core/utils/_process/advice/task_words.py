"""Whether threads or processes suit a kind of work."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any, overload

from cotality._kit.public import public
from cotality.core.utils._process.machine.environment import LOGGER
from cotality.core.utils._process.tasks.task import Task

logger = logging.getLogger(LOGGER)

CPU_WORDS = frozenset(
    [
        *("cpu", "processor", "compute", "computing", "computation", "computational"),
        *("calculate", "calculating", "calculation", "number crunching"),
        *("math", "maths", "mathematical", "numeric", "numerical"),
    ]
)
IO_WORDS = frozenset(
    [
        *("io", "input/output", "network", "net", "http", "web", "api", "request"),
        *("download", "upload", "socket", "database", "db", "sql", "query"),
        *("file", "file system", "disk", "storage", "read", "reading", "write"),
        *("writing", "wait", "waiting", "sleep", "mixed"),
    ]
)
IGNORED = re.compile(r"[\s_/-]+")
# "cpu-bound", "heavy computation" and "I/O tasks" name the same as the bare word.
QUALIFIER = re.compile(
    r"^(heavy|intensive)+"
    r"|(bound|bounded|intensive|heavy|limited|tasks?|operations?|work|workload)+$"
)


@overload
def should_use_processes(task_type: str = "io") -> bool: ...
@overload
def should_use_processes(
    task_type: Iterable[Task[Any]],  # Any: of any result type
) -> bool: ...
@public
def should_use_processes(
    task_type: str | Iterable[Task[Any]] = "io",  # Any: as above
) -> bool:
    """Whether work of this kind is faster on processes than on threads.

    Work that computes in Python gains from processes: threads take turns, because only
    the thread that holds the global interpreter lock (GIL) runs. Work that waits for a
    network, a disk or a database releases the lock meanwhile, and threads are cheaper.
    On a Python without the GIL the answer is always False: threads compute in parallel
    there, and nothing has to be copied to another process.

    You may give the tasks themselves instead of a word. Then **some of them are
    executed**, on threads and on processes, and the answer says which was faster.
    :func:`advise` does the same and says why.

    Args:
        task_type: The tasks, or what the work spends its time on, such as ``"cpu"``,
            ``"cpu-bound"``, ``"compute"`` or ``"calculation"``; ``"io"``,
            ``"network"``, ``"database"``, ``"file"`` or ``"mixed"``. Case, spaces,
            ``-``, ``_`` and ``/`` make no difference.

    Returns:
        True for work that computes, False for work that waits. False also for an
        unknown word, with a warning in the log that lists the known ones: threads
        always work, while processes need arguments and results that can be pickled.

    Raises:
        TypeError: *task_type* is neither a string nor tasks.
    """
    if not isinstance(task_type, str):
        if not isinstance(task_type, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without a type checker
            raise TypeError(
                f"task_type must be a string such as 'cpu' or 'io', or the tasks "
                f"themselves, got {task_type!r}"
            )
        from .advise import advise

        return advise(task_type).use_processes
    return is_computing(task_type) and is_gil_enabled()


def is_computing(task_type: str) -> bool:
    if is_among(CPU_WORDS, task_type):
        return True
    if not is_among(IO_WORDS, task_type):
        logger.warning(
            "should_use_processes does not know the task type %r and advises "
            "threads. Known for processes: %s. Known for threads: %s.",
            task_type,
            ", ".join(sorted(CPU_WORDS)),
            ", ".join(sorted(IO_WORDS)),
        )
    return False


def is_among(words: frozenset[str], task_type: str) -> bool:
    known = {squeezed(word) for word in words}
    whole = squeezed(task_type)
    bare = QUALIFIER.sub("", whole)
    return not known.isdisjoint(
        [whole, whole.removesuffix("s"), bare, bare.removesuffix("s")]
    )


def squeezed(word: str) -> str:
    return IGNORED.sub("", word.casefold())


def is_gil_enabled() -> bool:
    # Since Python 3.13. It asks what holds now: a build without the GIL turns it on
    # again when an extension module needs it.
    ask: Callable[[], bool] | None = getattr(sys, "_is_gil_enabled", None)
    return ask is None or ask()
