"""Requests to URLs that strangers have chosen, which must not lead into our network.

The name is looked up once. All its addresses must be public, and the connection goes to
one of those that were checked: a name server has no second chance to give another one.
TLS and the header Host still use the name.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from cotality._kit.public import public_in
from cotality._kit.safe_text import class_and_text, printable
from cotality.jobs._jobs.webhooks.addresses import is_public
from cotality.jobs._jobs.webhooks.deadline import Deadline, TimedSocket
from cotality.jobs._jobs.webhooks.egress_proxy import EgressProxy
from cotality.jobs._jobs.webhooks.targets import Target, target_of
from cotality.jobs._jobs.webhooks.webhook_errors import BlockedError, UnreachableError

public = public_in("cotality.jobs.webhooks")

TIMEOUT_S = 10.0
MOST_ADDRESSES = 4  # of one name that are tried
EXCERPT = 1_000  # bytes of an answer that are kept, to be read by people
Resolve = Callable[[str, int], Iterable[str]]
Connect = Callable[[tuple[str, int], float], socket.socket]


@public
@dataclass(frozen=True, slots=True)
class Response:
    """The answer to a request.

    Attributes:
        status: The HTTP status.
        headers: The headers, with names in lower case.
        excerpt: The first bytes of the body.
    """

    status: int
    headers: Mapping[str, str]
    excerpt: bytes


@public
class Transport:
    """Posts to URLs that strangers have chosen, and only to public addresses.

    It follows no redirect, keeps no cookie, and uses no proxy but the one it is given.

    Args:
        timeout_s: The time limit of a whole request, in seconds. The time that the
            system takes to look up a name comes on top.
        allow: Private networks to which it may connect nevertheless, such as
            ``"10.1.0.0/16"``.
        allow_http: Allow ``http://`` to addresses of this computer. It needs *allow* as
            well: ``Transport(allow=["127.0.0.0/8"], allow_http=True)``.
        tls: Which certificates to trust; by default those that the system trusts.
        proxy: ``http://host:port`` of a proxy for all connections. The proxy then looks
            up the names, and has to refuse those that are not public: here, only an
            address in the URL itself is checked.
        resolve: A function that returns the addresses of a name.
        connect: A function that connects to an address within some seconds.
    """

    proxy: EgressProxy | None

    def __init__(
        self,
        *,
        timeout_s: float = TIMEOUT_S,
        allow: Iterable[str] = (),
        allow_http: bool = False,
        tls: ssl.SSLContext | None = None,
        proxy: str | None = None,
        resolve: Resolve | None = None,
        connect: Connect = socket.create_connection,
    ) -> None:
        self.timeout_s = timeout_s
        self.allowed: list[IPv4Network | IPv6Network] = [ip_network(x) for x in allow]
        self.allow_http = allow_http
        self.tls = tls
        self.proxy = None if proxy is None else EgressProxy.at(proxy)
        self.resolve: Resolve = resolve or resolved_by_system
        self.connect = connect

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """Send *body*, and return the answer, whatever its status.

        Raises:
            BlockedError: *url* leads to an address that is not allowed; nothing was
                sent.
            UnreachableError: There was no answer in time, or it was not HTTP.
        """
        target = target_of(url)
        deadline = Deadline(self.timeout_s)
        try:
            stream = self.opened(target, deadline)
            try:
                return exchange(target, TimedSocket(stream, deadline), body, headers)
            finally:
                stream.close()
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(
                f"no answer from {target.named}: {printable(class_and_text(error))}"
            ) from error

    def opened(self, target: Target, deadline: Deadline) -> socket.socket:
        """A connection over which to talk HTTP."""
        if self.proxy is None:
            addresses = self.checked_addresses(target)
            return self.connected(target, addresses, deadline)
        address = address_in(target.host)
        if address is not None:
            self.check_address(target, address)
        elif not target.is_tls:
            raise BlockedError(f"http://{target.named} is not encrypted; use https")
        plain = self.connect(self.proxy.address, deadline.left())
        try:
            self.proxy.open_tunnel(TimedSocket(plain, deadline), target)
            return self.encrypted(target, plain, deadline)
        except BaseException:
            plain.close()
            raise

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
            try:
                check_peer(plain, address)
                return self.encrypted(target, plain, deadline)
            except BaseException:
                plain.close()
                raise
        raise failure or OSError("nothing to connect to")

    def encrypted(
        self, target: Target, plain: socket.socket, deadline: Deadline
    ) -> socket.socket:
        if not target.is_tls:
            return plain
        plain.settimeout(deadline.left())
        return self.trust().wrap_socket(plain, server_hostname=target.host)

    def trust(self) -> ssl.SSLContext:
        if self.tls is None:
            self.tls = ssl.create_default_context()  # reads hundreds of certificates
        return self.tls


def address_in(host: str) -> str | None:
    """The address that *host* is; None if it is a name."""
    try:
        return str(ip_address(host))
    except ValueError:
        pass
    try:
        # As systems read "127.1", or "0x7f000001", which a proxy would ask one about.
        return socket.inet_ntoa(socket.inet_aton(host.rstrip(".")))
    except OSError:
        return None


def check_peer(stream: socket.socket, address: str) -> None:
    peer = stream.getpeername()[0]
    if ip_address(peer) != ip_address(address):
        raise BlockedError(f"connected to {peer} in place of {address}")


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


def resolved_by_system(host: str, port: int) -> list[str]:
    found: list[Any] = socket.getaddrinfo(  # Any: a tuple of some length
        host, port, type=socket.SOCK_STREAM
    )
    return [str(each[4][0]) for each in found]
