"""What goes wrong with webhooks.

Their texts are for our logs. A stranger is told no more than the status.
"""

from __future__ import annotations

from typing import ClassVar

from cotality._kit.public import public_in
from cotality.jobs._jobs.errors.errors import RetryLaterError

public = public_in("cotality.jobs.webhooks")


@public
class WebhookError(Exception):
    """A webhook cannot be accepted, or cannot be sent.

    Attributes:
        status: The HTTP status to answer with.
    """

    status: ClassVar[int] = 400


@public
class MalformedWebhookError(WebhookError):
    """The webhook is signed, but its content cannot be read."""


@public
class SignatureError(WebhookError):
    """The signature is missing, from another secret, or for other bytes."""

    status: ClassVar[int] = 401


@public
class TooOldError(SignatureError):
    """The webhook was signed too long ago, or in the future."""


@public
class TooLargeError(WebhookError):
    """The body of the webhook is larger than is accepted."""

    status: ClassVar[int] = 413


@public
class BlockedError(WebhookError):
    """The URL is not allowed. Nothing was sent, and no retry would help."""


@public
class UnreachableError(WebhookError):
    """There was no answer in time, or it was not HTTP."""


@public
class DeliveryError(WebhookError, RetryLaterError):
    """A webhook was not delivered. Raised in a job, it says when to try again.

    Attributes:
        retry_in: After how many seconds to try again; None if that is of no use.
        is_attempt: Whether this counts as an attempt. It does not if the endpoint has
            failed so often that nothing was sent to it.
    """
