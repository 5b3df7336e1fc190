"""A flow that all web workers share, by the names it has there."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from cotality.flow import FlowClient, FlowServer
from cotality.flow.aqueduct.adapter import MAIN_PROCESS, start_transfer
from cotality.flow.aqueduct.exceptions import FlowError
from cotality.flow.aqueduct.flow import Flow, finish, start_timeout
from cotality.flow.aqueduct.task import BaseTask

SOCKET_PATH = "SOCKET_PATH"  # of the environment, after the name and "_"


@dataclass(frozen=True)
class Process:
    """A process that was started.

    Attributes:
        pid: Its number. It has started all others, and they end when it does.
    """

    pid: int

    def is_alive(self) -> bool:
        """Whether it has not ended."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def terminate(self) -> None:
        """Ask it to end."""
        os.kill(self.pid, signal.SIGTERM)


@dataclass(frozen=True)
class ProcessContext:
    """What `SocketFlow.preload` has started.

    Attributes:
        processes: To be ended by whoever wants to; they end with this process anyway.
        server: The same, with a ``stop`` of its own.
    """

    processes: list[Process]
    server: FlowServer[BaseTask, BaseTask]


class SocketFlow:
    """The way to a flow that another process runs.

    Args:
        name: Of the flow, where a program has several.
    """

    levels: int

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.levels = 1
        self._client: FlowClient[BaseTask, BaseTask] | None = None

    def preload(self, flow: Flow, timeout: float | None = None) -> ProcessContext:
        """Serve *flow*; to be called once, before web workers are forked.

        Raises:
            WorkerStartError: An ``on_start`` has failed.
            TimeoutError: The start took longer than *timeout* seconds.
        """
        if flow.are_steps_initialized:
            raise FlowError(
                "the flow runs in this process already; give one that does not"
            )
        server: FlowServer[BaseTask, BaseTask] = FlowServer.serve(
            flow.engine, self._given_path(), timeout=start_timeout(timeout)
        )
        self.levels = flow.queue_priorities
        os.environ[self._own_variable()] = f"{self.levels}:{server.path}"
        return ProcessContext([Process(server.pid)], server)

    async def start(self) -> None:
        """Connect; to be called once in each web worker.

        Raises:
            ConnectionLostError: Nobody serves the flow.
        """
        self._client = FlowClient(self._path())
        await self._client.status_async()

    async def stop(self) -> None:
        """Close the connections of this process."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def process(
        self, tasks: Sequence[BaseTask] | BaseTask, timeout_sec: float = 5.0
    ) -> bool:
        """Send *tasks* through the flow; what handlers have set on each is there then.

        Returns:
            True.

        Raises:
            Exception: What a handler raised for the first of them that has failed. The
                others are done all the same.
            DeadlineError: It took longer than *timeout_sec*. It is a `TimeoutError`.
        """
        if self._client is None:
            raise RuntimeError("not connected: call the start method of SocketFlow")
        given = [tasks] if isinstance(tasks, BaseTask) else list(tasks)
        calls = [self._process_one(self._client, task, timeout_sec) for task in given]
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
        return True

    async def _process_one(
        self, client: FlowClient[BaseTask, BaseTask], task: BaseTask, timeout_sec: float
    ) -> None:
        began = perf_counter()
        task.set_timeout(timeout_sec)
        start_transfer(task, MAIN_PROCESS)
        level = max(0, min(task.priority, self.levels - 1))
        done: Any = await client(
            task, timeout=timeout_sec, priority=level, wait_for_room=True
        )
        finish(task, done, began)

    def _path(self) -> str | None:
        """Where the flow is served."""
        levels, colon, path = os.environ.get(self._own_variable(), "").partition(":")
        if colon:
            self.levels = int(levels)
            return path
        return self._given_path()

    def _given_path(self) -> str | None:
        prefix = f"{self.name}_" if self.name else ""
        return os.environ.get(f"{prefix}{SOCKET_PATH}") or None

    def _own_variable(self) -> str:
        return f"COTALITY_FLOW_OF_{self.name}"
