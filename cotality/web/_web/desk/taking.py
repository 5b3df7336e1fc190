"""How a new task gets into the store, if there is room for it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence

from cotality.web._web.comparing.sampling import MEASUREMENTS
from cotality.web._web.models.configs import TaskConfig
from cotality.web._web.models.kinds import METHODS, TaskType
from cotality.web._web.settings.settings import Settings
from cotality.web._web.work.functions import TaskJobs
from cotality.web._web.work.tables import lock

from .errors import QueueFullError, TooManyTasksError
from .looking import Looking
from .standing import Standing


def new_task_id() -> str:
    return f"task_{secrets.token_hex(4)}_{int(time.time())}"


def method_of(kind: TaskType, config: TaskConfig) -> TaskType | None:
    """By which method its items are done; None for a comparison."""
    if kind == TaskType.COMPARE:
        return None
    return config.method if kind == TaskType.BACKGROUND else kind


class Taking:
    """Takes tasks, as many as there may be."""

    settings: Settings
    tasks: TaskJobs
    looking: Looking

    def __init__(
        self,
        settings: Settings,
        tasks: TaskJobs,
        looking: Looking,
        first_free: Callable[[Sequence[Standing]], float],
    ) -> None:
        self.settings, self.tasks, self.looking = settings, tasks, looking
        self.first_free = first_free

    def take(self, kind: TaskType, config: TaskConfig, owner: str) -> str:
        """Store it; its id.

        Raises:
            QueueFullError: Too many are not over.
            TooManyTasksError: Too many of this *owner* are not.
            StoreError: The store cannot be used.
        """
        tasks, method, task_id = self.tasks, method_of(kind, config), new_task_id()
        if method is not None and method not in METHODS:
            raise ValueError(f"a task is done by a method, not by {method}")
        job = tasks.job_for(method)
        total = MEASUREMENTS if method is None else config.items_count
        with tasks.jobs.transaction() as connection:
            lock(connection)  # two that come at once do not take the last place
            self.check_room(owner)
            tasks.results.add(
                connection,
                task_id,
                owner=owner,
                kind=kind,
                method=method,
                config=config.model_dump(mode="json"),
                total=total,
            )
            job.using(job_id=task_id, connection=connection).enqueue_sync(task_id)
        return task_id

    def check_room(self, owner: str) -> None:
        most, most_each = self.settings.queue_limit, self.settings.tasks_per_owner
        live = self.looking.live(most)
        if len(live) >= most:
            raise QueueFullError(
                f"{most} tasks are not over yet, and no more are taken before one of "
                f"them is (queue_limit)",
                self.first_free(live),
            )
        of_owner = [each for each in live if each.row.owner == owner]
        if len(of_owner) >= most_each:
            raise TooManyTasksError(
                f"you have {most_each} tasks that are not over yet: wait for one of "
                f"them, or cancel one (tasks_per_owner)",
                self.first_free(of_owner),
            )
