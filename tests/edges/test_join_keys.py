"""The keys of join tokens: rotation, publication, encryption at rest."""

import json
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import jwt as pyjwt
import pytest
from django.core.management import call_command
from django.test import Client
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from accounts.models import User
from common.models import AuditEntry
from edges import services
from edges.models import JoinKey
from livestreams.models import Status
from tests.envelope import assert_refused
from tests.races import at_once
from tests.servers import running_server
from tests.streams import make_stream

JWKS = "/.well-known/jwks.json"
A_SECOND = timedelta(seconds=1)
SIGNS_AFTER = services.KEY_PUBLISHED_BEFORE


@pytest.fixture
def token_at(creator: User, viewer: User) -> Any:
    stream = make_stream(creator, Status.ACTIVE)

    def token(now: datetime) -> str:
        services.forget_keys()  # as each process does every KEPT_SECONDS
        admitted = services.admit(viewer, stream.pk, status=stream.status, role="audience", restriction=None, now=now)
        return admitted.token

    return token


def verifies(token: str, keys: list[dict[str, str]]) -> bool:
    try:
        jwt.decode(token, KeySet.import_key_set({"keys": keys}), algorithms=["ES256"])  # type: ignore[typeddict-item]
    except (InvalidKeyIdError, JoseError):
        return False
    return True


def test_the_first_join_makes_the_first_key(token_at: Any, now: datetime) -> None:
    token_at(now)

    key = JoinKey.objects.get()
    assert AuditEntry.objects.get(action="rotate_join_key").after == {"kid": key.pk}


def test_old_and_new_tokens_verify_until_the_old_ones_expire(token_at: Any, now: datetime, settings: Any) -> None:
    first = token_at(now)
    services.rotate_join_key(by=None, now=now)
    still_old = token_at(now + SIGNS_AFTER - A_SECOND)
    new = token_at(now + SIGNS_AFTER)

    kids = [pyjwt.get_unverified_header(token)["kid"] for token in (first, still_old, new)]
    assert kids[0] == kids[1] != kids[2]
    last_lapses = now + SIGNS_AFTER + settings.JOIN_TOKEN_LIFETIME
    assert all(verifies(token, services.public_keys(last_lapses - A_SECOND)) for token in (still_old, new))
    assert not verifies(still_old, services.public_keys(last_lapses))
    assert verifies(new, services.public_keys(last_lapses))


def test_a_new_key_is_published_before_it_signs(token_at: Any, now: datetime) -> None:
    token_at(now)

    rotation = services.rotate_join_key(by=None, now=now)

    assert rotation is not None
    assert [key["kid"] for key in services.public_keys(now)] == [rotation.old, rotation.new]


def test_expired_keys_are_removed_at_the_next_rotation(token_at: Any, now: datetime) -> None:
    token_at(now)
    for days in range(4):
        services.rotate_join_key(by=None, now=now + timedelta(days=days))

    assert JoinKey.objects.count() == 2


def test_a_rotation_before_the_new_key_signs_does_nothing(token_at: Any, now: datetime) -> None:
    token_at(now)
    assert services.rotate_join_key(by=None, now=now) is not None

    assert services.rotate_join_key(by=None, now=now + A_SECOND) is None
    assert JoinKey.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_ten_rotations_at_once_make_one_new_key(token_at: Any, now: datetime) -> None:
    token_at(now)

    made = at_once(10, lambda _: services.rotate_join_key(by=None, now=now))

    assert sum(rotation is not None for rotation in made) == 1
    assert JoinKey.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_ten_first_joins_at_once_make_one_key(token_at: Any, now: datetime) -> None:
    tokens = at_once(10, lambda _: token_at(now))

    assert JoinKey.objects.count() == 1
    assert all(verifies(token, services.public_keys(now)) for token in tokens)


def test_private_keys_are_stored_encrypted(token_at: Any, now: datetime) -> None:
    token_at(now)

    stored = JoinKey.objects.get()
    assert "PRIVATE" not in stored.private_key
    assert set(stored.public_jwk) == {"kty", "crv", "x", "y", "kid", "use", "alg"}


def test_a_changed_secret_key_makes_a_new_key_and_old_tokens_still_verify(
    token_at: Any, now: datetime, settings: Any
) -> None:
    old = token_at(now)
    settings.SECRET_KEY = "another secret key, which nobody knows, of more than fifty characters"

    new = token_at(now + A_SECOND)

    keys = services.public_keys(now + 2 * A_SECOND)
    assert JoinKey.objects.count() == len(keys) == 2
    assert verifies(old, keys)
    assert verifies(new, keys)


def test_a_fallback_of_the_secret_key_decrypts_the_keys(token_at: Any, now: datetime, settings: Any) -> None:
    token_at(now)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another secret key, which nobody knows, of more than fifty characters"

    token_at(now)

    assert JoinKey.objects.count() == 1


# --- the address ----------------------------------------------------------------------------------


def test_the_public_keys_are_served_without_envelope_to_everybody(token_at: Any, client: Client, now: datetime) -> None:
    token_at(now)

    response = client.get(JWKS)

    assert response.headers["Content-Type"] == "application/jwk-set+json"
    assert response.headers["Cache-Control"] == "public, max-age=5"
    (key,) = response.json()["keys"]
    assert (key["alg"], key["use"], key["crv"]) == ("ES256", "sig", "P-256")
    assert "d" not in key


@pytest.mark.django_db
def test_before_the_first_join_there_are_no_keys(client: Client) -> None:
    assert client.get(JWKS).json() == {"keys": []}


@pytest.mark.django_db
def test_the_keys_can_only_be_read(client: Client) -> None:
    response = client.post(JWKS)

    assert_refused(response, 405, "method_not_allowed")
    assert response.headers["Allow"] == "GET, HEAD"


@pytest.mark.django_db(transaction=True)
def test_a_jwks_client_verifies_a_token(token_at: Any, now: datetime) -> None:
    token = token_at(now)
    with running_server(workers=2) as server:
        client = pyjwt.PyJWKClient(f"{server.url}{JWKS}")
        key = client.get_signing_key_from_jwt(token).key

    assert pyjwt.decode(token, key, algorithms=["ES256"], audience="media")["aud"] == "media"


# --- the command ----------------------------------------------------------------------------------


def run_command(*words: str) -> dict[str, Any]:
    out = StringIO()
    call_command("rotate_join_key", "--json", *words, stdout=out)
    facts: dict[str, Any] = json.loads(out.getvalue())
    return facts


@pytest.mark.django_db
def test_the_command_makes_the_first_key_and_then_rotates_it() -> None:
    first = run_command()
    second = run_command()

    assert first == {"dry_run": False, "rotated": True, "old": None, "new": first["new"]}
    assert second == {"dry_run": False, "rotated": True, "old": first["new"], "new": second["new"]}
    assert run_command() == {"dry_run": False, "rotated": False, "old": None, "new": None}


@pytest.mark.django_db
def test_a_dry_run_names_the_key_that_would_be_replaced_and_changes_nothing() -> None:
    first = run_command()["new"]

    assert run_command("--dry-run") == {"dry_run": True, "rotated": False, "old": first, "new": None}
    assert JoinKey.objects.get().retired_at is None


@pytest.mark.django_db
def test_the_audit_trail_names_both_keys_and_the_entry_point() -> None:
    old = run_command()["new"]
    new = run_command()["new"]

    entry = AuditEntry.objects.get(action="rotate_join_key", target_id=new)
    assert (entry.entry_point, entry.before, entry.after["kid"]) == ("command", {"kid": old}, new)
