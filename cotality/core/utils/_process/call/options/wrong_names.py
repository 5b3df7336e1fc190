"""What a caller has meant who gives an option that there is not.

It may be misspelt, or the word of another library for the same thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

# What other libraries call it, and what it is called here: the first that the function
# has. With the library, or the reason, where the words say less than that.
PLACE = ("processes", "executor", "use_processes")
NUMBER = ("workers", "n_jobs", "max_workers")
TOGETHER = ("chunksize",)
BAR = ("progress",)
KNOWN: dict[str, tuple[str, ...]] = {
    # How many.
    **dict.fromkeys(
        (
            *("workers", "n_jobs", "max_workers", "n_workers"),
            *("num_workers", "nworkers", "nprocs", "n_procs", "num_processes"),
            *("n_processes", "n_threads", "num_threads", "threads_count", "jobs"),
            *("pool_size", "poolsize", "concurrency", "max_concurrency", "cores"),
            *("cpus", "n_cpus", "parallelism", "max_threads", "max_processes"),
        ),
        NUMBER,
    ),
    # Where.
    **dict.fromkeys(
        (
            *("processes", "use_processes", "backend", "prefer", "require"),
            *("start_method", "mp_context", "context_method", "use_threads"),
            *("threads", "multiprocessing", "pool", "mode", "scheduler", "kind"),
        ),
        PLACE,
    ),
    # How many together.
    **dict.fromkeys(
        (
            *("chunk_size", "chunks", "n_splits", "batch", "pre_dispatch"),
            *("iterable_len", "max_tasks_active", "prefetch"),
        ),
        TOGETHER,
    ),
    "batch_size": ("batch_size", *TOGETHER),
    # The bar.
    **dict.fromkeys(
        (
            *("desc", "description", "progress_bar", "bar", "tqdm", "show_progress"),
            *("title", "progress_bar_options", "progress_bar_style", "disable"),
        ),
        BAR,
    ),
    "verbose": ("verbose", *BAR),
    "units": ("unit",),
    # Failures.
    **dict.fromkeys(
        (
            *("retry", "attempts", "max_retries", "tries", "max_attempts"),
            *("max_tries", "n_retries", "stop"),
        ),
        ("retries",),
    ),
    **dict.fromkeys(
        ("errors", "on_failure", "raise_exceptions", "raise_errors", "catch", "halt"),
        ("on_error",),
    ),
    "return_exceptions": ("return_exceptions", "on_error"),
    "fail_fast": ("on_error",),
    **dict.fromkeys(
        ("task_timeout", "time_limit", "timeout_s", "timelimit", "worker_timeout"),
        ("timeout",),
    ),
    **dict.fromkeys(
        ("dlq", "dead_letter", "dead_letter_queue", "failed"), ("dead_letters",)
    ),
    **dict.fromkeys(
        ("checkpoint", "joblog", "log_file", "cache", "store"), ("journal",)
    ),
    # Limits.
    **dict.fromkeys(
        ("rate_limit", "per_second", "qps", "rps", "delay", "throttle"), ("rate",)
    ),
    **dict.fromkeys(
        ("memory", "memfree", "max_nbytes", "memory_mb"),
        ("memory_limit", "memory_limit_mb"),
    ),
    "max_memory": ("max_memory_mb", "memory_limit", "memory_limit_mb"),
    **dict.fromkeys(
        (
            *("maxtasksperchild", "max_tasks_per_child", "worker_lifespan"),
            *("max_tasks", "lifespan"),
        ),
        ("max_tasks_per_worker",),
    ),
    # Workers.
    **dict.fromkeys(
        ("worker_init", "init", "setup", "on_start", "initialiser"), ("initializer",)
    ),
    "init_args": ("initargs",),
    # What comes back.
    **dict.fromkeys(("order", "keep_order", "sorted", "in_order"), ("ordered",)),
    **dict.fromkeys(("star", "starmap", "unpack_args", "splat"), ("unpack",)),
    **dict.fromkeys(("html", "profile", "stats", "insights"), ("report",)),
    "debug": ("inline",),
    "sequential": ("inline", "executor"),
}

# What is given for these, which is not the same as elsewhere.
VALUES = {
    "backend": {
        "processes": "processes=True, False or 'auto'",
        "executor": "executor='processes' or 'threads'",
    },
    "prefer": {
        "processes": "processes=True, False or 'auto'",
        "executor": "executor='processes' or 'threads'",
    },
    "desc": {"progress": "progress='Hashing' names the bar"},
    "description": {"progress": "progress='Hashing' names the bar"},
    "title": {"progress": "progress='Hashing' names the bar"},
    "use_threads": {"processes": "processes=False are threads"},
    "threads": {"processes": "processes=False are threads"},
    "return_exceptions": {"on_error": "on_error='return'"},
    "fail_fast": {"on_error": "on_error='raise' is what happens anyway"},
    "raise_exceptions": {"on_error": "on_error='raise', 'return' or 'group'"},
    "debug": {"inline": "inline=True runs everything in this thread"},
}

# What only functions take whose results have no place for failures.
OF_FAILURES = frozenset(("on_error", "return_exceptions"))

# What other libraries call the places for tasks, and what they are called here.
PLACES = {
    **dict.fromkeys(
        ("thread", "threading", "threadpool", "thread_pool", "threadpoolexecutor"),
        "threads",
    ),
    **dict.fromkeys(
        (
            *("process", "processpool", "process_pool", "processpoolexecutor"),
            *("multiprocessing", "multiprocess", "loky", "fork", "forkserver", "spawn"),
        ),
        "processes",
    ),
    **dict.fromkeys(
        ("serial", "sync", "synchronous", "single", "single-threaded", "loop"),
        "sequential",
    ),
}


def meant_place(place: str, names: Sequence[str], sequential: str = "") -> str:
    """A sentence that says which of *names* somebody means with *place*, with a space.

    Empty if nobody can tell.

    Args:
        sequential: How to have a plain loop where no name says so.
    """
    word = place.lower()
    known = PLACES.get(word, word)
    if known == "sequential" and known not in names:
        return f" Write {sequential}."
    close = [known] if known in names else get_close_matches(word, names, 1)
    return f" Did you mean {close[0]!r}?" if close else ""


def meant(name: str, names: Sequence[str]) -> str:
    """A sentence that says which of *names* a caller means with *name*, with a space.

    Empty if nobody can tell.
    """
    if name in OF_FAILURES and OF_FAILURES.isdisjoint(names):
        return " Each outcome has its failure, so nothing is raised."
    for each in KNOWN.get(name, ()):
        if each in names:
            value = VALUES.get(name, {}).get(each)
            return f" Did you mean {each!r}?" + (f" ({value}.)" if value else "")
    if name in KNOWN:  # it is not misspelt, so what merely looks like it is not meant
        return ""
    close = get_close_matches(name, names, 1)
    return f" Did you mean {close[0]!r}?" if close else ""
