"""The ways in which a task can be asked for."""

from __future__ import annotations

from pydantic import BaseModel, Field

from cotality.web._web.models.configs import LARGEST_BATCH, MOST_ITEMS, most_workers
from cotality.web._web.models.kinds import TaskType

TASKS = "/api/v1/tasks"


class Offer(BaseModel):
    """One way to do the work."""

    method: TaskType
    path: str = Field(description="Where to ask for it.")
    title: str
    description: str
    best_for: str


class Limits(BaseModel):
    """What a task may have."""

    items_count: int = MOST_ITEMS
    batch_size: int = LARGEST_BATCH
    workers: int


class Offers(BaseModel):
    """What the service does."""

    methods: list[Offer]
    limits: Limits
    sync_limit_s: float = Field(
        description="For how many seconds a request waits for the end of its task."
    )
    compare_budget_s: float = Field(
        description="Seconds in which a comparison measures, if it does not say."
    )
    db_delay_s: float = Field(
        description="Seconds that a query takes in addition, if a task does not say."
    )


def offer(method: TaskType, path: str, *texts: str) -> Offer:
    title, description, best_for = texts
    return Offer(
        method=method,
        path=f"{TASKS}/{path}",
        title=title,
        description=description,
        best_for=best_for,
    )


OFFERS = (
    offer(
        TaskType.SEQUENTIAL,
        "sequential",
        "Sequential",
        "One item after the other, in one process.",
        "Few items, and as what the others are measured against.",
    ),
    offer(
        TaskType.THREADING,
        "threading",
        "Threads",
        "As many threads as workers, in one process: they wait at the same time, and "
        "take turns to compute.",
        "Items that wait for a database or a network.",
    ),
    offer(
        TaskType.MULTIPROCESSING,
        "multiprocessing",
        "Processes",
        "As many processes as workers: they compute at the same time, on all CPUs.",
        "Items that compute.",
    ),
    offer(
        TaskType.BATCH_ASYNC,
        "async-batch",
        "Async batches",
        "One event loop, in which a batch of items waits at the same time.",
        "Items that wait for long, and compute little.",
    ),
    offer(
        TaskType.CONCURRENT_FUTURES,
        "concurrent-futures",
        "Concurrent futures",
        "A standard ProcessPoolExecutor, with one future for each portion of items.",
        "Items that compute, where each result is handled as soon as it is there.",
    ),
    offer(
        TaskType.BACKGROUND,
        "background",
        "Background",
        "Any of the others, as a job: the answer comes at once, and the job goes on "
        "also when the service is restarted.",
        "What takes longer than anybody wants to wait for.",
    ),
    offer(
        TaskType.AUTO,
        "auto",
        "Auto",
        "Waits in event loops and computes in processes, both at the same time.",
        "Items that wait and compute: the work of this service.",
    ),
)


def offers(sync_limit_s: float, compare_budget_s: float, db_delay_s: float) -> Offers:
    """All of them, and what a task may have on this machine."""
    return Offers(
        methods=list(OFFERS),
        limits=Limits(workers=most_workers()),
        sync_limit_s=sync_limit_s,
        compare_budget_s=compare_budget_s,
        db_delay_s=db_delay_s,
    )
