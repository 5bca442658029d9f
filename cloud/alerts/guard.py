"""No webhook reaches what its URL should not: addresses are judged when the socket is made, after name resolution.

A check of the URL alone is not enough: a name may resolve to a private address, and to another one at the second look. Here
each address is judged at the last moment, in the connector's socket factory, so what was judged is what is connected to.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

# Private use: what an administrator may allow, for a receiver on site.
_PRIVATE_V4 = tuple(
    IPv4Network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "100.64.0.0/10")
)
_PRIVATE_V6 = (IPv6Network("fc00::/7"), IPv6Network("::1/128"))

# Never, whoever allows it: metadata services of clouds hand out credentials to any process that asks.
_METADATA = frozenset(
    ip_address(address)
    for address in ("169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254")
)
# Special purpose (IANA's registries of IPv4 and IPv6), and what is not unicast.
_SPECIAL_V4 = tuple(
    IPv4Network(net)
    for net in (
        "0.0.0.0/8",
        "169.254.0.0/16",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")
_SPECIAL_V6 = tuple(
    IPv6Network(net)
    for net in (
        "2001::/23",  # IETF protocols: Teredo, ORCHID, benchmarking
        "2001:db8::/32",
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)
# IPv6 addresses that carry an IPv4 address, and the bits to shift it by: where they lead, that address decides.
_CARRIERS: tuple[tuple[IPv6Network, int], ...] = (
    (IPv6Network("::ffff:0:0/96"), 0),  # mapped
    (IPv6Network("::ffff:0:0:0/96"), 0),  # translated (SIIT)
    (IPv6Network("::/96"), 0),  # compatible
    (IPv6Network("64:ff9b::/96"), 0),  # NAT64
    (IPv6Network("2002::/16"), 80),  # 6to4
)
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)  # bits 32 to 63 of the address


class ForbiddenAddress(OSError):  # noqa: N818  (an OSError, so that the connector takes it for a failed connection)
    """A receiver's address that must not be reached."""


def refusal(address: str, allow_private: bool) -> str | None:
    """Why this address is not connected to; None when it may be.

    Args:
        address: As resolved, perhaps with a scope (`fe80::1%eth0`).
        allow_private: An administrator allows private and loopback addresses for this receiver.
    """
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return "not an address"
    if isinstance(found, IPv4Address):
        return _refuse_v4(found, allow_private)
    return _refuse_v6(found, allow_private)


def _refuse_v4(address: IPv4Address, allow_private: bool) -> str | None:
    if address in _METADATA:
        return "metadata service of a cloud"
    if any(address in net for net in _SPECIAL_V4):
        return "special-purpose address"
    if any(address in net for net in _PRIVATE_V4):
        return None if allow_private else "private address; an administrator may set allow_private for this receiver"
    return None


def _refuse_v6(address: IPv6Address, allow_private: bool) -> str | None:
    if address in _METADATA:
        return "metadata service of a cloud"
    if any(address in net for net in _PRIVATE_V6):
        return None if allow_private else "private address; an administrator may set allow_private for this receiver"
    for carrier, shift in _CARRIERS:
        if address in carrier:
            return _refuse_v4(IPv4Address((int(address) >> shift) & 0xFFFF_FFFF), allow_private)
    if (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
        return _refuse_v4(IPv4Address(int(address) & 0xFFFF_FFFF), allow_private)
    if address not in _GLOBAL_V6 or any(address in net for net in _SPECIAL_V6):
        return "special-purpose address"
    return None


# As in aiohttp: family, type, protocol, canonical name, socket address.
AddressInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[object, ...]]


def guarded_socket(allow_private: bool) -> Callable[[AddressInfo], socket.socket]:
    """A socket factory for aiohttp's connector that refuses forbidden addresses, whatever the URL looked like."""

    def make(info: AddressInfo) -> socket.socket:
        family, kind, protocol, _, where = info
        why = refusal(str(where[0]), allow_private)
        if why is not None:
            raise ForbiddenAddress(f"address {where[0]} refused: {why}")
        return socket.socket(family=family, type=kind, proto=protocol)

    return make


def check_url(url: str) -> str:
    """A receiver's URL as the settings may name it: http or https, with a host, without a password in it.

    Raises:
        ValueError: it is none of that.
    """
    try:
        parts = urlsplit(url)
        port_ok = parts.port is None or parts.port > 0
    except ValueError as error:
        raise ValueError(f"webhook url {url!r}: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_ok:
        raise ValueError(f"webhook url {url!r}: expected http://HOST/PATH or https://HOST/PATH")
    if parts.username is not None or parts.password is not None:
        raise ValueError("webhook url: it holds a user or password; receivers know us by the signature, leave it out")
    return url
