"""The backend behind Django's setting ``TASKS``."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

from cotality._kit.public import public_in
from cotality.jobs._jobs.api.jobs import Jobs
from cotality.jobs._jobs.api.options import CallOptions, checked_timeout
from cotality.jobs._jobs.api.putting import put
from cotality.jobs._jobs.errors.errors import UnknownJobError
from cotality.jobs._jobs.states.info import JobStatus

from .names import (
    BaseTaskBackend,
    ImproperlyConfigured,
    TaskResultDoesNotExist,
    normalize_json,
    signals,
)
from .results import result_of
from .task import JobTask, TaskRegistry, definition_of

public = public_in("cotality.jobs.django")

OPTIONS = {"url", "engine", "broker", "retries", "timeout", "keep", "runs_on"}


@public
class Backend(BaseTaskBackend):
    """Runs Django's tasks as jobs: stored, tried again, and never lost.

    ::

        TASKS = {
            "default": {
                "BACKEND": "cotality.jobs.django.Backend",
                "QUEUES": ["default", "mail"],
                "OPTIONS": {"url": "sqlite:///jobs.db", "retries": 3},
            }
        }

    ``python -m cotality.jobs worker cotality.jobs.django:jobs`` runs them, with
    ``DJANGO_SETTINGS_MODULE`` set.

    The options are ``url``, where jobs are kept, ``engine`` and ``broker``, as of
    `Jobs`; and what holds for each task that says nothing else: ``retries``,
    ``timeout``, ``keep`` and ``runs_on``, as of ``@jobs.job``. With Django 6.1 a task
    says them itself: ``@task(retries=Retry(4, on=OSError))``.
    """

    jobs: Jobs
    tasks: TaskRegistry

    task_class = JobTask
    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        BaseTaskBackend.__init__(self, alias, params)
        options: dict[str, Any] = dict(self.options)
        if unknown := sorted(options.keys() - OPTIONS):
            raise ImproperlyConfigured(
                f"TASKS[{alias!r}]['OPTIONS'] has {', '.join(unknown)}, which nobody "
                f"knows; there are {', '.join(sorted(OPTIONS))}"
            )
        if "url" not in options:
            raise ImproperlyConfigured(
                f"TASKS[{alias!r}]['OPTIONS'] needs a url, which says where jobs are "
                f"kept, such as 'sqlite:///jobs.db'"
            )
        try:
            self.jobs = Jobs(
                options.pop("url"),
                engine=options.pop("engine", "tables"),
                broker=options.pop("broker", None),
            )
            checked_timeout(options.get("timeout"), options.get("runs_on"))
        except (TypeError, ValueError) as error:
            raise ImproperlyConfigured(f"TASKS[{alias!r}]: {error}") from error
        self.tasks = self.jobs.registry = TaskRegistry(self)
        self.job_options = options
        if isinstance(options.get("keep"), int | float):
            options["keep"] = timedelta(seconds=options["keep"])

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        """Store a call of *task*; its result has the id by which it is found again."""
        self.validate_task(task)
        definition = definition_of(self, task)
        moment = task.run_after
        call = CallOptions(due_at=None if moment is None else moment.timestamp())
        given = [*cast("list[Any]", normalize_json(list(args)))], normalize_json(kwargs)
        (id,) = put(self.jobs.base, [definition.order(call, given, {})], None)
        # As it was stored, however quick a worker is.
        info = replace(
            self.jobs.handle(id).info_sync(), status=JobStatus.QUEUED, ended=None
        )
        result = result_of(self.alias, task, info, [], None)
        signals.task_enqueued.send(type(self), task_result=result)
        return result

    def get_result(self, result_id: str) -> Any:
        """What became of a task.

        Raises:
            TaskResultDoesNotExist: Nobody has enqueued it, or it was swept.
        """
        try:
            handle = self.jobs.handle(result_id)
            info = handle.info_sync()
            attempts = handle.attempts_sync()
        except (UnknownJobError, TypeError, ValueError) as error:  # or no id at all
            raise TaskResultDoesNotExist(result_id) from error
        task = self.tasks.task(info.name).using(
            priority=info.priority, queue_name=info.queue
        )
        is_done = info.status == JobStatus.SUCCEEDED
        value = handle.result_sync(0) if is_done else None
        return result_of(self.alias, task, info, attempts, value)
