"""Sending a webhook: one attempt, and what its answer means.

Whoever calls it, which is a job, is told when to try again.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from cotality._kit.public import public_in
from cotality._kit.safe_text import class_and_text, printable
from cotality._kit.struck import is_of_a_signal
from cotality.jobs._jobs.webhooks.endpoint_states import EndpointStates, FileStates
from cotality.jobs._jobs.webhooks.messages import Endpoint, Message
from cotality.jobs._jobs.webhooks.transport import Response, Transport
from cotality.jobs._jobs.webhooks.webhook_errors import (
    BlockedError,
    DeliveryError,
    UnreachableError,
)

public = public_in("cotality.jobs.webhooks")
logger = logging.getLogger("cotality.jobs.webhooks")

# Seconds before each attempt, after the one before it has failed: nearly four days.
SCHEDULE = (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
JITTER = 0.2  # of each pause, so that what has failed together does not come together
LONGEST_RETRY_AFTER = 86_400.0  # s
GONE = "it answered 410 Gone"

AGAIN = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
}


@public
@dataclass(frozen=True, slots=True)
class Delivered:
    """A message that has arrived.

    Attributes:
        status: The HTTP status of the answer, 200 to 299.
        seconds: How long the request took.
    """

    status: int
    seconds: float


@public
class WebhookSender:
    """Sends messages to endpoints, signed by Standard Webhooks.

    Args:
        states: Where all workers keep what they know about endpoints: the path of a
            SQLite file, or another `EndpointStates`.
        transport: How to connect. Without it, only to public addresses, by https.
        schedule: The pause in seconds before each attempt. There are as many attempts
            as numbers.
        now: The time, in seconds since 1970.
        jitter: A function that returns a random number from 0 to 1.
    """

    transport: Transport
    schedule: tuple[float, ...]

    def __init__(
        self,
        states: EndpointStates | str | os.PathLike[str],
        *,
        transport: Transport | None = None,
        schedule: Sequence[float] = SCHEDULE,
        now: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        if isinstance(states, (str, os.PathLike)):
            states = FileStates(states)
        self.states = states
        self.transport = Transport() if transport is None else transport
        self.schedule = checked_schedule(schedule)
        self.now = now
        self.jitter = jitter

    def send(self, message: Message, endpoint: Endpoint, attempt: int) -> Delivered:
        """Send *message* once.

        Args:
            message: The message, the same for all attempts.
            endpoint: Where to send it.
            attempt: Which attempt this is, counted from 1.

        Raises:
            DeliveryError: The message was not delivered. `retry_in` says after how many
                seconds to try again. It is None if another attempt is of no use: the
                endpoint has refused the message or is disabled, or this was the last
                attempt.
        """
        self.check_endpoint(endpoint, attempt)
        began = time.monotonic()
        try:
            answer = self.transport.post(
                endpoint.url,
                message.body.encode(),
                message.signed(endpoint, self.now()),
            )
        except BlockedError as error:
            raise DeliveryError(str(error)) from error
        except UnreachableError as error:
            self.note(endpoint, lambda id: self.states.note_failure(id, self.now()))
            raise DeliveryError(str(error), self.pause_after(attempt)) from error
        if 200 <= answer.status < 300:
            self.note(endpoint, self.states.note_success)
            return Delivered(answer.status, time.monotonic() - began)
        raise self.refused(endpoint, attempt, answer)

    def check_endpoint(self, endpoint: Endpoint, attempt: int) -> None:
        try:
            reason = self.states.disabled(endpoint.id)
            pause = 0.0 if reason else self.states.pause(endpoint.id, self.now())
        except Exception as error:
            if is_of_a_signal(error):
                raise
            raise DeliveryError(
                f"what is known of the endpoint {endpoint.id!r} cannot be read: "
                f"{class_and_text(error)}",
                self.pause_after(attempt),
            ) from error
        if reason is not None:
            raise DeliveryError(f"the endpoint {endpoint.id!r} is disabled: {reason}")
        if pause > 0:
            raise DeliveryError(
                f"the endpoint {endpoint.id!r} fails all the time, and is left alone "
                f"for {pause:.0f} s",
                pause * self.spread(),
                is_attempt=False,
            )

    def note(self, endpoint: Endpoint, note: Callable[[str], object]) -> None:
        """Note how it answered. What cannot be noted changes nothing of the answer."""
        try:
            note(endpoint.id)
        except Exception as error:
            if is_of_a_signal(error):
                raise
            logger.error(
                "how the webhook endpoint %r answered is not noted: %s",
                endpoint.id,
                class_and_text(error),
            )

    def refused(
        self, endpoint: Endpoint, attempt: int, answer: Response
    ) -> DeliveryError:
        """What *answer*, which is no success, means."""
        said = printable(answer.excerpt[:200].decode("utf-8", "replace")).strip()
        text = f"{endpoint.id!r} answered {answer.status}: {said}".removesuffix(": ")
        if answer.status == HTTPStatus.GONE:
            self.note(endpoint, lambda id: self.states.disable(id, GONE))
            logger.warning("the webhook endpoint %r is gone, and disabled", endpoint.id)
            return DeliveryError(text)
        if not should_try_again(answer.status):
            self.note(
                endpoint, self.states.note_success
            )  # it is there, and does not want it
            return DeliveryError(text)
        self.note(endpoint, lambda id: self.states.note_failure(id, self.now()))
        pause = self.pause_after(attempt)
        if pause is not None:
            pause = max(pause, retry_after(answer, self.now()))
        return DeliveryError(text, pause)

    def pause_after(self, attempt: int) -> float | None:
        """Seconds until the next attempt; None after the last one."""
        if attempt >= len(self.schedule):
            return None
        return self.schedule[max(attempt, 0)] * self.spread()

    def spread(self) -> float:
        return 1 - JITTER + 2 * JITTER * self.jitter()


def checked_schedule(schedule: Sequence[float]) -> tuple[float, ...]:
    numbers = tuple(float(each) for each in schedule)
    if not numbers or not all(0 <= each < float("inf") for each in numbers):
        raise ValueError(
            f"schedule must be seconds before each attempt, as (0, 5, 300), got "
            f"{schedule!r}"
        )
    return numbers


def should_try_again(status: int) -> bool:
    """Whether an answer of *status* may be another one later.

    A redirect is not followed. Whoever runs the endpoint may still be at moving it.
    """
    return status < 400 or status >= 500 or status in AGAIN


def retry_after(answer: Response, now: float) -> float:
    """How many seconds the header Retry-After asks for; 0 without one."""
    value = answer.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        # The limit first: a number of thousands of digits takes its time.
        seconds = float(value[:10])
    else:
        try:
            moment = parsedate_to_datetime(value)
        except (ValueError, TypeError, OverflowError):  # by what is wrong with it
            return 0.0
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.fromtimestamp(now, UTC)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)
