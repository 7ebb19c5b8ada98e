"""The client's address, with and without reverse proxies."""

from typing import Any

import pytest

from common.addresses import client_address, client_network, networks

PROXIES = ["10.0.0.0/8", "2001:db8:1::/48"]


def seen(peer: str, forwarded: str | None = None) -> str:
    return client_address({"REMOTE_ADDR": peer} | ({} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}))


@pytest.mark.parametrize("peer", ["192.0.2.1", "10.0.0.1", "127.0.0.1", "2001:db8::1"])
def test_without_trusted_proxies_the_header_is_ignored(peer: str, settings: Any) -> None:
    settings.TRUSTED_PROXIES = []

    assert seen(peer, "198.51.100.9") == peer


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("10.0.0.1", "2001:DB8::9", "2001:db8::9"),
        ("2001:db8:1::1", "198.51.100.9", "198.51.100.9"),
        ("::ffff:10.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("10.0.0.1", "198.51.100.9:4711", "198.51.100.9"),
        ("10.0.0.1", "[2001:db8::9]:4711", "2001:db8::9"),
        ("10.0.0.1", "198.51.100.9, 10.0.0.7", "198.51.100.9"),
        ("10.0.0.1", "10.0.0.8,10.0.0.7", "10.0.0.8"),
    ],
)
def test_behind_trusted_proxies_the_client_is_the_last_address_that_is_no_proxy(
    peer: str, forwarded: str, client: str, settings: Any
) -> None:
    settings.TRUSTED_PROXIES = networks(PROXIES)

    assert seen(peer, forwarded) == client


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", "198.51.100.9", "192.0.2.1"),  # comes past the proxy
        ("10.0.0.1", "203.0.113.1, 198.51.100.9", "198.51.100.9"),  # sent by the client, the rest by the proxy
        ("10.0.0.1", "10.0.0.7, 198.51.100.9", "198.51.100.9"),
        ("10.0.0.1", "203.0.113.1, 198.51.100.9, 10.0.0.7", "198.51.100.9"),
        ("10.0.0.1", "203.0.113.1, nonsense", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.1, nonsense, 10.0.0.7", "10.0.0.7"),
        ("10.0.0.1", "203.0.113.1, ", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.1," + "10.0.0.7," * 500 + "10.0.0.7", "10.0.0.7"),
    ],
)
def test_addresses_that_the_client_writes_into_the_header_are_ignored(
    peer: str, forwarded: str, client: str, settings: Any
) -> None:
    settings.TRUSTED_PROXIES = networks(PROXIES)

    assert seen(peer, forwarded) == client


@pytest.mark.parametrize("meta", [{}, {"REMOTE_ADDR": ""}, {"REMOTE_ADDR": "/run/server.sock"}])
def test_a_connection_without_an_address_has_none(meta: dict[str, str], settings: Any) -> None:
    settings.TRUSTED_PROXIES = networks(PROXIES)

    assert client_address(meta | {"HTTP_X_FORWARDED_FOR": "198.51.100.9"}) == ""


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:7:1::1", "2001:db8:0:7::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_a_client_is_an_ipv4_address_or_an_ipv6_64_network(address: str, network: str) -> None:
    assert client_network(address) == network


@pytest.mark.parametrize("wrong", ["10.0.0.0/33", "proxy.example.com", "10.0.0.1/8"])
def test_an_invalid_network_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong.partition("/")[0]):
        networks([wrong])
