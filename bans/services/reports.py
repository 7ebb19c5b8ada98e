"""Report streams, and decide cases.

All reports of a stream until a decision are one case. The explanation is in docs/decisions/0031-reports-are-cases.md.
"""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from bans.models import Report, ReportCase
from bans.services.bans import creator_of_stream
from common import audit
from common.locks import AdvisoryLock
from common.queries import ID, Param, Question
from common.refusals import Conflict, Forbidden, Missing
from common.times import written_exactly
from common.writes import insertion, run, update
from livestreams.services import share_stream_lock

State = ReportCase.State

REPORTS = AdvisoryLock("reports of a stream")


class CannotReportOwnStream(Forbidden):
    code = "cannot_report_own_stream"
    message = _("you cannot report a stream of your own")


class AlreadyReported(Conflict):
    code = "already_reported"
    message = _("you have reported this stream already, and no moderator has decided yet")


class CaseMissing(Missing):
    code = "case_not_found"
    message = _("there is no case with this id")


class CaseDecided(Conflict):
    code = "case_already_decided"
    message = _("another moderator has decided the case already")


class CannotDecideOwnCase(Forbidden):
    code = "cannot_decide_own_case"
    message = _("you cannot decide about reports of a stream of your own")


_OPEN_CASE = Question(lambda: ReportCase.objects.filter(stream=Param("stream", ID), state=State.OPEN).for_update())
_REPORT = Question(
    lambda: Report.objects.filter(case=Param("case", ID), reporter=Param("reporter", ID)).values_list("pk")
)


# --- reports --------------------------------------------------------------------------------------


def refuse_reporting(stream_id: str, *, by: User) -> None:
    """Raises StreamMissing, CannotReportOwnStream. A ban from the stream does not matter."""
    if creator_of_stream(stream_id) == by.pk:
        raise CannotReportOwnStream


@transaction.atomic
def report_stream(stream_id: str, *, by: User, now: datetime, reason: str, comment: str | None = None) -> Report:
    """Add a report to the open case of the stream, or open a case with it.

    `reason` is one of REPORT_REASONS. Raises StreamMissing, CannotReportOwnStream, AlreadyReported.
    """
    # Before the lock of the stream: so one report at most holds that lock, and a ban waits for no more than one.
    REPORTS.take(stream_id)
    share_stream_lock(stream_id)
    refuse_reporting(stream_id, by=by)
    case: ReportCase | None = _OPEN_CASE.instance(stream=stream_id)
    if case is None:
        case = ReportCase(stream_id=stream_id, report_count=1, reasons={reason: 1}, created_at=now, updated_at=now)
        write = insertion(case)
    else:
        if _REPORT.rows(case=case.pk, reporter=by.pk):
            raise AlreadyReported
        case.report_count += 1
        case.reasons[reason] = case.reasons.get(reason, 0) + 1
        case.updated_at = max(now, case.updated_at)
        write = update(case, ["report_count", "reasons", "updated_at"])
    report = Report(case=case, stream_id=stream_id, reporter=by, reason=reason, comment=comment, created_at=now)
    after = {"stream_id": stream_id, "case_id": case.pk, "reason": reason, "comment": comment}
    run(write, insertion(report), audit.entry("report_stream", report, by=by, now=now, before={}, after=after))
    return report


# --- decisions ------------------------------------------------------------------------------------


def refuse_decision(case: ReportCase, *, by: User) -> None:
    """Raises CaseDecided, CannotDecideOwnCase."""
    decider, moment = case.decided_by, case.decided_at
    if decider is not None and moment is not None:
        message = _("%(moderator)s has decided the case already, on %(moment)s: %(state)s")
        raise CaseDecided(
            message
            % {
                "moderator": decider.username,
                "moment": written_exactly(moment),
                "state": case.get_state_display(),
            }
        )
    if case.stream.creator_id == by.pk:
        raise CannotDecideOwnCase


def dismiss_case(case_id: str, /, *, by: User, now: datetime, reason: str) -> ReportCase:
    """Decide that the reports of an open case lead to nothing. Raises CaseMissing, CaseDecided, CannotDecideOwnCase."""
    return _decide(case_id, "dismiss_case", State.DISMISSED, by=by, now=now, reason=reason)


def mark_acted_on(case_id: str, /, *, by: User, now: datetime, reason: str) -> ReportCase:
    """Decide that something was done about an open case; `reason` says what.

    Raises CaseMissing, CaseDecided, CannotDecideOwnCase.
    """
    return _decide(case_id, "mark_acted_on", State.ACTED_ON, by=by, now=now, reason=reason)


@transaction.atomic
def _decide(case_id: str, verb: str, state: State, *, by: User, now: datetime, reason: str) -> ReportCase:
    """Decide all reports of the case up to now. The stream may be deleted: often that is what was done."""
    case = ReportCase.objects.locked(case_id, otherwise=CaseMissing)
    refuse_decision(case, by=by)
    now = max(now, case.updated_at)
    before = {"state": case.state}
    case.state, case.decision = state, reason
    case.decided_by, case.decided_at, case.updated_at = by, now, now
    after = {"state": state, "report_count": case.report_count, "stream_id": case.stream_id}
    names = ["state", "decision", "decided_by", "decided_at", "updated_at"]
    run(update(case, names), audit.entry(verb, case, by=by, now=now, before=before, after=after, reason=reason))
    return case
