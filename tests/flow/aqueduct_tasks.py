"""Tasks and handlers of flows by the names of Aqueduct, for the workers of tests."""

from __future__ import annotations

import time
from typing import Any

from cotality.flow.aqueduct.handler import BaseTaskHandler
from cotality.flow.aqueduct.task import BaseTask


class Number(BaseTask):
    def __init__(self, value: int, divisor: int = 1, pause: float = 0.0) -> None:
        super().__init__()
        self.value = value
        self.divisor = divisor
        self.pause = pause


def is_small(task: Number) -> bool:
    return task.value < 10


class Adds(BaseTaskHandler):
    def __init__(self, number: int) -> None:
        self.number = number
        self.has_started = False

    def on_start(self) -> None:
        self.has_started = True

    def handle(self, *tasks: Any) -> None:
        assert self.has_started
        for task in tasks:
            time.sleep(task.pause)
            task.value = (task.value + self.number) // task.divisor


class Array(BaseTask):
    text: str

    def __init__(self, values: Any) -> None:
        super().__init__()
        self.values = values


class Fills(BaseTaskHandler):
    def handle(self, *tasks: Any) -> None:
        for task in tasks:
            task.values[:] = 1.0
