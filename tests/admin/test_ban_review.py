"""Moderators review bans in the admin: what they find, what they decide, and what others cannot."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from bans import services
from bans.models import Appeal, LiveStreamBan
from bans.services.appeals import appeal_ban
from common.models import AuditEntry
from livestreams.models import LiveStream
from tests.admin.conftest import Office, permit
from tests.admin.pages import action_url, change_many, list_url, messages_of, page_url, text_of
from tests.bans.people import lapsed_ban, make_ban
from tests.conftest import make_user
from tests.streams import make_stream

REASON = {"reason": "I watched it."}
USUAL = ["block_watching", "block_writing", "end_in_an_hour", "end_in_a_day", "end_in_a_week", "hold_until_lifted"]
ACTIONS = ["uphold_ban", "lift_ban", *USUAL]
BLOCK, CHAT_ONLY = LiveStreamBan.ActionType.BLOCK, LiveStreamBan.ActionType.CHAT_ONLY
HOUR = timedelta(hours=1)


@pytest.fixture
def moderator(db: None) -> User:
    user = make_user("moderator", is_staff=True)
    user.groups.add(Group.objects.get(name="Moderators"))
    return User.objects.get(pk=user.pk)


@pytest.fixture
def reader(db: None) -> User:
    """Staff who may view bans and not review them, though they may change streams."""
    return permit(
        make_user("reader", is_staff=True), ("view_livestreamban", "change_livestreamban", "change_livestream")
    )


@pytest.fixture
def stream(creator: User) -> LiveStream:
    return make_stream(creator, "active", title="Gece sohbeti")


@pytest.fixture
def ban(viewer: User, stream: LiveStream) -> LiveStreamBan:
    return make_ban(viewer, stream, reason="spam")


def appeal(ban: LiveStreamBan, text: str = "It was my brother.") -> None:
    appeal_ban(ban.pk, by=ban.target, now=timezone.now(), text=text)


def row_of(ban: LiveStreamBan) -> Any:
    return LiveStreamBan.all_objects.values().get(pk=ban.pk)


def listed(client: Client, **query: str) -> list[str]:
    answer = client.get(list_url(LiveStreamBan), query)
    assert answer.status_code == 200
    return [row.target.username for row in answer.context["cl"].result_list]


def review(ban: LiveStreamBan, by: User, verdict: Any, **changes: Any) -> None:
    services.review_ban(ban.pk, by=by, now=timezone.now(), verdict=verdict, reason="Seen.", changes=changes)


# --- finding --------------------------------------------------------------------------------------


@pytest.fixture
def all_kinds(creator: User, moderator: User, stream: LiveStream, now: datetime) -> LiveStream:
    """Seven bans on two streams, each named after what is special about it; returns the other stream."""
    other = make_stream(make_user("host"), "active", title="Yoga")

    def banned(name: str, hours_ago: int, on: LiveStream = stream, **fields: Any) -> LiveStreamBan:
        return make_ban(make_user(name), on, now=now - hours_ago * HOUR, **fields)

    banned("fresh", 3)
    banned("silenced", 4, action_type=CHAT_ONLY)
    appealed = banned("appealed", 9)
    banned("ending", 5, expires_at=now + HOUR)
    banned("ended", 6, other, expires_at=now - HOUR)
    upheld, lifted = banned("upheld", 1, expires_at=now + 48 * HOUR), banned("lifted", 2, other)
    review(appealed, moderator, "upheld")
    review(upheld, moderator, "upheld")
    services.lift_ban(lifted.pk, by=lifted.created_by, now=now)
    appeal(appealed)
    return other


def test_what_waits_for_a_moderator_comes_first_and_then_the_newest(
    all_kinds: LiveStream, office: Office, moderator: User
) -> None:
    assert listed(office(moderator)) == ["fresh", "silenced", "ending", "ended", "appealed", "upheld", "lifted"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"action_type__exact": "CHAT_ONLY"}, "silenced"),
        ({"review__exact": "upheld"}, "upheld appealed"),
        ({"holding": "yes"}, "fresh silenced appealed ending upheld"),
        ({"holding": "soon"}, "ending"),
        ({"holding": "ended"}, "ended"),
        ({"holding": "lifted"}, "lifted"),
        ({"appeal": "any"}, "appealed"),
        ({"appeal": "pending"}, "appealed"),
        ({"appeal": "denied"}, ""),
        ({"stream__id__exact": "other"}, "ended lifted"),
        ({"reviewed_by__id__exact": "moderator"}, "upheld appealed"),
        ({"q": "ENDE"}, "ended"),
        ({"q": "other"}, "ended lifted"),
        ({"q": "person"}, "fresh"),
        ({"q": "ban"}, "fresh"),
    ],
    ids=str,
)
def test_bans_are_found_by_filters_names_and_ids(
    query: dict[str, str], names: str, all_kinds: LiveStream, office: Office, moderator: User
) -> None:
    fresh = LiveStreamBan.objects.get(target__username="fresh")
    known = {"other": all_kinds.pk, "moderator": moderator.pk, "person": fresh.target_id, "ban": fresh.pk.upper()}

    found = listed(office(moderator), **{name: known.get(value, value) for name, value in query.items()})

    assert set(found) == set(names.split())


@pytest.mark.parametrize(
    ("app", "model", "field", "wanted"),
    [("bans", "livestreamban", "stream", "sohbet"), ("bans", "livestreamban", "reviewed_by", "moder")],
)
def test_the_filters_of_streams_and_reviewers_offer_what_one_types(
    app: str, model: str, field: str, wanted: str, ban: LiveStreamBan, office: Office, moderator: User
) -> None:
    query = {"app_label": app, "model_name": model, "field_name": field, "term": wanted}
    answer = office(moderator).get(reverse("admin:autocomplete"), query)
    assert [result["text"] for result in answer.json()["results"]] == [
        "Gece sohbeti" if field == "stream" else "moderator"
    ]


def test_the_list_tells_all_that_is_known(all_kinds: LiveStream, office: Office, moderator: User) -> None:
    text = text_of(office(moderator).get(list_url(LiveStreamBan), {"q": "upheld"}))
    until = LiveStreamBan.objects.get(target__username="upheld").expires_at
    assert until is not None
    for part in ("Gece sohbeti", "may not watch", "holds", f"{until:%Y-%m-%d %H:%M:%S}", "upheld", "moderator"):
        assert part in text


def test_the_sidebar_counts_what_nobody_has_reviewed(all_kinds: LiveStream, office: Office, moderator: User) -> None:
    page = text_of(office(moderator).get(reverse("admin:index")))
    assert "gavel Bans 4 group" in page


def test_the_page_shows_the_appeal_the_earlier_bans_and_the_story(
    ban: LiveStreamBan, viewer: User, guest: User, office: Office, moderator: User, now: datetime
) -> None:
    earlier = make_ban(viewer, make_stream(guest, title="Yoga"), now=now - 5 * HOUR, reason="shouting")
    make_ban(guest, ban.stream, reason="of somebody else")
    appeal(ban, "It was my <b>brother</b>.")
    client = office(moderator)
    client.post(action_url(earlier, "uphold_ban"), REASON)

    page = client.get(page_url(ban))

    text = text_of(page)
    assert "It was my <b>brother</b>." in text
    assert "of somebody else" not in text
    assert "Earlier bans of this person" in text
    assert f'href="{page_url(earlier)}"' in page.content.decode()
    assert f"Yoga may not watch shouting holds until it is lifted upheld {guest.username}" in text
    assert [entry.action for entry in page.context["audit_trail"]["entries"]] == ["ban_user"]
    assert "Earlier bans" not in text_of(client.get(page_url(earlier)))


# --- acting ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("many", [False, True])
def test_an_action_records_a_review_with_reviewer_and_reason(
    action: str, many: bool, viewer: User, stream: LiveStream, office: Office, moderator: User
) -> None:
    start = timezone.now()
    kind = CHAT_ONLY if action == "block_watching" else BLOCK
    ban = make_ban(viewer, stream, action_type=kind, expires_at=start + timedelta(days=30))
    client = office(moderator)

    if many:
        answer = change_many(client, action, [ban], confirmed="yes", **REASON)
    else:
        answer = client.post(action_url(ban, action), REASON)

    row = row_of(ban)
    verdict = {"uphold_ban": "upheld", "lift_ban": "lifted"}.get(action, "changed")
    assert messages_of(answer) == [f"1 ban was {verdict}."]
    assert (row["review"], row["reviewed_by_id"]) == (verdict, moderator.pk)
    assert (row["deleted_at"] is not None) == (action == "lift_ban")
    assert row["action_type"] == {"block_watching": BLOCK, "block_writing": CHAT_ONLY}.get(action, kind)
    length = {"end_in_an_hour": HOUR, "end_in_a_day": 24 * HOUR, "end_in_a_week": 168 * HOUR}.get(action, 720 * HOUR)
    if action == "hold_until_lifted":
        assert row["expires_at"] is None
    else:
        assert timedelta(0) <= row["expires_at"] - start - length < timedelta(minutes=1)
    entry = AuditEntry.objects.get(action="review_ban")
    assert (entry.entry_point, entry.actor_id, entry.reason) == ("admin", moderator.pk, REASON["reason"])


def test_of_many_each_is_decided_alone_and_the_appeals_with_them(
    all_kinds: LiveStream, office: Office, moderator: User
) -> None:
    bans = list(LiveStreamBan.all_objects.select_related("target"))

    answer = change_many(office(moderator), "lift_ban", bans, confirmed="yes", **REASON)

    assert messages_of(answer)[0] == "6 bans were lifted."
    assert messages_of(answer)[1].endswith(": the ban has been lifted already")
    assert Appeal.objects.get().state == "approved"


def test_one_is_changed_with_a_form_of_kind_and_end(ban: LiveStreamBan, office: Office, moderator: User) -> None:
    asked = office(moderator).get(action_url(ban, "change_ban"))
    sent = {"action_type": "CHAT_ONLY", "expires_at": "2040-01-01T12:30:00"} | REASON

    answer = office(moderator).post(action_url(ban, "change_ban"), sent)

    assert row_of(ban)["action_type"] == "CHAT_ONLY"
    assert row_of(ban)["expires_at"].isoformat() == "2040-01-01T12:30:00+00:00"
    assert messages_of(answer) == ["1 ban was changed."]
    assert answer.headers["Location"] == page_url(ban)
    assert [field.name for field in asked.context["form"]] == ["action_type", "expires_at", "reason"]


def test_what_the_form_left_alone_stays_to_the_microsecond(
    viewer: User, stream: LiveStream, office: Office, moderator: User, now: datetime
) -> None:
    end = (now + HOUR).replace(microsecond=123456)
    ban = make_ban(viewer, stream, expires_at=end)
    client = office(moderator)
    shown = client.get(action_url(ban, "change_ban")).context["form"]["expires_at"].value()

    client.post(action_url(ban, "change_ban"), {"action_type": "CHAT_ONLY", "expires_at": shown} | REASON)

    assert (row_of(ban)["action_type"], row_of(ban)["expires_at"]) == ("CHAT_ONLY", end)
    assert "expires_at" not in AuditEntry.objects.get(action="review_ban").after


def test_an_end_is_taken_away_by_a_tick_and_not_by_an_empty_field(
    viewer: User, stream: LiveStream, office: Office, moderator: User, now: datetime
) -> None:
    ban = make_ban(viewer, stream, expires_at=now + HOUR)
    before, client = row_of(ban), office(moderator)
    for sent in ({"expires_at": ""}, {}, {"expires_at": "", "action_type": "CHAT_ONLY"}):
        answer = client.post(action_url(ban, "change_ban"), {"action_type": "BLOCK"} | sent | REASON)
        assert "tick “Holds until it is lifted”" in text_of(answer)
        assert row_of(ban) == before

    both = {"action_type": "BLOCK", "expires_at": "2040-01-01T12:30:00", "no_end": "on"}
    assert "not both" in text_of(client.post(action_url(ban, "change_ban"), both | REASON))
    assert row_of(ban) == before

    client.post(action_url(ban, "change_ban"), {"action_type": "BLOCK", "expires_at": "", "no_end": "on"} | REASON)
    assert row_of(ban)["expires_at"] is None


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"action_type": "BLOCK", "expires_at": "2001-01-01T00:00:00"}, "expiresAt: must lie in the future"),
    ],
    ids=str,
)
def test_a_refused_change_is_shown_as_a_message(
    sent: dict[str, str], expected: str, ban: LiveStreamBan, office: Office, moderator: User
) -> None:
    before = row_of(ban)
    answer = office(moderator).post(action_url(ban, "change_ban"), sent | REASON)
    (message,) = messages_of(answer)
    assert message.endswith(f": {expected}")
    assert row_of(ban) == before


@pytest.mark.parametrize(
    "sent",
    [
        {"action_type": "MUTE"} | REASON,
        {"action_type": "CHAT_ONLY", "expires_at": "soon"} | REASON,
        {"action_type": "CHAT_ONLY", "expires_at": "٢٠٤٠-٠١-٠١T١٢:٣٠"} | REASON,
        {"action_type": "BLOCK"} | REASON,
        {"action_type": "CHAT_ONLY", "reason": " "},
        REASON,
    ],
    ids=str,
)
def test_a_form_that_is_not_filled_in_rightly_changes_nothing(
    sent: dict[str, str], ban: LiveStreamBan, office: Office, moderator: User
) -> None:
    before = row_of(ban)
    answer = office(moderator).post(action_url(ban, "change_ban"), sent)
    assert answer.status_code == 200
    assert answer.context["form"].errors
    assert row_of(ban) == before


@pytest.mark.parametrize("action", ["uphold_ban", "lift_ban", "change_ban", "end_in_a_day"])
def test_the_slower_of_two_moderators_sees_who_decided(
    action: str, ban: LiveStreamBan, office: Office, moderator: User
) -> None:
    review(ban, make_user("faster"), "upheld")
    before = row_of(ban)

    answer = office(moderator).post(action_url(ban, action), {"action_type": "CHAT_ONLY"} | REASON)

    (message,) = messages_of(answer)
    assert f"faster has reviewed the ban already, on {before['reviewed_at']:%Y-%m-%d %H:%M:%S} UTC: upheld" in message
    assert row_of(ban) == before


def test_the_page_offers_what_the_ban_allows(
    ban: LiveStreamBan, viewer: User, guest: User, creator: User, office: Office, moderator: User
) -> None:
    ended, lifted = lapsed_ban(guest, ban.stream), make_ban(viewer, make_stream(creator))
    services.lift_ban(lifted.pk, by=creator, now=timezone.now())
    client = office(moderator)

    def offered(one: LiveStreamBan) -> list[str]:
        page = client.get(page_url(one)).content.decode()
        return [action for action in [*ACTIONS, "change_ban"] if f'"{action_url(one, action)}"' in page]

    assert offered(ban) == ["uphold_ban", "lift_ban", "change_ban"]
    assert text_of(client.get(action_url(lifted, "lift_ban"))).count("the ban has been lifted already") == 1
    assert offered(ended) == ["uphold_ban", "lift_ban"]
    assert offered(lifted) == []
    review(ban, moderator, "upheld")
    assert offered(ban) == ["lift_ban", "change_ban"]


# --- who may not ----------------------------------------------------------------------------------


@pytest.mark.parametrize("action", [*ACTIONS, "change_ban"])
@pytest.mark.parametrize("who", ["reader", "creator", "guest", "viewer"])
@pytest.mark.parametrize("many", [False, True])
def test_a_crafted_post_of_somebody_who_is_no_moderator_is_forbidden(
    action: str, who: str, many: bool, request: Any, office: Office, ban: LiveStreamBan
) -> None:
    client = office(request.getfixturevalue(who))
    before, entries = row_of(ban), AuditEntry.objects.count()
    sent = {"action_type": "CHAT_ONLY"} | REASON

    url = list_url(LiveStreamBan) if many else action_url(ban, action)
    answer = client.post(url, {"action": action, "_selected_action": [ban.pk], "confirmed": "yes"} | sent)

    assert answer.status_code == 403
    assert row_of(ban) == before
    assert AuditEntry.objects.count() == entries


def test_who_has_not_logged_in_is_led_to_the_login(client: Client, ban: LiveStreamBan) -> None:
    before = row_of(ban)
    answer = client.post(action_url(ban, "lift_ban"), REASON)
    assert answer.headers["Location"].startswith(reverse("admin:login"))
    assert row_of(ban) == before


def test_staff_without_the_permission_are_offered_no_action(office: Office, reader: User, ban: LiveStreamBan) -> None:
    client = office(reader)
    seen = client.get(page_url(ban)).content.decode() + client.get(list_url(LiveStreamBan)).content.decode()
    assert "spam" in seen
    assert not any(action in seen for action in [*ACTIONS, "change_ban"])


@pytest.mark.parametrize("part", ["add", "delete", "change"])
@pytest.mark.parametrize("who", ["moderator", "root"])
def test_nobody_adds_deletes_or_edits_a_ban(
    part: str, who: str, office: Office, moderator: User, ban: LiveStreamBan
) -> None:
    user = moderator if who == "moderator" else User.objects.create_superuser("root", "password")
    address = list_url(LiveStreamBan) + ("add/" if part == "add" else f"{ban.pk}/{part}/")
    before = row_of(ban)

    answer = office(user).post(address, {"post": "yes", "target": ban.created_by_id, "reason": "crafted"})

    assert answer.status_code == 403
    assert row_of(ban) == before
    assert LiveStreamBan.all_objects.count() == 1


@pytest.mark.parametrize("part", ["add", "delete", "change"])
def test_not_even_a_moderator_touches_an_audit_row(
    part: str, office: Office, moderator: User, ban: LiveStreamBan
) -> None:
    entry = AuditEntry.objects.get(action="ban_user")
    before = AuditEntry.objects.values().get(pk=entry.pk)
    address = list_url(AuditEntry) + ("add/" if part == "add" else f"{entry.pk}/{part}/")

    answer = office(moderator).post(address, {"post": "yes", "reason": "crafted"})

    assert answer.status_code == 403
    assert AuditEntry.objects.values().get(pk=entry.pk) == before


def test_staff_without_the_permission_see_no_ban(office: Office, ban: LiveStreamBan) -> None:
    client = office(make_user("newcomer", is_staff=True))
    assert client.get(list_url(LiveStreamBan)).status_code == 403
    assert client.get(page_url(ban)).status_code == 403


# --- cost -----------------------------------------------------------------------------------------

MOST_STATEMENTS = 15
# Ids and people are made of the number, so that each row is another person's ban on one stream.
FILL = """
    WITH numbers AS (
        SELECT n, decode(lpad(to_hex(n), 24, '0'), 'hex') AS id FROM generate_series(%s::int, %s::int) AS n
    ),
    people AS (
        INSERT INTO accounts_user (
            id, password, is_superuser, username, username_key, name, surname, email, availability_status, is_staff,
            is_active, created_at, updated_at, identity_issuer, identity_subject, identity_tokens_from, names_folded)
        SELECT id, '', false, 'person' || n, 'person' || n, 'P', 'Q', '', 'offline', false, true,
            now(), now(), '', '', NULL, 'person' || n || ' p q'
        FROM numbers
    ),
    bans AS (
        INSERT INTO bans_livestreamban (
            id, created_at, updated_at, action_type, reason, expires_at, review, reviewed_at, reviewed_by_id,
            created_by_id, stream_id, target_id)
        SELECT id, now() - n * interval '1 minute', now(), 'BLOCK', 'spam',
            CASE WHEN n %% 3 = 0 THEN now() + interval '1 hour' END,
            CASE WHEN n %% 2 = 0 THEN 'upheld' ELSE 'unreviewed' END,
            CASE WHEN n %% 2 = 0 THEN now() END, CASE WHEN n %% 2 = 0 THEN %s::bytea END,
            %s::bytea, %s::bytea, id
        FROM numbers
    )
    INSERT INTO bans_appeal (id, created_at, updated_at, text, state, ban_id)
    SELECT id, now(), now(), 'No.', CASE WHEN n %% 20 = 0 THEN 'pending' ELSE 'denied' END, id
    FROM numbers WHERE n %% 10 = 0
