"""A task of Django as a job: found by its name, and run as Django would."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from cotality._kit.struck import is_of_a_signal
from cotality.core.utils.process import Retry
from cotality.jobs._jobs.api.definition import Definition
from cotality.jobs._jobs.api.options import (
    KEEP,
    JobOptions,
    RunsOn,
    checked_keep,
    checked_runs_on,
    checked_timeout,
)
from cotality.jobs._jobs.api.registry import Registry
from cotality.jobs._jobs.errors.errors import (
    JobCancelledError,
    NotStorableError,
    RetryLaterError,
    UnknownJobError,
)
from cotality.jobs._jobs.running.context import current_job

from .names import (
    Task,
    TaskContext,
    TaskResultStatus,
    apps,
    close_old_connections,
    import_string,
    normalize_json,
    now,
    signals,
)


class Backend(Protocol):
    """What is needed of the backend whose tasks they are."""

    alias: str
    queues: set[str]
    job_options: dict[str, Any]  # Any: of each option

    def get_result(self, result_id: str) -> Any:  # Any: Django has no types
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTask(Task):
    """A task of Django, and what else can be said about a job.

    From Django 6.1 on ``@task`` takes these as well: ``@task(retries=Retry(4))``.

    Attributes:
        retries: How often it is tried again, or a `Retry`.
        timeout: Seconds after which an attempt is killed; None for no limit.
        keep: For how long it is known after it has succeeded.
        runs_on: ``"processes"``, ``"threads"`` or ``"auto"``.
    """

    retries: int | Retry | None = None
    timeout: float | None = None
    keep: timedelta = KEEP
    runs_on: RunsOn | None = None


class TaskRegistry(Registry):
    """Finds tasks by their names, in the apps that are installed."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(())
        self.backend = backend

    def queues(self) -> set[str]:
        return super().queues() | self.backend.queues

    def found(self, name: str) -> Definition:
        """The task *name*.

        Raises:
            UnknownJobError: There is none of this backend in an app that is installed.
            Exception: What the import of its module raises.
        """
        if name not in self.jobs:
            self.jobs[name] = definition_of(self.backend, self.task(name))
        return self.jobs[name]

    def task(self, name: str) -> Any:  # Any: Django has no types
        """The task itself; raises the same."""
        return task_named(self.backend, name)


def task_named(backend: Backend, name: str) -> Any:  # Any: Django has no types
    module = name.rpartition(".")[0]
    # A name in the store does not make us import just anything.
    if module not in sys.modules and apps.get_containing_app_config(module) is None:
        raise UnknownJobError(
            f"there is no task {name!r}: {module!r} is in none of INSTALLED_APPS"
        )
    try:
        task = import_string(name)
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name != module:
            raise
        raise UnknownJobError(f"there is no task {name!r}: {error}") from error
    if not isinstance(task, Task) or task.backend != backend.alias:
        raise UnknownJobError(
            f"{name} is not a task of the backend {backend.alias!r}: it is {task!r}"
        )
    return task


def definition_of(backend: Backend, task: Any) -> Definition:  # Any: likewise
    """What the store and the workers have to know of *task*."""

    def run(args: list[Any], kwargs: dict[str, Any]) -> Any:  # Any: of any task
        return run_task(backend, task, args, kwargs, options.retry)

    given = backend.job_options
    runs_on = checked_runs_on(option(task, "runs_on", given.get("runs_on")))
    options = JobOptions(
        queue=task.queue_name,
        priority=task.priority,
        retry=Retry.of(option(task, "retries", given.get("retries"))),
        timeout=checked_timeout(option(task, "timeout", given.get("timeout")), runs_on),
        keep_s=checked_keep(option(task, "keep", given.get("keep", KEEP))),
        runs_on=runs_on,
    )
    return Definition(
        run,
        module=task.func.__module__,
        name=task.module_path,
        options=options,
        unique=None,
        codec="json",
    )


def option(task: Any, name: str, default: Any) -> Any:  # Any: of any type
    """What *task* says; a default of its class is that of the backend."""
    field = JobTask.__dataclass_fields__[name]
    said = getattr(task, name, field.default)
    return default if said == field.default else said


def run_task(
    backend: Backend,
    task: Any,  # Any: Django has no types
    args: list[Any],
    kwargs: dict[str, Any],
    retry: Retry,
) -> Any:  # Any: what it returns
    """Run it in this thread; connections to databases are as fresh as for a request."""
    close_old_connections()
    job = current_job()
    result = backend.get_result(job.id)
    signals.task_started.send(type(backend), task_result=result)
    if task.takes_context:
        args = [TaskContext(task_result=result), *args]
    try:
        value = normalize_json(task.call(*args, **kwargs))
    except Exception as error:
        if is_end(error, retry, job.attempt):
            finish(backend, result, TaskResultStatus.FAILED)
        raise
    finally:
        close_old_connections()
    finish(backend, result, TaskResultStatus.SUCCESSFUL, value)
    return value


def is_end(error: Exception, retry: Retry, attempt: int) -> bool:
    """Whether the job is not tried again, by the rules of a worker."""
    if isinstance(error, RetryLaterError):
        return error.retry_in is None
    if isinstance(error, (JobCancelledError, NotStorableError, UnknownJobError)):
        return True
    try:
        return attempt >= retry.attempts or not retry.is_retryable(error)
    except Exception as broken:
        if is_of_a_signal(broken):
            raise
        return True  # which the worker tells


def finish(backend: Backend, result: Any, status: Any, value: Any = None) -> None:
    """Tell receivers of the signal what the store is told a moment later."""
    for name, known in (
        ("status", status),
        ("finished_at", now()),
        ("_return_value", value),
    ):
        object.__setattr__(result, name, known)  # as Django's own backends do
    signals.task_finished.send(type(backend), task_result=result)
