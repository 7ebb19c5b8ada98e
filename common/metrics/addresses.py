"""Addresses at which metrics are shown."""

from ipaddress import ip_address
from typing import NamedTuple


class Address(NamedTuple):
    """Where metrics are shown."""

    host: str
    port: int

    @classmethod
    def read(cls, text: str) -> "Address":
        """Reads `9464`, which is a port of 127.0.0.1, `10.0.0.5:9464` or `[::1]:9464`. Raises ValueError."""
        host, colon, port = text.strip().rpartition(":")
        address = str(ip_address(host.strip("[]"))) if colon else "127.0.0.1"
        if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65_535):
            raise ValueError(f"{port!r} is not a port")
        return cls(address, int(port))

    @property
    def is_loopback(self) -> bool:
        return ip_address(self.host).is_loopback

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
