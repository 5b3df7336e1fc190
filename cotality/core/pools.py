"""Worker processes that outlive a call.

Provisional: for the floors of this house, and for authors of extensions. Names may come
and go with any release.

A `SharedPool` starts its workers when a call needs them, lends them to any number of
calls at once, and ends them after `IDLE_SECONDS` without a call. Its `PoolStatus` says
what the workers do. A call takes them from the ``with`` block around it, or from the
`Lender` that it was given when it was prepared.
"""

from cotality._kit.front_door import front_door

# Type checkers take a variable of this name for true, and see what each name is.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from .utils._process.workers.enclosures import Lender
    from .utils._process.workers.shared_pool import IDLE_SECONDS, PoolStatus, SharedPool

__all__ = [
    "IDLE_SECONDS",
    "Lender",
    "PoolStatus",
    "SharedPool",
]

# In which room of the core each of them is.
LATER = {
    "IDLE_SECONDS": "workers.shared_pool",
    "Lender": "workers.enclosures",
    "PoolStatus": "workers.shared_pool",
    "SharedPool": "workers.shared_pool",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = front_door(globals(), "cotality.core.utils._process", LATER)
