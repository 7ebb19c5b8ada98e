"""Notices about verdicts in the inbox of the banned person. The hooks `VERDICT_NOTICES` and `VERDICT_WITHDRAWAL`.

They are written in the transaction of the verdict, and have no audit rows of their own: that of the verdict names the
ban and all that the notice says.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bans.models import LiveStreamBan
from bans.services import VerdictNews
from reminders.models import Notification, VerdictKind


def notify_of_verdicts(news: Sequence[VerdictNews], *, now: datetime) -> None:
    """Insert the notices of all `news` in one statement."""
    Notification.objects.bulk_create([_notice(one, now) for one in news])


def withdraw_verdict_notice(ban: LiveStreamBan, *, reviewed_at: datetime, now: datetime) -> None:
    """Remove the notice of a verdict that was taken back, or report that if the person has read it."""
    notices = Notification.objects.for_update().filter(
        user=ban.target_id,
        stream=ban.stream_id,
        kind__in=(VerdictKind.APPEAL_DECIDED, VerdictKind.BAN_REVIEWED),
        created_at=reviewed_at,
    )
    notice = next((one for one in notices if one.details and one.details["ban_id"] == ban.pk), None)
    if notice is None:
        return
    if notice.read_at is None:
        # With the time, which names the partition.
        Notification.objects.filter(pk=notice.pk, created_at=notice.created_at).delete()
        return
    details = {"ban_id": ban.pk, "appeal": notice.details and notice.details["appeal"]}
    _new(ban, VerdictKind.VERDICT_WITHDRAWN, now, details).save(force_insert=True)


def _notice(news: VerdictNews, now: datetime) -> Notification:
    ban = news.ban
    kind = VerdictKind.BAN_REVIEWED if news.appeal_state is None else VerdictKind.APPEAL_DECIDED
    details = {
        "ban_id": ban.pk,
        "verdict": news.verdict,
        "appeal": news.appeal_state,
        "message": news.message,
    }
    return _new(ban, kind, now, details)


def _new(ban: LiveStreamBan, kind: VerdictKind, now: datetime, details: dict[str, Any]) -> Notification:
    return Notification(
        user_id=ban.target_id,
        stream_id=ban.stream_id,
        kind=kind,
        # The unique constraint is for rounds. The time distinguishes verdicts; it is no start and not shown.
        planned_start_at=now,
        created_at=now,
        details=details,
    )
