"""What is stored about a person here: see `common.personal_data`."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Q

from bans.models import Appeal, BulkRequest, LiveStreamBan, Report, ReportCase, ReviewClaim
from common.personal_data import ERASED, Declaration, Keep, NotPersonal, Remove, Replace, Rewrite, Source, TrailKeys

STAFF = "which member of staff did it"
ABOUT_ANOTHER = "about somebody else"
OF_TARGET = {"reason": "erased with the banned person", "verdict_message": "erased with the banned person"}
OF_ANOTHER = {"reason": ABOUT_ANOTHER, "verdict_message": ABOUT_ANOTHER, "target": ABOUT_ANOTHER}
ID_ONLY = Keep("the id only")


def declarations() -> Iterator[Declaration]:
    yield Source(
        "bans",
        LiveStreamBan,
        "target",
        Replace({"reason": None, "verdict_message": None}),
        withheld={"reviewed_by": STAFF, "deleted_by": STAFF},
    )
    yield Source(
        "bans_made",
        LiveStreamBan,
        "created_by",
        Replace({"reason": None}),
        withheld={"reviewed_by": STAFF, "deleted_by": STAFF, "verdict_message": ABOUT_ANOTHER},
        is_about=False,
    )
    for path in ("reviewed_by", "deleted_by"):
        yield Source(f"bans_{path}", LiveStreamBan, path, ID_ONLY, withheld=OF_ANOTHER, kept=OF_TARGET, is_about=False)
    yield NotPersonal(LiveStreamBan, {"batch_id": "the id of a batch"})
    yield Source("appeals", Appeal, "ban__target", Replace({"text": ERASED}), created_by="appeal_ban")
    yield Source(
        "reports",
        Report,
        "reporter",
        Replace({"comment": None}),
        kept={"reason": "one of REPORT_REASONS"},
        created_by="report_stream",
    )
    yield Source("cases", ReportCase, "stream__creator", Replace({"decision": ""}), withheld={"decided_by": STAFF})
    yield Source(
        "cases_decided",
        ReportCase,
        "decided_by",
        ID_ONLY,
        withheld={"decision": ABOUT_ANOTHER},
        kept={"decision": "erased with the creator of the stream"},
        is_about=False,
    )
    yield NotPersonal(ReportCase, {"reasons": "numbers of reports by REPORT_REASONS"})
    yield Source("claims", ReviewClaim, "moderator", Remove(), is_about=False)
    yield Source(
        "bulk_requests",
        BulkRequest,
        "requested_by",
        Rewrite(frozenset(["payload"]), _without_texts),
        withheld={"payload": ABOUT_ANOTHER, "decided_by": STAFF},
        is_about=False,
        where=_names_person,
    )
    yield Source(
        "bulk_requests_decided", BulkRequest, "decided_by", ID_ONLY, withheld={"payload": ABOUT_ANOTHER}, is_about=False
    )
    yield NotPersonal(BulkRequest, {"batch_id": "the id of a batch"})
    yield TrailKeys("livestreamban", names=frozenset(["moderator", "reviewer"]))


def _names_person(person_id: str) -> Q:
    named = Q(payload__bans__contains=[{"target": person_id}]) | Q(payload__bans__contains=[{"by": person_id}])
    return Q(requested_by=person_id) | named


def _without_texts(request: Any, person_id: str) -> list[str]:
    """Takes the texts that the person wrote, and those about the person."""
    before = request.payload
    is_own = request.requested_by_id == person_id
    payload = dict(before)
    if "bans" in payload:
        payload["bans"] = [
            ban | {"reason": None} if is_own or person_id in {ban["target"], ban["by"]} else ban
            for ban in payload["bans"]
        ]
    elif is_own and "reason" in payload:
        payload |= {"reason": ERASED, "message": None}
    request.payload = payload
    return [] if payload == before else ["payload"]
