"""Access tokens of the platform's own identity provider, whose keys a real HTTP server publishes."""

import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts import identity, services, tokens
from accounts.models import User
from common.models import AuditEntry
from tests.conftest import Api, make_user
from tests.envelope import assert_refused, data_of
from tests.races import at_once

ME = "/api/v1/users/me"
ISSUER = "https://id.example/"
AUDIENCE = "kumanda-api"
type PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
STRANGE_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem_of(key: PrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def jwk_of(key: PrivateKey, kid: str) -> dict[str, Any]:
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        return {**jwt.algorithms.RSAAlgorithm.to_jwk(public, as_dict=True), "kid": kid, "use": "sig"}
    return {**jwt.algorithms.ECAlgorithm.to_jwk(public, as_dict=True), "kid": kid, "use": "sig"}


class Provider(ThreadingHTTPServer):
    """Publishes `keys`, after `delay` seconds, with `status`; counts who asks."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ProviderHandler)
        self.keys = [jwk_of(RSA_KEY, "rsa"), jwk_of(EC_KEY, "ec")]
        self.asked, self.status, self.delay = 0, 200, 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/jwks"


class ProviderHandler(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        self.server.asked += 1
        time.sleep(self.server.delay)
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(json.dumps({"keys": self.server.keys}).encode())

    def log_message(self, *_: object) -> None:
        """Silence on the console."""


@pytest.fixture
def provider(settings: Any, db: None) -> Iterator[Provider]:
    with Provider() as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        settings.IDENTITY_ISSUER, settings.IDENTITY_AUDIENCE = ISSUER, AUDIENCE
        settings.IDENTITY_JWKS_URL = server.url
        identity.provider_keys.cache_clear()
        tokens.signed_claims.cache_clear()
        yield server
        server.shutdown()


def token(key: PrivateKey | str = RSA_KEY, kid: str = "rsa", algorithm: str = "RS256", **claims: Any) -> str:
    """A token of Ada, good unless `claims` say otherwise; a claim that is None is left out."""
    now = int(time.time())
    given = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "person-1",
        "iat": now - 5,
        "exp": now + 600,
        "preferred_username": "ada",
        "given_name": "Ada",
        "family_name": "Lovelace",
        "email": "ada@example.com",
    } | claims
    return jwt.encode(
        {name: value for name, value in given.items() if value is not None},
        key,
        algorithm=algorithm,
        headers={"kid": kid},
    )


def me(api: Api, text: str) -> Any:
    return api().get(ME, HTTP_AUTHORIZATION=f"Bearer {text}")


def test_a_person_is_created_at_first_sight_from_the_claims(api: Api, provider: Provider) -> None:
    data = data_of(me(api, token()))

    assert (data["username"], data["name"], data["surname"]) == ("ada", "Ada", "Lovelace")
    assert data["email"] == "ada@example.com"
    user = User.objects.get()
    assert (user.identity_issuer, user.identity_subject) == (ISSUER, "person-1")
    assert not user.has_usable_password()
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target_id, entry.entry_point) == ("create_user", user.pk, "api")


def test_the_same_person_is_found_again_and_keys_are_fetched_once(api: Api, provider: Provider) -> None:
    first = data_of(me(api, token()))
    second = data_of(me(api, token(exp=int(time.time()) + 700)))

    assert first["_id"] == second["_id"]
    assert AuditEntry.objects.count() == 1
    assert provider.asked == 1


def test_a_known_person_costs_one_statement_per_call(
    api: Api, provider: Provider, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    text = token()
    data_of(me(api, text))

    with django_assert_num_queries(2):  # the person, the profile
        data_of(me(api, text))


def test_es256_is_believed_as_well(api: Api, provider: Provider) -> None:
    data_of(me(api, token(EC_KEY, "ec", "ES256")))


def test_our_own_tokens_are_believed_beside_the_providers(api: Api, provider: Provider, creator: User) -> None:
    assert data_of(api(creator).get(ME))["_id"] == creator.pk


def unsigned(**claims: Any) -> str:
    return token("", algorithm="none", **claims)


def signed_with_the_public_key(algorithm: str = "HS256") -> str:
    """What an attacker makes who knows the public key and hopes that it is taken for a shared secret.

    PyJWT refuses to sign so; an attacker has other tools.
    """
    header, claims = (
        jwt.utils.base64url_encode(json.dumps(part).encode())
        for part in (
            {"alg": algorithm, "typ": "JWT", "kid": "rsa"},
            jwt.decode(token(), options={"verify_signature": False}),
        )
    )
    signed = header + b"." + claims
    secret = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = secret.sign(signed, pem_of(RSA_KEY).encode())
    return (signed + b"." + jwt.utils.base64url_encode(signature)).decode()


BAD = {
    "wrong audience": lambda: token(aud="somebody-else"),
    "no audience": lambda: token(aud=None),
    "no subject": lambda: token(sub=None),
    "empty subject": lambda: token(sub=""),
    "subject too long to keep": lambda: token(sub="x" * 201),
    "subject with a null character": lambda: token(sub="a\0b"),
    "no time of issue": lambda: token(iat=None),
    "issued in the future": lambda: token(iat=int(time.time()) + 60),
    "no expiry": lambda: token(exp=None),
    "not in force yet": lambda: token(nbf=int(time.time()) + 60),
    "another signer": lambda: token(STRANGE_KEY),
    "key id of another kind of key": lambda: token(EC_KEY, "rsa", "ES256"),
    "key of another kind than the algorithm": lambda: token(RSA_KEY, "ec", "RS256"),
    "algorithm that is not allowed": lambda: token(algorithm="PS256"),
    "unknown key id": lambda: token(kid="made-up"),
    "no signature": unsigned,
    "public key as shared secret": signed_with_the_public_key,
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_token_is_refused_and_creates_nobody(api: Api, provider: Provider, bad: Any) -> None:
    assert_refused(me(api, bad()), 401, "token_invalid", "the access token is not valid")
    assert not User.objects.exists()


@pytest.mark.parametrize("key_from", ["jwks", "pem"])
def test_a_wrong_issuer_is_refused_without_asking_the_provider(
    api: Api, provider: Provider, key_from: str, settings: Any
) -> None:
    if key_from == "pem":
        settings.IDENTITY_JWKS_URL, settings.IDENTITY_PUBLIC_KEY = "", pem_of(RSA_KEY)

    assert_refused(me(api, token(iss="https://elsewhere.example/")), 401, "token_invalid")
    assert provider.asked == 0


def test_an_expired_token_is_refused_as_expired(api: Api, provider: Provider) -> None:
    assert_refused(me(api, token(exp=int(time.time()) - 1)), 401, "token_expired")


def test_a_token_that_was_good_once_still_expires(
    api: Api, provider: Provider, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = token()
    data_of(me(api, text))

    monkeypatch.setattr(timezone, "now", lambda: now + timedelta(minutes=11))

    assert_refused(me(api, text), 401, "token_expired")


# --- keys -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "algorithm"), [(RSA_KEY, "RS256"), (EC_KEY, "ES256")])
def test_a_public_key_in_the_settings_does_without_a_server(
    api: Api, provider: Provider, settings: Any, key: PrivateKey, algorithm: str
) -> None:
    settings.IDENTITY_JWKS_URL, settings.IDENTITY_PUBLIC_KEY = "", pem_of(key)

    data_of(me(api, token(key, algorithm=algorithm)))

    for bad in (token(STRANGE_KEY), unsigned(), signed_with_the_public_key()):
        assert_refused(me(api, bad), 401, "token_invalid")
    assert provider.asked == 0


@pytest.mark.parametrize("key_from", ["jwks", "pem"])
def test_shared_secrets_stay_refused_when_the_settings_allow_them(
    api: Api, provider: Provider, settings: Any, key_from: str
) -> None:
    settings.IDENTITY_ALGORITHMS = ["HS256", "none", "RS256"]
    if key_from == "pem":
        settings.IDENTITY_JWKS_URL, settings.IDENTITY_PUBLIC_KEY = "", pem_of(RSA_KEY)

    for bad in (unsigned(), signed_with_the_public_key()):
        assert_refused(me(api, bad), 401, "token_invalid")
    data_of(me(api, token()))


def test_a_new_key_of_the_provider_is_fetched_when_a_token_names_it(
    api: Api, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "ASKS_APART", 0)
    data_of(me(api, token()))
    provider.keys = [jwk_of(STRANGE_KEY, "next")]

    data_of(me(api, token(STRANGE_KEY, "next")))

    assert provider.asked == 2
    assert_refused(me(api, token(exp=int(time.time()) + 700)), 401, "token_invalid")


def test_made_up_key_ids_do_not_make_us_hammer_the_provider(api: Api, provider: Provider) -> None:
    for number in range(30):
        assert_refused(me(api, token(kid=f"made-up-{number}")), 401, "token_invalid")

    assert provider.asked <= 2
    data_of(me(api, token()))


def test_a_provider_that_is_down_is_no_fault_of_the_token(api: Api, provider: Provider, settings: Any) -> None:
    settings.IDENTITY_JWKS_URL = "http://127.0.0.1:9/jwks"  # discard: nobody listens

    assert_refused(
        me(api, token()),
        503,
        "identity_provider_unavailable",
        "the identity provider does not answer; try again shortly",
    )


@pytest.mark.parametrize("trouble", ["error", "no keys", "slow"])
def test_a_provider_in_trouble_is_left_alone_for_a_while_and_asked_again(
    api: Api, provider: Provider, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    monkeypatch.setattr(identity, "ANSWER_WITHIN", 0.2)
    good = provider.keys
    if trouble == "error":
        provider.status = 500
    elif trouble == "no keys":
        provider.keys = []
    else:
        provider.delay = 0.5

    for _ in range(5):
        assert_refused(me(api, token()), 503, "identity_provider_unavailable")
    assert provider.asked == 1

    provider.status, provider.keys, provider.delay = 200, good, 0.0
    identity.provider_keys(provider.url).asks_again_at = 0.0
    data_of(me(api, token()))


def test_people_who_were_seen_before_stay_in_while_the_provider_is_down(api: Api, provider: Provider) -> None:
    text = token()
    data_of(me(api, text))
    provider.status = 500

    data_of(me(api, text))
    data_of(me(api, token(exp=int(time.time()) + 700)))


# --- logging out ----------------------------------------------------------------------------------


def test_after_logout_tokens_issued_before_it_are_refused_and_later_ones_are_not(
    api: Api, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = token()
    logout = api().post("/api/v1/auth/logout", HTTP_AUTHORIZATION=f"Bearer {before}")
    data_of(logout)

    assert_refused(me(api, before), 401, "session_ended")
    assert_refused(me(api, token(iat=int(time.time()) - 1)), 401, "session_ended")
    User.objects.update(identity_tokens_from=timezone.now() - timedelta(seconds=3))
    data_of(me(api, token(iat=int(time.time()) - 1)))


@pytest.mark.parametrize(("issued_at", "refused"), [(99, True), (100, True), (100.9, True), (101, False)])
def test_the_second_of_the_logout_counts_as_before_it(issued_at: float, refused: bool) -> None:
    user = User(identity_tokens_from=datetime.fromtimestamp(100.5, tz=timezone.get_default_timezone()))

    assert services.logged_out_since(user, issued_at=issued_at) is refused


def test_a_person_who_was_made_inactive_is_refused(api: Api, provider: Provider) -> None:
    text = token()
    data_of(me(api, text))
    User.objects.update(is_active=False)

    assert_refused(me(api, text), 401, "session_ended")


# --- names ----------------------------------------------------------------------------------------


def claims(**given: Any) -> dict[str, Any]:
    return {"iss": ISSUER, "sub": "person-1"} | given


@pytest.mark.parametrize(
    ("given", "username"),
    [
        ({"preferred_username": "ada"}, "ada"),
        ({"preferred_username": "Ada Lovelace!"}, "AdaLovelace"),
        ({"preferred_username": "çağrı"}, "çağrı"),
        ({"preferred_username": "  ", "nickname": "countess"}, "countess"),
        ({"preferred_username": 7, "email": "ada@example.com"}, "ada"),
        ({"preferred_username": "\0\n"}, "person-1"),
        ({"preferred_username": "x" * 500}, "x" * 150),
        ({}, "person-1"),
    ],
)
def test_the_username_is_the_first_usable_claim(db: None, now: datetime, given: dict[str, Any], username: str) -> None:
    user = services.user_of_identity(claims(**given), now=now)

    assert user.username == username
    user.full_clean(exclude=["password"])


def test_a_subject_without_a_usable_letter_gets_a_made_up_name(db: None, now: datetime) -> None:
    user = services.user_of_identity(claims(sub="||"), now=now)

    assert user.username.startswith("user-")


def test_a_taken_name_gets_an_ending_and_leaves_its_owner_alone(db: None, now: datetime) -> None:
    owner = make_user("Ada")

    user = services.user_of_identity(claims(preferred_username="ada"), now=now)

    assert user.pk != owner.pk
    assert user.username.startswith("ada-")


def test_an_unusable_email_is_left_out(db: None, now: datetime) -> None:
    assert services.user_of_identity(claims(email="nonsense"), now=now).email == ""


@pytest.mark.django_db(transaction=True)
def test_twenty_first_sights_at_once_create_one_user(api: Api, provider: Provider) -> None:
    make_user("ada")
    answers = at_once(20, lambda number: me(api, token(exp=int(time.time()) + 600 + number)))

    assert len({data_of(answer)["_id"] for answer in answers}) == 1
    assert User.objects.exclude(username="ada").count() == 1
    assert AuditEntry.objects.filter(action="create_user").count() == 1
