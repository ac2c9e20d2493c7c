"""Which addresses nothing is sent to."""

import pytest

from services.gateway.webhooks.addresses import refusal_of

REFUSED = {
    "0.0.0.0": "this_network",
    "0.1.2.3": "this_network",
    "10.0.0.1": "private",
    "100.64.0.1": "carrier_grade_nat",
    "100.127.255.255": "carrier_grade_nat",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "169.254.169.254": "link_local",  # where clouds hand out credentials
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.8": "reserved",  # Python 3.11 says it is global
    "192.0.0.170": "reserved",
    "192.0.2.1": "documentation",
    "192.88.99.1": "relay",
    "192.168.1.1": "private",
    "198.18.0.1": "benchmarking",
    "198.19.255.255": "benchmarking",
    "198.51.100.7": "documentation",
    "203.0.113.9": "documentation",
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "::": "unspecified",
    "::1": "loopback",
    "::127.0.0.1": "reserved",
    "::ffff:127.0.0.1": "ipv4_mapped",
    "::ffff:10.0.0.1": "ipv4_mapped",
    "::ffff:8.8.8.8": "ipv4_mapped",
    "::ffff:0:127.0.0.1": "reserved",
    "64:ff9b::7f00:1": "nat64",  # Python 3.11 says it is global
    "64:ff9b::808:808": "nat64",
    "64:ff9b:1::1": "nat64",
    "100::1": "reserved",
    "2001::1": "teredo",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2": "teredo",
    "2001:2::1": "reserved",
    "2001:10::1": "reserved",
    "2001:db8::1": "documentation",
    "2002:7f00:1::": "6to4",
    "2002:a00:1::1": "6to4",
    "3fff::1": "documentation",
    "5f00::1": "reserved",
    "fc00::1": "private",
    "fd12:3456:789a::1": "private",
    "fe80::1": "link_local",
    "fe80::1%eth0": "link_local",
    "fec0::1": "site_local",
    "ff02::1": "multicast",
    "4000::1": "reserved",
    "": "unreadable",
    "localhost": "unreadable",
    "0177.0.0.1": "unreadable",
    "2130706433": "unreadable",
}
PERMITTED = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.1",
    "172.32.0.1",
    "192.0.1.1",
    "2606:4700::1111",
    "2a00::1",
]


@pytest.mark.parametrize(("address", "reason"), REFUSED.items())
def test_refuses(address: str, reason: str) -> None:
    assert refusal_of(address) == reason


@pytest.mark.parametrize("address", PERMITTED)
def test_permits_the_public_internet(address: str) -> None:
    assert refusal_of(address) is None


@pytest.mark.parametrize("address", REFUSED)
def test_the_local_setting_opens_the_loopback_and_nothing_else(address: str) -> None:
    permitted = refusal_of(address, allow_loopback=True) is None

    assert permitted == (REFUSED[address] == "loopback")
