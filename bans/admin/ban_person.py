"""*Ban from a stream…* on the page of a person: a form, with what the person did before above it."""

from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _

from accounts.models import User
from bans.admin.access import refuse_unless_moderator
from bans.admin.batches import refusal_text
from bans.admin.person_form import PersonBanForm, streams_to_choose
from bans.models import LiveStreamBan
from bans.services import AlreadyBanned, StreamOver, ban_user
from common.admin import CardPart, add_card_part, add_page, card_of, page_context, page_of, row_or_404
from common.refusals import Invalid, Refusal
from common.texts import isolated
from livestreams.services import StreamMissing

ROUTE = "accounts/user/<str:person_id>/ban/"
FIND, BAN = "find", "ban"  # buttons of the form


def ban_person(request: HttpRequest, person_id: str) -> HttpResponse:
    refuse_unless_moderator(request)
    person = row_or_404(User.objects.select_related("profile_photo"), person_id)
    sent = request.POST if request.method == "POST" else None
    text, chosen = (sent or request.GET).get("find", "").strip(), (sent or request.GET).get("stream", "")
    streams, has_more = streams_to_choose(request, text, chosen)
    if sent is None or sent.get("step") == FIND:
        # What was filled in stays; it is not checked before the ban is asked for.
        form = PersonBanForm(initial=(sent or request.GET).dict(), streams=streams)
    else:
        form = PersonBanForm(sent, streams=streams)
        if form.is_valid() and (ban := _made(request, person, form)) is not None:
            _say(request, ban)
            return HttpResponseRedirect(page_of(person))
    return _page(request, person, form, is_searched=bool(text), has_more=has_more)


def _made(request: HttpRequest, person: User, form: PersonBanForm) -> LiveStreamBan | None:
    """The ban; None after the service has refused it, which the form then shows where it helps."""
    now = timezone.now()
    try:
        return ban_user(
            person.pk, form.cleaned_data["stream"], by=cast("User", request.user), now=now, **form.values(now)
        )
    except AlreadyBanned as refusal:
        address = reverse("admin:bans_livestreamban_change", args=[refusal.ban_id])
        link = format_html('<a class="underline" href="{}">{}</a>', address, _("Open that ban"))
        form.add_error("stream", format_html("{} {}", str(refusal.message), link))
    except Refusal as refusal:
        form.add_error(_field_of(refusal), refusal_text(refusal))
    return None


def _field_of(refusal: Refusal) -> str | None:
    """The field with which the moderator can avoid this refusal; None for those that are about the person."""
    if isinstance(refusal, Invalid):
        return "ends_at" if refusal.field == "expiresAt" else None
    is_about_stream = isinstance(refusal, (StreamMissing, StreamOver))
    return "stream" if is_about_stream or refusal.code in {"cannot_ban_creator", "cannot_ban_guest"} else None


def _say(request: HttpRequest, ban: LiveStreamBan) -> None:
    names = {"person": isolated(ban.target.username), "stream": isolated(ban.stream.title)}
    messages.success(request, _("%(person)s was banned from “%(stream)s”.") % names)


def _page(
    request: HttpRequest, person: User, form: PersonBanForm, *, is_searched: bool, has_more: bool
) -> HttpResponse:
    card = card_of(request, person, now=timezone.now())
    if card is not None:
        card["buttons"] = []
    nothing = _("No stream that is not over has these words.") if is_searched else _("There is no stream to ban from.")
    context = {
        "card": card,
        "form": form,
        "media": form.media,
        "back": page_of(person) if request.user.has_perm("accounts.view_user") else "",
        "texts": {
            "find": _("Find"),
            "more": _("There are more streams: find the right one by words.") if has_more else "",
            "nothing": nothing,
            "ban": _("Ban"),
            "back": _("Back"),
        },
    }
    return TemplateResponse(
        request, "admin/ban_person.html", {**page_context(request, _("Ban from a stream")), **context}
    )


def _button(request: HttpRequest, person: User, now: Any) -> CardPart:
    return CardPart(buttons=[(reverse("admin:ban_person", args=[person.pk]), _("Ban from a stream…"))])


add_page(ROUTE, ban_person, name="ban_person")
add_card_part(User, _button, permission="bans.moderate")
