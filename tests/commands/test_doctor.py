"""manage.py doctor: problems of settings, database, storage and identity provider."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import global_settings
from django.core.management.base import CommandError
from django.db import connection

from accounts.models import User
from common.doctor import LEAST_FREE, LITTLE_FREE, Severity, examine
from config import demo
from config.doctor import examine as examine_installation
from tests.commands.conftest import Run

GOOD_KEY = "q8Zr2vN5xLw0TbY7cHj4KmP1sDf6GuE9aRiXoWnBtVzJyQhMlC"


def found_by(run: Run, **variables: str) -> dict[str, dict[str, str]]:
    """The findings of the command in a process, by code. Checks the exit code and the counts, too."""
    finished = run("doctor", "--json", **variables)
    facts = json.loads(finished.stdout)
    errors = [finding for finding in facts["findings"] if finding["severity"] == "error"]
    assert finished.returncode == (1 if errors else 0), finished.stderr
    assert "Traceback" not in finished.stderr
    assert (facts["errors"], facts["warnings"]) == (len(errors), len(facts["findings"]) - len(errors))
    for finding in facts["findings"]:
        assert list(finding) == ["code", "severity", "meaning", "remedy"]
        assert all(finding.values())
    return {finding["code"]: finding for finding in facts["findings"]}


@contextmanager
def executed(sql: str, undo: str) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        try:
            yield
        finally:
            cursor.execute(undo)


# --- as a process --------------------------------------------------------------------------------


def test_a_healthy_installation_has_no_findings(run: Run) -> None:
    assert found_by(run) == {}
    assert run("doctor").stdout == "Nothing is wrong.\n"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://nobody@127.0.0.1:9/nothing",
        "postgresql://nobody@no-such-host.invalid/nothing",
        "postgresql://nobody@//nowhere/nothing",
    ],
)
def test_an_unreachable_database_is_reported(url: str, run: Run) -> None:
    found = found_by(run, DATABASE_URL=url)
    assert set(found) == {"database_unreachable"}
    assert "DATABASE_URL" in found["database_unreachable"]["remedy"]


def test_a_missing_migration_is_reported(run: Run) -> None:
    with executed(
        "DELETE FROM django_migrations WHERE app = 'sessions'",
        "INSERT INTO django_migrations (app, name, applied) VALUES ('sessions', '0001_initial', now())",
    ):
        found = found_by(run)
    assert set(found) == {"migrations_missing"}
    assert "sessions.0001_initial" in found["migrations_missing"]["meaning"]
    assert "manage.py migrate" in found["migrations_missing"]["remedy"]


def test_migrations_of_another_version_are_reported_and_refused_by_the_demo(run: Run) -> None:
    with executed(
        "INSERT INTO django_migrations (app, name, applied) VALUES ('livestreams', '0099_later', now())",
        "DELETE FROM django_migrations WHERE name = '0099_later'",
    ):
        found = found_by(run)
        with pytest.raises(CommandError, match=r"livestreams\.0099_later"):
            demo.refuse_other_version()
    assert set(found) == {"migrations_unknown"}
    assert "livestreams.0099_later" in found["migrations_unknown"]["meaning"]
    demo.refuse_other_version()


@pytest.mark.parametrize("skew", ["1 hour", "-5 seconds"])
def test_a_wrong_clock_is_reported(skew: str, run: Run) -> None:
    database = connection.settings_dict["NAME"]
    with executed(
        f"""
        CREATE SCHEMA skewed;
        CREATE FUNCTION skewed.clock_timestamp() RETURNS timestamptz LANGUAGE sql
            AS $$ SELECT pg_catalog.clock_timestamp() + interval '{skew}' $$;
        ALTER DATABASE "{database}" SET search_path = skewed, pg_catalog, public;
        """,
        f'ALTER DATABASE "{database}" RESET search_path; DROP SCHEMA skewed CASCADE;',
    ):
        found = found_by(run)
    assert set(found) == {"clock_skew"}
    assert ("3600" if "hour" in skew else "5 seconds") in found["clock_skew"]["meaning"]


@pytest.mark.parametrize(
    ("variables", "codes"),
    [
        ({"SECRET_KEY": "short"}, {"secret_key_weak"}),
        ({"JWT_SIGNING_KEY": "x" * 64}, {"jwt_signing_key_weak"}),
        ({"SECRET_KEY": "please-change-me-" + GOOD_KEY}, {"secret_key_weak"}),
        ({"SECRET_KEY": GOOD_KEY, "JWT_SIGNING_KEY": GOOD_KEY}, {"keys_equal"}),
    ],
)
def test_weak_and_equal_keys_are_reported(variables: dict[str, str], codes: set[str], run: Run) -> None:
    assert set(found_by(run, **variables)) == codes


def test_an_unwritable_storage_is_reported(run: Run, tmp_path: Path) -> None:
    (tmp_path / "media").write_text("a file where the folder should be")
    found = found_by(run)
    assert set(found) == {"storage_unwritable"}
    assert "KUMANDA_DATA" in found["storage_unwritable"]["remedy"]


@pytest.mark.parametrize(
    ("variables", "codes"),
    [
        ({"DEBUG": "true"}, {"debug_on"}),
        ({"ALLOWED_HOSTS": "*"}, {"any_host_allowed"}),
        ({"SECURE": "false"}, {"cookies_not_secure"}),
        ({"TRUSTED_PROXIES": ""}, {"proxies_unknown"}),
        ({"PUBLIC_URL": "http://live.example.org"}, {"public_url_not_https"}),
        ({"PRODUCTION_SERVER_URL": "http://live.example.org"}, {"production_server_not_https"}),
        (
            {"PLAYGROUND_ACCOUNTS": '[{"role": "creator", "username": "a", "password": "b"}]'},
            {"playground_accounts_public"},
        ),
    ],
)
def test_an_insecure_setting_with_a_public_url_is_an_error(
    variables: dict[str, str], codes: set[str], run: Run
) -> None:
    public = {"PUBLIC_URL": "https://live.example.org", "SECURE": "true", "TRUSTED_PROXIES": "192.0.2.7"}
    assert found_by(run, **public) == {}
    found = found_by(run, **public | variables)
    assert set(found) == codes
    assert {finding["severity"] for finding in found.values()} == {"error"}


def test_several_problems_are_reported_together(run: Run, tmp_path: Path) -> None:
    (tmp_path / "media").write_text("a file where the folder should be")
    found = found_by(
        run,
        DATABASE_URL="postgresql://nobody@127.0.0.1:9/nothing",
        SECRET_KEY="short",
        JWT_SIGNING_KEY="short",
        DEBUG="true",
    )
    assert set(found) == {
        "database_unreachable",
        "secret_key_weak",
        "jwt_signing_key_weak",
        "keys_equal",
        "storage_unwritable",
        "debug_on",
    }


def test_without_json_the_output_has_meaning_and_remedy(run: Run) -> None:
    finished = run("doctor", SECRET_KEY="short")
    assert finished.returncode == 1
    assert finished.stdout.startswith("error: secret_key_weak\n  SECRET_KEY is short")
    assert "\n  Remedy: Make one: python -c" in finished.stdout
    assert "1 error found." in finished.stderr


# --- in this process ------------------------------------------------------------------------------


def codes(severity: Severity | None = None) -> set[str]:
    return {finding.code for finding in examine() if severity in {None, finding.severity}}


@pytest.fixture
def healthy(settings: Any, db: None, tmp_path: Path) -> Any:
    settings.SECRET_KEY, settings.JWT_SIGNING_KEY = GOOD_KEY, GOOD_KEY[::-1]
    settings.DEBUG = False
    settings.MEDIA_ROOT = tmp_path
    assert codes() == set()
    return settings


def test_debug_on_localhost_is_only_a_warning(healthy: Any) -> None:
    healthy.DEBUG = True
    assert codes(Severity.WARNING) == {"debug_on"}
    assert codes(Severity.ERROR) == set()


def test_an_origin_without_tls_is_a_warning(healthy: Any) -> None:
    healthy.CORS_ALLOWED_ORIGINS = ["http://app.example.org", "https://app.example.org", "http://localhost:3000"]
    (finding,) = examine()
    assert (finding.code, finding.severity) == ("cors_origin_not_https", Severity.WARNING)
    assert "http://app.example.org" in finding.meaning


@pytest.mark.parametrize(("free", "severity"), [(LEAST_FREE - 1, Severity.ERROR), (LITTLE_FREE - 1, Severity.WARNING)])
def test_little_free_space_is_reported(
    free: int, severity: Severity, healthy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The free space of the machine cannot be set.
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": free}))
    assert codes(severity) == {"storage_nearly_full"}


def test_the_check_of_the_storage_leaves_no_file(healthy: Any, tmp_path: Path) -> None:
    examine()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.django_db(transaction=True)
def test_a_disabled_trigger_of_the_audit_trail_is_reported(run: Run) -> None:
    with executed(
        "ALTER TABLE common_auditentry DISABLE TRIGGER ALL", "ALTER TABLE common_auditentry ENABLE TRIGGER ALL"
    ):
        assert set(found_by(run)) == {"audit_trail_unguarded"}


@pytest.fixture
def provider() -> Iterator[Any]:
    """An HTTP server on this machine. `answer` is the body of its responses."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(server.answer)

        def log_message(self, *args: Any) -> None:
            pass

    server: Any = HTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{server.server_port}/keys"
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def key() -> Any:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()


