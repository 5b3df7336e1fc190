"""Requests to URLs that strangers have chosen, which must not lead into our network.

The name is looked up once. All addresses it has must be public, and the connection goes
to one of those that were looked at: who answers for the name has no second chance to
give another one. TLS and the header Host have the name all the same.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import SplitResult, urlsplit

from cotality._kit.public import public_in
from cotality._kit.safe_text import class_and_text, printable, shortened
from cotality.jobs._jobs.webhooks.addresses import is_public
from cotality.jobs._jobs.webhooks.deadline import Deadline, TimedSocket
from cotality.jobs._jobs.webhooks.webhook_errors import BlockedError, UnreachableError

public = public_in("cotality.jobs.webhooks")

TIMEOUT_S = 10.0
MOST_ADDRESSES = 4  # of one name that are tried
EXCERPT = 1_000  # bytes of an answer that are kept, to be read by people
PORTS = {"https": 443, "http": 80}
LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
HOST = re.compile(rf"(?:{LABEL}\.)*{LABEL}\.?|\[[0-9a-f:.]+\]", re.IGNORECASE)
LONGEST_HOST = 253

Resolve = Callable[[str, int], Iterable[str]]
Connect = Callable[[tuple[str, int], float], socket.socket]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads."""

    is_tls: bool
    host: str  # without brackets
    port: int
    named: str  # as the header Host has it
    path: str  # with the query


@public
@dataclass(frozen=True, slots=True)
class Response:
    """What was answered.

    Attributes:
        status: The HTTP status.
        headers: Their names are in lower case.
        excerpt: The first bytes of the body.
    """

    status: int
    headers: Mapping[str, str]
    excerpt: bytes


@public
class Transport:
    """Posts to URLs of strangers, and to public addresses only.

    It follows no redirect, knows no proxy, keeps no cookie and sends no password.

    Args:
        timeout_s: For all of a request, in seconds; what the system takes to look up a
            name cannot be ended.
        allow: Networks such as ``"10.1.0.0/16"`` that are not public and may be
            connected to all the same.
        allow_http: Let ``http://`` pass where it does not leave this computer. It needs
            *allow* as well: ``Transport(allow=["127.0.0.0/8"], allow_http=True)``.
        tls: Whom to trust; by default whom the system trusts.
        resolve: Looks up a name, gives addresses.
        connect: Connects to an address within so many seconds.
    """

    def __init__(
        self,
        *,
        timeout_s: float = TIMEOUT_S,
        allow: Iterable[str] = (),
        allow_http: bool = False,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve | None = None,
        connect: Connect = socket.create_connection,
    ) -> None:
        self.timeout_s = timeout_s
        self.allowed: list[IPv4Network | IPv6Network] = [ip_network(x) for x in allow]
        self.allow_http = allow_http
        self.tls = tls
        self.resolve = resolve or resolved_by_system
        self.connect = connect

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """Send *body*, and take what is answered, whatever its status.

        Raises:
            BlockedError: *url* leads where nothing is sent to; no connection was made.
            UnreachableError: Nobody answered in time, or not in HTTP.
        """
        target = target_of(url)
        deadline = Deadline(self.timeout_s)
        try:
            addresses = self.checked_addresses(target)
            stream = self.connected(target, addresses, deadline)
            try:
                return exchange(target, TimedSocket(stream, deadline), body, headers)
            finally:
                stream.close()
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(
                f"no answer from {target.named}: {printable(class_and_text(error))}"
            ) from error

    def checked_addresses(self, target: Target) -> list[str]:
        found = list(dict.fromkeys(self.resolve(target.host, target.port)))
        if not found:
            raise OSError(f"{target.host} has no address")
        for each in found:
            self.check_address(target, each)
        return found[:MOST_ADDRESSES]

    def check_address(self, target: Target, address: str) -> None:
        is_allowed = self.is_allowed(address)
        if not (is_allowed or is_public(address)):
            raise BlockedError(
                f"{target.named} leads to {address}, which is not a public address. If "
                f"that is meant: Transport(allow=[{address!r}])"
            )
        if not target.is_tls and not (
            self.allow_http and is_allowed and ip_address(address).is_loopback
        ):
            raise BlockedError(
                f"http://{target.named} is not encrypted; use https. For tests on this "
                f"computer: Transport(allow=['127.0.0.0/8'], allow_http=True)"
            )

    def is_allowed(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in each for each in self.allowed)

    def connected(
        self, target: Target, addresses: list[str], deadline: Deadline
    ) -> socket.socket:
        """A connection to the first of *addresses* that takes one."""
        failure: OSError | None = None
        for number, address in enumerate(addresses):
            patience = deadline.left() / (len(addresses) - number)
            try:
                plain = self.connect((address, target.port), patience)
            except OSError as error:
                failure = error
                continue
            return self.encrypted(target, address, plain, deadline)
        raise failure or OSError("nothing to connect to")

    def encrypted(
        self, target: Target, address: str, plain: socket.socket, deadline: Deadline
    ) -> socket.socket:
        try:
            peer = plain.getpeername()[0]
            if ip_address(peer) != ip_address(address):
                raise BlockedError(f"connected to {peer} in place of {address}")
            if not target.is_tls:
                return plain
            plain.settimeout(deadline.left())
            return self.trust().wrap_socket(plain, server_hostname=target.host)
        except BaseException:
            plain.close()
            raise

    def trust(self) -> ssl.SSLContext:
        if self.tls is None:
            self.tls = ssl.create_default_context()  # reads hundreds of certificates
        return self.tls


def exchange(
    target: Target, stream: TimedSocket, body: bytes, headers: Mapping[str, str]
) -> Response:
    connection = http.client.HTTPConnection(target.host, target.port)
    connection.sock = stream  # has all that is asked of it
    try:
        connection.putrequest(
            "POST", target.path, skip_host=True, skip_accept_encoding=True
        )
        for name, value in {
            "Host": target.named,
            "Content-Length": str(len(body)),
            "Connection": "close",
            **headers,
        }.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        with connection.getresponse() as answer:
            return Response(
                answer.status,
                {name.lower(): value for name, value in answer.getheaders()},
                excerpt_of(answer),
            )
    finally:
        connection.close()


def excerpt_of(answer: http.client.HTTPResponse) -> bytes:
    """The beginning of the body. What comes after the status does not change it."""
    try:
        return answer.read(EXCERPT)
    except (OSError, http.client.HTTPException):
        return b""  # somebody who answers 200 and then hangs up has answered 200


def target_of(url: object) -> Target:
    """Where *url* leads.

    Raises:
        BlockedError: Nowhere that anything is sent to.
    """
    if not isinstance(url, str) or not url.isprintable() or " " in url or "\\" in url:
        raise BlockedError(f"{shortened(url, 200)} is no URL")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BlockedError(f"{shortened(url, 200)} is no URL: {error}") from error
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
        raise BlockedError(f"{shortened(host, 200)} is no name of a host") from error
    written = f"[{name}]" if ":" in name else name
    if len(name) > LONGEST_HOST or not HOST.fullmatch(written):
        raise BlockedError(f"{shortened(host, 200)} is no name of a host")
    return name


def quoted(path: str) -> str:
    """*path* in ASCII; what is quoted already stays as it is."""
    return "".join(
        each if each.isascii() else "".join(f"%{byte:02X}" for byte in each.encode())
        for each in path
    )


def resolved_by_system(host: str, port: int) -> list[str]:
    found: list[Any] = socket.getaddrinfo(  # Any: a tuple of some length
        host, port, type=socket.SOCK_STREAM
    )
    return [str(each[4][0]) for each in found]
