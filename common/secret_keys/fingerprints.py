"""Fingerprints, by which processes compare their keys without showing them."""

import hmac
from dataclasses import dataclass

from django.conf import settings

NAMES = ("SECRET_KEY", "JWT_SIGNING_KEY")
LENGTH = 12  # hexadecimal digits


@dataclass(frozen=True)
class KeySet:
    """The fingerprints of the key that signs and encrypts, and of those that are accepted, which includes it."""

    signs: str
    accepted: frozenset[str]

    @classmethod
    def stored(cls, fingerprints: list[str]) -> "KeySet":
        return cls(fingerprints[0], frozenset(fingerprints))


def fingerprint(name: str, key: str) -> str:
    """A keyed hash with the key itself. Nobody can tell the key from it, unless the key can be guessed."""
    return hmac.digest(key.encode(), f"fingerprint of {name}".encode(), "sha256").hex()[:LENGTH]


def own() -> dict[str, list[str]]:
    """The fingerprints of this process's keys by name; the first is that of the key that signs."""
    return {
        name: [fingerprint(name, key) for key in (getattr(settings, name), *getattr(settings, f"{name}_FALLBACKS"))]
        for name in NAMES
    }