def test_a_provider_that_publishes_keys_is_healthy(healthy: Any, provider: Any, key: Any) -> None:
    jwk = jwt.algorithms.RSAAlgorithm.to_jwk(key, as_dict=True) | {"kid": "one", "use": "sig"}
    provider.answer = json.dumps({"keys": [jwk]}).encode()
    healthy.IDENTITY_JWKS_URL = provider.url
    assert codes() == set()


@pytest.mark.parametrize("answer", [b"<html>", b"{}", b'{"keys": []}', b"[1]"])
def test_a_provider_without_readable_keys_is_reported(answer: bytes, healthy: Any, provider: Any) -> None:
    provider.answer = answer
    healthy.IDENTITY_JWKS_URL = provider.url
    assert codes() == {"identity_keys_unreadable"}


def test_an_unreachable_provider_is_reported(healthy: Any) -> None:
    healthy.IDENTITY_JWKS_URL = "http://127.0.0.1:9/keys"
    assert codes() == {"identity_keys_unreadable"}


def test_keys_over_plain_http_are_reported(healthy: Any) -> None:
    healthy.IDENTITY_JWKS_URL = "http://keys.invalid/"
    assert codes() == {"identity_keys_unreadable", "identity_keys_not_https"}


def test_an_unreadable_public_key_is_reported(healthy: Any, key: Any) -> None:
    healthy.IDENTITY_PUBLIC_KEY = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()
    assert codes() == set()
    healthy.IDENTITY_PUBLIC_KEY = "not a key"
    assert codes() == {"identity_keys_unreadable"}


