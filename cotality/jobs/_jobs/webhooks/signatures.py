"""Who has signed a webhook, and when.

Each kind takes several secrets, so that an old and a new one are valid side by side
while the sender changes. All are compared, in a time that does not depend on which one
is right.
"""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from cotality._kit.public import public_in
from cotality.jobs._jobs.webhooks.webhook_errors import (
    MalformedWebhookError,
    SignatureError,
    TooOldError,
)

public = public_in("cotality.jobs.webhooks")

MAX_AGE_S = 300.0
LONGEST_ID = 200


class Headers(Protocol):
    """The headers of a request, as any framework has them."""

    def items(self) -> Iterable[tuple[str, str]]: ...


@dataclass(frozen=True, slots=True)
class Signed:
    """What the headers say about a body that is signed.

    Attributes:
        id: The id of the event; None if the body has it.
        kind: The kind of the event; None if the body has it.
        at: When this request was signed, in UTC; None if the time is not signed.
    """

    id: str | None = None
    kind: str | None = None
    at: datetime | None = None


@public
class Signature(Protocol):
    """A way of signing webhooks."""

    @property
    def source(self) -> str:
        """Whose events these are; ids are unique for each source."""
        ...

    def verify(self, headers: Headers, body: bytes) -> Signed:
        """What the headers say about *body*, if it is signed.

        Raises:
            SignatureError: It is not signed, or not correctly.
        """
        ...


@public
@dataclass(frozen=True, slots=True)
class StandardWebhook:
    """Standard Webhooks: the headers webhook-id, -timestamp and -signature.

    Args:
        secrets: The valid secrets, each in base64, with or without ``whsec_`` before
            it.
        source: The name of the sender, if several senders use the standard.
        max_age_s: How old a signature may be, in seconds, including the difference
            between the two clocks.

    Raises:
        ValueError: There is no secret, or one is not base64; or the age is not
            positive.
    """

    secrets: Sequence[str] = field(repr=False)
    source: str = "standard"
    max_age_s: float = MAX_AGE_S
    now: Callable[[], float] = field(default=time.time, repr=False)

    def __post_init__(self) -> None:
        check_secrets(self.secrets)
        check_age(self.max_age_s)
        for each in self.secrets:
            standard_signature(each, "id", 0, "")

    def verify(self, headers: Headers, body: bytes) -> Signed:
        found = values_of(headers, "webhook-id", "webhook-timestamp")
        if not found["webhook-id"].isascii():
            raise SignatureError("the header webhook-id has strange characters")
        stamp = checked_stamp(found["webhook-timestamp"], self.max_age_s, self.now())
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise SignatureError("the body is not text: nobody signed it") from error
        given = value_of(headers, "webhook-signature").split()
        sign = partial(
            standard_signature, message_id=found["webhook-id"], stamp=stamp, body=text
        )
        check_any(
            [each for each in given if each[:3] == "v1,"], map(sign, self.secrets)
        )
        return Signed(id=checked_id(found["webhook-id"]), at=moment(stamp))


@public
@dataclass(frozen=True, slots=True)
class StripeSignature:
    """Stripe: the header Stripe-Signature; id and type of the event are in its body.

    Args:
        secrets: The secrets of the endpoint, as Stripe shows them, with their
            ``whsec_``.
        max_age_s: As for `StandardWebhook`.

    Raises:
        ValueError: No secret.
    """

    secrets: Sequence[str] = field(repr=False)
    max_age_s: float = MAX_AGE_S
    now: Callable[[], float] = field(default=time.time, repr=False)
    source: str = "stripe"

    def __post_init__(self) -> None:
        check_secrets(self.secrets)
        check_age(self.max_age_s)

    def verify(self, headers: Headers, body: bytes) -> Signed:
        parts = [
            each.strip().partition("=")[::2]
            for each in value_of(headers, "stripe-signature").split(",")
        ]
        stamps = [value for name, value in parts if name == "t"]
        if len(stamps) != 1:
            raise SignatureError("Stripe-Signature has no timestamp, or several")
        stamp = checked_stamp(stamps[0], self.max_age_s, self.now())
        signed = stamps[0].encode() + b"." + body
        given = [value for name, value in parts if name == "v1"]
        check_any(given, (sha256_of(each, signed) for each in self.secrets))
        return Signed(at=moment(stamp))


