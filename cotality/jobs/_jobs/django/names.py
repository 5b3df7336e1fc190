"""What is needed of Django, which has no types: each name is an `Any`, here alone.

But for the two classes that ours are made from: of an `Any` a type checker would know
nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

base: Any = import_module("django.tasks.base")
TaskContext, TaskError = base.TaskContext, base.TaskError
TaskResult, TaskResultStatus = base.TaskResult, base.TaskResultStatus

if TYPE_CHECKING:

    class Task:
        """A task of Django."""

        def __getattr__(self, name: str) -> Any: ...

    class BaseTaskBackend:
        """What runs tasks of Django."""

        alias: str
        queues: set[str]
        options: dict[str, Any]

        def __init__(self, alias: str, params: dict[str, Any]) -> None: ...

        def __getattr__(self, name: str) -> Any: ...

else:
    Task = base.Task
    BaseTaskBackend = import_module("django.tasks.backends.base").BaseTaskBackend

TaskResultDoesNotExist: Any = import_module(
    "django.tasks.exceptions"
).TaskResultDoesNotExist
signals: Any = import_module("django.tasks.signals")

apps: Any = import_module("django.apps").apps
close_old_connections: Any = import_module("django.db").close_old_connections
ImproperlyConfigured: Any = import_module("django.core.exceptions").ImproperlyConfigured
import_string: Any = import_module("django.utils.module_loading").import_string
normalize_json: Any = import_module("django.utils.json").normalize_json
now: Any = import_module("django.utils.timezone").now
