"""Starts the processes of workers in a thread, so that the loop goes on meanwhile.

The processes are forked from a server that has no threads, so that is safe.
"""

from __future__ import annotations

import os
import threading
from queue import SimpleQueue
from typing import NamedTuple

from cotality._kit.safe_text import class_and_text
from cotality._kit.standard_places import pipe
from cotality.core.hosting import Boards, Hosted, start_hosted
from cotality.flow._flow.steps.plan import FlowPlan
from cotality.flow._flow.workers import worker


class Started(NamedTuple):
    """What came of one start: a process, or the reason why there is none."""

    step: int
    generation: int
    hosted: Hosted | None
    reason: str


class Starter:
    """The thread, and what it is asked for.

    Attributes:
        bell: A descriptor that is readable when something has come of a start.
    """

    def __init__(self, plan: FlowPlan) -> None:
        self.plan = plan
        self.siblings = sum(step.workers for step in plan.steps)
        # While workers are replaced there are twice as many.
        self.boards = Boards(2 * self.siblings + 4)
        self.wanted: SimpleQueue[tuple[int, int] | None] = SimpleQueue()
        self.started: SimpleQueue[Started] = SimpleQueue()
        self.bell, self.rope = pipe()
        os.set_blocking(self.bell, False)
        os.set_blocking(self.rope, False)
        self.thread = threading.Thread(
            target=self.run, name="cotality-flow-starter", daemon=True
        )
        self.thread.start()

    def want(self, step: int, generation: int) -> None:
        self.wanted.put((step, generation))

    def run(self) -> None:
        while (wanted := self.wanted.get()) is not None:
            self.started.put(self.start(*wanted))
            try:
                os.write(self.rope, b"!")
            except BlockingIOError:
                pass  # it has been rung often enough

    def start(self, step: int, generation: int) -> Started:
        plan = self.plan.steps[step]
        try:
            if not self.boards.free:
                raise OSError("too many workers of this flow have not ended yet")
            hosted = start_hosted(
                worker.main,
                (plan.work, self.plan.rules),
                self.boards,
                name=f"flow-{plan.name}",
                siblings=self.siblings,
            )
        except Exception as error:
            # Whatever it is, it is the router's business, which tries again later. No
            # handler of a signal runs in this thread.
            return Started(step, generation, None, class_and_text(error))
        return Started(step, generation, hosted, "")

    def take(self) -> list[Started]:
        """What has come of starts."""
        try:
            os.read(self.bell, 4096)
        except BlockingIOError:
            pass
        started: list[Started] = []
        while not self.started.empty():
            started.append(self.started.get())
        return started
