"""Email: one message for each person, in their language, over one connection for the batch."""

import logging
import smtplib
from contextlib import suppress
from email import policy as policies
from email.headerregistry import BaseHeader, HeaderRegistry, UnstructuredHeader
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core import mail
from django.core.signing import BadSignature, Signer
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext

from common.fields import OBJECT_ID
from reminders.channels import Batch, Person, Unreached
from reminders.texts import message_of, title_of

logger = logging.getLogger(__name__)

CLOSING = 421  # RFC 5321: the server is about to hang up, whoever the mail is for
_signer = Signer(salt="unsubscribe")


class EmailChannel:
    def send(self, batch: Batch) -> None:
        """Pass over whoever has no address or whose address the server refuses, and log these. Raises Unreached."""
        reached: str | None = None
        mailer = mail.mailers.default
        try:
            mailer.open()
            for person in filter(lambda person: person.email, batch.people):
                _send(mailer, batch, person)
                reached = person.user_id
        except OSError as error:  # as are all errors of smtplib
            raise Unreached(_reason(error), reached_user=reached) from error
        finally:
            with suppress(OSError):
                mailer.close()


def _send(mailer: Any, batch: Batch, person: Person) -> None:
    try:
        mailer.send_messages([message(batch, person)])
    except smtplib.SMTPRecipientsRefused as refused:
        code, _said = next(iter(refused.recipients.values()))
        if code == CLOSING:
            raise
        logger.warning("the mail server refused the address of user %s with %s", person.user_id, code)
    except ValueError:
        logger.warning("the address of user %s is not one that mail can be sent to", person.user_id)


class _OneLine(UnstructuredHeader, BaseHeader):
    def fold(self, *, policy: Any) -> str:
        return f"{self.name}: {self}{policy.linesep}"


class _Notice(mail.EmailMultiAlternatives):
    """Python would fold or even encode an address that is longer than a line, and no mail program would find it."""

    headers = HeaderRegistry()
    headers.map_to_type("list-unsubscribe", _OneLine)
    headers.map_to_type("message-id", _OneLine)

    def message(self, *, policy: Any = policies.default) -> Any:
        return super().message(policy=policy.clone(header_factory=self.headers))


def message(batch: Batch, person: Person) -> mail.EmailMultiAlternatives:
    """The notice to one person, in their language."""
    unsubscribe = unsubscribe_address(person.user_id)
    # One line, whatever a title holds: a second one would be a header of its own.
    title = " ".join(batch.title.split())
    with translation.override(person.language):
        told = message_of(batch.kind, title, batch.planned_start_at, batch.told_at)
        texts = {
            "language": person.language,
            "heading": title_of(batch.kind),
            "greeting": gettext("Hello %(name)s,") % {"name": person.name} if person.name else gettext("Hello,"),
            "message": told,
            "planned_start": _planned_start(batch),
            "why": gettext("You get this email because you asked to be told of this stream."),
            "unsubscribe": gettext("No more emails of this kind"),
            "address": unsubscribe,
        }
        built = _Notice(
            told,
            render_to_string("reminders/email/notice.txt", texts),
            to=[person.email],
            headers={
                # The same for each repeat, so that mail servers and readers can drop it.
                "Message-ID": f"<{batch.key}.{person.user_id}@{_domain()}>",
                "Auto-Submitted": "auto-generated",  # RFC 3834: no answers of absent people
                "List-Unsubscribe": f"<{unsubscribe}>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",  # RFC 8058
            },
        )
        built.attach_alternative(render_to_string("reminders/email/notice.html", texts), "text/html")
    return built


def _planned_start(batch: Batch) -> str:
    """The moment itself, which stays right in a mail that comes late; people's time zones are not known here."""
    if batch.planned_start_at is None:
        return ""
    return gettext("Planned start: %(time)s UTC") % {"time": f"{batch.planned_start_at:%Y-%m-%d %H:%M}"}


def _domain() -> str:
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]


def _reason(error: OSError) -> str:
    match error:
        case smtplib.SMTPResponseException():
            said = error.smtp_error
            text = said.decode(errors="replace") if isinstance(said, bytes) else said
            return f"the mail server answered {error.smtp_code} {text}"
        case smtplib.SMTPRecipientsRefused():
            return f"the mail server answered {CLOSING}"
        case _:
            return f"the mail server did not answer: {error.strerror or type(error).__name__}"


# --- unsubscribing --------------------------------------------------------------------------------


def unsubscribe_address(user_id: str) -> str:
    """Works for ever and without logging in: whoever has the mail may stop it."""
    return settings.PUBLIC_URL.rstrip("/") + reverse("unsubscribe", args=[_signer.sign(user_id)])


def unsubscriber(token: str) -> str | None:
    """The id of the person whom an unsubscribe address was made for; None when it was not made here."""
    try:
        user_id = _signer.unsign(token)
    except BadSignature:
        return None
    return user_id if OBJECT_ID.fullmatch(user_id) else None
