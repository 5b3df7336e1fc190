"""Which broker, as a URL says it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

PORTS = {"amqp": 5672, "amqps": 5671}
OPTIONS = ("cacertfile", "certfile", "keyfile")
LONGEST_NAME = 200  # bytes; the protocol has 255 for all of a name


@dataclass(frozen=True, slots=True)
class Broker:
    """Where it is, and who we are there.

    Attributes:
        files: Certificates and keys, by the names that the URL has for them.
    """

    host: str
    port: int
    user: str
    password: str
    vhost: str
    is_tls: bool
    files: dict[str, str]

    def __str__(self) -> str:
        """Without the password."""
        scheme = "amqps" if self.is_tls else "amqp"
        return f"{scheme}://{self.user}@{self.host}:{self.port}/{self.vhost}"


def broker_of(url: object) -> Broker:
    """The broker that *url* names, such as ``amqp://user:password@host/vhost``.

    Raises:
        TypeError: It is no text.
        ValueError: It is no such URL.
    """
    if not isinstance(url, str):
        raise TypeError(
            f"a broker is named by a URL such as amqp://user:password@host/vhost, "
            f"got {url!r}"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        # What is wrong may be the password: it is not shown.
        raise ValueError(f"the URL of a broker cannot be read: {error}") from error
    if parts.scheme not in PORTS:
        raise ValueError(
            f"a broker is at amqp://user:password@host/vhost, or amqps://, got a URL "
            f"with {parts.scheme!r}"
        )
    if parts.hostname is None:
        raise ValueError(f"the URL of a broker has to name a host: {parts.scheme}://?")
    # Whoever changes the folder later finds the same files.
    options = {
        name: os.path.abspath(values[-1])
        for name, values in parse_qs(parts.query).items()
    }
    if unknown := sorted(options.keys() - set(OPTIONS)):
        raise ValueError(
            f"the URL of a broker has {', '.join(unknown)}, which nobody knows; there "
            f"are {', '.join(OPTIONS)}"
        )
    return Broker(
        parts.hostname,
        port or PORTS[parts.scheme],
        unquote(parts.username or "guest"),
        unquote(parts.password or "guest"),
        unquote(parts.path[1:]) or "/",
        parts.scheme == "amqps",
        options,
    )


def name_of(prefix: str, queue: str) -> str:
    """What a queue of ours is called there."""
    if len(queue.encode()) > LONGEST_NAME:
        queue = hashlib.sha256(queue.encode()).hexdigest()
    return f"cotality.{prefix}.{queue}"
