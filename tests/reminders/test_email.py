"""Email: the content of mails, their headers, refusals of the mail server, and unsubscribing."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.utils import translation
from django.utils.translation import gettext

from accounts.models import User
from common.models import AuditEntry
from config.channels import check_email, mailer
from config.environment import env
from reminders import services
from reminders.channels import Batch, Person, Unreached
from reminders.channels.email import EmailChannel, unsubscribe_address
from reminders.models import MutedChannel
from reminders.texts import message_of, title_of
from tests.conftest import make_user
from tests.reminders.mail_server import MailServer, Refusals, serving_mail
from tests.reminders.sending import delivery_to, reloaded, send
from tests.servers import free_port

NOTIFIED_AT = datetime(2026, 1, 15, 10, 15, tzinfo=UTC)
AYSE = Person("0" * 23 + "3", "Ayşe Yılmaz", "ayse@example.com", "tr")
BOB = Person("0" * 23 + "4", "Bob", "bob@example.com", "en")
BATCH = Batch(
    key="0" * 23 + "1",
    kind="reminder",
    stream_id="0" * 23 + "2",
    title="Akşam <sohbeti>",
    planned_start_at=NOTIFIED_AT + timedelta(minutes=15),
    notified_at=NOTIFIED_AT,
    people=(AYSE, BOB),
)
EMAIL = {"email": "reminders.channels.email.EmailChannel"}
WRONG_SENDERS = ["Kumanda, Ltd <a@x.com>", "Kumanda <>", "Kumanda <a@x.com", "a@x.com\nBcc: b@x.com"]
LINK = re.compile(r"http://localhost:8000(/unsubscribe/\S+)")


@pytest.fixture(autouse=True)
def _settings(settings: Any) -> None:
    settings.NOTIFICATION_CHANNELS = EMAIL
    settings.DEFAULT_FROM_EMAIL = "Kumanda <no-reply@kumanda.example>"
    settings.PUBLIC_URL = "http://localhost:8000"


def mailed(settings: Any, batch: Batch = BATCH, server: MailServer | None = None) -> MailServer:
    """The mail server after it was sent `batch`."""
    with serving_mail(server) as serving:
        settings.MAILERS = serving.mailers
        EmailChannel().send(batch)
    return serving


def text_of(message: EmailMessage, kind: str = "plain") -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def person(username: str) -> User:
    return make_user(username, email=f"{username}@example.com")


# --- content --------------------------------------------------------------------------------------


def test_each_recipient_gets_the_mail_in_their_language(settings: Any) -> None:
    turkish, english = mailed(settings).messages
    assert english["Subject"] == "“Akşam <sohbeti>” starts in 15 minutes."
    assert text_of(english).splitlines()[:4] == [
        "Hello Bob,",
        "",
        "“Akşam <sohbeti>” starts in 15 minutes.",
        "Planned start: 2026-01-15 10:30 UTC",
    ]
    with translation.override("tr"):
        subject = message_of(BATCH.kind, BATCH.title, BATCH.planned_start_at, BATCH.notified_at)
        greeting = gettext("Hello %(name)s,") % {"name": "Ayşe Yılmaz"}
        heading = title_of(BATCH.kind)
    assert turkish["Subject"] == subject
    assert text_of(turkish).splitlines()[:3] == [greeting, "", subject]
    assert '<html lang="tr">' in text_of(turkish, "html")
    assert f'<h1 style="font-size: 20px">{heading}</h1>' in text_of(turkish, "html")


def test_html_and_plain_text_have_the_same_content(settings: Any) -> None:
    message = mailed(settings, replace(BATCH, people=(BOB,))).messages[0]
    assert message.get_content_type() == "multipart/alternative"
    for part in ("Hello Bob,", "Planned start: 2026-01-15 10:30 UTC", "because you set a reminder on this stream"):
        assert part in text_of(message)
        assert part in text_of(message, "html")


def test_the_title_is_escaped_in_html(settings: Any) -> None:
    message = mailed(settings).messages[0]
    assert "Akşam &lt;sohbeti&gt;" in text_of(message, "html")
    assert "<sohbeti>" not in text_of(message, "html")


def test_without_a_planned_start_the_mail_has_none(settings: Any) -> None:
    message = mailed(settings, replace(BATCH, kind="live", planned_start_at=None, people=(BOB,))).messages[0]
    assert message["Subject"] == "“Akşam <sohbeti>” has started."
    assert "Planned start" not in text_of(message)


def test_the_greeting_of_a_user_without_a_name(settings: Any) -> None:
    message = mailed(settings, replace(BATCH, people=(replace(BOB, name=""),))).messages[0]
    assert text_of(message).splitlines()[0] == "Hello,"


def test_a_title_cannot_inject_a_header(settings: Any) -> None:
    title = "Akşam\r\nBcc: everybody@example.com\n\nX: y\u2028z"
    (message,) = mailed(settings, replace(BATCH, title=title, people=(BOB,))).messages
    assert message["Subject"] == "“Akşam Bcc: everybody@example.com X: y z” starts in 15 minutes."
    assert message["Bcc"] is None
    assert message["X"] is None


def test_mails_have_one_click_unsubscribe_headers(settings: Any) -> None:
    settings.PUBLIC_URL = f"https://{'a-long-name.' * 8}example.com"
    server = mailed(settings)
    message, address = server.messages[0], unsubscribe_address(AYSE.user_id)
    # In the raw message, because many mail programs do not decode encoded or folded headers.
    assert f"\r\nList-Unsubscribe: <{address}>\r\n".encode() in server.raw[0]
    assert message["List-Unsubscribe"] == f"<{address}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Auto-Submitted"] == "auto-generated"
    assert address in text_of(message)
    assert address in text_of(message, "html")


def test_a_repeated_mail_has_the_same_message_id(settings: Any) -> None:
    first, second = mailed(settings), mailed(settings)
    ids = [message["Message-ID"] for message in first.messages]
    assert ids == [f"<{BATCH.key}.{someone.user_id}@kumanda.example>" for someone in (AYSE, BOB)]
    assert ids == [message["Message-ID"] for message in second.messages]


# --- SMTP ------------------------------------------------------------------------------------------


def test_a_batch_uses_one_connection(settings: Any) -> None:
    people = tuple(replace(BOB, user_id=f"{number:024x}", email=f"p{number}@example.com") for number in range(20))
    server = mailed(settings, replace(BATCH, people=people))
    assert server.connections == 1
    assert server.recipients == [someone.email for someone in people]


def test_a_user_without_an_address_is_skipped(settings: Any) -> None:
    assert mailed(settings, replace(BATCH, people=(replace(AYSE, email=""), BOB))).recipients == ["bob@example.com"]


@pytest.mark.parametrize(
    "address",
    ["not an address", "a@example.com\nBcc: b@example.com", "a@example.com, b@x.com", "ş@x.com", "a@ş..com", '"'],
)
def test_an_invalid_address_is_skipped(address: str, settings: Any) -> None:
    assert mailed(settings, replace(BATCH, people=(replace(AYSE, email=address), BOB))).recipients == [
        "bob@example.com"
    ]


@pytest.mark.parametrize("answer", ["550 no such person", "452 mailbox full"])
def test_a_refused_address_is_skipped_and_logged(answer: str, settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    server = MailServer(refuse=lambda address: answer if address == AYSE.email else None)
    assert mailed(settings, server=server).recipients == ["bob@example.com"]
    assert f"refused the address of user {AYSE.user_id} with {answer[:3]}" in caplog.text


def test_a_refused_message_is_skipped_and_logged(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    server = MailServer(refuse_message=only(AYSE, "554 looks like spam"))
    assert mailed(settings, server=server).recipients == ["bob@example.com"]
    assert f"refused the address of user {AYSE.user_id} with 554" in caplog.text


def only(someone: Person, answer: str) -> Refusals:
    return lambda address: answer if address == someone.email else None


def failure(settings: Any, server: MailServer, batch: Batch = BATCH) -> Unreached:
    with pytest.raises(Unreached) as raised:
        mailed(settings, batch, server=server)
    return raised.value


@pytest.mark.parametrize("answer", ["450 4.7.1 rate limit exceeded", "451 try later", "421 too many"])
def test_an_address_refused_temporarily_is_tried_again(answer: str, settings: Any) -> None:
    failed = failure(settings, MailServer(refuse=only(BOB, answer)))
    assert (failed.reached_user, str(failed)) == (AYSE.user_id, f"the mail server answered {answer[:3]}")


@pytest.mark.parametrize("answer", ["452 no room", "451 try later", "421 too many"])
def test_a_message_refused_temporarily_is_tried_again(answer: str, settings: Any) -> None:
    failed = failure(settings, MailServer(refuse_message=only(BOB, answer)))
    assert (failed.reached_user, str(failed)) == (AYSE.user_id, f"the mail server answered {answer}")


@pytest.mark.parametrize("answer", ["451 try later", "550 not you"])
def test_a_refused_sender_is_a_failure(answer: str, settings: Any) -> None:
    failed = failure(settings, MailServer(refuse_sender=lambda address: answer))
    assert (failed.reached_user, str(failed)) == (None, f"the mail server answered {answer}")


@pytest.mark.parametrize("answer", ["554 relay access denied", "452 no room"])
@pytest.mark.parametrize("address", [AYSE.email, "", "not an address"])
def test_refusal_of_every_address_is_a_failure(answer: str, address: str, settings: Any) -> None:
    batch = replace(BATCH, people=(replace(AYSE, email=address), BOB))
    failed = failure(settings, MailServer(refuse=lambda address: answer), batch)
    assert (failed.reached_user, str(failed)) == (
        None,
        f"the mail server refused every address, the last one with {answer[:3]}",
    )


def test_refusal_of_every_message_is_a_failure(settings: Any) -> None:
    failed = failure(settings, MailServer(refuse_message=lambda address: "554 looks like spam"))
    assert (failed.reached_user, str(failed)) == (None, "the mail server refused every address, the last one with 554")


def test_users_refused_before_the_first_accepted_mail_are_tried_again(settings: Any) -> None:
    """Postfix answers so when it does not relay: 554 to each recipient, and 421 after twenty of them."""
    answers = {AYSE.email: "554 relay access denied", BOB.email: "421 too many errors"}
    failed = failure(settings, MailServer(refuse=answers.get))
    assert (failed.reached_user, str(failed)) == (None, "the mail server answered 421")


def test_users_refused_after_an_accepted_mail_are_not_tried_again(settings: Any) -> None:
    people = (AYSE, BOB, replace(BOB, user_id="0" * 23 + "5", email="cem@example.com"))
    answers = {BOB.email: "550 no such person", people[2].email: "450 wait"}
    failed = failure(settings, MailServer(refuse=answers.get), replace(BATCH, people=people))
    assert failed.reached_user == BOB.user_id


def test_a_batch_without_any_address_is_no_failure(settings: Any) -> None:
    batch = replace(BATCH, people=(replace(AYSE, email=""), replace(BOB, email="not an address")))
    assert mailed(settings, batch).recipients == []


@pytest.mark.parametrize("sender", WRONG_SENDERS)
def test_an_invalid_sender_is_a_failure_of_the_batch(
    sender: str, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.DEFAULT_FROM_EMAIL = sender
    server = MailServer(refuse_sender=lambda address: None if "@" in address else "553 who")
    assert failure(settings, server).reached_user is None
    assert "address of user" not in caplog.text


def test_the_sender_may_have_an_internationalized_domain(settings: Any) -> None:
    settings.DEFAULT_FROM_EMAIL = "Yayın <haber@yayın.example>"
    message = mailed(settings).messages[0]
    assert message["From"] == "Yayın <haber@xn--yayn-nza.example>"
    assert message["Message-ID"].endswith("@xn--yayn-nza.example>")


def test_a_connection_lost_midway_reports_the_last_reached_user(settings: Any) -> None:
    failed = failure(settings, MailServer(breaks_after=1))
    assert failed.reached_user == AYSE.user_id
    assert str(failed).startswith("the mail server did not answer")


def test_a_server_that_is_down_is_a_failure(settings: Any) -> None:
    settings.MAILERS = MailServer(port=free_port()).mailers
    with pytest.raises(Unreached, match="the mail server did not answer: Connection refused"):
        EmailChannel().send(BATCH)


@pytest.mark.django_db
def test_the_next_attempt_continues_after_the_last_reached_user(settings: Any, now: datetime) -> None:
    people = sorted((person(name) for name in ("ada", "bea", "cem")), key=lambda user: user.pk)
    delivery = delivery_to(*people, now=now)
    with serving_mail(MailServer(breaks_after=2)) as server:
        settings.MAILERS = server.mailers
        assert send(delivery).state == "pending"
        assert reloaded(delivery).reached_user == people[1].pk
        sent = send(delivery)
    assert (sent.state, sent.recipients) == ("delivered", 3)
    assert server.recipients == [user.email for user in people]


# --- unsubscribing --------------------------------------------------------------------------------


@pytest.fixture
def visitor() -> Client:
    return Client(enforce_csrf_checks=True)


def link_to(user: User) -> str:
    return unsubscribe_address(user.pk).removeprefix("http://localhost:8000")


def test_the_link_shows_a_form_and_its_button_unsubscribes(settings: Any, visitor: Client, db: None) -> None:
    reader = person("reader")
    batch = replace(BATCH, people=(replace(BOB, user_id=reader.pk),))
    link = LINK.search(text_of(mailed(settings, batch).messages[0]))
    assert link is not None

    asked = visitor.get(link[1])
    assert '<form method="post">' in asked.content.decode()
    assert not MutedChannel.objects.exists()

    done = visitor.post(link[1])
    assert "You will get no more emails about streams." in done.content.decode()
    assert services.channels_of(reader) == {"inbox": True, "email": False}
    entry = AuditEntry.objects.get(action="choose_channels")
    assert (entry.actor_id, entry.target_id, entry.after) == (reader.pk, reader.pk, {"email": False})


def test_a_one_click_post_unsubscribes(visitor: Client, viewer: User) -> None:
    """RFC 8058, section 3.2: a POST with this body, without cookies."""
    for _ in range(2):
        assert visitor.post(link_to(viewer), {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert MutedChannel.objects.values_list("user_id", "channel").get() == (viewer.pk, "email")
    assert AuditEntry.objects.filter(action="choose_channels").count() == 1


def test_an_unsubscribed_user_gets_no_mail(settings: Any, visitor: Client, now: datetime, db: None) -> None:
    reader, other = person("reader"), person("other")
    delivery = delivery_to(reader, other, now=now)
    visitor.post(link_to(reader))
    with serving_mail() as server:
        settings.MAILERS = server.mailers
        send(delivery)
    assert server.recipients == [other.email]


def test_the_page_is_in_the_language_of_the_browser(visitor: Client, viewer: User) -> None:
    page = visitor.get(link_to(viewer), headers={"Accept-Language": "tr"}).content.decode()
    with translation.override("tr"):
        assert gettext("Stop emails") in page
    assert '<html lang="tr">' in page


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_link_with_an_invalid_signature_does_nothing(
    method: str, visitor: Client, viewer: User, stranger: User
) -> None:
    signature = link_to(viewer).partition(":")[2]
    for token in (f"{stranger.pk}:{signature}", viewer.pk, "x"):
        assert getattr(visitor, method)(f"/unsubscribe/{token}").status_code == 404
    assert not MutedChannel.objects.exists()


def test_a_link_of_a_missing_user_does_nothing(visitor: Client, db: None) -> None:
    assert visitor.post(unsubscribe_address("0" * 24).removeprefix("http://localhost:8000")).status_code == 200
    assert not MutedChannel.objects.exists()


# --- settings -------------------------------------------------------------------------------------


def test_email_url_has_the_options_of_the_mail_server() -> None:
    made = mailer(env.email_url_config("smtp+tls://kumanda:s%40fe@mail.example.com:587"))
    assert made["BACKEND"] == "django.core.mail.backends.smtp.EmailBackend"
    assert made["OPTIONS"] == {
        "host": "mail.example.com",
        "port": 587,
        "username": "kumanda",
        "password": "s@fe",
        "use_tls": True,
        "use_ssl": False,
        "timeout": 10,
    }


def test_email_url_without_a_host_is_refused_at_start() -> None:
    with pytest.raises(ImproperlyConfigured, match="EMAIL_URL must name a host"):
        mailer(env.email_url_config("smtp://"))


@pytest.mark.parametrize(
    "sender",
    ["a@x.com", "Kumanda <a@x.com>", '"Kumanda, Ltd" <a@x.com>', "Yayın <haber@yayın.example>", "root@localhost"],
)
def test_a_sender_with_one_address_is_accepted(sender: str) -> None:
    check_email({"default": {}}, sender)


@pytest.mark.parametrize("sender", [*WRONG_SENDERS, "kumanda", "<@x.com>", "a@", "a@x.com, b@x.com", "ş@x.com", '"'])
def test_a_sender_that_is_not_one_address_is_refused_at_start(sender: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="DEFAULT_FROM_EMAIL must be one address"):
        check_email({"default": {}}, sender)


@pytest.mark.parametrize(("mailers", "sender"), [({}, "a@x.com"), ({"default": {}}, "")])
def test_email_needs_a_server_and_a_sender(mailers: dict[str, Any], sender: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="set EMAIL_URL and DEFAULT_FROM_EMAIL"):
        check_email(mailers, sender)
