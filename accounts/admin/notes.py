"""Notes about a person: the tab with them, and the forms that add and delete them."""

from datetime import datetime
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts import reads, services
from accounts.models import LONGEST_NOTE, PersonNote, User
from common.admin import ActionAdmin, CardPart, Fact, Panel, add_card_part, add_page, add_panel, page_of, row_or_404
from common.admin.counting import COUNTED_BESIDE, written_count
from common.admin.paging import page_of_rows
from common.refusals import Forbidden, Missing
from common.text_fields import ManyLinesFormField

TAB = "notes"


class NoteForm(forms.Form):
    text = ManyLinesFormField(
        label=_("New note"),
        max_length=LONGEST_NOTE,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("For other staff. The person never sees it."),
    )


def add_note(request: HttpRequest, person_id: str) -> HttpResponse:
    """A page with nothing but the form. The same form in the tab with the notes sends to this address, too."""
    if not request.user.has_perms(["accounts.view_user", "accounts.add_personnote"]):
        raise PermissionDenied
    person = row_or_404(User.objects.all(), person_id)
    if _is_oneself(request, person):
        raise PermissionDenied
    form = NoteForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        services.add_note(person.pk, form.cleaned_data["text"], by=cast("User", request.user), now=timezone.now())
        messages.success(request, _("The note was added."))
        return HttpResponseRedirect(_back(request, person))
    people = cast("ActionAdmin", admin.site.get_model_admin(User))
    back = _back(request, person)
    return people.ask(request, [person], form, label=_("Add note"), back=back, hidden=[("next", back)])


@require_POST
def delete_note(request: HttpRequest, person_id: str, note_id: str) -> HttpResponse:
    if not request.user.has_perms(["accounts.view_user", "accounts.view_personnote"]):
        raise PermissionDenied
    person = row_or_404(User.objects.all(), person_id)
    note = row_or_404(PersonNote.all_objects.filter(person=person), note_id)
    try:
        services.delete_note(note.pk, by=cast("User", request.user), now=timezone.now())
    except Forbidden as refusal:
        raise PermissionDenied from refusal
    except Missing as refusal:  # somebody was faster
        messages.warning(request, "; ".join(refusal.reasons))
    else:
        messages.success(request, _("The note was deleted."))
    return HttpResponseRedirect(_back(request, person))


def _back(request: HttpRequest, person: User) -> str:
    """Where to go after the form: to the address of the admin that it sent, else to the notes of the person."""
    wanted = request.POST.get("next", "")
    is_ours = wanted.startswith(reverse("admin:index")) and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if is_ours else f"{page_of(person)}?tab={TAB}"


def notes_of(request: HttpRequest, person: User) -> dict[str, Any]:
    if _is_oneself(request, person):
        return {"notes": reads.notes_of(person.pk, by=person, most=0)}
    notes = PersonNote.objects.filter(person=person).select_related("author")
    page = page_of_rows(request, notes, tab=TAB)
    may_add = request.user.has_perm("accounts.add_personnote")
    return {
        "notes": reads.notes_shown(page.rows, by=cast("User", request.user)),
        "pages": page.links,
        "form": NoteForm() if may_add else None,
        "add_address": reverse("admin:add_note", args=[person.pk]),
        "add_text": _("Add note"),
    }


def _is_oneself(request: HttpRequest, person: User) -> bool:
    """Nobody sees notes about themselves."""
    return bool(request.user.pk == person.pk)


def _counted(request: HttpRequest, person: User, now: datetime) -> CardPart:
    """One statement, which counts at most `COUNTED_BESIDE` notes."""
    if _is_oneself(request, person):
        return CardPart()
    count = PersonNote.objects.filter(person=person).order_by()[:COUNTED_BESIDE].count()
    address = f"{page_of(person)}?tab={TAB}#tabs" if count else ""
    return CardPart(facts=[Fact(gettext("notes"), written_count(count), address)])


def _button(request: HttpRequest, person: User, now: datetime) -> CardPart:
    if _is_oneself(request, person):
        return CardPart()
    return CardPart(buttons=[(reverse("admin:add_note", args=[person.pk]), gettext("Add note"))])


add_card_part(User, _counted, permission="accounts.view_personnote")
add_card_part(User, _button, permission="accounts.add_personnote")
add_page("accounts/user/<str:person_id>/notes/", add_note, name="add_note")
add_page("accounts/user/<str:person_id>/notes/<str:note_id>/delete/", delete_note, name="delete_note")
add_panel(
    User,
    Panel(TAB, _("Notes"), "accounts.view_personnote", notes_of, template="admin/people/notes_tab.html", place=70),
)
