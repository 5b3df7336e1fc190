"""What is needed of Django, which has no types: each name is an `Any`, here alone."""

from __future__ import annotations

from importlib import import_module
from typing import Any

base: Any = import_module("django.tasks.base")
Task, TaskContext, TaskError = base.Task, base.TaskContext, base.TaskError
TaskResult, TaskResultStatus = base.TaskResult, base.TaskResultStatus

BaseTaskBackend: Any = import_module("django.tasks.backends.base").BaseTaskBackend
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
