"""A handler of tasks as a handler of this engine."""

from __future__ import annotations

import operator
from collections.abc import Callable
from time import monotonic, perf_counter
from typing import Any

from cotality.flow import Flow, Step

from .handler import BaseTaskHandler
from .task import BaseTask

MAIN_PROCESS = "main_process"

Engine = Flow[BaseTask, BaseTask]


class TaskHandler:
    """Calls ``handle(*tasks)``, and has the tasks themselves as results."""

    def __init__(self, handler: BaseTaskHandler, name: str) -> None:
        self.handler = handler
        self.name = name

    def start(self) -> None:
        """Load the model."""
        self.handler.on_start()

    def handle(self, items: list[BaseTask]) -> list[BaseTask]:
        """Handle tasks, and note how long that took."""
        for task in items:
            stop_transfer(task, self.name)
        began = perf_counter()
        self.handler.handle(*items)
        seconds = perf_counter() - began
        for task in items:
            metrics = task.metrics
            metrics.handle_times.add(self.name, seconds)
            metrics.batch_times.add(self.name, seconds)
            metrics.batch_sizes.add(self.name, len(items))
            start_transfer(task, self.name)
        return items


def start_transfer(task: BaseTask, place: str) -> None:
    """*task* leaves *place*."""
    vars(task)["_sent"] = place, monotonic()


def stop_transfer(task: BaseTask, place: str) -> None:
    """*task* has come to *place*."""
    sent = vars(task).pop("_sent", None)
    if sent is not None:
        name = f"from_{sent[0]}_to_{place}"
        if task.priority > 0:
            name = f"p_{task.priority}_{name}"
        task.metrics.transfer_times.add(name, monotonic() - sent[1])


class FlowStep:
    """One step, by the names it has there; see `cotality.flow.Step`."""

    def __init__(
        self,
        handler: BaseTaskHandler,
        handle_condition: Callable[[Any], object] = operator.truth,  # Any: a task
        nprocs: int = 1,
        batch_size: int = 1,
        batch_timeout: float = 0,
        on_start_wait: float = 0,
    ) -> None:
        self.handler = handler
        self.handle_condition = handle_condition
        self.nprocs = nprocs
        self.batch_size = batch_size
        self.batch_timeout = batch_timeout
        self.on_start_wait = on_start_wait

    def as_step(self, number: int) -> Step[BaseTask, BaseTask]:
        """The same for this engine."""
        name = self.handler.get_step_name(number)
        condition = self.handle_condition
        return Step(
            TaskHandler(self.handler, name),
            workers=self.nprocs,
            batch_size=self.batch_size,
            batch_wait=self.batch_timeout,
            when=None if condition is operator.truth else condition,
            name=name,
        )


def engine_of(
    steps: tuple[FlowStep | BaseTaskHandler, ...], queue_size: int, priorities: int
) -> Engine:
    """A flow of *steps*."""
    made: list[Any] = [  # Any: a type checker joins no list of steps
        (step if isinstance(step, FlowStep) else FlowStep(step)).as_step(number)
        for number, step in enumerate(steps, 1)
    ]
    engine: Engine = Flow(*made, queue_size=queue_size, priorities=priorities)
    return engine
