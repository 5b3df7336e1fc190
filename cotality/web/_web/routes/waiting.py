"""Waits for the end of a task, as long as somebody waits for the answer."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

from fastapi import Request, Response

from cotality._kit.safe_text import class_and_text, printable
from cotality._kit.struck import is_of_a_signal
from cotality.jobs import StoreError
from cotality.web._web.desk.desk import Desk
from cotality.web._web.events.ending import Ending
from cotality.web._web.events.hanging_up import first_of, hung_up
from cotality.web._web.guard.problems import Problem, ProblemError
from cotality.web._web.models.kinds import TaskStatus
from cotality.web._web.models.tasks import TaskResponse, TaskResult

from .answering import RETRY_S, accepted, with_root

logger = logging.getLogger("cotality.web")

LOOKS = 10  # of a client that asks for the status, until a task is over
LONGEST_RETRY_S = 30.0
WAIT = re.compile(r"wait\s*=\s*([0-9]{1,9})")
GONE = 499  # the status that nobody hears, because the client has hung up


@dataclass(frozen=True)
class Preference:
    """What a client would like, by the header ``Prefer`` of RFC 7240.

    Attributes:
        is_async: Whether it wants no more than to know that its task was taken.
        wait_s: For how many seconds it would wait; None if it does not say.
    """

    is_async: bool = False
    wait_s: int | None = None

    @classmethod
    def of(cls, request: Request) -> Preference:
        """What it says; what nobody understands is left out, as the RFC has it."""
        words = ",".join(request.headers.getlist("prefer")).lower().split(",")
        said = {word.partition(";")[0].strip() for word in words}
        waits = [int(found[1]) for word in said if (found := WAIT.fullmatch(word))]
        return cls("respond-async" in said, min(waits, default=None))


class Waiting:
    """Answers with what a task came to, or says that it goes on.

    Args:
        desk: Where tasks are.
        ending: With which the waiting ends: the task goes on without us.
    """

    def __init__(self, desk: Desk, ending: Ending) -> None:
        self.desk, self.ending = desk, ending

    async def answer(
        self, request: Request, task: TaskResponse, limit_s: float
    ) -> TaskResult | Response:
        """What *task* came to, if that is known soon; otherwise where to look.

        A client that hangs up meanwhile cancels its task: nobody else knows of it.

        Args:
            request: Who waits.
            task: For what.
            limit_s: For how many seconds; not at all if it will take longer.
        """
        wish = Preference.of(request)
        if wish.wait_s is not None:
            limit_s = min(limit_s, wish.wait_s)
        if wish.is_async or (task.estimated_duration or 0.0) > limit_s:
            return taken_answer(request, task, is_wish=wish.is_async)
        try:
            first, result = await first_of(
                self.desk.wait(task.task_id, limit_s),
                hung_up(request.receive),
                self.ending.wait(),
            )
        except StoreError as error:
            # The task is there and goes on. Who hears that the service is away would
            # ask for it once more, and never learn of this one.
            return unseen(request, task, error)
        if first == 1:
            await self.cancel(task.task_id)
            return Response(status_code=GONE)
        if result is None or not result.status.is_over:
            return taken_answer(request, task)
        return with_root(request, checked(result))

    async def cancel(self, task_id: str) -> None:
        try:
            await self.desk.cancel(task_id)
        except Exception as error:
            if is_of_a_signal(error):
                raise
            # There is nobody to be told.
            logger.warning(
                "task %s, whose client has hung up, could not be cancelled: %s",
                task_id,
                printable(class_and_text(error)),
            )


def taken_answer(
    request: Request, task: TaskResponse, *, is_wish: bool = False
) -> Response:
    """That it was taken, where to look, and when."""
    told = with_root(request, task)
    headers = accepted(told.status_url, wait_s=look_after_s(task))
    if is_wish:
        headers["Preference-Applied"] = "respond-async"
    return Response(told.model_dump_json(), 202, headers, "application/json")


def unseen(request: Request, task: TaskResponse, error: StoreError) -> Response:
    """That it was taken; how it stands cannot be read just now."""
    logger.warning("how task %s stands cannot be read: %s", task.task_id, error)
    return taken_answer(request, task)


def look_after_s(task: TaskResponse) -> float:
    """Seconds after which it is worth to look: a part of what it will take."""
    expected = task.estimated_duration or 0.0
    return min(LONGEST_RETRY_S, max(RETRY_S, expected / LOOKS))


def checked(result: TaskResult) -> TaskResult:
    """What was waited for, unless it came to nothing.

    Raises:
        ProblemError: It has failed, or somebody has cancelled it.
    """
    more = {"task_id": result.task_id}
    if result.status is TaskStatus.CANCELLED:
        text = f"task {result.task_id} was cancelled before it was done"
        raise ProblemError(Problem(409, "cancelled", text, more=more))
    if result.status is TaskStatus.FAILED:
        text = f"task {result.task_id} has failed: {result.error_message}"
        raise ProblemError(Problem(500, "task-failed", text, more=more))
    return result
