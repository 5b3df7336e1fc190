"""Where a URL leads, and whether anything may be sent there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from cotality._kit.safe_text import shortened
from cotality.jobs._jobs.webhooks.webhook_errors import BlockedError

PORTS = {"https": 443, "http": 80}
LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
HOST = re.compile(rf"(?:{LABEL}\.)*{LABEL}\.?|\[[0-9a-f:.]+\]", re.IGNORECASE)
LONGEST_HOST = 253


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads."""

    is_tls: bool
    host: str  # without brackets
    port: int
    named: str  # as the header Host has it
    path: str  # with the query


def target_of(url: object) -> Target:
    """Where *url* leads.

    Raises:
        BlockedError: Nowhere that anything is sent to.
    """
    if not isinstance(url, str) or not url.isprintable() or " " in url or "\\" in url:
        raise BlockedError(f"{shortened(url, 200)} is not a URL")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BlockedError(f"{shortened(url, 200)} is not a URL: {error}") from error
    if parts.scheme not in PORTS:
        raise BlockedError(f"a webhook goes to https://..., got {shortened(url, 200)}")
    if "@" in parts.netloc:
        raise BlockedError(
            f"{parts.scheme}://...@{parts.hostname} has a password in it"
        )
    host = checked_host(parts)
    if port == 0:
        raise BlockedError(f"{shortened(url, 200)} has no port to connect to")
    named = f"[{host}]" if ":" in host else host
    query = f"?{parts.query}" if parts.query else ""
    return Target(
        parts.scheme == "https",
        host,
        port or PORTS[parts.scheme],
        named if port is None else f"{named}:{port}",
        quoted(f"{parts.path or '/'}{query}"),
    )


def checked_host(parts: SplitResult) -> str:
    """The host, as the network knows it: letters of other alphabets are encoded."""
    host = parts.hostname or ""
    try:
        name = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise BlockedError(f"{shortened(host, 200)} is not a host name") from error
    written = f"[{name}]" if ":" in name else name
    if len(name) > LONGEST_HOST or not HOST.fullmatch(written):
        raise BlockedError(f"{shortened(host, 200)} is not a host name")
    return name


def quoted(path: str) -> str:
    """*path* in ASCII; what is quoted already stays as it is."""
    return "".join(
        each if each.isascii() else "".join(f"%{byte:02X}" for byte in each.encode())
        for each in path
    )
