"""Exports have exactly what the filter finds, are audited, and are safe in spreadsheet programs."""

import csv
import json
from io import StringIO
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.services import log_out
from bans.models import LiveStreamBan
from common.addresses import networks
from common.admin import audit_export
from common.admin.audit_walk import Wanted
from common.entry_points import EntryPoint, called_through
from common.models import AuditEntry
from livestreams.models import LiveStream
from tests.admin.trail.conftest import TRAIL, without
from tests.bans.people import make_ban
from tests.conftest import make_user

EXPORT = f"{TRAIL}export/"


def exported(client: Client, name: str, query: str = "", **more: Any) -> Any:
    answer = client.post(f"{EXPORT}{query}", {"format": name}, **more)
    assert answer.status_code == 200
    return answer


def lines_of(answer: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.getvalue().decode().splitlines()]


def rows_of(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(answer.getvalue().decode().removeprefix("\ufeff"))))


@pytest.mark.parametrize("query", ["", "?group=moderation", "?who=defne", "?about=mia&action=ban_user"])
def test_an_export_has_the_entries_of_the_list(query: str, reader: Client, lifted: LiveStreamBan) -> None:
    shown = [entry.pk for entry in reader.get(TRAIL + query).context["cl"].result_list]
    assert [row["id"] for row in lines_of(exported(reader, "ndjson", query))] == shown
    exports = set(AuditEntry.objects.filter(target_type="audit_rows").values_list("pk", flat=True))
    found = [int(row["id"]) for row in rows_of(exported(reader, "csv", query))]
    assert [pk for pk in found if pk not in exports] == shown


def test_the_rows_have_sentences_names_and_values(reader: Client, lifted: LiveStreamBan, mia: User) -> None:
    row = lines_of(exported(reader, "ndjson", "?action=review_ban"))[0]
    assert row["sentence"] == "defne lifted the ban of mia on “Ask me anything”"
    assert row["reason"] == "first offence"
    assert row["before"]["review"] == "unreviewed"
    assert row["target_id"] == lifted.pk
    assert row["at"].endswith("Z")

    text = rows_of(exported(reader, "csv", "?action=review_ban", headers={"Accept-Language": "tr"}))[0]
    assert text["sentence"].endswith("banını kaldırdı")
    assert json.loads(text["after"])["review"] == "lifted"


def test_an_export_is_audited_with_its_filter_and_the_number_of_rows(
    reader: Client, lifted: LiveStreamBan, defne: User
) -> None:
    exported(reader, "csv", "?group=moderation&who=defne").getvalue()
    begun, finished = AuditEntry.objects.filter(target_type="audit_rows").order_by("pk")
    assert begun.action == "export_audit_rows"
    assert begun.after == {"format": "csv", "filter": {"group": "moderation", "who": "defne"}}
    assert finished.after == begun.after | {"rows": 2, "is_complete": True}
    for entry in (begun, finished):
        assert (entry.actor_id, entry.entry_point) == (defne.pk, "admin")
        assert entry.request_id


def test_exports_and_pages_have_the_address_of_the_client(reader: Client, mia: User, settings: Any) -> None:
    settings.TRUSTED_PROXIES = networks(["192.0.2.0/24"])
    exported(reader, "csv", "?who=defne", REMOTE_ADDR="192.0.2.7", HTTP_X_FORWARDED_FOR="203.0.113.5, 198.51.100.4")
    log_out(mia, now=timezone.now())
    rows = {row["action"]: row["client_address"] for row in lines_of(exported(reader, "ndjson"))}
    assert rows["export_audit_rows"] == "198.51.100.4"
    assert rows["log_out"] == "", "no request has caused it"
    entry = AuditEntry.objects.filter(action="export_audit_rows").earliest("pk")
    assert "198.51.100.4" in reader.get(f"{TRAIL}{entry.pk}/change/").content.decode()


def test_an_export_that_is_not_read_to_its_end_is_audited_so(
    lifted: LiveStreamBan, defne: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_export, "ROWS_AT_ONCE", 2)
    with called_through(EntryPoint.ADMIN, "export-1"):
        chunks = audit_export.export(Wanted(given={"who": "all"}), "ndjson", by=defne, language="en")
    assert next(chunks).count(b"\n") == 2
    assert next(chunks).count(b"\n") == 2
    chunks.close()

    finished = AuditEntry.objects.get(action="finish_audit_export")
    assert (finished.after["rows"], finished.after["is_complete"]) == (2, False)
    assert (finished.entry_point, finished.request_id) == ("admin", "export-1")


def test_the_memory_of_an_export_does_not_grow_with_its_rows(
    reader: Client, mia: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_export, "ROWS_AT_ONCE", 10)
    for _ in range(35):
        log_out(mia, now=timezone.now())
    chunks = [chunk.count(b"\n") for chunk in exported(reader, "ndjson", "?action=log_out").streaming_content]
    assert chunks == [10, 10, 10, 5]


@pytest.mark.parametrize("reason", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "＝1"])
def test_no_cell_is_a_formula(reason: str, reader: Client, stream: LiveStream) -> None:
    make_ban(make_user("troublemaker"), stream, reason=reason)
    row = rows_of(exported(reader, "csv", "?action=ban_user"))[0]
    assert row["reason"] == f"'{reason}"
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row.values())


def test_an_export_needs_its_permission_and_a_post(reader: Client, defne: User, lifted: LiveStreamBan) -> None:
    assert reader.get(EXPORT).status_code == 405
    assert reader.post(EXPORT, {"format": "xml"}).status_code == 405
    assert reader.post(f"{EXPORT}?group=x", {"format": "csv"}).status_code == 400
    assert 'value="ndjson"' in reader.get(TRAIL).content.decode()

    without(defne, "export_auditentry")
    assert reader.post(EXPORT, {"format": "csv"}).status_code == 403
    assert 'value="ndjson"' not in reader.get(TRAIL).content.decode()
    assert not AuditEntry.objects.filter(target_type="audit_rows").exists()


def test_an_export_without_rows_is_a_file_with_headers(reader: Client, stream: LiveStream) -> None:
    answer = exported(reader, "csv", "?who=nobody-else")
    assert "attachment" in answer.headers["Content-Disposition"]
    assert rows_of(answer) == []