"""


def fill(first: int, last: int, stream: LiveStream, moderator: User) -> None:
    ids = [bytes.fromhex(pk) for pk in (moderator.pk, stream.creator_id, stream.pk)]
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        cursor.execute(FILL, [first, last, *ids])
        cursor.execute("ANALYZE")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "many"),
    [({}, 100_000), ({"q": "person1"}, 3_000), ({"holding": "soon", "appeal": "pending"}, 3_000)],
    ids=str,
)
def test_the_list_costs_the_same_for_a_hundred_thousand_as_for_a_few(
    query: dict[str, str], many: int, stream: LiveStream, office: Office, moderator: User,
    django_assert_max_num_queries: Any,
) -> None:  # fmt: skip
    client = office(moderator)

    def statements() -> int:
        client.get(list_url(LiveStreamBan), query)  # what is fetched once in a process, such as content types
        with django_assert_max_num_queries(MOST_STATEMENTS) as seen:
            assert client.get(list_url(LiveStreamBan), query).status_code == 200
        return len(seen)

    fill(1, 60, stream, moderator)
    few = statements()
    fill(61, many, stream, moderator)

    assert statements() == few
    assert len(listed(client, **query)) == 50


def test_the_page_costs_the_same_however_often_the_person_was_banned(
    ban: LiveStreamBan, viewer: User, guest: User, office: Office, moderator: User, now: datetime,
    django_assert_max_num_queries: Any,
) -> None:  # fmt: skip
    client = office(moderator)
    client.get(page_url(ban))
    with django_assert_max_num_queries(20) as few:
        client.get(page_url(ban))
    for number in range(30):
        make_ban(viewer, make_stream(guest, now=now + number * HOUR), now=now - HOUR)

    with django_assert_max_num_queries(20) as many:
        client.get(page_url(ban))

    assert len(many) == len(few), [query["sql"] for query in many]


def test_the_page_of_a_ban_tells_its_end_in_words(office: Office, moderator: User, creator: User, viewer: User) -> None:
    ban = make_ban(viewer, make_stream(creator))

    page = text_of(office(moderator).get(page_url(ban)))

    assert "holds, until it is lifted" in page
    assert f"{viewer.username}: may not watch" in page
    assert "['holds" not in page
