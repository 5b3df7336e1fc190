"""Worker processes that outlive a call.

Provisional: for the floors of this house, and for authors of extensions. Names may come
and go with any release.

A `SharedPool` starts its workers when a call needs them, lends them to any number of
calls at once, and ends them after `IDLE_SECONDS` without a call. Its `PoolStatus` says
what the workers do. A call takes them from the ``with`` block around it, or from the
`Lender` that it was given when it was prepared. The `world` says whether new workers
would see something else than those that there are. How many there are to be is a
`number_said` in either of two words.

A library that schedules tasks itself has a `Crew` of such workers, for one call of its
own: it hands over each `Portion` of tasks, which may be `Calls`, and has a report of
what became of it. In the worker that comes to `run_chunk`, which makes a `ChunkReport`
of a `Chunk`.
"""

from cotality._kit.front_door import front_door

# Type checkers take a variable of this name for true, and see what each name is.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from .utils._process.backends.crew import Crew
    from .utils._process.portions.chunk import Chunk, ChunkReport, run_chunk
    from .utils._process.tasks.calls import Calls
    from .utils._process.tasks.outcome import Portion
    from .utils._process.workers.lending.enclosures import Lender
    from .utils._process.workers.lending.shared_pool import (
        IDLE_SECONDS,
        PoolStatus,
        SharedPool,
    )
    from .utils._process.workers.lending.warm_pools import number_said, world

__all__ = [
    "IDLE_SECONDS",
    "Calls",
    "Chunk",
    "ChunkReport",
    "Crew",
    "Lender",
    "PoolStatus",
    "Portion",
    "SharedPool",
    "number_said",
    "run_chunk",
    "world",
]

# In which room of the core each of them is.
LATER = {
    "Calls": "tasks.calls",
    "Chunk": "portions.chunk",
    "ChunkReport": "portions.chunk",
    "Crew": "backends.crew",
    "IDLE_SECONDS": "workers.lending.shared_pool",
    "Lender": "workers.lending.enclosures",
    "PoolStatus": "workers.lending.shared_pool",
    "Portion": "tasks.outcome",
    "SharedPool": "workers.lending.shared_pool",
    "number_said": "workers.lending.warm_pools",
    "run_chunk": "portions.chunk",
    "world": "workers.lending.warm_pools",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = front_door(globals(), "cotality.core.utils._process", LATER)
