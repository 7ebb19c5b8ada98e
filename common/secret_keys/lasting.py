"""Signatures in links that have no expiry, such as in emails: they hold after SECRET_KEY was replaced and removed.

Django's signers make a key for each salt from SECRET_KEY. Before a SECRET_KEY is removed, `keep` stores that key for
each signer, encrypted with the key that follows. It verifies links and does not reveal SECRET_KEY.
"""

import hmac
from base64 import urlsafe_b64encode
from datetime import datetime
from hashlib import sha256

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.utils.module_loading import import_string

from common.encryption import cipher
from common.models import LastingKey
from common.secret_keys.fingerprints import fingerprint

KEPT = "lasting keys"  # the purpose of their encryption


class LastingSigner:
    """Signs with SECRET_KEY. `purpose` is the salt of Django's Signer. `settings.LASTING_SIGNERS` names all of them."""

    def __init__(self, purpose: str) -> None:
        self.purpose = purpose

    def sign(self, value: str) -> str:
        return Signer(salt=self.purpose).sign(value)

    def unsign(self, signed: str) -> str:
        """Raises BadSignature. The database is read only if none of the present keys has signed it."""
        try:
            return Signer(salt=self.purpose).unsign(signed)
        except BadSignature:
            value, _, signature = signed.rpartition(":")
            if any(hmac.compare_digest(signature, _signature(key, value)) for key in self._kept()):
                return value
            raise

    def key_of(self, secret: str) -> bytes:
        """As django.utils.crypto.salted_hmac makes it for Signer."""
        return sha256(f"{self.purpose}signer{secret}".encode()).digest()

    def _kept(self) -> list[bytes]:
        keys = []
        for row in LastingKey.objects.filter(purpose=self.purpose).order_by("-kept_at", "-pk"):
            try:
                keys.append(cipher(KEPT).decrypt(bytes(row.key)))
            except InvalidToken:
                continue  # SECRET_KEY was replaced without rotate_keys
        return keys


def _signature(key: bytes, value: str) -> str:
    return urlsafe_b64encode(hmac.digest(key, value.encode(), "sha256")).rstrip(b"=").decode()


def _signers() -> list[LastingSigner]:
    return [import_string(path) for path in settings.LASTING_SIGNERS]


def keep(*, now: datetime) -> int:
    """Store the keys of all purposes that the fallbacks of SECRET_KEY make. Returns how many were new."""
    rows = [
        LastingKey(
            fingerprint=fingerprint("SECRET_KEY", secret),
            purpose=signer.purpose,
            key=cipher(KEPT).encrypt(signer.key_of(secret)),
            kept_at=now,
        )
        for secret in settings.SECRET_KEY_FALLBACKS
        for signer in _signers()
    ]
    before = LastingKey.objects.count()
    LastingKey.objects.bulk_create(rows, ignore_conflicts=True)
    return LastingKey.objects.count() - before


def missing() -> int:
    """How many keys `keep` would store."""
    wanted = {
        (fingerprint("SECRET_KEY", secret), signer.purpose)
        for secret in settings.SECRET_KEY_FALLBACKS
        for signer in _signers()
    }
    known = set(LastingKey.objects.values_list("fingerprint", "purpose")) if wanted else set()
    return len(wanted - known)
