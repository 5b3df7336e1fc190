"""How tasks stand in the store; all of this waits for the store, in a thread."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cotality.jobs import Jobs, JobStatus, UnknownJobError
from cotality.web._web.methods.order import Done
from cotality.web._web.models.kinds import TaskStatus
from cotality.web._web.work.functions import TaskJobs
from cotality.web._web.work.queues import COMPARISONS, TASKS
from cotality.web._web.work.results import Results

from .errors import UnknownTaskError
from .standing import LIVE, OVER, STATUSES, Standing

QUEUES = (TASKS, COMPARISONS)
AT_A_TIME = 500
IS_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


class Looking:
    """Reads tasks of a store, and forgets them."""

    jobs: Jobs
    results: Results

    def __init__(self, tasks: TaskJobs) -> None:
        self.jobs, self.results = tasks.jobs, tasks.results

    def several(self, task_ids: Iterable[str]) -> dict[str, Standing]:
        """Those of these tasks that there are."""
        wanted = [*task_ids]
        infos = self.jobs.list(ids=wanted, queue=QUEUES, limit=len(wanted))
        rows = self.results.several([info.id for info in infos])
        return {
            info.id: Standing(info, rows[info.id]) for info in infos if info.id in rows
        }

    def one(self, task_id: str) -> Standing:
        """This task.

        Raises:
            UnknownTaskError: There is none.
        """
        found = self.several([task_id]).get(task_id)
        if found is None:
            raise unknown(task_id)
        return found

    def items(self, task_id: str, start: int, limit: int) -> list[Done]:
        return self.results.items(task_id, start, limit)

    def page(
        self, before: str | None, limit: int, status: TaskStatus | None
    ) -> tuple[list[Standing], bool]:
        """The newest tasks, or those before one; also whether there are more.

        Raises:
            ValueError: The one before which they are asked for is gone.
        """
        if before is not None and not IS_ID.fullmatch(before):
            raise ValueError(
                f"a cursor is what an earlier page gave as next_cursor, got {before!r}"
            )
        wanted: tuple[JobStatus, ...] = () if status is None else STATUSES[status]
        try:
            infos = self.jobs.list(
                status=wanted, queue=QUEUES, before=before, limit=limit + 1
            )
        except UnknownJobError as error:
            raise ValueError(
                f"the task of this cursor was forgotten: {before!r}. Begin with the "
                f"first page"
            ) from error
        rows = self.results.several([info.id for info in infos])
        # One that is forgotten at this moment is in no list.
        found = [
            Standing(info, rows[info.id]) for info in infos[:limit] if info.id in rows
        ]
        return found, len(infos) > limit

    def live(self, most: int) -> list[Standing]:
        """Tasks that are not over, at most *most* of them, the newest first."""
        infos = self.jobs.list(status=LIVE, queue=QUEUES, limit=most)
        rows = self.results.several([info.id for info in infos])
        return [Standing(info, rows[info.id]) for info in infos if info.id in rows]

    def cancel(self, task_id: str) -> bool:
        """End it; False if it was over.

        Raises:
            UnknownTaskError: There is none.
        """
        self.one(task_id)
        try:
            return self.jobs.cancel(task_id)
        except UnknownJobError as error:
            raise unknown(task_id) from error

    def forget(self) -> int:
        """Forget all that are over."""
        count = 0
        while infos := self.jobs.list(status=OVER, queue=QUEUES, limit=AT_A_TIME):
            ids = [info.id for info in infos]
            count += self.jobs.purge(ids)
            # Somebody may have let one begin anew meanwhile.
            left = {info.id for info in self.jobs.list(ids=ids, limit=len(ids))}
            self.results.forget([each for each in ids if each not in left])
        return count

    def sweep(self, age_s: float) -> int:
        """Forget what belongs to jobs that were swept."""
        count, last = 0, ""
        while ids := self.results.older_than(age_s, last):
            last = ids[-1]
            there = {info.id for info in self.jobs.list(ids=ids, limit=len(ids))}
            gone = [each for each in ids if each not in there]
            self.results.forget(gone)
            count += len(gone)
        return count


def unknown(task_id: str) -> UnknownTaskError:
    return UnknownTaskError(f"there is no task {task_id!r}, or none any more")
