"""What a task takes, reckoned from the parts of its items and what its method does.

An item computes and waits. Methods differ in how much of either they can do at a time;
the longer of the two decides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cotality.web._web.methods.order import Order
from cotality.web._web.models.kinds import TaskType

from .figures import Figures

# A worker looks for jobs twenty times a second where the store is a file.
PICKUP_S = 0.05


@dataclass(frozen=True, slots=True)
class Costs:
    """What one item takes, in seconds: of a CPU, and of waiting."""

    compute_s: float
    wait_s: float


def costs_of(figures: Figures, order: Order) -> Costs:
    compute, wait = figures.cpu_s, order.recipe.delay
    for seconds, is_wait in (
        (figures.query_s, figures.query_waits),
        (figures.lookup_s, figures.lookup_waits),
    ):
        compute += 0.0 if is_wait else seconds
        wait += seconds if is_wait else 0.0
    return Costs(compute, wait)


def reckoned(method: TaskType, figures: Figures, order: Order) -> float:
    """Seconds from the first item to the last, if nothing else runs."""
    costs, many = costs_of(figures, order), len(order.indices)
    if not many:
        return 0.0
    if method == TaskType.SEQUENTIAL:
        return many * (costs.compute_s + costs.wait_s)
    if method == TaskType.THREADING:
        return side_by_side(costs, many, order.workers, 1)
    if method == TaskType.BATCH_ASYNC:
        return in_batches(costs, many, order.batch_size)
    if method in (TaskType.MULTIPROCESSING, TaskType.CONCURRENT_FUTURES):
        return side_by_side(costs, many, order.workers, figures.cpus)
    if method in (TaskType.AUTO, TaskType.BACKGROUND):
        pickup = PICKUP_S if method == TaskType.BACKGROUND else 0.0
        return pickup + overlapped(costs, many, order, figures.cpus)
    raise ValueError(f"{method} is not a method")


def side_by_side(costs: Costs, many: int, workers: int, cpus: int) -> float:
    """Workers that wait together, of which as many compute as there are CPUs."""
    rounds = -(-many // workers)
    waiting = rounds * (costs.compute_s + costs.wait_s)
    # The last ones cannot compute before they have waited.
    computing = many * costs.compute_s / min(workers, cpus, many) + costs.wait_s
    return max(waiting, computing)


def in_batches(costs: Costs, many: int, batch: int) -> float:
    """All of a batch wait at a time, and compute one after the other."""
    rounds = -(-many // batch)
    return rounds * costs.wait_s + many * costs.compute_s


def overlapped(costs: Costs, many: int, order: Order, cpus: int) -> float:
    """A batch waits while those that have waited compute, on all CPUs."""
    if not costs.wait_s:
        return side_by_side(costs, many, order.workers, cpus)
    computing = many * costs.compute_s / min(order.workers, cpus, many)
    waiting = -(-many // order.batch_size) * costs.wait_s
    return costs.wait_s + max(computing, waiting - costs.wait_s)


def estimated(method: TaskType, figures: Figures, order: Order) -> float:
    """Likewise, corrected by what was seen of the method when it was compared here."""
    return figures.pace(method).seconds(reckoned(method, figures, order))


def items_within(
    method: TaskType, figures: Figures, order: Order, seconds: float
) -> int:
    """How many items from the start of *order* *method* does in *seconds*.

    Beside its overhead, and at least one for each worker, or one for what has none.
    Where these alone take longer, mostly by waiting, it has that time in addition.
    """
    most = len(order.indices)
    least = 1 if method == TaskType.SEQUENTIAL else min(order.workers, most)

    def takes(many: int) -> float:
        part = replace(order, total=order.start + many)
        return figures.pace(method).ratio * reckoned(method, figures, part)

    at_least = takes(least)
    if at_least > seconds:
        seconds += at_least
    low, high = least, most
    while low < high:
        middle = (low + high + 1) // 2
        if takes(middle) <= seconds:
            low = middle
        else:
            high = middle - 1
    return low
