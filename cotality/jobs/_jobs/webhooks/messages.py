"""What is sent to others: messages, and the endpoints that they go to."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from cotality._kit.public import public_in
from cotality.jobs._jobs.webhooks.signatures import (
    check_secrets,
    checked_id,
    standard_signature,
)
from cotality.jobs._jobs.webhooks.targets import target_of

public = public_in("cotality.jobs.webhooks")

TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
OURS = {
    *("webhook-id", "webhook-timestamp", "webhook-signature"),
    *("host", "content-type", "content-length", "connection", "transfer-encoding"),
}


@public
@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a customer wants to get webhooks.

    Args:
        id: Its id, such as your customer's number: under it, the sender remembers
            failures and whether the endpoint is disabled.
        url: ``https://...``, without a password in it.
        secrets: The secrets to sign with, each ``whsec_`` and base64. With several,
            each message has several signatures, so that the receiver can change to a
            new secret.
        headers: Further headers to send with each message.

    Raises:
        BlockedError: The URL is invalid, or not https. Its address is checked each time
            something is sent.
        ValueError: There is no secret, or one is not base64.
    """

    id: str
    url: str
    secrets: Sequence[str] = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    def __post_init__(self) -> None:
        check_text("the id of an endpoint", self.id)
        target_of(self.url)
        check_secrets(self.secrets)
        for each in self.secrets:
            standard_signature(each, "id", 0, "")
        for name, value in self.headers.items():
            check_header(name, value)


@public
@dataclass(frozen=True, slots=True)
class Message:
    """Something that has happened, as it is sent: the same at each attempt.

    Attributes:
        id: Its id, the same for all attempts, by which the receiver knows what it has
            already.
        body: The JSON that is sent, and signed.
    """

    id: str
    body: str

    @classmethod
    def of(cls, kind: str, data: object, *, id: str | None = None) -> Message:
        """Make a message that *kind* has happened now.

        Args:
            kind: What has happened, such as ``"user.updated"``.
            data: The details, in types that JSON has.
            id: The id of the message; a random one by default.

        Raises:
            TypeError: *data* has a value of a type that JSON does not have.
        """
        check_text("kind", kind)
        moment = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        body = {"type": kind, "timestamp": moment, "data": data}
        try:
            text = json.dumps(body, allow_nan=False)
        except ValueError as error:  # NaN, or a circle
            raise TypeError(f"data cannot be written as JSON: {error}") from error
        return cls(checked_id(f"msg_{uuid.uuid4().hex}" if id is None else id), text)

    @classmethod
    def from_json(cls, stored: Mapping[str, str]) -> Message:
        """What `to_json` has made."""
        return cls(stored["id"], stored["body"])

    def to_json(self) -> dict[str, str]:
        """Itself, for the arguments of a job."""
        return asdict(self)

    def signed(self, endpoint: Endpoint, now: float) -> dict[str, str]:
        """The headers it is sent with now."""
        stamp = int(now)
        signatures = [
            standard_signature(each, self.id, stamp, self.body)
            for each in endpoint.secrets
        ]
        return {
            "Content-Type": "application/json",
            "User-Agent": "cotality-webhooks",
            **endpoint.headers,
            "webhook-id": self.id,
            "webhook-timestamp": str(stamp),
            "webhook-signature": " ".join(signatures),
        }


def check_header(name: object, value: object) -> None:
    if not isinstance(name, str) or not isinstance(value, str):
        raise TypeError(f"a header has a name and a value, both texts: {name!r}")
    if name.lower() in OURS:
        raise ValueError(f"the header {name} is made for each message")
    if not TOKEN.fullmatch(name) or not (value.isascii() and value.isprintable()):
        # The value may be a password.
        raise ValueError(f"the header {name!r} has characters that no header may have")


def check_text(what: str, text: object) -> None:
    if not isinstance(text, str) or not text:
        raise TypeError(f"{what} must be a text such as 'user.updated', got {text!r}")
