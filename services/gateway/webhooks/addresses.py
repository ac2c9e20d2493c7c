"""Which addresses of the network a webhook may be sent to. Pure."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

# Written out rather than left to `is_global`: Python 3.11 takes 64:ff9b::/96 and part of 192.0.0.0/24 for global.
# Source: IANA IPv4 Special-Purpose Address Registry (RFC 6890), multicast RFC 5771.
_REFUSED_IPV4 = {
    "this_network": "0.0.0.0/8",
    "private": "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16",
    "carrier_grade_nat": "100.64.0.0/10",
    "loopback": "127.0.0.0/8",
    "link_local": "169.254.0.0/16",
    "reserved": "192.0.0.0/24 240.0.0.0/4",
    "documentation": "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24",
    "relay": "192.88.99.0/24 192.31.196.0/24 192.52.193.0/24 192.175.48.0/24",
    "benchmarking": "198.18.0.0/15",
    "multicast": "224.0.0.0/4",
}
# Source: IANA IPv6 Special-Purpose Address Registry. What is not in 2000::/3 is refused whatever it is called.
_REFUSED_IPV6 = {
    "unspecified": "::/128",
    "loopback": "::1/128",
    "ipv4_mapped": "::ffff:0:0/96",
    "nat64": "64:ff9b::/96 64:ff9b:1::/48",
    "teredo": "2001::/32",
    "reserved": "2001::/23",  # protocol assignments: ORCHID, benchmarking and their kin
    "documentation": "2001:db8::/32 3fff::/20",
    "6to4": "2002::/16",
    "private": "fc00::/7",
    "link_local": "fe80::/10",
    "site_local": "fec0::/10",
    "multicast": "ff00::/8",
}
_GLOBAL_IPV6 = IPv6Network("2000::/3")
_IPV4 = [(reason, IPv4Network(net)) for reason, nets in _REFUSED_IPV4.items() for net in nets.split()]
_IPV6 = [(reason, IPv6Network(net)) for reason, nets in _REFUSED_IPV6.items() for net in nets.split()]


def refusal_of(address: str, *, allow_loopback: bool = False) -> str | None:
    """
    Why nothing may be sent to an address, as a slug; None if something may.

    Args:
        address: As a resolver gives it, IPv6 without brackets.
        allow_loopback: For local development and tests: this machine, and still nothing else that is private.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unreadable"
    reason = _refusal_of_ipv4(parsed) if isinstance(parsed, IPv4Address) else _refusal_of_ipv6(parsed)
    return None if reason == "loopback" and allow_loopback else reason


def _refusal_of_ipv4(address: IPv4Address) -> str | None:
    reason = next((reason for reason, network in _IPV4 if address in network), None)
    return reason or (None if address.is_global else "reserved")


def _refusal_of_ipv6(address: IPv6Address) -> str | None:
    if address.scope_id is not None:
        return "link_local"
    reason = next((reason for reason, network in _IPV6 if address in network), None)
    return reason or (None if address in _GLOBAL_IPV6 and address.is_global else "reserved")
