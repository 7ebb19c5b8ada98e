"""What is signed or encrypted with an old key, and that every use of a key is known to the rotation."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.signing import BadSignature
from django.db.models import BinaryField
from django.utils import timezone

from accounts import services, tokens
from accounts.login_limits import Client, Limits
from accounts.models import KnownAddress, User
from common.encryption import cipher, first_cipher
from common.models import LastingKey, StoredAnswer
from common.secret_keys import lasting, reencrypting
from common.secret_keys.reencrypting import Outcome
from edges.services.join_keys import forget_keys, signing_key
from reminders.channels.email import unsubscribe_address, unsubscriber
from tests.conftest import session_of
from tests.races import at_once

NEXT = "another-key-of-sixty-characters-that-nobody-has-seen-before-now"
LAST = "a-third-key-of-sixty-characters-that-nobody-has-seen-before-now"


@pytest.fixture
def replace(settings: Any) -> Any:
    """Replaces a key. The old one is a fallback afterwards, until `forget`."""

    def next_key(name: str, key: str = NEXT, *, forget: bool = False) -> None:
        setattr(settings, f"{name}_FALLBACKS", [] if forget else [getattr(settings, name)])
        setattr(settings, name, key)

    return next_key


# --- tokens ---------------------------------------------------------------------------------------


def test_tokens_of_the_old_key_hold_until_it_is_removed(creator: User, now: datetime, replace: Any) -> None:
    pair = tokens.signed_pair(session_of(creator), now=now)

    replace("JWT_SIGNING_KEY")
    tokens.signed_claims.cache_clear()
    assert tokens.verified(pair.access, now=now)["sub"] == creator.pk
    assert tokens.refresh_claims(pair.refresh, now=now).session_id

    replace("JWT_SIGNING_KEY", forget=True)
    tokens.signed_claims.cache_clear()
    with pytest.raises(tokens.TokenInvalid):
        tokens.verified(pair.access, now=now)


def test_tokens_of_the_next_key_hold_before_it_signs(creator: User, now: datetime, settings: Any) -> None:
    old, settings.JWT_SIGNING_KEY = settings.JWT_SIGNING_KEY, NEXT
    access = tokens.signed_pair(session_of(creator), now=now).access
    settings.JWT_SIGNING_KEY, settings.JWT_SIGNING_KEY_FALLBACKS = old, [NEXT]
    assert tokens.verified(access, now=now)["sub"] == creator.pk


def test_an_expired_token_of_the_old_key_is_expired_and_not_invalid(creator: User, now: datetime, replace: Any) -> None:
    access = tokens.signed_pair(session_of(creator), now=now - timedelta(hours=2)).access
    replace("JWT_SIGNING_KEY")
    with pytest.raises(tokens.TokenExpired):
        tokens.verified(access, now=now)


# --- what is encrypted ----------------------------------------------------------------------------


def test_all_that_is_encrypted_is_encrypted_again_with_the_new_key(
    creator: User, now: datetime, replace: Any, settings: Any
) -> None:
    forget_keys()
    kid = signing_key(now).kid
    session = session_of(creator)
    first = services.refresh(session.pk, session.refresh_id, now=now, sign=tokens.signed_pair)
    answer = cipher("stored answers").encrypt(b"answer")
    StoredAnswer.objects.create(key="0" * 32, fingerprint=b"", answer=answer, expires_at=now + timedelta(hours=1))

    replace("SECRET_KEY")
    lasting.keep(now=now)
    assert reencrypting.waiting() == 3
    assert reencrypting.encrypt_again() == Outcome(3, 0)
    assert reencrypting.waiting() == 0

    settings.SECRET_KEY_FALLBACKS = []
    forget_keys()
    assert signing_key(now).kid == kid
    assert services.refresh(session.pk, session.refresh_id, now=now, sign=tokens.signed_pair) == first
    assert first_cipher("stored answers").decrypt(bytes(StoredAnswer.objects.get().answer)) == b"answer"


@pytest.mark.django_db(transaction=True)
def test_several_at_once_encrypt_each_value_once(now: datetime, replace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reencrypting, "CHUNK", 7)
    answer = cipher("stored answers").encrypt(b"answer")
    StoredAnswer.objects.bulk_create(
        StoredAnswer(key=f"{number:032}", fingerprint=b"", answer=answer, expires_at=now) for number in range(50)
    )
    replace("SECRET_KEY")
    assert sum(outcome.done for outcome in at_once(4, lambda _: reencrypting.encrypt_again())) == 50
    assert reencrypting.waiting() == 0


@pytest.mark.django_db
def test_what_no_key_opens_is_counted_and_stays(now: datetime, replace: Any) -> None:
    StoredAnswer.objects.create(key="0" * 32, fingerprint=b"", answer=b"x", expires_at=now)
    replace("SECRET_KEY")
    assert reencrypting.encrypt_again() == Outcome(0, 1)
    assert bytes(StoredAnswer.objects.get().answer) == b"x"


# --- what is signed -------------------------------------------------------------------------------


def test_an_unsubscribe_link_outlives_two_rotations(creator: User, now: datetime, replace: Any) -> None:
    token = unsubscribe_address(creator.pk).rpartition("/")[2]
    for key in (NEXT, LAST):
        replace("SECRET_KEY", key)
        reencrypting.encrypt_again()
        assert lasting.keep(now=now) == 1
        assert lasting.keep(now=now) == 0
        replace("SECRET_KEY", key, forget=True)
        assert unsubscriber(token) == creator.pk
    assert unsubscriber(token[:-1] + ("A" if token[-1] != "A" else "B")) is None
    assert unsubscriber(f"{'0' * 24}:{token.rpartition(':')[2]}") is None
    assert LastingKey.objects.count() == 2


def test_a_link_of_a_key_that_was_not_kept_is_refused(creator: User, replace: Any) -> None:
    signed = lasting.LastingSigner("unsubscribe").sign(creator.pk)
    replace("SECRET_KEY", forget=True)
    with pytest.raises(BadSignature):
        lasting.LastingSigner("unsubscribe").unsign(signed)


def test_a_known_address_is_known_after_a_rotation(creator: User, replace: Any) -> None:
    def is_known() -> bool:
        return Limits("creator", creator, Client("192.0.2.7"), now=timezone.now())._is_known_address()

    Limits("creator", creator, Client("192.0.2.7"), now=timezone.now()).settle_success()
    replace("SECRET_KEY")
    assert is_known()
    Limits("creator", creator, Client("192.0.2.7"), now=timezone.now()).settle_success()
    replace("SECRET_KEY", forget=True)
    assert is_known()
    assert KnownAddress.objects.count() == 2


# --- every use is known ---------------------------------------------------------------------------

APPS = ("accounts", "bans", "common", "config", "edges", "livestreams", "reminders")
# Where keys are used, and what a rotation does there. docs/keys.md has the same list for operators.
USES = {
    "accounts/devices.py",  # signed cookies of known devices: Django's signer knows the fallbacks
    "accounts/login_limits.py",  # known addresses are looked up under the fallbacks too; counters begin anew
    "accounts/tokens.py",  # verified with the fallbacks
    "common/addresses.py",  # hashes of addresses in new rows of the audit trail differ from those before
    "common/doctor.py",  # strength of the keys
    "common/encryption.py",  # decrypts with the fallbacks
    "common/middleware.py",  # sessions of the admin
    "common/rate_limits/counters.py",  # counters begin anew
    "common/secret_keys/lasting.py",  # finds the rows of the links that it kept
    "common/secret_keys/overview.py",  # whether there are fallbacks
    "config/keys.py",
    "reminders/channels/email.py",  # unsubscribe links
}
USE = re.compile(
    r"settings\.(?:SECRET_KEY|JWT_SIGNING_KEY)|SECRET_KEY_FALLBACKS\b.*=|Signer\(|salted_hmac\(|signing\.dumps"
)


def sources() -> dict[str, str]:
    root = Path(__file__).parents[2]
    return {
        str(path.relative_to(root)): re.sub(r'"""[\s\S]*?"""|#.*', "", path.read_text(encoding="utf-8"))
        for app in APPS
        for path in sorted((root / app).rglob("*.py"))
        if "migrations" not in path.parts
    }


def test_every_use_of_a_key_is_known() -> None:
    """A new use must work with a fallback, and be added here and to docs/keys.md."""
    assert {name for name, text in sources().items() if USE.search(text)} == USES


def test_every_encrypted_column_is_encrypted_again(settings: Any) -> None:
    calls = [text for text in sources().values() for text in re.findall(r"\bcipher\((\w+)\)\.encrypt", text)]
    purposes = {purpose for _model, _column, purpose in settings.ENCRYPTED_COLUMNS}
    assert len(calls) == len(settings.ENCRYPTED_COLUMNS) == len(purposes)
    for column in reencrypting.columns():
        field: Any = column.model._meta.get_field(column.name)
        assert isinstance(field, BinaryField) or field.get_internal_type() == "TextField"


def test_every_lasting_signer_is_listed(settings: Any) -> None:
    declared = [text for text in sources().values() for text in re.findall(r"= LastingSigner\(", text)]
    assert len(declared) == len(settings.LASTING_SIGNERS)
