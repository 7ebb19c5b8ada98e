"""Security headers: HSTS, no MIME sniffing, no framing, a content security policy."""

import subprocess
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.test import Client

from accounts.models import User
from config.csp import admin_policy
from tests.conftest import Api
from tests.forking import manage
from tests.patience import PATIENCE
from tests.servers import running_server

# One address of each kind: API, playground, admin, pages, files, machine-readable documents, refusals.
ADDRESSES = [
    "/api/v1/users/me", "/api/v1/no-such", "/api/docs/", "/api/schema/", "/admin/login/", "/admin/", "/admin/no-such",
    "/unsubscribe/none", "/.well-known/jwks.json", "/healthz", "/readyz", "/static/common/playground.css", "/no-such",
    "/admin/jsi18n/", "/", "/calendar/none.ics",
]  # fmt: skip


def headers_of(address: str, *, secure: bool = False) -> Any:
    answer = Client().get(address, secure=secure)
    answer.close()  # closes the file of a file response
    return answer.headers


@pytest.fixture
def secure(settings: Any) -> None:
    """The settings of `SECURE=true`."""
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = settings.SECURE_HSTS_PRELOAD = True
    settings.SECURE_SSL_REDIRECT = True


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_response_over_tls_has_hsts(address: str, secure: None, db: None) -> None:
    headers = headers_of(address, secure=True)
    assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_response_has_the_headers_that_do_not_depend_on_tls(address: str, db: None) -> None:
    headers = headers_of(address)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] in {"same-origin", "no-referrer"}
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "Strict-Transport-Security" not in headers, "no HSTS without SECURE"


@pytest.mark.parametrize("address", [one for one in ADDRESSES if not one.startswith("/api/")])
def test_every_response_outside_the_api_has_a_strict_content_security_policy(address: str, db: None) -> None:
    policy = dict(part.split(" ", 1) for part in headers_of(address)["Content-Security-Policy"].split("; "))

    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == "'self'"
    if address.startswith("/admin/"):
        assert policy["script-src"] == "'self' 'unsafe-eval'"
    else:
        assert "script-src" not in policy


def test_the_policy_of_the_admin_allows_pictures_from_the_media_url() -> None:
    assert admin_policy("https://cdn.example.com/media/")["img-src"] == ["'self'", "data:", "https://cdn.example.com"]
    assert admin_policy("/media/")["img-src"] == ["'self'", "data:"]


@pytest.mark.parametrize("address", ["/admin/login/", "/unsubscribe/none", "/static/common/playground.css", "/"])
def test_pages_over_plain_http_redirect_to_https(address: str, secure: None, db: None) -> None:
    answer = Client().get(address)
    assert (answer.status_code, answer.headers["Location"]) == (301, f"https://testserver{address}")


@pytest.mark.parametrize("address", ["/healthz", "/readyz", "/api/v1/users/me", "/.well-known/jwks.json"])
def test_addresses_for_internal_machines_are_answered_without_tls(address: str, secure: None, db: None) -> None:
    assert Client().get(address).status_code != 301


def test_the_api_needs_no_csrf_token(api: Api, db: None) -> None:
    client = Client(enforce_csrf_checks=True)
    for address, status in (("/api/v1/auth/login", 400), ("/api/v1/no-such", 404), ("/api/v1/users/me", 405)):
        answer = client.post(address, {}, content_type="application/json")
        assert answer.status_code in {status, 401}, address
        assert answer.headers["Content-Type"] == "application/json"
        assert not answer.cookies


# --- the deployment check of Django ---------------------------------------------------------------

PRODUCTION = {
    "SECRET_KEY": "q8Zr2vN5xLw0TbY7cHj4KmP1sDf6GuE9aRiXoWnBtVzJyQhMlC",
    "JWT_SIGNING_KEY": "U3eK8pXy5RwZ1tNc7LqV0bHsMj4GdF9oAiT6nQzBrWm2YvElDkJx",
    "DATABASE_URL": "postgresql://kumanda@127.0.0.1:9/kumanda",
    "ALLOWED_HOSTS": "live.example.org",
    "PUBLIC_URL": "https://live.example.org",
    "DEBUG": "false",
    "SECURE": "true",
    "SECURE_SSL_REDIRECT": "",
    "SECURE_HSTS_SECONDS": "",
    "SECURE_HSTS_INCLUDE_SUBDOMAINS": "",
    "SECURE_HSTS_PRELOAD": "",
}


def checked(tmp_path: Any, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        manage("check", "--deploy", "--fail-level", "WARNING"),
        cwd=django_settings.BASE_DIR,
        env=PRODUCTION | {"KUMANDA_DATA": str(tmp_path)} | variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_the_deployment_check_finds_nothing_in_production(tmp_path: Any) -> None:
    finished = checked(tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert not [one for one in django_settings.SILENCED_SYSTEM_CHECKS if one.startswith("security.")]


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({"SECURE": "false"}, {"W004", "W008", "W010", "W016"}),
        ({"SECURE_HSTS_SECONDS": "0"}, {"W004"}),
        ({"SECURE_HSTS_INCLUDE_SUBDOMAINS": "false"}, {"W005"}),
        ({"SECURE_HSTS_PRELOAD": "false"}, {"W021"}),
        ({"SECURE_SSL_REDIRECT": "false"}, {"W008"}),
        ({"DEBUG": "true"}, {"W018"}),
        ({"SECRET_KEY": "short"}, {"W009"}),
    ],
)
def test_the_deployment_check_still_finds_insecure_settings(
    variables: dict[str, str], found: set[str], tmp_path: Any
) -> None:
    finished = checked(tmp_path, **variables)
    assert finished.returncode == 1
    assert {code for code in found if f"security.{code}" in finished.stderr} == found


# --- uploaded files --------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_uploaded_files_are_served_with_their_type_and_cannot_run_scripts(tmp_path: Any, creator: User) -> None:
    FileSystemStorage(tmp_path / "media").save("photos/one.webp", ContentFile(b"RIFF....WEBP"))
    with running_server(workers=1, KUMANDA_DATA=str(tmp_path)) as server:
        answer = server.call("GET", "/media/photos/one.webp")
        missing = server.call("GET", "/media/photos/none.webp")

    headers = {name.lower(): value for name, value in answer.headers.items()}
    assert (answer.status, headers["content-type"]) == (200, "image/webp")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert "max-age=" in headers["cache-control"]
    assert missing.status == 404
    assert {name.lower(): value for name, value in missing.headers.items()}["x-content-type-options"] == "nosniff"
