"""An endpoint that takes webhooks, in whatever framework: headers and bytes come in."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from cotality._kit.public import public_in
from cotality._kit.safe_text import printable
from cotality.jobs._jobs.webhooks.signatures import (
    Headers,
    Signature,
    checked_id,
)
from cotality.jobs._jobs.webhooks.webhook_errors import (
    MalformedWebhookError,
    TooLargeError,
    WebhookError,
)

public = public_in("cotality.jobs.webhooks")
logger = logging.getLogger("cotality.jobs.webhooks")

MAX_BODY = 1_000_000  # bytes
# What the sender is told; what is wrong in particular stands in our log.
TOLD = {401: "invalid signature", 413: "too large"}


@public
@dataclass(frozen=True, slots=True)
class Event:
    """The content of a webhook, whose sender knows a secret.

    Attributes:
        source: Who sent it, such as ``"stripe"``.
        id: Its id, the same each time the sender repeats it.
        kind: What has happened, such as ``"payment.succeeded"``; None if the webhook
            does not say.
        data: The JSON of its body.
        at: When this request was signed, in UTC; None if the time is not signed.
        body: The body, in bytes.
    """

    source: str
    id: str
    kind: str | None
    data: Any  # Any: whatever the sender has written as JSON
    at: datetime | None
    body: bytes = field(repr=False)

    @property
    def job_id(self) -> str:
        """The id for the job: a second job of this id is not made."""
        return f"{self.source}:{self.id}"


@public
@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer to the sender.

    Attributes:
        status: The HTTP status.
        body: The body, to be sent as JSON.
    """

    status: int
    body: dict[str, str]

    @property
    def text(self) -> str:
        """The body as JSON."""
        return json.dumps(self.body)


RECEIVED = Answer(200, {"status": "received"})


@public
class Receiver:
    """Takes webhooks whose signature is right.

    `receive` returns the event. `answer` also stores it, and returns what to answer:
    200 once the event is stored, and not before.

    Args:
        signature: How they are signed.
        store: A function that `answer` calls with each event, to enqueue a job with the
            `Event.job_id`. If it raises, so does `answer`: let the server answer 500,
            and the sender repeats the event. For `answer_async` it may be asynchronous.
        max_body: How many bytes a body may have. Limit it in the server in front as
            well: here, the body has already been read.
    """

    max_body: int

    def __init__(
        self,
        signature: Signature,
        store: Callable[[Event], object] | None = None,
        *,
        max_body: int = MAX_BODY,
    ) -> None:
        self.signature = signature
        self.store = store
        self.max_body = checked_size(max_body)

    def receive(self, headers: Headers, body: bytes) -> Event:
        """The event in a request.

        Args:
            headers: The headers as the framework has them; names in upper or lower
                case.
            body: The raw bytes of the body, not the parsed JSON.

        Raises:
            SignatureError: The signature is missing, wrong or too old; 401.
            TooLargeError: The body is too large; 413.
            MalformedWebhookError: The body is not JSON, or there is no id; 400.
        """
        if not isinstance(body, (bytes, bytearray, memoryview)):
            raise TypeError(
                f"body must be the bytes of the request, got a {type(body).__name__}: "
                f"what is signed are the bytes, not what was read out of them"
            )
        if len(body) > self.max_body:
            raise TooLargeError(
                f"the body has {len(body):,} bytes, {self.max_body:,} are accepted"
            )
        body = bytes(body)
        signed = self.signature.verify(headers, body)
        data = data_of(body)
        known = cast("dict[str, object]", data) if isinstance(data, dict) else {}
        kind = signed.kind if signed.kind is not None else known.get("type")
        return Event(
            self.signature.source,
            signed.id if signed.id is not None else checked_id(known.get("id")),
            kind if isinstance(kind, str) else None,
            data,
            signed.at,
            body,
        )

    def answer(self, headers: Headers, body: bytes) -> Answer:
        """Store the event in a request, and say what to answer.

        An event that is repeated gets the same answer as the first time.

        Raises:
            TypeError: *store* is asynchronous, so that nothing would be stored.
        """
        event = self.received(headers, body)
        if isinstance(event, Answer):
            return event
        stored = self.checked_store()(event)
        if isinstance(stored, Awaitable):
            if isinstance(stored, Coroutine):
                stored.close()
            raise TypeError(
                "store is asynchronous and was not awaited, so the event is not "
                "stored: await receiver.answer_async(...), or enqueue_sync in store"
            )
        return RECEIVED

    async def answer_async(self, headers: Headers, body: bytes) -> Answer:
        """The same, with a *store* that may be asynchronous."""
        event = self.received(headers, body)
        if isinstance(event, Answer):
            return event
        stored = self.checked_store()(event)
        if isinstance(stored, Awaitable):
            await cast("Awaitable[object]", stored)
        return RECEIVED

    def received(self, headers: Headers, body: bytes) -> Event | Answer:
        try:
            return self.receive(headers, body)
        except WebhookError as error:
            logger.warning(
                "a webhook of %s is refused: %s",
                self.signature.source,
                printable(str(error)),
            )
            return Answer(error.status, {"error": TOLD.get(error.status, "no event")})

    def checked_store(self) -> Callable[[Event], object]:
        if self.store is None:
            raise TypeError(
                "this Receiver has nowhere to store events: Receiver(signature, "
                "store=...), or use receive()"
            )
        return self.store


def checked_size(max_body: object) -> int:
    if isinstance(max_body, bool) or not isinstance(max_body, int) or max_body < 1:
        raise ValueError(f"max_body must be a number of bytes, got {max_body!r}")
    return max_body


def data_of(body: bytes) -> object:
    try:
        data: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedWebhookError(
            "the body is not valid JSON. If the sender offers several content types, "
            "choose application/json"
        ) from error
    return data
