"""Encryption of short-lived secrets in the database, with keys derived from SECRET_KEY."""

from base64 import urlsafe_b64encode

from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


def cipher(purpose: str) -> MultiFernet:
    """Encrypts with SECRET_KEY, and also decrypts what was encrypted with one of SECRET_KEY_FALLBACKS.

    `purpose` separates the keys: what is encrypted for one purpose cannot be decrypted for another. Decrypting raises
    `cryptography.fernet.InvalidToken`.
    """
    return MultiFernet([_fernet(secret, purpose) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def first_cipher(purpose: str) -> Fernet:
    """Only SECRET_KEY: it decrypts what needs none of the fallbacks."""
    return _fernet(settings.SECRET_KEY, purpose)


def _fernet(secret: str, purpose: str) -> Fernet:
    derivation = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose.encode())
    return Fernet(urlsafe_b64encode(derivation.derive(secret.encode())))
