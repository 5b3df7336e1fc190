"""The handler and the tasks that Aqueduct is measured with."""

from __future__ import annotations

from typing import Any

from aqueduct import BaseTask, BaseTaskHandler, log

log.setLevel("WARNING")  # else it writes a line for each task to stderr


class Task(BaseTask):  # type: ignore[misc]  # it has no types
    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value
        self.result: Any = None


class Handler(BaseTaskHandler):  # type: ignore[misc]  # as above
    def __init__(self, function: Any) -> None:
        self.function = function

    def handle(self, *tasks: Any) -> None:
        for task in tasks:
            task.result = self.function(task.value)
