"""The webhook channel, with a real HTTP server on this machine."""

import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.core.exceptions import ImproperlyConfigured
from standardwebhooks import Webhook, WebhookVerificationError

from config.channels import check_webhook
from reminders.channels import Batch, Device, Person, Unreached, webhook
from tests.reminders.receiver import Gateway, answering, closing, dripping, hanging, receiving
from tests.reminders.sending import NEW_SECRET, SECRET
from tests.servers import free_port

NOTIFIED_AT = datetime(2026, 1, 15, 10, 15, tzinfo=UTC)
SHORT_TIMEOUT = 0.5  # seconds
BATCH = Batch(
    key="0" * 23 + "1",
    kind="reminder",
    stream_id="0" * 23 + "2",
    title="Akşam sohbeti",
    planned_start_at=NOTIFIED_AT + timedelta(minutes=15),
    notified_at=NOTIFIED_AT,
    people=(
        Person("0" * 23 + "3", "Ayşe", "", "tr"),
        Person("0" * 23 + "4", "Bob", "b@example.com", "en", (Device("ios", "a1"), Device("web", "b2"))),
    ),
)


@pytest.fixture(autouse=True)
def _settings(settings: Any) -> None:
    settings.WEBHOOK_SECRETS = [SECRET]
    settings.WEBHOOK_ALLOW_PRIVATE = True


def sent_to(gateway: Gateway, settings: Any) -> None:
    settings.WEBHOOK_URL = gateway.url
    webhook.WebhookChannel().send(BATCH)


def failure_at(url: str, settings: Any) -> Unreached:
    settings.WEBHOOK_URL = url
    with pytest.raises(Unreached) as raised:
        webhook.WebhookChannel().send(BATCH)
    return raised.value


# --- what is sent ---------------------------------------------------------------------------------


def test_the_body_has_the_texts_of_each_language_and_the_recipients(settings: Any) -> None:
    with receiving(answering(204)) as gateway:
        sent_to(gateway, settings)
    assert gateway.only_call.path == "/notices"
    assert gateway.only_call.headers["Content-Type"] == "application/json"
    assert gateway.only_call.json == {
        "type": "reminder.due",
        "timestamp": "2026-01-15T10:15:00.000Z",
        "data": {
            "streamId": BATCH.stream_id,
            "kind": "reminder",
            "plannedStartDate": "2026-01-15T10:30:00.000Z",
            "texts": {
                "en": {"title": "Starting soon", "message": "“Akşam sohbeti” starts in 15 minutes."},
                "tr": webhook.payload(BATCH)["data"]["texts"]["tr"],
            },
            "recipients": [
                {"userId": "0" * 23 + "3", "language": "tr", "devices": []},
                {
                    "userId": "0" * 23 + "4",
                    "language": "en",
                    "devices": [{"platform": "ios", "token": "a1"}, {"platform": "web", "token": "b2"}],
                },
            ],
        },
    }


def test_the_reference_verifier_accepts_the_signature(settings: Any) -> None:
    with receiving(answering(200)) as gateway:
        sent_to(gateway, settings)
    call = gateway.only_call
    assert Webhook(SECRET).verify(call.body, dict(call.headers.items())) == call.json
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(call.body.replace(b"Bob", b"Eve") + b" ", dict(call.headers.items()))


def test_during_a_rotation_both_secrets_verify(settings: Any) -> None:
    settings.WEBHOOK_SECRETS = [NEW_SECRET, SECRET]
    with receiving(answering(200)) as gateway:
        sent_to(gateway, settings)
    call = gateway.only_call
    for secret in (SECRET, NEW_SECRET):
        assert Webhook(secret).verify(call.body, dict(call.headers.items())) == call.json


def test_a_repeated_batch_has_the_same_key(settings: Any) -> None:
    with receiving(answering(200)) as gateway:
        sent_to(gateway, settings)
        sent_to(gateway, settings)
    assert [(call.key, call.headers["Idempotency-Key"]) for call in gateway.calls] == [(BATCH.key, BATCH.key)] * 2


def test_the_host_header_names_the_host_and_the_port(settings: Any) -> None:
    with receiving(answering(200)) as gateway:
        settings.WEBHOOK_URL = gateway.url.replace("127.0.0.1", "localhost")
        webhook.WebhookChannel().send(BATCH)
    assert gateway.only_call.headers["Host"] == gateway.url.split("/")[2].replace("127.0.0.1", "localhost")


