"""Which parameters each function of this package has, for its messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cotality.core.calls import Face

WORK = ("plan", "n_jobs", "chunksize", "max_workers", "executor", "unpack")

# By the name of the function. A few trivial items need no `Face`, which is made of them
# by `face_of`.
PARAMETERS = {
    "execute": (*WORK, "verbose", "return_exceptions", "on_error"),
    "execute_async": (*WORK, "verbose", "on_error"),
    "optimize_streaming": (*WORK, "verbose", "ordered", "on_error"),
    "process_in_batches": (
        *("batch_size", "max_memory_mb", *WORK),
        *("verbose", "ordered", "on_error"),
    ),
    "optimize": ("max_workers", "unpack", "fresh", "verbose"),
    "validate_optimization": ("max_workers", "unpack", "verbose"),
    "manager": ("n_jobs", "chunksize", "unpack", "on_error"),
}


# These find out where, and the first two how many, so nobody can say that.
NOT_TAKEN = {
    "optimize": ("workers", "processes"),
    "validate_optimization": ("workers", "processes"),
    "manager": ("processes",),
}


# Words for where tasks run, of this package and of others; why some do not take them.
PLACES = ("processes", "use_processes", "executor", "backend", "prefer", "threads")
NO_CHOICE = {
    "optimize": "The plan says where the items run.",
    "validate_optimization": "The plan says where the items run.",
    "manager": "All tasks of a manager run on its processes.",
}


def face_of(name: str) -> Face:
    """What a caller sees of the function *name*."""
    from cotality.core.calls import Face

    return Face(
        PARAMETERS[name],
        # They have parameters of their own, or are not taken.
        without=(*("chunksize", "executor", "n_jobs"), *NOT_TAKEN.get(name, ())),
        also=() if name in NOT_TAKEN else ("use_processes",),
        processes='executor="processes"',
        threads='executor="threads"',
        default="auto",
        elsewhere={
            word: f"there is no option {word!r}. {NO_CHOICE[name]}"
            for word in (PLACES if name in NO_CHOICE else ())
        },
    )
