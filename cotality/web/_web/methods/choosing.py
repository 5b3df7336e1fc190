"""Which function does what a method's name says, and where it has to be called."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, TypeAlias

from cotality.web._web.models.kinds import TaskType

from .batches import batches
from .futures import futures
from .order import Done, Give, Order
from .overlapped import overlapped
from .processes import processes
from .sequential import sequential
from .threads import threads

if TYPE_CHECKING:
    from cotality.tuning import PoolManager

Here: TypeAlias = Callable[[Order, Give], None]

# These compute in the process that calls them, which has to be one of their own.
IN_ONE_PROCESS: dict[TaskType, Here] = {
    TaskType.SEQUENTIAL: sequential,
    TaskType.THREADING: threads,
    TaskType.BATCH_ASYNC: batches,
}


def from_loop(
    method: TaskType, order: Order, pool: PoolManager
) -> AsyncGenerator[Done]:
    """What the others give, which compute in processes, as it comes.

    Raises:
        ValueError: *method* is none of them.
    """
    if method == TaskType.MULTIPROCESSING:
        return processes(order, pool)
    if method == TaskType.CONCURRENT_FUTURES:
        return futures(order)
    if method == TaskType.AUTO:
        return overlapped(order, pool)
    raise ValueError(f"{method} is not a method that an event loop calls")