def test_proxies_of_the_environment_are_not_used(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    with receiving(answering(200)) as gateway:
        sent_to(gateway, settings)
    assert len(gateway.calls) == 1


# --- what comes back ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 404, 500, 502])
def test_an_error_status_is_a_failure_with_its_status(status: int, settings: Any) -> None:
    with receiving(answering(status, {"Retry-After": "7"})) as gateway:
        failure = failure_at(gateway.url, settings)
    assert (str(failure), failure.retry_after, failure.permanent) == (f"the receiver answered {status}", None, False)


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_in_seconds_is_passed_on(status: int, settings: Any) -> None:
    with receiving(answering(status, {"Retry-After": "120"})) as gateway:
        assert failure_at(gateway.url, settings).retry_after == 120


def test_retry_after_as_a_date_is_passed_on(settings: Any) -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    with receiving(answering(429, {"Retry-After": at})) as gateway:
        assert failure_at(gateway.url, settings).retry_after == pytest.approx(3600, abs=30)


@pytest.mark.parametrize("value", ["soon", "-5", "", "1e9", "Thu, 99 Jan 2026 10:00:00 GMT"])
def test_an_invalid_retry_after_is_ignored(value: str, settings: Any) -> None:
    with receiving(answering(429, {"Retry-After": value})) as gateway:
        assert failure_at(gateway.url, settings).retry_after is None


def test_410_is_permanent(settings: Any) -> None:
    with receiving(answering(410)) as gateway:
        assert failure_at(gateway.url, settings).permanent


def test_redirects_are_not_followed(settings: Any) -> None:
    with receiving(answering(200)) as other, receiving(answering(307, {"Location": other.url})) as gateway:
        assert str(failure_at(gateway.url, settings)) == ("the receiver answered 307, and redirects are not followed")
    assert len(gateway.calls) == 1
    assert other.calls == []


def test_a_closed_connection_is_a_failure(settings: Any) -> None:
    with receiving(closing) as gateway:
        failure = failure_at(gateway.url, settings)
    assert str(failure) == "the connection failed, or was closed before the answer"


def test_a_refused_connection_is_a_failure(settings: Any) -> None:
    failure = failure_at(f"http://127.0.0.1:{free_port()}/", settings)
    assert str(failure) == "the connection failed, or was closed before the answer"


SLOW = {
    "hangs": hanging,
    "drips its status": dripping(b"HTTP/1.1 2"),
    "drips lines before the answer": dripping(b"HTTP/1.1 100 Continue\r\nX-Slow: "),
}


@pytest.mark.parametrize("answer", SLOW.values(), ids=SLOW)
def test_a_receiver_that_does_not_answer_in_time_is_cut_off(
    answer: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "ANSWERED_WITHIN", SHORT_TIMEOUT)
    with receiving(answer) as gateway:
        began = datetime.now(UTC)
        assert str(failure_at(gateway.url, settings)) == f"no answer within {SHORT_TIMEOUT} seconds"
        assert timedelta(seconds=SHORT_TIMEOUT) <= datetime.now(UTC) - began < timedelta(seconds=4 * SHORT_TIMEOUT)


def test_a_received_status_counts_even_if_the_headers_are_slow(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    within = 4 * SHORT_TIMEOUT  # so that the status arrives in time on a busy machine too
    monkeypatch.setattr(webhook, "ANSWERED_WITHIN", within)
    for status, failed in ((b"200 OK", False), (b"500 No", True)):
        began = datetime.now(UTC)
        with receiving(dripping(b"HTTP/1.1 " + status + b"\r\nX-Slow: ")) as gateway:
            if failed:
                assert str(failure_at(gateway.url, settings)) == "the receiver answered 500"
            else:
                sent_to(gateway, settings)
        assert datetime.now(UTC) - began < timedelta(seconds=2 * within)


def test_a_slow_body_is_not_waited_for(settings: Any) -> None:
    with receiving(dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")) as gateway:
        began = datetime.now(UTC)
        sent_to(gateway, settings)
        assert datetime.now(UTC) - began < timedelta(seconds=webhook.ANSWERED_WITHIN / 2)


def test_a_tls_handshake_that_hangs_is_cut_off(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "ANSWERED_WITHIN", SHORT_TIMEOUT)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        failure = failure_at(f"https://127.0.0.1:{listening.getsockname()[1]}/", settings)
    assert str(failure) == f"no answer within {SHORT_TIMEOUT} seconds"


def test_a_self_signed_certificate_is_refused(settings: Any, tmp_path: Path) -> None:
    with receiving(answering(200), tls=self_signed(tmp_path)) as gateway:
        failure = failure_at(gateway.url, settings)
    assert str(failure) == "the receiver's TLS certificate is not to be trusted"
    assert gateway.calls == []


def self_signed(folder: Path) -> SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    at = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(at - timedelta(days=1))
        .not_valid_after(at + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "both.pem").write_bytes(private + certificate.public_bytes(pem))
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context


def test_a_failure_does_not_contain_the_url(settings: Any) -> None:
    for answer in (closing, answering(500), answering(301)):
        with receiving(answer) as gateway:
            assert "token" not in str(failure_at(f"{gateway.url}?token=geheim", settings))


# --- private addresses ----------------------------------------------------------------------------

PRIVATE = "WEBHOOK_URL leads to a private address, which WEBHOOK_ALLOW_PRIVATE does not allow"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.1", "[::ffff:10.0.0.1]"]
)
def test_a_private_address_is_refused(host: str, settings: Any) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = False
    with receiving(answering(200)) as gateway:
        port = gateway.url.split(":")[2]
        assert str(failure_at(f"http://{host}:{port}", settings)) == PRIVATE
    assert gateway.calls == []


def test_a_name_that_resolves_to_a_private_address_is_refused(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = False
    looked_up: list[str] = []

    def resolve(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        looked_up.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.168.0.7", port))]

    with receiving(answering(200)) as gateway, monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", resolve)
        url = gateway.url.replace("127.0.0.1", "rebinding.example.com")
        assert str(failure_at(url, settings)) == PRIVATE
    assert looked_up == ["rebinding.example.com"]
    assert gateway.calls == []


def test_the_connection_goes_to_the_address_that_was_checked(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: a second lookup would return a private address, so there must be only one."""
    settings.WEBHOOK_ALLOW_PRIVATE = False
    monkeypatch.setattr(webhook, "CONNECTED_WITHIN", SHORT_TIMEOUT)
    real, looked_up = socket.getaddrinfo, []

    def rebinding(host: str, port: int, *rest: Any, **named: Any) -> Any:
        looked_up.append(host)
        if host != "rebinding.example.com":
            return real(host, port, *rest, **named)
        address = "203.0.113.7" if looked_up.count(host) > 1 else "198.41.0.4"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    with receiving(answering(200)) as gateway, monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", rebinding)
        failure_at(gateway.url.replace("127.0.0.1", "rebinding.example.com"), settings)
    assert looked_up == ["rebinding.example.com", "198.41.0.4"]
    assert gateway.calls == []


# --- settings -------------------------------------------------------------------------------------

WRONG: dict[str, tuple[str, list[str], bool]] = {
    "set WEBHOOK_URL": ("", [SECRET], False),
    "must be an address": ("push.example.com", [SECRET], False),
    "must begin with https": ("http://push.example.com", [SECRET], False),
    "set WEBHOOK_SECRETS too": ("https://push.example.com", [], False),
    "Secret 1 of": ("https://push.example.com", ["hunter2hunter2hunter2hunter2hunter2"], False),
    "Secret 2 of": ("http://push.example.com", [SECRET, "whsec_short"], True),
}


@pytest.mark.parametrize(("rule", "given"), WRONG.items(), ids=WRONG)
def test_invalid_settings_are_refused_at_start(rule: str, given: tuple[str, list[str], bool]) -> None:
    url, secrets, allow_private = given
    with pytest.raises(ImproperlyConfigured, match=rule) as raised:
        check_webhook(url, secrets, allow_private=allow_private, required=True)
    assert "hunter2" not in str(raised.value)


def test_valid_settings_are_accepted() -> None:
    check_webhook("https://push.example.com:8443/notices", [SECRET, NEW_SECRET], allow_private=False, required=True)
    check_webhook("http://gateway/notices", [SECRET], allow_private=True, required=True)
    check_webhook("", [], allow_private=False, required=False)