# --- accounts of the demonstration ----------------------------------------------------------------


@pytest.fixture
def demo_admin(transactional_db: None, settings: Any) -> User:
    settings.PASSWORD_HASHERS = global_settings.PASSWORD_HASHERS  # as in the process of the command
    return User.objects.create_superuser("admin", "admin-of-the-demo")


def test_an_account_with_a_demo_password_is_an_error(run: Run, demo_admin: User) -> None:
    before = demo_admin.password

    found = found_by(run)

    assert found["demo_password_works"]["severity"] == "error"
    assert "admin (superuser)" in found["demo_password_works"]["meaning"]
    assert "seed_demo --close" in found["demo_password_works"]["remedy"]
    demo_admin.refresh_from_db()
    assert demo_admin.password == before, "the check changes nothing"
    run("seed_demo", "--close")
    assert found_by(run) == {}


@pytest.mark.parametrize("change", [{"is_active": False}, {"username": "somebody"}])
def test_an_inactive_or_renamed_account_is_no_finding(run: Run, demo_admin: User, change: dict[str, Any]) -> None:
    User.objects.filter(pk=demo_admin.pk).update(**change)
    assert found_by(run) == {}


def test_demo_passwords_on_localhost_are_only_a_warning(
    demo_admin: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "EMBEDDED_DATA_DIR", "somewhere")
    settings.PUBLIC_URL = "http://localhost:8000"
    assert [finding.severity for finding in examine_installation()] == [Severity.WARNING]
    settings.PUBLIC_URL = "https://live.example.org"
    assert [finding.severity for finding in examine_installation()] == [Severity.ERROR]
