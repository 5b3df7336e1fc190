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
    """A webhook that cannot be taken, or not be sent.

    Attributes:
        status: The HTTP status to answer with.
    """

    status: ClassVar[int] = 400


@public
class MalformedWebhookError(WebhookError):
    """It is signed, but nothing that we know how to read."""


@public
class SignatureError(WebhookError):
    """It is not signed, or not by one of the secrets, or not these bytes."""

    status: ClassVar[int] = 401


@public
class TooOldError(SignatureError):
    """It was signed too long ago, or in the future."""


@public
class TooLargeError(WebhookError):
    """Its body is larger than is accepted."""

    status: ClassVar[int] = 413


@public
class BlockedError(WebhookError):
    """A URL that we do not connect to. Nothing was sent, and no retry would help."""


@public
class UnreachableError(WebhookError):
    """Nobody answered: the network, the time limit, or something that is not HTTP."""


@public
class DeliveryError(WebhookError, RetryLaterError):
    """A webhook that was not delivered. Raised in a job, it says when to try again.

    Attributes:
        retry_in: After how many seconds to try again; None if that is of no use.
        is_attempt: Whether an attempt was made, and is to be counted: not if its
            endpoint is left alone for a while, because it fails all the time.
    """
