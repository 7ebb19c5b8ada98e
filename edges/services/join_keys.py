"""The keys that sign join tokens: generated at first use, cached by each process, rotated without downtime.

A new key is published some seconds before it signs. An old one stays published until the last token that it signed has
expired. So an edge that fetches the keys at an unknown `kid` can verify every valid token at any time.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, NamedTuple

from cryptography.fernet import InvalidToken
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from jwt.algorithms import ECAlgorithm

from accounts.models import User
from common import audit
from common.encryption import cipher
from common.fields import new_object_id
from common.locks import AdvisoryLock
from edges.models import JoinKey

logger = logging.getLogger(__name__)

KEPT_SECONDS = 5  # how long a process caches the keys it has read, and an edge the published ones
KEY_PUBLISHED_BEFORE = timedelta(seconds=3 * KEPT_SECONDS)  # so that all caches have a key when it begins to sign
ENCRYPTED_FOR = "join keys"
MAKING_KEYS = AdvisoryLock("join keys")


class SigningKey(NamedTuple):
    kid: str
    private_key: ec.EllipticCurvePrivateKey
    retired_at: datetime | None


class _Cache:
    """The cached keys that can sign, oldest first. `read_at` is a reading of the monotonic clock."""

    keys: tuple[SigningKey, ...] = ()
    read_at = float("-inf")


_cache = _Cache()


def forget_keys() -> None:
    """Empty the cache, as after `KEPT_SECONDS`."""
    _cache.read_at = float("-inf")


def signing_key(now: datetime) -> SigningKey:
    """The key that signs at `now`. Generates the first one."""
    if monotonic() - _cache.read_at > KEPT_SECONDS:
        _cache.keys = _keys_that_can_sign(now) or (_first_key(now),)
        _cache.read_at = monotonic()
    for key in _cache.keys:
        if key.retired_at is None or now < key.retired_at:
            return key
    forget_keys()
    return signing_key(now)


def public_keys(now: datetime) -> list[dict[str, str]]:
    """Every key that a token valid at `now` may be signed with, as JWKs."""
    since = now - settings.JOIN_TOKEN_LIFETIME
    public = JoinKey.objects.filter(Q(retired_at=None) | Q(retired_at__gt=since)).order_by("created_at", "pk")
    return list(public.values_list("public_jwk", flat=True))


class Rotation(NamedTuple):
    """The `kid` of the retired key and of its successor; None where there is none."""

    old: str | None
    new: str | None


@transaction.atomic
def rotate_join_key(*, by: User | None, now: datetime, dry_run: bool = False) -> Rotation | None:
    """Generate a key that signs KEY_PUBLISHED_BEFORE later. None while an earlier new key does not sign yet.

    Keys whose last token has expired are deleted. With `dry_run` nothing changes and `new` is None.
    """
    with _one_at_a_time():
        if JoinKey.objects.filter(retired_at__gt=now).exists():
            return None
        old = JoinKey.objects.filter(retired_at=None).first()
        new = None
        if not dry_run:
            JoinKey.objects.filter(retired_at__lte=now - settings.JOIN_TOKEN_LIFETIME).delete()
            new = _make_key(old, by=by, now=now, retire_at=now + KEY_PUBLISHED_BEFORE)
        return Rotation(old.pk if old else None, new.pk if new else None)


def _first_key(now: datetime) -> SigningKey:
    """A new key when none can be used: there is none yet, or SECRET_KEY was changed."""
    with transaction.atomic(), _one_at_a_time():
        made_by_another = _keys_that_can_sign(now)
        if made_by_another:
            return made_by_another[0]
        unusable = JoinKey.objects.filter(retired_at=None).first()
        if unusable is not None:
            logger.warning("the join key %s was encrypted with another SECRET_KEY; run doctor", unusable.pk)
        row = _make_key(unusable, by=None, now=now, retire_at=now)
    return SigningKey(row.pk, _decrypted(row.private_key), None)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Hold the advisory lock until the transaction ends."""
    MAKING_KEYS.take()
    yield


def _make_key(old: JoinKey | None, *, by: User | None, now: datetime, retire_at: datetime) -> JoinKey:
    if old is not None:
        old.retired_at = retire_at
        old.save(update_fields=["retired_at"])
    private_key = ec.generate_private_key(ec.SECP256R1())
    kid = new_object_id()
    pem = private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    numbers: dict[str, Any] = json.loads(ECAlgorithm.to_jwk(private_key.public_key()))
    key = JoinKey.objects.create(
        pk=kid,
        private_key=cipher(ENCRYPTED_FOR).encrypt(pem).decode(),
        public_jwk=numbers | {"kid": kid, "use": "sig", "alg": "ES256"},
        created_at=now,
    )
    before = {} if old is None else {"kid": old.pk}
    after = {"kid": kid} if old is None else {"kid": kid, "old_retires_at": retire_at}
    audit.record("rotate_join_key", key, by=by, now=now, before=before, after=after)
    return key


def _keys_that_can_sign(now: datetime) -> tuple[SigningKey, ...]:
    rows = JoinKey.objects.filter(Q(retired_at=None) | Q(retired_at__gt=now)).order_by("created_at", "pk")
    keys = []
    for row in rows:
        try:
            keys.append(SigningKey(row.pk, _decrypted(row.private_key), row.retired_at))
        except InvalidToken:
            continue  # encrypted with another SECRET_KEY
    return tuple(keys)


def _decrypted(text: str) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(cipher(ENCRYPTED_FOR).decrypt(text), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101 - we wrote it
    return key
