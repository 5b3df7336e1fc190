"""Which addresses are out there on the Internet, and not somewhere within.

`ipaddress` knows most of it, by tables that differ from one Python to the next. What is
added here is the same on all of them.
"""

from __future__ import annotations

from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)

# Beside what is not global by itself: multicast, which `is_global` lets pass.
NOT_PUBLIC_4 = [
    IPv4Network(each)
    for each in (
        "192.0.0.0/24",  # of protocols; the metadata of one cloud is in it
        "192.88.99.0/24",  # relays from IPv6, whose other end is anywhere
        "168.63.129.16/32",  # public by its number, the host of a virtual machine
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
]
PUBLIC_6 = IPv6Network("2000::/3")  # all that was ever given to anybody
NOT_PUBLIC_6 = [
    IPv6Network(each)
    for each in (
        "2001::/23",  # of protocols, among them a tunnel to an IPv4 address
        "2001:db8::/32",  # of documents
        "2002::/16",  # a tunnel likewise
        "3fff::/20",  # of documents
    )
]
# Those that have an IPv4 address in their last 32 bits, which is who gets the packets.
MAPPED = IPv6Network("::ffff:0:0/96")
TRANSLATED = IPv6Network("64:ff9b::/96")


def is_public(text: str) -> bool:
    """Whether *text* is an address that anybody may connect to; false if it is none."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return is_public_4(address)
    if address in MAPPED or address in TRANSLATED:
        return is_public_4(IPv4Address(int(address) & 0xFFFFFFFF))
    return is_public_6(address)


def is_public_4(address: IPv4Address) -> bool:
    return address.is_global and not any(address in each for each in NOT_PUBLIC_4)


def is_public_6(address: IPv6Address) -> bool:
    if address.scope_id is not None or address not in PUBLIC_6:
        return False
    return address.is_global and not any(address in each for each in NOT_PUBLIC_6)
