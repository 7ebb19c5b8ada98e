"""Entries as sentences with names, links where the reader may follow them, and changes in words."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.translation import override

from accounts.models import User
from accounts.services import log_out, rename_user
from bans.models import LiveStreamBan
from common import audit
from common.admin.audit_trail import Wording, worded_entries
from common.models import AuditEntry
from common.times import written_exactly
from livestreams import services as streams
from livestreams.models import LiveStream
from tests.admin.notifying import notify_of_start
from tests.admin.pages import page_url, text_of
from tests.admin.trail.conftest import TRAIL, without
from tests.bans.people import make_ban
from tests.bans.reporting import make_report
from tests.conftest import make_user
from tests.streams import make_stream


def sentence_of(action: str) -> str:
    entry = AuditEntry.objects.filter(action=action).latest("pk")
    return Wording([entry]).plain(entry)


def shown(client: Client, language: str = "en") -> str:
    return text_of(client.get(TRAIL, headers={"Accept-Language": language}))


def test_a_lifted_ban_is_a_sentence_with_names_and_the_reason(reader: Client, lifted: LiveStreamBan) -> None:
    text = shown(reader)
    assert "defne lifted the ban of mia on “Ask me anything” : first offence" in text
    assert "defne granted the appeal of mia against the ban on “Ask me anything” : first offence" in text
    assert "creator banned mia from “Ask me anything” : Insults." in text


def test_the_sentences_are_in_the_language_of_the_reader(reader: Client, lifted: LiveStreamBan) -> None:
    with override(None):
        text = shown(reader, "tr")
    assert "defne , mia adlı kişinin “Ask me anything” yayınındaki banını kaldırdı: first offence" in text
    assert "mia , “Ask me anything” yayınındaki bana itiraz etti" in text


def test_names_are_links_to_pages_that_the_reader_may_view(
    reader: Client, defne: User, mia: User, lifted: LiveStreamBan, stream: LiveStream
) -> None:
    page = reader.get(TRAIL).content.decode()
    assert page_url(mia) in page
    assert page_url(stream) in page

    without(defne, "view_user")
    page = reader.get(TRAIL).content.decode()
    assert page_url(mia) not in page
    assert page_url(stream) in page
    assert "mia" in page


def test_a_name_cannot_add_markup(reader: Client, creator: User) -> None:
    make_stream(creator, title="<script>alert(1)</script> %(actor)s 100%")
    page = reader.get(TRAIL).content.decode()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; %(actor)s 100%" in page


def test_the_entries_of_removed_rows_still_have_names(ban: LiveStreamBan, stream: LiveStream, creator: User) -> None:
    LiveStreamBan.all_objects.all().delete()
    assert sentence_of("ban_user") == "creator banned mia from “Ask me anything”"

    now = timezone.now() + timedelta(minutes=1)
    streams.end_stream(stream.pk, by=creator, now=now)
    streams.delete_stream(stream.pk, by=creator, now=now)
    streams.purge_stream(stream.pk, now=now + timedelta(days=400))
    assert sentence_of("purge_stream") == "The system removed “Ask me anything” for good"
    assert sentence_of("start_stream") == "creator started a stream that was removed"
    assert sentence_of("ban_user") == "creator banned mia from a stream that was removed"


def test_a_removed_row_is_named_by_its_first_entry(lifted: LiveStreamBan) -> None:
    LiveStreamBan.all_objects.all().delete()
    assert sentence_of("review_ban") == "defne lifted the ban of mia on “Ask me anything”"


def test_the_system_is_the_actor_of_runs_and_jobs(db: None) -> None:
    audit.record_run("purge", "report_cases", now=timezone.now(), after={"removed": 12})
    assert sentence_of("purge") == "The system removed 12 rows past their retention (report cases)"


def test_an_action_that_nobody_registered_is_still_shown(reader: Client, stream: LiveStream, creator: User) -> None:
    audit.record("old_action_100%", stream, by=creator, now=timezone.now(), before={}, after={"some_key": 1})
    text = shown(reader)
    assert "creator : old_action_100% (stream)" in text
    assert "some key 1" in text


def test_changes_are_in_words_and_in_the_time_zone_of_the_reader(reader: Client, ban: LiveStreamBan) -> None:
    end = timezone.now().replace(microsecond=0) + timedelta(hours=1)
    audit.record(
        "change_ban",
        ban,
        by=None,
        now=timezone.now(),
        before={"action_type": "BLOCK", "expires_at": None, "deleted_by_id": None},
        after={"action_type": "CHAT_ONLY", "expires_at": end, "deleted_by_id": ban.created_by_id},
    )
    with timezone.override("Asia/Tokyo"):
        worded = worded_entries([AuditEntry.objects.latest("pk")], None)[0]
        there = written_exactly(end)

    changes = {change.label: (change.before, change.after) for change in worded.changes}
    assert "Asia/Tokyo" in there
    assert changes["kind"] == ("may not watch", "may not write")
    assert changes["ends"] == ("–", there)
    assert "creator" in changes["lifted by"][1]


def test_yes_and_no_and_ids_on_demand(reader: Client, mia: User, defne: User) -> None:
    audit.record(
        "deactivate_user", mia, by=defne, now=timezone.now(), before={"is_active": True}, after={"is_active": False}
    )
    worded = worded_entries([AuditEntry.objects.latest("pk")], None)[0]
    assert [(each.label, each.before, each.after) for each in worded.changes] == [("active account", "Yes", "No")]
    assert dict(worded.ids)["target"] == f"user {mia.pk}"
    page = reader.get(TRAIL).content.decode()
    assert "<details" in page
    assert page.index("<details") < page.index(mia.pk, page.index("<details"))


def test_the_page_of_a_ban_has_the_entries_of_its_appeal(reader: Client, lifted: LiveStreamBan) -> None:
    page = reader.get(page_url(lifted))
    trail = page.context["audit_trail"]
    assert [entry.action for entry in trail["entries"]] == ["ban_user", "appeal_ban", "review_ban", "approve_appeal"]
    assert "mia appealed against the ban on “Ask me anything”" in text_of(page)


def test_the_page_of_an_entry_has_its_sentence_its_changes_and_its_ids(reader: Client, lifted: LiveStreamBan) -> None:
    entry = AuditEntry.objects.get(action="review_ban")
    text = text_of(reader.get(page_url(entry)))
    assert "defne lifted the ban of mia on “Ask me anything”" in text
    assert "review unreviewed → lifted" in text
    assert "Entry point command line" in text
    assert lifted.pk in text


def test_the_page_of_an_entry_reads_its_names_once(reader: Client, lifted: LiveStreamBan) -> None:
    entry = AuditEntry.objects.get(action="review_ban")
    with CaptureQueriesContext(connection) as wording:
        worded_entries([entry], None)
    with CaptureQueriesContext(connection) as seen:
        reader.get(page_url(entry))
    of_names = [query["sql"] for query in wording]
    assert of_names
    assert [query["sql"] for query in seen if query["sql"] in of_names] == of_names


def test_a_renamed_person_has_the_name_of_then_as_actor(mia: User, defne: User) -> None:
    log_out(mia, now=timezone.now())
    rename_user(mia.pk, "mia2", by=defne, now=timezone.now())
    assert sentence_of("log_out") == "mia ended all sessions of mia2"


@pytest.mark.parametrize("count", [1, 8])
def test_words_cost_a_fixed_number_of_statements(count: int, reader: Client, creator: User) -> None:
    """Entries of every kind, about different rows."""
    for number in range(count):
        stream = make_stream(creator, title=f"Talk {number}")
        make_ban(make_user(f"person{number}"), stream)
        make_report(make_user(f"reporter{number}"), stream)
    notify_of_start(make_stream(creator), [make_user("waiting")])
    entries: list[Any] = list(AuditEntry.objects.all())

    with CaptureQueriesContext(
        connection,
    ) as seen:
        worded_entries(entries, None)
    assert len(seen) == 2
    reader.get(TRAIL)
    with CaptureQueriesContext(connection) as seen:
        reader.get(TRAIL)
    assert len(seen) <= 15
