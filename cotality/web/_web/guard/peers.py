"""From where a request comes, for a service that has no keys.

Then whoever can reach it may use it, so it answers this machine alone. Three ways lead
around that, and each is closed:

* a proxy on this machine, which makes all its clients seem to be here: what has passed
  one is refused, as far as the proxy says so;
* a page of another site in a browser on this machine, which sends requests here: a
  browser says from where, in ``Origin`` and ``Sec-Fetch-Site``;
* a name of another site that was made to mean this machine (DNS rebinding): the browser
  takes us for that site, but says its name in ``Host``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address

from starlette.datastructures import Headers

# What proxies add. None of it is believed; that it is there says enough.
OF_PROXIES = (
    *("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"),
    *("x-real-ip", "via", "true-client-ip", "cf-connecting-ip"),
)
HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]@/?#\s]+)(:[0-9]{1,5})?")
KEYS_HELP = "Set COTALITY_WEB_API_KEYS to serve others."


class Peers:
    """Says what is wrong with where a request comes from.

    Args:
        hosts: Names of this service besides ``localhost`` and addresses of this
            machine.
        has_keys: Whether a key is asked for anyway. Then it is only the names that
            count, if there are any.
    """

    def __init__(self, hosts: Iterable[str], *, has_keys: bool) -> None:
        self.hosts = {host.lower().rstrip(".") for host in hosts}
        self.has_keys = has_keys

    def fault(
        self, client: tuple[str, int] | None, headers: Headers, *, is_visit: bool
    ) -> str | None:
        """Why this is not answered; None if it is.

        Args:
            client: The address of who is connected, as the server knows it.
            headers: Those of the request.
            is_visit: Whether it is one that a link may lead to, and changes nothing.
        """
        if self.has_keys:
            return self.fault_of_host(headers) if self.hosts else None
        return (
            fault_of_client(client, headers)
            or self.fault_of_host(headers)
            or fault_of_origin(headers, is_visit=is_visit)
        )

    def fault_of_host(self, headers: Headers) -> str | None:
        hosts = headers.getlist("host")
        if len(hosts) == 1 and self.is_ours(hosts[0]):
            return None
        return (
            "the request is for a host of another name. Use the address of this "
            "machine or localhost, or name the host in COTALITY_WEB_ALLOWED_HOSTS"
        )

    def is_ours(self, host: str) -> bool:
        """Whether *host*, with or without a port, means this service."""
        found = HOST.fullmatch(host)
        if found is None:
            return False
        name = found[1].lower().rstrip(".")
        if name in self.hosts:
            return True
        if self.has_keys:
            return False
        return name == "localhost" or is_loopback(name.strip("[]"))


def fault_of_client(client: tuple[str, int] | None, headers: Headers) -> str | None:
    if client is None or not is_loopback(client[0]):
        return f"without API keys only this machine is served. {KEYS_HELP}"
    passed = next((name for name in OF_PROXIES if name in headers), None)
    if passed is not None:
        return (
            f"the request has come through a proxy, as its header {passed} says, and "
            f"without API keys only this machine is served. {KEYS_HELP}"
        )
    return None


def fault_of_origin(headers: Headers, *, is_visit: bool) -> str | None:
    fault = "a page of another site has sent this request, and only our own may"
    for origin in headers.getlist("origin"):
        # Our own page is at the host that was asked; the scheme is the proxy's affair.
        scheme, _, host = origin.partition("://")
        if scheme not in ("http", "https") or host != headers.get("host"):
            return fault
    site = headers.get("sec-fetch-site", "none")
    if site in ("same-origin", "none"):
        return None
    is_link = headers.get("sec-fetch-mode") == "navigate"
    is_whole = headers.get("sec-fetch-dest", "document") == "document"
    return None if is_visit and is_link and is_whole else fault


def is_loopback(host: str) -> bool:
    """Whether *host* is an address of this machine that no other one reaches."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback
