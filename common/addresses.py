"""The network address of the client, also behind reverse proxies."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from django.conf import settings
from django.utils.crypto import salted_hmac

type Address = IPv4Address | IPv6Address
type Network = IPv4Network | IPv6Network

# Each proxy adds one entry. Longer headers are cut, so that parsing them cannot cost much.
MOST_HOPS = 32
# A provider gives each IPv6 customer at least a /64, so one client can use any address in it.
IPV6_CLIENT_PREFIX = 64

# How logs and audit rows show an address. A hash is keyed with SECRET_KEY: whoever has the key can find the address of
# a hash by trying all of them, others only see that two are the same.
PLAIN, HASHED, NONE = "plain", "hashed", "none"
SHOWN = (PLAIN, HASHED, NONE)
HASH_PREFIX = "hmac:"  # before 20 hexadecimal digits, 80 bits
LONGEST_KEPT = 64  # characters; addresses of longer headers are not cached
MOST_KEPT = 8192


def networks(written: Iterable[str]) -> list[Network]:
    """Raises ValueError for what is no address or network in CIDR notation."""
    return [ip_network(text.strip()) for text in written]


def client_address(meta: Mapping[str, Any]) -> str:
    """The address of the client in canonical form, or "" when there is none (a Unix socket).

    `X-Forwarded-For` is read only when the connection comes from one of `settings.TRUSTED_PROXIES`, from right to
    left: each proxy appends the address that it saw, and the rightmost one that is not a trusted proxy is the client.
    Entries further left were sent by the client and may be forged.
    """
    peer, forwarded = meta.get("REMOTE_ADDR", ""), meta.get("HTTP_X_FORWARDED_FOR", "")
    found = _kept_client if len(forwarded) <= LONGEST_KEPT else _client
    return found(peer, forwarded, tuple(settings.TRUSTED_PROXIES) if forwarded else ())


def _client(peer: str, forwarded: str, _proxies: tuple[Network, ...]) -> str:
    """`_proxies` is for the cache."""
    client = _parsed(peer)
    if client is None or not _is_trusted(client):
        return str(client or "")
    for hop in reversed(forwarded.rsplit(",", MOST_HOPS)[-MOST_HOPS:]):
        address = _parsed(hop)
        if address is None:
            break
        client = address
        if not _is_trusted(client):
            break
    return str(client)


_kept_client = lru_cache(MOST_KEPT)(_client)


def is_trusted_peer(meta: Mapping[str, Any]) -> bool:
    """Whether the connection comes from one of `settings.TRUSTED_PROXIES`."""
    peer = _parsed(meta.get("REMOTE_ADDR", ""))
    return peer is not None and _is_trusted(peer)


@lru_cache(MOST_KEPT)
def client_network(address: str) -> str:
    """What counts as one client for rate limits: an IPv4 address, or the /64 of an IPv6 address."""
    parsed = _parsed(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, IPV6_CLIENT_PREFIX), strict=False))
    return str(parsed or "")


def shown_address(meta: Mapping[str, Any], how: str) -> str:
    """The address of the client as one of SHOWN; "" when there is none, or none is to be shown."""
    if how == NONE:
        return ""
    address = client_address(meta)
    return hashed(address) if how == HASHED and address else address


def hashed(address: str) -> str:
    """The hash of an address, keyed with SECRET_KEY."""
    return _keyed_hash(address, settings.SECRET_KEY)


@lru_cache(MOST_KEPT)
def _keyed_hash(address: str, key: str) -> str:
    digest = salted_hmac("common.addresses.hashed", address, secret=key, algorithm="sha256").hexdigest()
    return HASH_PREFIX + digest[:20]


def _parsed(text: str) -> Address | None:
    """Parses `address:port`, `[address]:port` and `address%zone` too, which some proxies write."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # A socket that listens on IPv6 shows IPv4 clients as ::ffff:192.0.2.1.
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _is_trusted(address: Address) -> bool:
    return any(address in network for network in settings.TRUSTED_PROXIES)
