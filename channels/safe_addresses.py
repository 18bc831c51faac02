"""Which network addresses are anybody's, and not somebody's own network: ours least of all."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address

_TRANSLATED = ip_network("64:ff9b::/96")
"""NAT64, RFC 6052: the last 32 bits are the IPv4 address that is meant."""
_NOBODYS = (
    # IETF's own, where a cloud keeps its metadata; Python 3.11 knows a part of it only.
    ip_network("192.0.0.0/24"),
    # Public by its number, and yet the host of every virtual machine at Azure.
    ip_network("168.63.129.16/32"),
)


def public_address(text: str) -> Address | None:
    """The address, if it is a public unicast one, and None for any other.

    An IPv4 address inside of an IPv6 one has to be public as well.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address if _is_public(address) else None


def is_address(text: str) -> bool:
    """Whether it is an address and not a name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address):
        if address.scope_id is not None or address.teredo is not None or address.is_site_local:
            return False
        inner = _mapped(address)
        if inner is not None:
            return _is_public(inner)
        if address.sixtofour is not None and not _is_public(address.sixtofour):
            return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in _NOBODYS)
    )


def _mapped(address: IPv6Address) -> IPv4Address | None:
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped
