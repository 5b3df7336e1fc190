"""What we use of joblib, with types, which it has none of."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

try:
    from joblib import parallel
except ModuleNotFoundError as missing:
    if missing.name != "joblib":
        raise
    raise ModuleNotFoundError(
        "the backend for joblib needs joblib: pip install 'cotality[joblib]'",
        name="joblib",
    ) from missing

Call = tuple[
    Callable[..., Any], tuple[Any, ...], dict[str, Any]
]  # Any: of any function


class Parallel(Protocol):
    """A ``joblib.Parallel``."""

    n_jobs: int
    return_generator: bool
    timeout: float | None
    # How many tasks there are; None if nobody knows.
    n_tasks: int | None


class Batch(Protocol):
    """Some calls that joblib hands over together."""

    items: list[Call]


if TYPE_CHECKING:

    class ParallelBackendBase:
        """What backends are derived from."""

        nesting_level: int | None
        inner_max_num_threads: int | None
        default_n_jobs: ClassVar[int]

        def __init__(
            self,
            nesting_level: int | None = None,
            inner_max_num_threads: int | None = None,
        ) -> None: ...

    class FallbackToBackend(Exception):  # noqa: N818  # that is its name
        """Raised to have joblib take another backend instead."""

        def __init__(self, backend: object) -> None: ...

else:
    ParallelBackendBase = parallel.ParallelBackendBase
    FallbackToBackend = parallel.FallbackToBackend


def sequential(level: int | None) -> object:
    """The backend that is a plain loop."""
    module: Any = parallel  # Any: without types
    return module.SequentialBackend(nesting_level=level)


def known_to_joblib(name: str, make: Callable[..., object], *, default: bool) -> None:
    """Let joblib call *make* where somebody names that backend, or names none."""
    module: Any = parallel  # Any: without types
    module.register_parallel_backend(name, make, make_default=default)


def cpus_of_joblib() -> int:
    """How many CPUs joblib would use, which ``LOKY_MAX_CPU_COUNT`` limits."""
    module: Any = parallel  # Any: without types
    return int(module.cpu_count())


def forget_what_was_left(call: Any) -> None:  # Any: a `Parallel`, and its own
    """Let *call* begin with its own input.

    After a call that has failed, a `Parallel` keeps batches that it has not handed over
    yet, and gives their results in the next call (seen on joblib 1.6, with its own
    backend).
    """
    left = getattr(call, "_ready_batches", None)
    while left is not None and not left.empty():
        left.get_nowait()


def fail_call(tracker: Any, error: BaseException) -> None:  # Any: joblib's own
    """Have the call that *tracker* belongs to raise *error*.

    joblib has no word for that. This is what it does itself when its input raises.
    """
    call = tracker.parallel
    failed = type(tracker)(0, 1, call)
    call._register_new_job(failed)
    failed._register_outcome({"result": error, "status": parallel_error()})


def parallel_error() -> str:
    return cast("str", vars(parallel)["TASK_ERROR"])
