"""*Ban people…*: a moderator pastes names, sees the outcome of each, and then bans those people as one batch.

The check and the ban call the same service, the check as a dry run. The ban is made for the ids that the check found.
So nobody is banned whom the check did not show, also when people were renamed in between, and what changed is shown.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, cast

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from bans.admin.access import refuse_unless_moderator
from bans.admin.actions import LIFTED
from bans.admin.batches import refusal_text, requested_text, warn_of_skipped
from bans.admin.outcomes import Outcome, Row, checked_rows, grouped, read_rows, rows_after, written_rows
from bans.admin.people_form import BanPeopleForm
from bans.admin.words import state_words
from bans.models import LiveStreamBan
from bans.services import BatchMissing, BulkOutcome, ban_many, is_open_for_bans, stream_of_batch, undo_batch
from common.admin import add_page, described, page_context, page_of, row_or_404
from common.error_pages import RefusedParameter
from common.fields import OBJECT_ID
from common.refusals import Refusal
from livestreams.models import LiveStream

ROUTE = "livestreams/livestream/<str:stream_id>/ban-people/"
CHECKED = "checked"  # hidden field with the rows of the check


def ban_people(request: HttpRequest, stream_id: str) -> HttpResponse:
    refuse_unless_moderator(request)
    stream = row_or_404(LiveStream.all_objects.select_related("creator"), stream_id)
    if request.method == "POST":
        step = _STEPS.get(request.POST.get("step", ""))
        if step is None:
            raise BadRequest
        return step(request, stream)
    if "batch" in request.GET:
        return _batch_page(request, stream, request.GET["batch"])
    form = BanPeopleForm(initial={"people": request.GET.get("target", "")})
    return _form_page(request, stream, form)


# --- steps ----------------------------------------------------------------------------------------


def _check(request: HttpRequest, stream: LiveStream) -> HttpResponse:
    """Show what a ban would do."""
    form = BanPeopleForm(request.POST)
    if form.is_valid():
        try:
            batch = ban_many(stream.pk, form.cleaned_data["people"], dry_run=True, **_values(request, form))
        except Refusal as refusal:
            form.add_error(None, refusal_text(refusal))
        else:
            return _form_page(request, stream, form, checked_rows(batch.results))
    return _form_page(request, stream, form)


def _ban(request: HttpRequest, stream: LiveStream) -> HttpResponse:
    """Ban the people whom the check found, and show the outcome of each."""
    form = BanPeopleForm(request.POST)
    rows = read_rows(request.POST.get(CHECKED, ""))
    wanted = [row.person_id for row in rows if row.outcome == Outcome.WOULD_BE_BANNED and row.person_id]
    if form.is_valid() and not wanted:
        form.add_error(None, _("None of these people would be banned."))
    if form.is_valid():
        try:
            batch = ban_many(stream.pk, wanted, **_values(request, form))
        except Refusal as refusal:
            form.add_error(None, refusal_text(refusal))
        else:
            return _done_page(request, stream, form, rows_after(rows, batch.results), batch.id)
    return _form_page(request, stream, form)


def _undo(request: HttpRequest, stream: LiveStream) -> HttpResponse:
    """Lift the bans of a batch that nobody changed since, and show the batch."""
    batch_id = _batch_of(stream, request.POST.get("batch", ""))
    try:
        results = undo_batch(batch_id, by=cast("User", request.user), now=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal_text(refusal))
        return HttpResponseRedirect(f"{request.path}?batch={batch_id}")
    counted = Counter(result.outcome for result in results)
    if requested := counted[BulkOutcome.REQUESTED]:
        messages.info(request, requested_text(requested))
    else:
        messages.success(request, str(LIFTED % {"count": counted[BulkOutcome.LIFTED]}))
    warn_of_skipped(request, results)
    return HttpResponseRedirect(f"{request.path}?batch={batch_id}")


_STEPS: dict[str, Callable[[HttpRequest, LiveStream], HttpResponse]] = {"check": _check, "ban": _ban, "undo": _undo}


def _values(request: HttpRequest, form: BanPeopleForm) -> dict[str, Any]:
    now = timezone.now()
    return {"by": request.user, "now": now, **form.values(now)}


def _batch_of(stream: LiveStream, batch_id: str) -> str:
    """`batch_id`, if it is a batch of bans on this stream. Raises Http404 otherwise."""
    if not OBJECT_ID.fullmatch(batch_id):
        raise RefusedParameter(_("%(name)s: this is not an id") % {"name": "batch"})
    try:
        if stream_of_batch(batch_id) == stream.pk:
            return batch_id
    except BatchMissing as missing:
        raise Http404 from missing
    raise Http404


# --- pages ----------------------------------------------------------------------------------------


def _form_page(request: HttpRequest, stream: LiveStream, form: BanPeopleForm, rows: Sequence[Row] = ()) -> HttpResponse:
    """The form and, after a check without errors, the outcomes and the button that bans."""
    if rows or form.is_bound:
        form.fields["people"].widget.attrs.pop("autofocus", None)  # it would scroll past the outcome
    wanted = sum(row.outcome == Outcome.WOULD_BE_BANNED for row in rows)
    ban_text = ngettext("Ban %(count)d person", "Ban %(count)d people", wanted) % {"count": wanted} if wanted else ""
    sent = [(name, form.data[name]) for name in form.fields if name in form.data] if rows else []
    context = {
        "form": form,
        "is_open": is_open_for_bans(stream),
        "groups": grouped(rows),
        "hidden": [*sent, (CHECKED, written_rows(rows))],
        "ban_text": ban_text,
        "texts": {
            "check": _("Check again") if rows else _("Check"),
            "outcome": _("Outcome of the check. Nobody has been banned yet.") if rows else "",
            "closed": _("Nobody can be banned from this stream any more, because it is over or deleted."),
            "help": _("The check bans nobody. It shows the outcome of each name."),
        },
    }
    return _page(request, stream, context)


def _done_page(
    request: HttpRequest, stream: LiveStream, form: BanPeopleForm, rows: Sequence[Row], batch_id: str | None
) -> HttpResponse:
    made = sum(row.outcome == Outcome.BANNED for row in rows)
    changed = sum(row.before is not None for row in rows)
    text = ngettext("%(count)d person was banned.", "%(count)d people were banned.", made) % {"count": made}
    if requested := sum(row.outcome == Outcome.REQUESTED for row in rows):
        text = requested_text(requested)
    warning = ngettext(
        "%(count)d outcome has changed since the check.", "%(count)d outcomes have changed since the check.", changed
    )
    context = {
        "groups": grouped(rows),
        "batch_id": batch_id,
        "is_undoable": batch_id is not None,
        "texts": {
            "outcome": text,
            "changed": warning % {"count": changed} if changed else "",
            "undo": _("Undo the batch"),
            "batch": _("The bans of this batch"),
        },
    }
    return _page(request, stream, context)


def _batch_page(request: HttpRequest, stream: LiveStream, batch_id: str) -> HttpResponse:
    """The bans of one batch, as they are now."""
    now = timezone.now()
    batch_id = _batch_of(stream, batch_id)
    bans = LiveStreamBan.all_objects.filter(batch_id=batch_id).select_related("target").order_by("target__username_key")
    shown = list(bans)
    holding = sum(ban.holds(now) for ban in shown)
    text = ngettext(
        "%(count)d ban of this batch is in force.", "%(count)d bans of this batch are in force.", holding
    ) % {"count": holding}
    context = {
        "bans": [(ban, page_of(ban), ban.target.get_full_name(), state_words(ban, now)) for ban in shown],
        "batch_id": batch_id,
        "is_undoable": holding > 0,
        "texts": {"outcome": text, "undo": _("Undo the batch")},
    }
    return _page(request, stream, context)


def _page(request: HttpRequest, stream: LiveStream, context: dict[str, Any]) -> HttpResponse:
    title = _("Ban people")
    shared = {"stream": stream, "description": described(stream), "back": page_of(stream), "texts": {}}
    texts = {"back": _("Back to the stream"), "more": _("Ban more people"), **context.pop("texts")}
    return TemplateResponse(
        request, "admin/ban_people.html", {**page_context(request, title), **shared, **context, "texts": texts}
    )


add_page(ROUTE, ban_people, name="ban_people")
