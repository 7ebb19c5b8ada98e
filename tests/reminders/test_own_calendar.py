"""POST and DELETE /api/v1/live-stream/my-calendar, and the calendar at the address that they give and revoke"""

import re
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from accounts import services as accounts
from accounts.models import User
from bans.services import lift_ban
from common.models import AuditEntry
from common.times import wire_time
from livestreams import services as streams
from livestreams.models import Status
from reminders import reads, services
from reminders.models import CalendarAddress, digest_of
from tests.bans.people import make_ban
from tests.conftest import Api, make_user
from tests.envelope import assert_refused, data_of
from tests.races import at_once
from tests.reminders.calendar_readers import HOUR, Shown, calendar_in, events_in, feed_url, remind
from tests.streams import STREAMS, make_stream
from tests.test_statements import statements

MINE = f"{STREAMS}/my-calendar"


def address_of(user: User) -> str:
    """The path of a new calendar address of `user`."""
    return f"/calendar/{services.create_calendar_address(by=user, now=timezone.now()).secret}.ics"


def read(address: str, **headers: str) -> Any:
    """As a calendar program calls it: without a token."""
    return Client(raise_request_exception=False).get(address, headers=headers)


def events(address: str) -> dict[str, Shown]:
    return {event.title: event for event in events_in(read(address))}


# --- the address ----------------------------------------------------------------------------------


def test_the_address_is_shown_once_and_only_a_digest_is_stored(api: Api, viewer: User, settings: Any) -> None:
    settings.PUBLIC_URL = "https://live.example.org/"
    client = api(viewer)

    response = client.post(MINE)

    data = data_of(response, 201)
    address = CalendarAddress.objects.get()
    assert data == {"createdAt": wire_time(address.created_at), "url": data["url"]}
    found = re.fullmatch(r"https://live\.example\.org/calendar/([A-Za-z0-9_-]{43})\.ics", data["url"])
    assert found
    assert response.headers["Cache-Control"] == "no-store, no-transform"
    assert bytes(address.digest) == digest_of(found[1])
    stored = f"{CalendarAddress.objects.values().get()} {list(AuditEntry.objects.values())} {address!r}"
    assert found[1] not in stored
    entry = AuditEntry.objects.get(action="create_calendar_address")
    assert (entry.target_type, entry.target_id, entry.actor_id) == ("calendaraddress", address.pk, viewer.pk)


def test_a_new_address_replaces_the_old_one(api: Api, viewer: User) -> None:
    client = api(viewer)
    first, second = (urlsplit(data_of(client.post(MINE), 201)["url"]).path for _ in range(2))

    assert first != second
    assert (read(first).status_code, read(second).status_code) == (404, 200)
    assert CalendarAddress.objects.count() == 1


def test_a_revoked_address_is_not_found(api: Api, viewer: User) -> None:
    address, client = address_of(viewer), api(viewer)
    made = CalendarAddress.objects.get().created_at

    assert data_of(client.delete(MINE)) == {"createdAt": wire_time(made)}

    assert read(address).status_code == 404
    assert AuditEntry.objects.filter(action="delete_calendar_address").count() == 1
    assert_refused(client.delete(MINE), 404, "calendar_address_not_found", "you have no calendar address")


def test_each_user_has_an_address_of_their_own(api: Api, viewer: User, stranger: User) -> None:
    mine, other = address_of(viewer), address_of(stranger)
    data_of(api(viewer).delete(MINE))
    assert (read(mine).status_code, read(other).status_code) == (404, 200)


def test_making_and_revoking_need_a_token(api: Api) -> None:
    assert_refused(api().post(MINE), 401, "authentication_required")
    assert_refused(api().delete(MINE), 401, "authentication_required")


@pytest.mark.django_db(transaction=True)
def test_of_many_new_addresses_at_once_one_works(viewer: User) -> None:
    addresses = at_once(6, lambda _: address_of(viewer))
    assert sorted(read(address).status_code for address in addresses) == [200] + [404] * 5


# --- who may read it ------------------------------------------------------------------------------


def test_the_address_needs_no_token_and_outlives_the_session(viewer: User) -> None:
    address = address_of(viewer)
    accounts.log_out(viewer, now=timezone.now())
    assert read(address).status_code == 200


def test_the_calendar_of_a_deactivated_user_is_not_found(viewer: User, now: datetime) -> None:
    admin = make_user("admin", is_superuser=True, is_staff=True)
    address = address_of(viewer)
    accounts.deactivate_user(viewer.pk, by=admin, now=now, reason="left")
    refused = read(address)
    assert_refused(
        refused, 404, "calendar_address_not_found", "this calendar address does not exist, or has been revoked"
    )
    accounts.activate_user(viewer.pk, by=admin, now=now, reason="back")
    assert read(address).status_code == 200


@pytest.mark.parametrize("secret", ["none", "a" * 43, "%00", "ş", "x" * 5000, ".."])
def test_an_unknown_address_is_not_found(secret: str, db: None) -> None:
    assert read(f"/calendar/{secret}.ics").status_code == 404


def test_a_refusal_is_in_the_envelope_and_in_the_language_of_the_reader(db: None) -> None:
    english, turkish = (read("/calendar/none.ics", **{"accept-language": code}) for code in ("en", "tr"))
    assert_refused(english, 404, "calendar_address_not_found")
    assert english.json()["errors"][1] != turkish.json()["errors"][1]
    assert turkish.headers["Referrer-Policy"] == "no-referrer"


