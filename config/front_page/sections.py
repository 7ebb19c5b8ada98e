"""What the front page shows, from the values of `reading`: the variables of one template for each section."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import User
from bans import overview as bans
from bans.models import Appeal, LiveStreamBan
from common.admin.links import page_with_id
from common.fields import id_from_json
from common.texts import isolated
from common.times import how_long_ago
from config.front_page.chart import chart
from config.front_page.reading import hour_of, read
from config.front_page.words import Amount, age, among, in_seconds, minutes_since, moment, up_to
from livestreams.models import LiveStream
from reminders import overview as reminders

LARGEST_LAG = timedelta(seconds=30)
QUEUES = ("appeals", "live", "ending", "rest")

Review = LiveStreamBan.Review
ActionType = LiveStreamBan.ActionType

type Values = dict[str, Any]


class Section(NamedTuple):
    """One region of the page.

    `content` returns the variables of its template; none while there is nothing to show; None if the reader may not see
    the section.
    """

    name: str
    title: str | Promise
    content: Callable[[Values, User, datetime], dict[str, Any] | None]
    column: int = 1
    """Wide screens show 0 over the whole width, and 1 and 2 beside each other."""


def sections(user: User, now: datetime) -> list[tuple[Section, str]]:
    """The sections that the user may see, in their order, each with its HTML. One statement."""
    values = read(user, now)
    shown = []
    for section in SECTIONS:
        content = section.content(values, user, now)
        if content is not None:
            html = render_to_string(f"admin/front_page/{section.name}.html", content) if content else ""
            shown.append((section, html))
    return shown


# --- what waits -----------------------------------------------------------------------------------


class Queue(NamedTuple):
    name: str
    title: str
    amount: Amount
    note: str
    icon: str
    address: str


def _waiting(values: Values, user: User, now: datetime) -> dict[str, Any] | None:
    if "waiting" not in values:
        return None
    found = values["waiting"]
    amounts = {name: up_to(bans.MOST_COUNTED, found[name]) for name in QUEUES if name != "rest"}
    amounts["rest"] = among(bans.MOST_WALKED, found["rest"], bans.MOST_COUNTED)
    oldest = moment(found["oldest_appeal"])
    shown = {
        "appeals": (_("Appeals"), "forum"),
        "live": (_("On live streams"), "sensors"),
        "ending": (_("Ending within the hour"), "hourglass_bottom"),
        "rest": (_("The rest"), "inbox"),
    }
    notes = {
        "appeals": _("oldest: %(age)s") % {"age": how_long_ago(oldest, now=now)} if oldest else "",
        "live": _("unreviewed"),
        "ending": _("unreviewed"),
        "rest": _("unreviewed"),
    }
    queues = [
        Queue(name, title, amounts[name], notes[name] if amounts[name] else _("nothing waits"), icon, queue_url(name))
        for name, (title, icon) in shown.items()
    ]
    return {"queues": queues, "may_decide": user.has_perm("bans.moderate")}


def queue_url(queue: str) -> str:
    return f"{reverse('admin:review')}?queue={queue}"


# --- live now -------------------------------------------------------------------------------------


class Live(NamedTuple):
    id: str
    address: str
    title: str
    host: str
    minutes: SafeString
    viewers: str
    bans: Amount | None


def _live(values: Values, user: User, now: datetime) -> dict[str, Any] | None:
    found = values.get("live", values.get("live_streams"))
    if found is None:
        return None
    rows = [_stream(row, now) for row in found["rows"]]
    amount = up_to(bans.MOST_COUNTED, found["count"])
    return {
        "streams": rows,
        "amount": amount,
        "has_bans": "live" in values,
        "all": f"{reverse('admin:livestreams_livestream_changelist')}?status__exact=active",
        "texts": {
            "stream": _("Stream"),
            "host": _("Host"),
            "minutes": _("Minutes"),
            "viewers": _("Viewers"),
            "bans": _("Bans in 10 min"),
            "empty": _("No stream is live."),
            "all": _("All live streams"),
        },
    }


def _stream(row: dict[str, Any], now: datetime) -> Live:
    stream_id = id_from_json(row["id"])
    return Live(
        id=stream_id,
        address=page_with_id(LiveStream, stream_id),
        title=row["title"],
        host=row["host"],
        minutes=minutes_since(row["started_at"], now),
        viewers=str(Amount(row["viewers"])),
        bans=up_to(bans.MOST_COUNTED, row["bans"]) if "bans" in row else None,
    )


# --- raids ----------------------------------------------------------------------------------------


class Raid(NamedTuple):
    """A batch of bans that one call made, of which `waiting` are unreviewed."""

    id: str
    address: str
    title: str
    reason: str
    note: str
    made: SafeString


def _raids(values: Values, user: User, now: datetime) -> dict[str, Any] | None:
    if "raids" not in values:
        return None
    if not values["raids"]:
        return {}
    rows = [_raid(row, now) for row in values["raids"][: bans.RAIDS_SHOWN]]
    texts = {
        "decide": _("Decide them all"),
        "look": _("Look at it"),
        "more": _("Older ones follow when these are decided."),
    }
    has_more = len(values["raids"]) > bans.RAIDS_SHOWN
    return {"raids": rows, "may_decide": user.has_perm("bans.moderate"), "has_more": has_more, "texts": texts}


def _raid(row: dict[str, Any], now: datetime) -> Raid:
    batch_id = id_from_json(row["id"])
    waiting, people = (up_to(bans.MOST_COUNTED, row[name]) for name in ("waiting", "people"))
    title = ngettext("%(count)s person on %(stream)s", "%(count)s people on %(stream)s", people.number)
    note = _("%(waiting)s unreviewed, banned by %(by)s")
    return Raid(
        id=batch_id,
        address=reverse("admin:raid", args=[batch_id]),
        title=title % {"count": people, "stream": isolated(row["stream"])},
        reason=row["reason"] or "",
        note=note % {"waiting": waiting, "by": row["by"]},
        made=age(row["made_at"], now),
    )


# --- bans by hour ---------------------------------------------------------------------------------


def _by_hour(values: Values, user: User, now: datetime) -> dict[str, Any] | None:
    if "blocks" not in values:
        return None
    drawn = chart(values["blocks"], values["silences"], hour_of(now))
    names = {"blocks": ActionType.BLOCK.label, "silences": ActionType.CHAT_ONLY.label}
    summary = _("%(blocks)s bans from watching and %(silences)s bans from writing in the last 24 hours")
    texts = {"hour": _("Hour"), "table": _("As a table")}
    return drawn | {"names": names, "summary": summary % drawn, "texts": texts}


# --- my last decisions ----------------------------------------------------------------------------


class Decision(NamedTuple):
    id: str
    address: str
    person: str
    stream: str
    verdict: str
    tone: str
    at: SafeString
    obstacle: str
    """Why there is no undo; empty if there is."""


TONES = {Review.UPHELD: "danger", Review.LIFTED: "success", Review.CHANGED: "warning"}


def _decisions(values: Values, user: User, now: datetime) -> dict[str, Any] | None:
    if "decisions" not in values:
        return None
    texts = {"undo": _("Undo"), "empty": _("You have decided nothing yet.")}
    return {"decisions": [_decision(row, now) for row in values["decisions"]], "texts": texts}


def _decision(row: dict[str, Any], now: datetime) -> Decision:
    ban_id = id_from_json(row["id"])
    return Decision(
        id=ban_id,
        address=page_with_id(LiveStreamBan, ban_id),
        person=row["person"],
        stream=row["stream"],
        verdict=str(Review(row["review"]).label),
        tone=TONES[Review(row["review"])],
        at=age(row["reviewed_at"], now),
        obstacle=_obstacle(row),
    )


def _obstacle(row: dict[str, Any]) -> str:
    """A guess from the row alone, which is right about nearly all: the service decides by the audit trail."""
    reviewed, changed = (datetime.fromisoformat(row[name]) for name in ("reviewed_at", "updated_at"))
    appealed = moment(row["appealed_at"])
    if appealed is not None and appealed > reviewed:
        return _("appealed since") if row["appeal"] == Appeal.State.PENDING else _("changed since")
    return _("changed since") if changed > reviewed else ""


# --- operations -----------------------------------------------------------------------------------


class Fact(NamedTuple):
    title: str
    text: str
    is_bad: bool
    address: str


def _operations(values: Values, user: User, now: datetime) -> dict[str, Any] | None:
    facts = []
    if "reminders_due" in values:
        due = among(reminders.MOST_WALKED, values["reminders_due"], reminders.MOST_COUNTED)
        address = reverse("admin:reminders_reminder_changelist")
        facts.append(Fact(_("Reminders due within the hour"), str(due), is_bad=False, address=address))
    if "dispatch" in values:
        facts.append(_lag(values["dispatch"], now))
    if "deliveries" in values:
        for name, title in (("failed", _("Deliveries given up")), ("stopped", _("Deliveries stopped"))):
            amount = up_to(reminders.MOST_COUNTED, values["deliveries"][name])
            address = f"{reverse('admin:reminders_delivery_changelist')}?state__exact={name}"
            facts.append(Fact(title, str(amount), bool(amount), address))
    if "failed_jobs" in values:
        failed = among(reminders.MOST_WALKED, values["failed_jobs"], reminders.MOST_COUNTED)
        facts.append(Fact(_("Failed jobs"), str(failed), failed.number > 0, ""))
    return {"facts": facts} if facts else None


def _lag(found: dict[str, str | None], now: datetime) -> Fact:
    """How far dispatch is behind, as the doctor computes it; without a worker, that there is none."""
    title, address = _("Lag of dispatch"), reverse("admin:reminders_round_changelist")
    heartbeat = moment(found["heartbeat"])
    if heartbeat is None or now - heartbeat > settings.WORKER_LOST_AFTER * timedelta(seconds=1):
        return Fact(title, _("no worker runs"), is_bad=True, address=address)
    moments = [moment(found[name]) for name in ("found_until", "open", "waiting")]
    lag = now - min((each for each in moments if each is not None), default=now)
    return Fact(title, in_seconds(lag), lag > LARGEST_LAG, address)


SECTIONS = (
    Section("waiting", gettext_lazy("Waiting for a decision"), _waiting, column=0),
    Section("raids", gettext_lazy("Raids"), _raids),
    Section("live", gettext_lazy("Live now"), _live),
    Section("operations", gettext_lazy("Operations"), _operations),
    Section("by_hour", gettext_lazy("Bans of the last 24 hours"), _by_hour, column=2),
    Section("decisions", gettext_lazy("My last decisions"), _decisions, column=2),
)