@public
@dataclass(frozen=True, slots=True)
class GithubSignature:
    """GitHub: the header X-Hub-Signature-256.

    GitHub signs only the body, neither a time nor the id of the delivery. So whoever
    has seen a request can send it again, under another id.

    Args:
        secrets: The secrets, as they were entered at GitHub.

    Raises:
        ValueError: No secret.
    """

    secrets: Sequence[str] = field(repr=False)
    source: str = "github"

    def __post_init__(self) -> None:
        check_secrets(self.secrets)

    def verify(self, headers: Headers, body: bytes) -> Signed:
        given = value_of(headers, "x-hub-signature-256").removeprefix("sha256=")
        check_any([given], (sha256_of(each, body) for each in self.secrets))
        found = values_of(headers, "x-github-delivery", "x-github-event")
        return Signed(
            id=checked_id(found["x-github-delivery"]), kind=found["x-github-event"]
        )


def standard_signature(secret: str, message_id: str, stamp: int, body: str) -> str:
    """``v1,`` and the signature of *body*, as Standard Webhooks has it.

    Raises:
        ValueError: *secret* is not base64.
    """
    try:
        from standardwebhooks.webhooks import Webhook
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "webhooks are signed with the package standardwebhooks: pip install "
            "'cotality[jobs]'"
        ) from error
    return Webhook(key_of(secret)).sign(message_id, moment(stamp), body)


def key_of(secret: str) -> bytes:
    """What *secret* of Standard Webhooks stands for.

    The library leaves out whatever is not base64, so that a password in plain text
    would be some other key, and no signature ever right.
    """
    text = secret.removeprefix("whsec_").rstrip("=")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        key = b""
    if not key:
        # From None: the text of the other error may have a part of the secret.
        raise ValueError(
            "a secret of Standard Webhooks is base64, mostly after 'whsec_'; one that "
            "was given is not"
        ) from None
    return key


def sha256_of(secret: str, signed: bytes) -> str:
    return hmac.digest(secret.encode(), signed, "sha256").hex()


def check_any(given: Iterable[str], right: Iterable[str]) -> None:
    """Raise unless one of *given* is one of *right*; all are compared."""
    valid = [each.encode() for each in right]
    equal = [
        hmac.compare_digest(one.encode("utf-8", "replace"), other)
        for one in given
        for other in valid
    ]
    if not equal:
        raise SignatureError("there is no signature of a kind that we know")
    if not any(equal):
        raise SignatureError("the signature is not of this body by any of the secrets")


def check_secrets(secrets: object) -> None:
    """Raise unless these are texts, of which one is given at least.

    No message has a secret.
    """
    if isinstance(secrets, (str, bytes)) or not isinstance(secrets, Sequence):
        raise TypeError("secrets must be a list of texts: secrets=[...]")
    if not secrets:
        raise ValueError("secrets is empty: nothing would ever be accepted")
    for each in secrets:  # pyright: ignore[reportUnknownVariableType]  # asked next
        if not isinstance(each, str):
            raise TypeError("each of the secrets must be a text")
        if not each or each != each.strip():
            raise ValueError(
                "one of the secrets is empty, or has a space or a line end around it"
            )


def check_age(max_age_s: object) -> None:
    """Raise unless it is a number of seconds: with another one, any age would do."""
    if isinstance(max_age_s, bool) or not isinstance(max_age_s, (int, float)):
        raise TypeError(f"max_age_s must be a number of seconds, got {max_age_s!r}")
    if not max_age_s > 0:  # nor is it "not a number"
        raise ValueError(f"max_age_s must be more than 0 seconds, got {max_age_s!r}")


def value_of(headers: Headers, name: str) -> str:
    return values_of(headers, name)[name]


def values_of(headers: Headers, *names: str) -> Mapping[str, str]:
    """The headers of these *names*, each of which has to be there once."""
    found: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        if lower not in names:
            continue
        if found.get(lower, value) != value:
            raise SignatureError(f"the header {lower} is there twice")
        found[lower] = value
    for name in names:
        if not found.get(name):
            raise SignatureError(f"the header {name} is missing")
    return found


def checked_stamp(stamp: str, max_age_s: float, now: float) -> int:
    """*stamp* in seconds since 1970, if that is about *now*."""
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 12):
        raise SignatureError("the timestamp is not a number of seconds")
    age = now - int(stamp)
    if abs(age) > max_age_s:
        how = f"{age:.0f} s ago" if age > 0 else f"{-age:.0f} s in the future"
        raise TooOldError(f"it was signed {how}; {max_age_s:g} s are accepted")
    return int(stamp)


def checked_id(event_id: object) -> str:
    """*event_id*, which becomes a part of the id of a job."""
    if not isinstance(event_id, str) or not 0 < len(event_id) <= LONGEST_ID:
        raise MalformedWebhookError("the event has no id, or one that is too long")
    if not (event_id.isascii() and event_id.isprintable()):
        raise MalformedWebhookError("the id of the event has strange characters")
    return event_id


def moment(stamp: int) -> datetime:
    return datetime.fromtimestamp(stamp, UTC)
