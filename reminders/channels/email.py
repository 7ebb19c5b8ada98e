"""Email: one message to each user, in their language, over one SMTP connection for each batch."""

import logging
import smtplib
from contextlib import suppress
from email import policy as policies
from email.headerregistry import BaseHeader, HeaderRegistry, UnstructuredHeader
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core import mail
from django.core.signing import BadSignature
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.encoding import punycode
from django.utils.translation import gettext

from common.fields import OBJECT_ID
from common.secret_keys.lasting import LastingSigner
from common.texts import isolated
from reminders.channels import Batch, Interrupted, Person, Unreached
from reminders.texts import message_of, title_of

logger = logging.getLogger(__name__)

FULL = 452  # RFC 5321: insufficient storage. Servers use it for a full mailbox, which is not transient like other 4yz
signer = LastingSigner("unsubscribe")


class EmailChannel:
    def send(self, batch: Batch) -> None:
        """Send to one user after another; skip and log those without a usable address and those the server refuses.

        Calls `batch.reached` after each user.

        Raises Unreached, also when the server refuses every address: then it refuses this sender, not a mailbox.
        """
        reached: str | None = None  # refused users count only once the server has accepted another one
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
        except Exception as error:  # a bug is reported with `reached_user` too, so that no mail is sent twice
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
    except Exception:  # Python's parser raises many kinds of errors for invalid addresses
        is_address = False
    if not is_address:
        logger.warning("the address of user %s is not one that mail can be sent to", person.user_id)
    return is_address


def _send(mailer: Any, batch: Batch, person: Person) -> int | None:
    """The SMTP code of a permanent refusal of this recipient; None when the server accepted the mail."""
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
    """Keeps long addresses on one line: Python would fold or encode them, which mail programs cannot read."""

    headers = HeaderRegistry()
    headers.map_to_type("list-unsubscribe", _OneLine)
    headers.map_to_type("message-id", _OneLine)

    def message(self, *, policy: Any = policies.default) -> Any:
        return super().message(policy=policy.clone(header_factory=self.headers))


def message(batch: Batch, person: Person) -> mail.EmailMultiAlternatives:
    """The notification to one user, in their language."""
    unsubscribe = unsubscribe_address(person.user_id)
    # A line break in the subject would allow header injection.
    title = " ".join(batch.title.split())
    with translation.override(person.language):
        text = message_of(batch.kind, title, batch.planned_start_at, batch.notified_at)
        texts = {
            "language": person.language,
            "heading": title_of(batch.kind),
            "greeting": gettext("Hello %(name)s,") % {"name": isolated(person.name)}
            if person.name
            else gettext("Hello,"),
            "message": text,
            "planned_start": _planned_start(batch),
            "why": gettext("You get this email because you set a reminder on this stream."),
            "unsubscribe": gettext("No more emails of this kind"),
            "address": unsubscribe,
        }
        built = _Notice(
            text,
            render_to_string("reminders/email/notice.txt", texts),
            to=[person.email],
            headers={
                # The same in each attempt, so that mail servers and mail programs can drop repeats.
                "Message-ID": f"<{batch.key}.{person.user_id}@{_domain()}>",
                "Auto-Submitted": "auto-generated",  # RFC 3834: no automatic replies
                "List-Unsubscribe": f"<{unsubscribe}>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",  # RFC 8058
            },
        )
        built.attach_alternative(render_to_string("reminders/email/notice.html", texts), "text/html")
    return built


def _planned_start(batch: Batch) -> str:
    """Absolute, so that it is right in a mail that arrives late; in UTC, as the time zone of a user is not known."""
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
    """The unsubscribe link of a user. It needs no login.

    It does not expire, also after `rotate_keys` has guided through a change of SECRET_KEY.
    """
    return settings.PUBLIC_URL.rstrip("/") + reverse("unsubscribe", args=[signer.sign(user_id)])


def unsubscriber(token: str) -> str | None:
    """The id of the user of an unsubscribe token; None for an invalid signature."""
    try:
        user_id = signer.unsign(token)
    except BadSignature:
        return None
    return user_id if OBJECT_ID.fullmatch(user_id) else None
