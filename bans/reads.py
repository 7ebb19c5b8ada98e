"""Bans, appeals, reports and the results of bulk calls, as the API writes them."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import models
from django.db.models import Exists, F, Subquery

from accounts.models import User, holders_of
from bans.models import Appeal, LiveStreamBan, Report
from bans.permissions import NotConcerned
from bans.serializers import (
    AppealedBanSerializer,
    AppealSerializer,
    BanSerializer,
    MyBanSerializer,
    MyReportSerializer,
    ReportSerializer,
)
from bans.services import (
    BanMissing,
    BanResult,
    Batch,
    BatchMissing,
    BulkOutcome,
    creator_of_stream,
    stream_of_batch,
)
from common.orders import Order
from common.pagination import Listing
from common.queries import ID, TEXT, TIME, Param, Question
from livestreams.models import LiveStream
from livestreams.services import StreamMissing

# --- one ban --------------------------------------------------------------------------------------


class BanOfStream(NamedTuple):
    """A ban as the API writes it, the creator of its stream, and the row of the ban."""

    ban: dict[str, Any]
    creator_id: str
    row: Sequence[Any]

    @property
    def stream_id(self) -> str:
        stream_id: str = self.ban["liveStreamId"]
        return stream_id

    def changed(self, ban: LiveStreamBan) -> dict[str, Any]:
        """The ban as the API writes it, after it was changed to `ban`."""
        return BanSerializer.to_wire(BanSerializer.changed_row(self.row, ban))


def _ban() -> models.QuerySet[Any]:
    bans = LiveStreamBan.all_objects.filter(pk=Param("id", ID))
    return bans.values_list("stream__creator_id", *BanSerializer.columns())


_BAN = Question(lambda: _ban().filter(stream__deleted_at__isnull=True))
_ANY_BAN = Question(_ban)


def ban_of_stream(ban_id: str) -> BanOfStream:
    """The ban, also a lifted one. Raises BanMissing, also when its stream is deleted."""
    rows = _BAN.rows(id=ban_id)
    if not rows:
        raise BanMissing
    (creator_id, *row) = rows[0]
    return BanOfStream(BanSerializer.to_wire(row), creator_id, row)


def any_ban(ban_id: str) -> dict[str, Any]:
    """The ban, also when its stream is deleted; it must exist."""
    ((_, *row),) = _ANY_BAN.rows(id=ban_id)
    return BanSerializer.to_wire(row)


# --- lists ----------------------------------------------------------------------------------------


_NEWEST_FIRST = {"createdAt": Order(F("created_at"))}


def _with_time(*, now: Any, **_others: Any) -> models.QuerySet[Any]:
    return LiveStreamBan.all_objects.annotate(asked_at=now)


# Bans and appeals are read from the primary: moderators must see what others have just decided. Bans that hold:
BANS = Listing(
    "bans",
    BanSerializer,
    LiveStreamBan.objects.matching,
    values={
        "now": TIME,
        "creator": ID,
        "target": ID,
        "username_key": TEXT,
        "stream": ID,
        "made_from": TIME,
        "made_to": TIME,
    },
    orders=_NEWEST_FIRST,
    counted_in_order={"made_from", "made_to"},
)
# Bans of one user, also those that are over.
MY_BANS = Listing(
    "my-bans",
    MyBanSerializer,
    LiveStreamBan.all_objects.against,
    values={"now": TIME, "user": ID},
    detail=_with_time,
    orders=_NEWEST_FIRST,
)
APPEALS = Listing("appeals", AppealedBanSerializer, Appeal.objects.matching, values={"by": ID}, orders=_NEWEST_FIRST)
MY_REPORTS = Listing(
    "my-reports",
    MyReportSerializer,
    Report.objects.matching,
    values={"reporter": ID, "stream": ID},
    orders=_NEWEST_FIRST,
    from_replica=True,
)


# --- the creators of streams ----------------------------------------------------------------------


def creator_of_batch(batch_id: str) -> str:
    """The creator of the stream that the batch belongs to. Raises BatchMissing, also when the stream is deleted."""
    try:
        return creator_of_stream(stream_of_batch(batch_id))
    except StreamMissing:
        raise BatchMissing from None


# --- the check ------------------------------------------------------------------------------------


def _check() -> models.QuerySet[Any]:
    """The creator of the stream, whether the caller may check anybody, and the id of the ban that holds."""
    caller = {"pk": Param("caller", ID)}
    may_check_anybody = Exists(holders_of("bans.moderate").filter(**caller)) | Exists(
        holders_of("livestreams.enforce").filter(**caller)
    )
    holding = LiveStreamBan.objects.holding(Param("now", TIME)).filter(
        stream=Param("stream", ID), target=Param("target", ID)
    )
    return LiveStream.objects.filter(pk=Param("stream", ID)).values_list(
        "creator_id", may_check_anybody, Subquery(holding.values("pk")[:1])
    )


CHECK = Question(_check)


def check(target_id: str, stream_id: str, *, caller: User, now: datetime) -> dict[str, Any]:
    """Whether `target_id` is banned from the stream at `now`. Raises StreamMissing, NotConcerned.

    Chat servers call this for every message, so it runs one statement unless a ban holds.
    """
    rows = CHECK.rows(stream=stream_id, target=target_id, caller=caller.pk, now=now)
    if not rows:
        raise StreamMissing
    creator_id, may_check_anybody, ban_id = rows[0]
    if not may_check_anybody and caller.pk not in (creator_id, target_id):
        raise NotConcerned
    ban = None if ban_id is None else any_ban(ban_id)
    # It may have been lifted between the two statements.
    if ban is not None and ban["deletedAt"] is not None:
        ban = None
    return {"isBanned": ban is not None, "ban": ban}


# --- appeals --------------------------------------------------------------------------------------


class AppealOfBan(NamedTuple):
    """The appeal against a ban as the API writes it, or None, and the people whom the ban concerns."""

    appeal: dict[str, Any] | None
    creator_id: str
    target_id: str


def _appeal() -> models.QuerySet[Any]:
    bans = LiveStreamBan.all_objects.filter(pk=Param("id", ID))
    columns = (f"appeal__{column}" for column in AppealSerializer.columns())
    return bans.values_list("stream__creator_id", "target_id", *columns)


_APPEAL = Question(lambda: _appeal().filter(stream__deleted_at__isnull=True))
_ANY_APPEAL = Question(_appeal)


def appeal_of_ban(ban_id: str) -> AppealOfBan:
    """Raises BanMissing, also when the stream of the ban is deleted."""
    rows = _APPEAL.rows(id=ban_id)
    if not rows:
        raise BanMissing
    (creator_id, target_id, *row) = rows[0]
    # Without an appeal, the outer join gives a row of NULL.
    appeal = None if row[0] is None else AppealSerializer.to_wire(row)
    return AppealOfBan(appeal, creator_id, target_id)


def any_appeal(ban_id: str) -> dict[str, Any]:
    """The appeal against the ban, also when the stream is deleted; it must exist."""
    ((_, _, *row),) = _ANY_APPEAL.rows(id=ban_id)
    return AppealSerializer.to_wire(row)


# --- reports --------------------------------------------------------------------------------------


def new_report(report: Report) -> dict[str, Any]:
    """The report that was just made, with its case."""
    return ReportSerializer.wire_of(report)


# --- bulk calls -----------------------------------------------------------------------------------


def batch_made(batch: Batch, *, dry_run: bool) -> dict[str, Any]:
    """What a bulk ban did, or with `dry_run` would do."""
    counted = Counter(result.outcome for result in batch.results)
    return {
        "batchId": batch.id,
        "dryRun": dry_run,
        "banned": counted[BulkOutcome.BANNED],
        "alreadyBanned": counted[BulkOutcome.ALREADY_BANNED],
        "refused": counted[BulkOutcome.REFUSED],
        "requestId": _request_of(batch.results),
        "outcomes": [_outcome(result) for result in batch.results],
    }


def batch_undone(batch_id: str, results: Sequence[BanResult]) -> dict[str, Any]:
    """What the undo of a batch did."""
    counted = Counter(result.outcome for result in results)
    return {
        "batchId": batch_id,
        "lifted": counted[BulkOutcome.LIFTED],
        "skipped": counted[BulkOutcome.SKIPPED],
        "requestId": _request_of(results),
        "outcomes": [_outcome(result) for result in results],
    }


def _request_of(results: Sequence[BanResult]) -> str | None:
    return next((result.request_id for result in results if result.request_id), None)


def _outcome(result: BanResult) -> dict[str, Any]:
    return {
        "target": result.target,
        "targetUserId": result.target_id,
        "outcome": result.outcome,
        "code": result.refusal and result.refusal.code,
        "banId": result.ban_id,
    }
