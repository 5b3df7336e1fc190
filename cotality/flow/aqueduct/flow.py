"""A flow, by the names it has there."""

from __future__ import annotations

import os
from enum import Enum
from time import perf_counter
from typing import Literal

from cotality.flow import DeadlineError, FlowStatus, FlowStoppedError

from .adapter import (
    MAIN_PROCESS,
    Engine,
    FlowStep,
    engine_of,
    start_transfer,
    stop_transfer,
)
from .exceptions import FlowError, MPStartMethodValueError, NotRunningError
from .handler import BaseTaskHandler
from .task import BaseTask

__all__ = ["Flow", "FlowState", "FlowStep"]

QUEUE_SIZE = 1024
START_TIMEOUT = "FLOW_START_TIMEOUT"  # of the environment; seconds
STEP_GRACE = 5.0  # s that tasks get to end in a graceful stop


class FlowState(Enum):
    """What a flow is at."""

    STARTING = "starting"
    STEPS_INITIALIZED = "steps_initialized"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"


class Flow:
    """Steps that tasks pass, each with processes of its own.

    Args:
        steps: Each a `FlowStep`, or just a handler.
        metrics_enabled: Whether tasks carry ``metrics``. Figures of the whole flow are
            in `status` in any case.
        metrics_collector: Not taken: `status` and the text for Prometheus replace it.
        metrics_exporter: Likewise.
        queue_size: How many tasks may wait; `process` waits for room beyond that.
        queue_priorities: How many priorities there are; larger ones count as the last.
        mp_start_method: Is checked and means nothing: workers are started from a server
            of their own, on each system in the same way.
    """

    def __init__(
        self,
        *steps: FlowStep | BaseTaskHandler,
        metrics_enabled: bool = True,
        metrics_collector: object = None,
        metrics_exporter: object = None,
        queue_size: int | None = None,
        queue_priorities: int = 1,
        mp_start_method: Literal["fork", "spawn", "forkserver"] = "fork",
    ) -> None:
        if mp_start_method not in ("fork", "spawn", "forkserver"):
            raise MPStartMethodValueError(f"no start method: {mp_start_method!r}")
        if (metrics_collector, metrics_exporter) != (None, None):
            raise TypeError(
                "metrics_collector and metrics_exporter are not taken: figures are in "
                "flow.status(), and for Prometheus in flow.engine.metrics()"
            )
        self.metrics_enabled = metrics_enabled
        self.queue_priorities = queue_priorities
        self.engine: Engine = engine_of(
            steps, queue_size or QUEUE_SIZE, queue_priorities
        )
        self._state = FlowState.STOPPED

    @property
    def state(self) -> FlowState:
        """What it is at."""
        return self._state

    @property
    def is_running(self) -> bool:
        """Whether tasks can be processed."""
        return self._state is FlowState.RUNNING

    @property
    def are_steps_initialized(self) -> bool:
        """Whether the processes of the steps are ready."""
        return self._state in (FlowState.STEPS_INITIALIZED, FlowState.RUNNING)

    def start(self, timeout: float | None = None) -> None:
        """Start it, and return once each step has a process that is ready.

        Args:
            timeout: How many seconds that may take; else ``FLOW_START_TIMEOUT``.

        Raises:
            TimeoutError: It took longer.
            WorkerStartError: An ``on_start`` has failed.
        """
        self.init_processes(timeout)
        self.start_inited()

    def init_processes(self, timeout: float | None = None) -> None:
        """The first half of `start`."""
        if self.are_steps_initialized:
            return
        self._state = FlowState.STARTING
        try:
            self.engine.start(start_timeout(timeout))
        except BaseException:
            self._state = FlowState.STOPPED
            raise
        self._state = FlowState.STEPS_INITIALIZED

    def start_inited(self) -> None:
        """The second half of `start`."""
        if not self.are_steps_initialized:
            raise NotRunningError("the steps are not initialized")
        self._state = FlowState.RUNNING

    async def process(self, task: BaseTask, timeout_sec: float = 5.0) -> bool:
        """Send *task* through the flow; what handlers have set on it is there then.

        Returns:
            True.

        Raises:
            Exception: What a handler raised.
            FlowError: It took longer than *timeout_sec*, or the flow has stopped.
            NotRunningError: The flow does not run.
        """
        if not self.is_running:
            raise NotRunningError("the flow is not running; call its start method")
        began = perf_counter()
        task.set_timeout(timeout_sec)
        start_transfer(task, MAIN_PROCESS)
        try:
            done = await self.engine(
                task,
                timeout=timeout_sec,
                priority=self.level_of(task),
                wait_for_room=True,
            )
        except (DeadlineError, FlowStoppedError) as error:
            raise FlowError(str(error)) from error
        finish(task, done, began)
        return True

    def level_of(self, task: BaseTask) -> int:
        """The priority of *task*, limited to those that there are."""
        return max(0, min(task.priority, self.queue_priorities - 1))

    async def stop(self, graceful: bool = True) -> None:
        """Stop it.

        Args:
            graceful: Let what was sent be done before, for a few seconds.
        """
        if not self.are_steps_initialized:
            return
        self._state = FlowState.STOPPING
        try:
            if graceful:
                await self.engine.drain(STEP_GRACE)
            else:
                await self.engine.stop(0.0)
        finally:
            self._state = FlowState.STOPPED

    def status(self) -> FlowStatus:
        """How the flow is: depths, rates, batch sizes, times, restarts."""
        return self.engine.status()


def finish(task: BaseTask, done: BaseTask, began: float) -> None:
    """Take over what has become of *task*."""
    stop_transfer(done, MAIN_PROCESS)
    done.metrics.handle_times.add("total", perf_counter() - began)
    vars(task).pop("_sent", None)
    task.update(done)


def start_timeout(timeout: float | None) -> float | None:
    if timeout is not None:
        return timeout
    given = os.environ.get(START_TIMEOUT)
    return float(given) if given else None
