"""What is best for which kind of work, from what was measured on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cotality._kit.units import seconds as duration
from cotality.web._web.methods.order import Order
from cotality.web._web.models.advice import Advice, Recommendations
from cotality.web._web.models.configs import TaskConfig, most_workers
from cotality.web._web.models.kinds import METHODS, TaskType

from .figures import Figures, as_model
from .judging import in_order
from .reckoning import costs_of, estimated

ROUTES = {
    TaskType.SEQUENTIAL: "sequential",
    TaskType.THREADING: "threading",
    TaskType.MULTIPROCESSING: "multiprocessing",
    TaskType.BATCH_ASYNC: "async-batch",
    TaskType.CONCURRENT_FUTURES: "concurrent-futures",
    TaskType.BACKGROUND: "background",
    TaskType.AUTO: "auto",
}
LONG_S = 10.0  # for which nobody should hold a connection open


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of work that people have."""

    name: str
    config: TaskConfig


def cases() -> list[Case]:
    """Those of which there is advice."""
    return [
        Case(
            "computation alone, many items",
            TaskConfig(simulate_db_delay=False, simulate_redis_delay=False),
        ),
        Case("slow queries and computation, many items", TaskConfig()),
        Case(
            "slow queries, and threads for all of them",
            TaskConfig(items_count=1000, workers=most_workers()),
        ),
        Case(
            "computation alone, few items",
            TaskConfig(
                items_count=100, simulate_db_delay=False, simulate_redis_delay=False
            ),
        ),
        Case("slow queries and computation, few items", TaskConfig(items_count=100)),
    ]


def recommended(
    figures: Figures, order_of: Callable[[TaskConfig], Order]
) -> Recommendations:
    """Advice for each of these, reckoned for this machine."""
    return Recommendations(
        machine=as_model(figures),
        based_on=words_for(figures),
        advice=[advice(case, figures, order_of(case.config)) for case in cases()],
    )


def words_for(figures: Figures) -> str:
    text = (
        "the parts of an item, as they were measured on this machine; all seconds are "
        "estimates, for a machine that does nothing else"
    )
    if figures.compared_at is None:
        return f"{text}. No methods were compared here yet, which would correct them"
    when = datetime.fromtimestamp(figures.compared_at, UTC).isoformat(
        timespec="seconds"
    )
    return f"{text}, corrected by the comparison of methods of {when}"


def advice(case: Case, figures: Figures, order: Order) -> Advice:
    takes = {method: estimated(method, figures, order) for method in METHODS}
    ranked = in_order(takes)
    best = ranked[0]
    is_long = takes[best] > LONG_S
    # By what it is done is one thing, and whether somebody waits for it another.
    config = case.config
    if is_long:
        inner = TaskType.AUTO if best == TaskType.BACKGROUND else best
        config = config.model_copy(update={"method": inner})
    return Advice(
        case=case.name,
        method=best,
        route=f"/api/v1/tasks/{ROUTES[TaskType.BACKGROUND if is_long else best]}",
        config=config,
        estimated_seconds=takes[best],
        reason=reason(figures, order, takes, best, is_long),
        others={method: takes[method] for method in ranked[1:]},
    )


def reason(
    figures: Figures,
    order: Order,
    takes: Mapping[TaskType, float],
    best: TaskType,
    is_long: bool,
) -> str:
    costs, one_by_one = costs_of(figures, order), takes[TaskType.SEQUENTIAL]
    text = (
        f"an item computes for {duration(costs.compute_s)} and waits for "
        f"{duration(costs.wait_s)}; {order.total} of them take about "
        f"{duration(takes[best])} by {best}, and {duration(one_by_one)} one after the "
        f"other, {one_by_one / takes[best]:.1f} times as long"
    )
    if is_long:
        text += "; that is too long for a request, so let it run in the background"
    return text
