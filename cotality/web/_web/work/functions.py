"""What a worker does for a task.

Methods that compute in one process run as a whole in a worker process of the jobs:
cancelling kills this process, and if it dies, the next attempt continues where the
stored results end. The other methods are driven from the event loop of the worker, and
compute in the processes that all tasks share.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import aclosing, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cotality.jobs import (
    AsyncJob,
    Job,
    JobContext,
    Jobs,
    JobStatus,
    Retry,
    RetryLaterError,
    StoreError,
    current_job,
)
from cotality.web._web.methods.choosing import IN_ONE_PROCESS, from_loop
from cotality.web._web.methods.order import Order
from cotality.web._web.models.kinds import TaskType
from cotality.web._web.parts.filling import prepare

from .comparing import Comparing
from .orders import config_from, order_from, order_of
from .pools import shared_pool
from .portions import Portions
from .queues import COMPARISONS, SAMPLES, TASKS
from .results import Results, SupersededError
from .rows import TaskRow

if TYPE_CHECKING:
    from cotality.web._web.settings.settings import Settings

AGAIN_S = 0.5
SAMPLES_KEPT = timedelta(minutes=10)
# The death of a process is tried again without being named.
RETRY = Retry(2, on=StoreError, backoff=0.1)


class TaskJobs:
    """The jobs of a service, in its store.

    Attributes:
        jobs: The queue.
        results: What becomes of tasks.
        in_one_process: Does a task by a method that computes in one process.
        from_loop: Likewise by any other.
        compare: Compares all of them.
        sample: Does items of a comparison in the background.
    """

    jobs: Jobs
    results: Results
    in_one_process: Job[[str], dict[str, Any]]  # Any: of JSON
    from_loop: AsyncJob[[str], dict[str, Any]]  # Any: likewise
    compare: AsyncJob[[str], dict[str, Any]]  # Any: likewise
    sample: AsyncJob[[dict[str, Any]], list[Any]]  # Any: likewise

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.jobs = Jobs(settings.store)
        self.results = Results(self.jobs)
        self.jobs.queue(COMPARISONS, concurrency=1)  # they would disturb each other
        keep = timedelta(seconds=settings.keep_s)
        self.in_one_process = self.jobs.job(
            name="cotality.web.in_one_process",
            queue=TASKS,
            retries=RETRY,
            keep=keep,
            runs_on="processes",
        )(self.do_in_one_process)
        self.from_loop = self.jobs.job(
            name="cotality.web.from_loop", queue=TASKS, retries=RETRY, keep=keep
        )(self.do_from_loop)
        self.compare = self.jobs.job(
            name="cotality.web.compare", queue=COMPARISONS, retries=RETRY, keep=keep
        )(self.do_compare)
        self.sample = self.jobs.job(
            name="cotality.web.sample", queue=SAMPLES, keep=SAMPLES_KEPT
        )(self.do_sample)

    def make_folder(self) -> None:
        """Make that of the store, if it is a file: to be called before it is used.

        Raises:
            StoreError: That is not possible.
        """
        file = self.settings.store_file
        if file is None:
            return
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"the folder of the store, {file.parent}, cannot be made: "
                f"{error.strerror}. COTALITY_WEB_STATE_DIR says where it is"
            ) from error

    def job_for(
        self, method: TaskType | None
    ) -> Job[[str], Any] | AsyncJob[[str], Any]:
        """Which of them does a task by this method; None for a comparison."""
        if method is None:
            return self.compare
        return self.in_one_process if method in IN_ONE_PROCESS else self.from_loop

    def do_in_one_process(self, task_id: str) -> dict[str, Any]:  # Any: of JSON
        """Do a task here."""
        with unless_superseded():
            row, order = self.begun(task_id)
            assert row.method is not None
            with self.portions(row) as portions:
                IN_ONE_PROCESS[row.method](order, portions.give)
            return summary(portions.row)

    async def do_from_loop(self, task_id: str) -> dict[str, Any]:  # Any: likewise
        """Do a task in processes that all of them share."""
        with unless_superseded():
            row, order = await asyncio.to_thread(self.begun, task_id)
            assert row.method is not None
            portions = self.portions(row)
            stream = from_loop(row.method, order, shared_pool())
            async with portions, aclosing(stream) as items:
                async for done in items:
                    if not portions.give_at_once(done):
                        await asyncio.to_thread(portions.wait_for_room)
            return summary(portions.row)

    def portions(self, row: TaskRow) -> Portions:
        """Where the items of this run go."""

        def is_wanted() -> bool:
            running = JobStatus.RUNNING
            return bool(self.jobs.list(ids=[row.task_id], status=running, limit=1))

        return Portions(self.results, row, telling(current_job()), is_wanted)

    async def do_compare(self, task_id: str) -> dict[str, Any]:  # Any: likewise
        """Compare all methods; what that has found is stored with the task."""
        with unless_superseded():
            row = await asyncio.to_thread(self.begun_row, task_id, anew=True)
            comparing = Comparing(
                self.settings, self.jobs, self.results, self.sample, row, current_job()
            )
            best = await comparing.compare()
            return {"best": f"{best}"}

    async def do_sample(self, asked: dict[str, Any]) -> list[Any]:  # Any: likewise
        """Do items of a comparison, as a task in the background does them."""
        order = order_from(self.settings, asked)
        stream = from_loop(TaskType.AUTO, order, shared_pool())
        async with aclosing(stream) as items:
            return [[done.item, done.value, done.error] async for done in items]

    def begun(self, task_id: str) -> tuple[TaskRow, Order]:
        """The task, and what is left of it."""
        row = self.begun_row(task_id)
        config = config_from(row.kind, row.config)
        order = order_of(self.settings, config)
        return row, replace(order, start=row.done)

    def begun_row(self, task_id: str, *, anew: bool = False) -> TaskRow:
        job = current_job()
        prepare(self.settings.database)
        return self.results.begin(
            task_id,
            self.what_was(task_id),
            anew=anew,
            is_wanted=lambda: not job.is_cancelled,
        )

    def what_was(self, task_id: str) -> str:
        """How the runs of it have ended that were before this one."""
        *earlier, _ = self.jobs.handle(task_id).attempts_sync()
        ended = [each for each in earlier if each.outcome != "succeeded"]
        if not ended:
            return ""
        last = ended[-1]
        why = f"{last.error_type}: {last.error}" if last.error else last.outcome
        return f"begun again, after run {last.number} of {len(earlier)} ended: {why}"


def summary(row: TaskRow) -> dict[str, Any]:  # Any: of JSON
    if row.done != row.total:
        raise RuntimeError(
            f"task {row.task_id} has {row.total} items, and its method has given "
            f"{row.done}"
        )
    return {"items": row.done, "failed": row.failed, "checksum": row.checksum}


def telling(job: JobContext) -> Callable[[TaskRow], None]:
    """Passes on how far a task is to its job, at which others look."""

    def tell(row: TaskRow) -> None:
        failed = f"{row.failed} failed" if row.failed else ""
        job.progress(row.done, row.total, failed)

    return tell


@contextmanager
def unless_superseded() -> Generator[None]:
    """What does not count any more ends, whatever is said of it.

    Should it count all the same, somebody who did not has come in between: then it
    begins once more.
    """
    try:
        yield
    except SupersededError as error:
        raise RetryLaterError(f"{error}", AGAIN_S, is_attempt=False) from error
