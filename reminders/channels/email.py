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
from django.utils.encoding import punycode
from django.utils.translation import gettext

from common.fields import OBJECT_ID
from common.texts import isolated
from reminders.channels import Batch, Interrupted, Person, Unreached
from reminders.texts import message_of, title_of

logger = logging.getLogger(__name__)

FULL = 452  # RFC 5321: no room, which servers say of a full mailbox, though it begins with 4 as what passes soon
_signer = Signer(salt="unsubscribe")


class EmailChannel:
    def send(self, batch: Batch) -> None:
        """Pass over whoever has no address or whose mail the server refuses, and log these.

        Says after each person whom `batch` has reached, as far as that counts.

        Raises Unreached, also when the server refuses the mail to every address: it is us then whom it does not want.
        """
        reached: str | None = None  # whoever was refused counts only when somebody was not
        refusal: int | None = None
        mailer = mail.mailers.default
        try:
            mailer.open()
            for person in filter(_has_address, batch.people):
                refusal = _send(mailer, batch, person)
                if refusal is None or reached:
                    reached = person.user_id
                batch.reached(reached)
        except Interrupted:
            raise
        except OSError as error:  # as are all errors of smtplib
            raise Unreached(_reason(error), reached_user=reached) from error
        except Exception as error:  # whatever it is, nobody's mail is sent again for it
            logger.exception("a mail could not be written")
            raise Unreached(
                f"the mail could not be written: {type(error).__name__}: {error}", reached_user=reached
            ) from error
        finally:
            with suppress(OSError):
                mailer.close()
        if refusal is not None and reached is None:
            raise Unreached(f"the mail server refused every address, the last one with {refusal}")


def _has_address(person: Person) -> bool:
    if not person.email:
        return False
    try:
        header = policies.default.header_store_parse("Sender", person.email)[1]  # a header of one address
        is_address = not header.defects and bool(header.address.username and punycode(header.address.domain))
    except Exception:  # Python's parser breaks in many ways on what is no address
        is_address = False
    if not is_address:
        logger.warning("the address of user %s is not one that mail can be sent to", person.user_id)
    return is_address


def _send(mailer: Any, batch: Batch, person: Person) -> int | None:
    """The code with which the server refused the mail to this person for good; None when it took it."""
    try:
        mailer.send_messages([message(batch, person)])
    except smtplib.SMTPRecipientsRefused as refused:
        code = _code(refused)
        if code != FULL and code < 500:
            raise
    except smtplib.SMTPDataError as refused:
        code = refused.smtp_code
        if code < 500:
            raise
    else:
        return None
    logger.warning("the mail server refused the address of user %s with %s", person.user_id, code)
    return code


def _code(refused: smtplib.SMTPRecipientsRefused) -> int:
    ((code, _said),) = refused.recipients.values()  # a mail has one recipient
    return code


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
            "greeting": gettext("Hello %(name)s,") % {"name": isolated(person.name)}
            if person.name
            else gettext("Hello,"),
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
    return punycode(parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2])


def _reason(error: OSError) -> str:
    match error:
        case smtplib.SMTPResponseException():
            said = error.smtp_error
            text = said.decode(errors="replace") if isinstance(said, bytes) else said
            return f"the mail server answered {error.smtp_code} {text}"
        case smtplib.SMTPRecipientsRefused():
            return f"the mail server answered {_code(error)}"  # its text often repeats the person's address
        case _:
            return f"the mail server did not answer: {error.strerror or type(error).__name__}"


# --- unsubscribing --------------------------------------------------------------------------------


def unsubscribe_address(user_id: str) -> str:
    """Works without logging in: whoever has the mail may stop it.

    It has no date of its own, but ends when SECRET_KEY changes and SECRET_KEY_FALLBACKS does not keep the old one.
    """
    return settings.PUBLIC_URL.rstrip("/") + reverse("unsubscribe", args=[_signer.sign(user_id)])


def unsubscriber(token: str) -> str | None:
    """The id of the person whom an unsubscribe address was made for; None when it was not made here."""
    try:
        user_id = _signer.unsign(token)
    except BadSignature:
        return None
    return user_id if OBJECT_ID.fullmatch(user_id) else None
