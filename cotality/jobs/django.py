"""Django's tasks, from Django 6.0 on, stored and run as jobs.

* ``TASKS = {"default": {"BACKEND": "cotality.jobs.django.Backend", ...}}``, see
  :class:`Backend`;
* ``python -m cotality.jobs worker cotality.jobs.django:jobs`` runs the tasks of the
  backend ``"default"``, and ``cotality.jobs.django:jobs_mail`` those of ``"mail"``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._jobs.api.jobs import Jobs
    from ._jobs.django.backend import Backend
    from ._jobs.django.task import JobTask

    jobs: Jobs

__all__ = ["Backend", "JobTask", "jobs"]


def __getattr__(name: str) -> object:
    if name == "Backend":
        from ._jobs.django.backend import Backend

        return Backend
    if name == "JobTask":
        from ._jobs.django.task import JobTask

        return JobTask
    if name == "jobs" or name.startswith("jobs_"):
        return jobs_behind(name.removeprefix("jobs").removeprefix("_") or "default")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def jobs_behind(alias: str) -> Jobs:
    """The jobs of a backend of ``TASKS``, for a worker."""
    import_module("django").setup()
    from ._jobs.django.backend import Backend
    from ._jobs.django.names import ImproperlyConfigured

    backends: Any = import_module("django.tasks").task_backends  # Any: it has no types
    backend: object = backends[alias]
    if not isinstance(backend, Backend):
        raise ImproperlyConfigured(
            f"TASKS[{alias!r}] is {type(backend).__name__}, not "
            f"cotality.jobs.django.Backend"
        )
    return backend.jobs
