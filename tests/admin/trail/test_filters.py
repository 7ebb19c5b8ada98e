"""Chips, filters and pages of the trail."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.services import log_out
from bans.models import LiveStreamBan
from common import audit
from common.admin import audit_walk
from common.entry_points import EntryPoint, called_through
from common.models import AuditEntry
from livestreams.models import LiveStream
from tests.admin.pages import text_of
from tests.admin.trail.conftest import TRAIL, at, listed
from tests.conftest import make_user, session_of
from tests.streams import make_stream


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ("moderation", ["approve_appeal", "review_ban", "appeal_ban", "ban_user"]),
        ("streams", ["start_stream", "create_stream"]),
        ("sign-ins", ["log_out"]),
        ("system", ["purge"]),
    ],
)
def test_a_chip_shows_the_actions_of_its_group(
    group: str, expected: list[str], reader: Client, lifted: LiveStreamBan, mia: User
) -> None:
    log_out(mia, now=timezone.now())
    audit.record_run("purge", "jobs", now=timezone.now(), after={"removed": 1})
    assert listed(reader, group=group) == expected


def test_the_chips_keep_the_other_filters(reader: Client, lifted: LiveStreamBan) -> None:
    page = reader.get(TRAIL, {"who": "defne", "group": "moderation"})
    chips = {str(label): (address, chosen) for address, label, chosen in page.context["cl"].chips}
    assert list(chips) == ["All", "Moderation", "Streams", "Sign-ins", "System"]
    assert chips["Streams"] == ("?group=streams&who=defne", False)
    assert chips["Moderation"][1]
    assert chips["All"] == ("?who=defne", False)


@pytest.mark.parametrize("who", ["defne", "DEF", "efn"])
def test_a_person_is_found_by_a_part_of_a_name(who: str, reader: Client, lifted: LiveStreamBan) -> None:
    assert listed(reader, who=who) == ["approve_appeal", "review_ban"]


@pytest.mark.parametrize("who", ["ozturk", "ÖZTÜRK mia", "mïa öztürk"])
def test_names_are_folded_and_every_word_must_match(who: str, reader: Client, lifted: LiveStreamBan) -> None:
    assert listed(reader, who=who) == ["appeal_ban"]
    assert listed(reader, who=f"{who} xyz") == []


def test_short_words_find_staff_and_whole_usernames(reader: Client, lifted: LiveStreamBan, creator: User) -> None:
    assert listed(reader, who="de") == ["approve_appeal", "review_ban"]
    assert listed(reader, who="cr") == []  # not staff
    su = make_user("su")
    log_out(su, now=timezone.now())
    assert listed(reader, who="Su") == ["log_out"]
    log_out(make_user("s.u.e"), now=timezone.now())
    assert listed(reader, who="u.e") == []  # of three characters, but no three letters are together
    assert listed(reader, who="s.u.e") == ["log_out"]


def test_the_person_concerned(reader: Client, lifted: LiveStreamBan, mia: User, creator: User) -> None:
    log_out(mia, now=timezone.now())
    assert listed(reader, about="mia") == ["log_out", "approve_appeal", "review_ban", "appeal_ban", "ban_user"]
    assert listed(reader, about="mia", who="creator") == ["ban_user"]
    assert listed(reader, about="nobody-else") == []


def test_filters_are_combined(reader: Client, lifted: LiveStreamBan) -> None:
    assert listed(reader, kind="livestreamban") == ["review_ban", "ban_user"]
    assert listed(reader, kind="livestreamban", who="defne") == ["review_ban"]
    assert listed(reader, kind="appeal", action="review_ban") == []
    assert listed(reader, group="streams", action="ban_user") == []


def test_entry_points(reader: Client, stream: LiveStream, mia: User) -> None:
    for point in EntryPoint:
        with called_through(point):
            audit.record("log_out", mia, by=mia, now=timezone.now(), before={}, after={"point": point})
    for point in (EntryPoint.API, EntryPoint.ADMIN, EntryPoint.TASK):
        page = reader.get(TRAIL, {"entry_point": point})
        assert [entry.after for entry in page.context["cl"].result_list] == [{"point": point}]
        assert listed(reader, entry_point=point, action="ban_user") == []


def test_times_also_of_entries_that_were_written_later_or_earlier(reader: Client, creator: User) -> None:
    """The demo writes its history in an order that is not the one of its times."""
    now = timezone.now().replace(microsecond=0)
    for days in (1, 9, 3, 7, 5):
        make_stream(creator, title=f"{days} days ago", now=now - timedelta(days=days))
    between = at(now - timedelta(days=7, minutes=1), "from") | at(now - timedelta(days=3), "to")

    page = reader.get(TRAIL, between)

    titles = [entry.after["title"] for entry in page.context["cl"].result_list]
    assert titles == ["5 days ago", "7 days ago", "3 days ago"]
    assert listed(reader, **at(now + timedelta(days=1), "from")) == []


def test_an_id_of_an_actor_or_of_a_target_and_a_request_id_are_found(
    reader: Client, lifted: LiveStreamBan, mia: User
) -> None:
    with called_through(EntryPoint.API, "request-17"):
        log_out(mia, now=timezone.now())
    assert listed(reader, q=mia.pk.upper()) == ["log_out", "appeal_ban"]  # each once
    assert listed(reader, q=lifted.pk) == ["review_ban", "ban_user"]
    assert listed(reader, q="request-17") == ["log_out"]


@pytest.mark.parametrize(
    "query", ["group=x", "action=x", "kind=x", "entry_point=x", "before=x", "before=-1", "before=９", "actor_name=x",
              "before=99999999999999999999", "group=system&group=streams"],
)  # fmt: skip
def test_a_wrong_value_is_refused(query: str, reader: Client, stream: LiveStream) -> None:
    assert reader.get(f"{TRAIL}?{query}").status_code == 400


def test_more_people_than_are_considered_are_said(
    reader: Client, stream: LiveStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("common.admin.audit_filters.PEOPLE_CONSIDERED", 2)
    for number in range(3):
        make_user(f"namesake{number}")
    assert "More than 2 people are named “namesake”" in text_of(reader.get(TRAIL, {"who": "namesake"}))
    assert "More than" not in text_of(reader.get(TRAIL, {"who": "namesake1"}))


# --- pages ----------------------------------------------------------------------------------------


def walked(client: Client, address: str) -> list[int]:
    """The ids of all pages, by the links to older entries."""
    seen: list[int] = []
    for _ in range(100):
        page = client.get(address)
        seen += [entry.pk for entry in page.context["cl"].result_list]
        if not page.context["cl"].older:
            return seen
        address = TRAIL + page.context["cl"].older
    raise AssertionError("no end")


@pytest.mark.parametrize(
    "query", ["", "?group=sign-ins", "?who=person", "?entry_point=command", "?kind=session&who=person3", "?q=nothing"]
)
@pytest.mark.parametrize("looked_at", [10, 100_000])
def test_the_pages_have_every_entry_once_and_in_order(
    query: str, looked_at: int, reader: Client, stream: LiveStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_walk, "LOOKED_AT_FIRST", looked_at)
    monkeypatch.setattr(audit_walk, "LOOKED_AT", looked_at)
    people = [make_user(f"person{number}") for number in range(7)]
    for number in range(130):
        person = people[number % 7]
        if number % 3:
            log_out(person, now=timezone.now())
        else:
            audit.record("log_in", session_of(person), by=person, now=timezone.now(), before={}, after={})
    expected = {
        "": AuditEntry.objects.all(),
        "?group=sign-ins": AuditEntry.objects.filter(action__in=["log_in", "log_out", "end_session"]),
        "?who=person": AuditEntry.objects.filter(actor_name__startswith="person"),
        "?entry_point=command": AuditEntry.objects.filter(entry_point="command"),
        "?kind=session&who=person3": AuditEntry.objects.filter(action="log_in", actor_name="person3"),
        "?q=nothing": AuditEntry.objects.none(),
    }[query]
    assert walked(reader, TRAIL + query) == list(expected.order_by("-pk").values_list("pk", flat=True))


def test_a_page_says_that_older_entries_have_not_been_searched(
    reader: Client, creator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_walk, "PAGE", 1)
    monkeypatch.setattr(audit_walk, "LOOKED_AT_FIRST", 1)
    monkeypatch.setattr(audit_walk, "LOOKED_AT", 3)
    first = make_stream(creator)
    AuditEntry.objects.filter(target_id=first.pk).get()
    with called_through(EntryPoint.API, "old"):
        make_stream(creator, title="Old")
    for _ in range(60):
        make_stream(creator)

    page = reader.get(TRAIL, {"q": "old"})

    assert list(page.context["cl"].result_list) == []
    assert "Older entries have not been searched yet." in text_of(page)
    assert walked(reader, f"{TRAIL}?q=old") == [AuditEntry.objects.get(request_id="old").pk]