def test_the_calendar_is_only_read(viewer: User) -> None:
    address = address_of(viewer)
    client = Client(enforce_csrf_checks=True)
    assert client.head(address).status_code == 200
    for method in ("post", "put", "patch", "delete"):
        assert getattr(client, method)(address).status_code == 405


# --- what it has ----------------------------------------------------------------------------------


def test_it_has_ones_own_streams_and_those_with_a_reminder(
    creator: User, viewer: User, stranger: User, now: datetime
) -> None:
    make_stream(viewer, title="own")
    make_stream(creator, title="guest", guest=viewer, answer="accepted")
    make_stream(creator, title="only invited", guest=viewer)
    make_stream(creator, title="of somebody else")
    for title, minute in (("awaited", 15), ("at the start", None)):
        remind(viewer, make_stream(creator, title=title), minute)
    foreign = make_stream(creator, title="reminder of a stranger")
    remind(stranger, foreign, 5)

    found = events(address_of(viewer))

    assert found.keys() == {"own", "guest", "awaited", "at the start"}
    assert {title: event.alarms for title, event in found.items() if event.alarms} == {
        "awaited": [-15],
        "at the start": [0],
    }


def test_an_event_is_the_one_of_the_users_public_calendar(api: Api, viewer: User) -> None:
    remind(viewer, make_stream(viewer, duration_goal=30), 10)

    own, public = calendar_in(read(address_of(viewer))), calendar_in(api(viewer).get(feed_url(viewer)))

    assert own == public


def test_a_stream_with_a_reminder_of_its_creator_is_there_once(viewer: User) -> None:
    remind(viewer, make_stream(viewer), 10)
    assert [event.alarms for event in events_in(read(address_of(viewer)))] == [[-10]]


def test_deleted_streams_are_left_out_and_cancelled_ones_stay(creator: User, viewer: User, now: datetime) -> None:
    for title in ("deleted", "cancelled"):
        stream = make_stream(creator, title=title)
        remind(viewer, stream, 10)
        change = streams.delete_stream if title == "deleted" else streams.cancel_stream
        change(stream.pk, by=creator, now=now)

    found = events(address_of(viewer))

    assert {title: (event.status, event.alarms) for title, event in found.items()} == {"cancelled": ("CANCELLED", [])}


def test_a_stream_that_a_ban_keeps_the_user_from_is_left_out_until_the_ban_is_lifted(
    creator: User, viewer: User, now: datetime
) -> None:
    blocked, muted = make_stream(creator, title="blocked"), make_stream(creator, title="muted")
    for stream in (blocked, muted):
        remind(viewer, stream, 10)
    ban = make_ban(viewer, blocked)
    make_ban(viewer, muted, action_type="CHAT_ONLY")
    address = address_of(viewer)
    assert events(address).keys() == {"muted"}

    lift_ban(ban.pk, by=creator, now=now)
    assert events(address).keys() == {"blocked", "muted"}


def test_a_removed_reminder_removes_the_event(creator: User, viewer: User, now: datetime) -> None:
    stream = make_stream(creator)
    remind(viewer, stream, 10)
    address = address_of(viewer)
    services.remove_reminder(stream.pk, by=viewer, now=now)
    assert events(address) == {}


def test_it_covers_the_last_90_days_in_the_order_of_the_starts(creator: User, viewer: User, now: datetime) -> None:
    for days in (3, -89, -91, 400, 1):
        planned = now + timedelta(days=days)
        owner = viewer if days % 2 else creator
        stream = make_stream(owner, now=planned - HOUR, planned_start_at=planned, title=f"{days}")
        if owner == creator:
            remind(viewer, stream, 10)

    assert list(events(address_of(viewer))) == ["-89", "1", "3", "400"]


def test_of_too_many_streams_the_nearest_are_kept(
    creator: User, viewer: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "LONGEST_FEED", 3)
    for hours in (-200, -3, 2, 9, 400, 5):
        planned = now + hours * HOUR
        owner = viewer if hours in (-200, -3, 9) else creator
        stream = make_stream(owner, now=planned - HOUR, planned_start_at=planned, title=f"{hours}")
        if owner == creator:
            remind(viewer, stream, None)

    assert list(events(address_of(viewer))) == ["-3", "2", "5"]


# --- caching --------------------------------------------------------------------------------------


def test_the_etag_changes_with_what_the_calendar_shows(creator: User, viewer: User, now: datetime) -> None:
    stream = make_stream(creator, now=now)
    remind(viewer, stream, 10)
    address = address_of(viewer)
    first = read(address)
    etag = first.headers["ETag"]
    assert first.headers["Cache-Control"] == "private, no-cache"

    unchanged = read(address, **{"if-none-match": etag})
    assert (unchanged.status_code, unchanged.content, unchanged.headers["ETag"]) == (304, b"", etag)

    services.set_reminder(stream.pk, by=viewer, now=now, minute=20, language="en")
    changed = read(address, **{"if-none-match": etag})
    assert (changed.status_code, changed.headers["ETag"] != etag) == (200, True)


def test_reading_runs_three_statements_however_many_streams_there_are(creator: User, viewer: User) -> None:
    address = address_of(viewer)
    counts = []
    for number in (1, 20):
        for at in range(number):
            remind(viewer, make_stream(creator, title=f"{at}"), 10)
            make_stream(viewer, Status.SCHEDULED)
        counts.append(len(statements(lambda: read(address))))
    assert counts == [3, 3]
