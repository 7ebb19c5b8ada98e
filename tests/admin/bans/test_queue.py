"""The queue over HTTP: who may open it and decide, what comes next, claims, refusals, and its cost."""

from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from bans import services
from bans.models import Appeal, LiveStreamBan, ReviewClaim
from common.models import AuditEntry
from livestreams.models import LiveStream
from tests.admin.bans.queue_world import MINUTE, make_moderator, waiting_bans
from tests.admin.bans.reviewing import HOUR, appeal, review, row_of
from tests.admin.conftest import Office
from tests.admin.pages import messages_of, text_of
from tests.bans.people import make_ban
from tests.conftest import make_user
from tests.streams import make_stream

QUEUE = "/admin/bans/review/"
KEEP = {"verdict": "upheld", "reason": "Seen."}
Review = LiveStreamBan.Review


def case_url(ban: LiveStreamBan, part: str = "") -> str:
    return f"{QUEUE}{ban.pk}/{part}"


def next_of(client: Client, **query: str) -> str | None:
    """The username on the page to which the queue redirects; None if nothing waits."""
    answer = client.get(QUEUE, query)
    if answer.status_code == 200:
        return None
    assert answer.headers["Location"].startswith(QUEUE)
    return str(client.get(answer.headers["Location"]).context["ban"].target.username)


@pytest.fixture
def melis(db: None) -> User:
    return make_moderator("melis")


@pytest.fixture
def defne(db: None) -> User:
    return make_moderator("defne")


# --- roles ----------------------------------------------------------------------------------------

PARTS = ["", "skip/", "claim/"]


@pytest.mark.parametrize("part", [*PARTS, "undo"])
@pytest.mark.parametrize("who", ["reader", "creator", "viewer"])
def test_a_crafted_post_without_the_permission_is_forbidden(
    who: str, part: str, request: Any, office: Office, ban: LiveStreamBan
) -> None:
    client = office(request.getfixturevalue(who))
    before, entries = row_of(ban), AuditEntry.objects.count()

    address = f"{QUEUE}undo/" if part == "undo" else case_url(ban, part)
    answer = client.post(address, KEEP | {"ban": ban.pk, "do": "take_over"})

    assert answer.status_code == 403
    assert row_of(ban) == before
    assert (AuditEntry.objects.count(), ReviewClaim.objects.count()) == (entries, 0)


@pytest.mark.parametrize("address", ["", "{}/", "{}/claim/"])
def test_who_may_open_the_queue(
    address: str, office: Office, client: Client, ban: LiveStreamBan, reader: User, melis: User, creator: User
) -> None:
    url = QUEUE + address.format(ban.pk)
    root = User.objects.create_superuser("root", "password")
    for user in (reader, melis, root):
        assert office(user).get(url).status_code in {200, 302}
    assert office(make_user("newcomer", is_staff=True)).get(url).status_code == 403
    for stranger in (office(creator), client):
        assert stranger.get(url).headers["Location"].startswith(reverse("admin:login"))
    assert client.post(url, KEEP).headers["Location"].startswith(reverse("admin:login"))
    assert row_of(ban)["review"] == "unreviewed"


def test_a_reader_sees_the_ban_without_a_form_and_claims_nothing(
    office: Office, ban: LiveStreamBan, reader: User
) -> None:
    client = office(reader)
    assert next_of(client) == "viewer"
    page = client.get(case_url(ban))
    assert "You may look at bans, and not decide about them." in text_of(page)
    assert 'name="verdict"' not in page.content.decode()
    assert not ReviewClaim.objects.exists()


@pytest.mark.parametrize("ban_id", ["x", "f" * 24, "F" * 24, "undo", "%00"])
def test_a_wrong_id_is_not_found(ban_id: str, office: Office, melis: User) -> None:
    client = office(melis)
    for part in PARTS:
        assert client.get(f"{QUEUE}{ban_id}/{part}").status_code in {400, 404, 405}
        assert client.post(f"{QUEUE}{ban_id}/{part}", KEEP).status_code in {302, 400, 404, 405}


@pytest.mark.parametrize("query", ["queue=x", "creator=x", "batch=1", "queue=live&creator=%27"])
def test_a_wrong_part_of_the_queue_is_refused(query: str, office: Office, melis: User, ban: LiveStreamBan) -> None:
    assert office(melis).get(f"{QUEUE}?{query}").status_code == 400


# --- what comes next ------------------------------------------------------------------------------


def test_the_next_ban_follows_the_order_and_what_was_skipped_comes_last(
    all_kinds: LiveStream, office: Office, moderator: User
) -> None:
    client = office(moderator)
    seen = [next_of(client)]
    for _ in range(4):
        ban = LiveStreamBan.objects.get(target__username=seen[-1])
        answer = client.post(case_url(ban, "skip/"))
        seen.append(client.get(answer.headers["Location"]).context["ban"].target.username)
    assert seen == ["appealed", "ended", "ending", "silenced", "fresh"]
    client.post(case_url(LiveStreamBan.objects.get(target__username="fresh"), "skip/"))
    assert next_of(client) == "appealed"


def test_a_part_of_the_queue_stays_chosen(all_kinds: LiveStream, office: Office, moderator: User) -> None:
    client = office(moderator)
    assert next_of(client, queue="live") == "ended"
    assert next_of(client, creator=all_kinds.creator_id) == "ended"
    assert next_of(client, queue="ending") is None
    assert next_of(client, batch="f" * 24) is None
    ban = LiveStreamBan.objects.get(target__username="ended")
    answer = client.post(case_url(ban) + f"?queue=live&creator={all_kinds.creator_id}", KEEP)
    assert answer.headers["Location"] == f"{QUEUE}?queue=live&creator={all_kinds.creator_id}"
    assert "Nothing waits here." in text_of(client.get(answer.headers["Location"]))


def test_a_moderators_own_bans_are_offered_to_others_first(
    stream: LiveStream, viewer: User, guest: User, melis: User, defne: User, office: Office, now: datetime
) -> None:
    services.ban_user(viewer.pk, stream.pk, by=melis, now=now - HOUR + MINUTE)
    make_ban(guest, stream)
    assert next_of(office(melis)) == "guest"
    assert next_of(office(defne)) == "viewer"
    page = office(melis).get(case_url(LiveStreamBan.objects.get(target=viewer)))
    assert [verdict.value for verdict in page.context["verdicts"]] == ["lifted", "changed"]
    assert [change.value for change in page.context["changes"]] == ["600", "3600", "86400", "604800", "CHAT_ONLY"]


# --- claims ---------------------------------------------------------------------------------------


def test_two_moderators_get_different_bans_and_see_who_looks_at_the_other(
    all_kinds: LiveStream, office: Office, melis: User, defne: User
) -> None:
    first, second = office(melis), office(defne)
    assert (next_of(first), next_of(second)) == ("appealed", "ended")
    ban = LiveStreamBan.objects.get(target__username="appealed")

    assert "melis is looking at this ban." in text_of(second.get(case_url(ban)))
    state = second.get(case_url(ban, "claim/")).json()
    assert (state["isMine"], state["holder"]) == (False, "melis is looking at this ban.")
    assert second.post(case_url(ban), KEEP).status_code == 409
    assert row_of(ban)["review"] == "upheld"
    assert Appeal.objects.get().state == "pending"

    assert second.post(case_url(ban, "claim/"), {"do": "take_over"}).headers["Location"] == case_url(ban)
    entry = AuditEntry.objects.get(action="take_over_claim")
    assert (entry.actor_name, entry.target_id, entry.before, entry.after) == (
        "defne", ban.pk, {"moderator": "melis"}, {"moderator": "defne"},
    )  # fmt: skip
    assert first.get(case_url(ban, "claim/")).json()["holder"] == "defne is looking at this ban."
    assert first.post(case_url(ban), KEEP).status_code == 409
    assert second.post(case_url(ban), KEEP).status_code == 302
    assert Appeal.objects.get().state == "denied"


def test_a_claim_ends_with_the_decision_with_leaving_and_with_time(
    ban: LiveStreamBan, office: Office, melis: User, defne: User, settings: Any
) -> None:
    first, second = office(melis), office(defne)
    assert (next_of(first), next_of(second)) == ("viewer", None)
    first.post(case_url(ban, "claim/"), {"do": "release"})
    assert next_of(second) == "viewer"

    before = ReviewClaim.objects.get().until
    second.post(case_url(ban, "claim/"), {"do": "renew"})
    assert ReviewClaim.objects.get().until > before
    ReviewClaim.objects.update(claimed_at=timezone.now() - HOUR, until=timezone.now())
    assert next_of(first) == "viewer"
    assert second.post(case_url(ban, "claim/"), {"do": "renew"}).json()["holder"] == "melis is looking at this ban."
    first.post(case_url(ban), KEEP)
    assert not ReviewClaim.objects.exists()
    assert AuditEntry.objects.exclude(action="review_ban").filter(actor_name="melis").count() == 0


def test_nothing_is_taken_over_from_nobody(ban: LiveStreamBan, office: Office, melis: User, now: datetime) -> None:
    client = office(melis)
    client.get(case_url(ban))
    assert client.post(case_url(ban, "claim/"), {"do": "take_over"}).status_code == 302
    assert not AuditEntry.objects.filter(action="take_over_claim").exists()
    with pytest.raises(services.ClaimMissing):
        services.take_over_claim(ban.pk, by=melis, now=now)
    with pytest.raises(services.BanMissing):
        services.take_claim("f" * 24, by=melis, now=now)


# --- decisions ------------------------------------------------------------------------------------


def test_a_decision_sends_the_message_and_opens_the_next_ban(
    all_kinds: LiveStream, office: Office, moderator: User
) -> None:
    client = office(moderator)
    ban = LiveStreamBan.objects.get(target__username="appealed")
    answer = client.post(case_url(ban), KEEP | {"message": "Please read the rules."})

    following = LiveStreamBan.objects.get(target__username="ended")
    assert answer.headers["Location"] == case_url(following)
    row = row_of(ban)
    assert (row["review"], row["verdict_message"]) == ("upheld", "Please read the rules.")
    page = client.get(answer.headers["Location"])
    assert page.context["last"]["ban"] == ban.pk
    assert "appealed · Gece sohbeti: upheld" in text_of(page)
    answer = client.post(f"{QUEUE}undo/", {"ban": ban.pk})
    assert answer.headers["Location"] == case_url(ban)
    assert messages_of(answer) == ["The verdict was taken back. Decide again."]
    assert Appeal.objects.get().state == "pending"


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ({"reason": "Seen."}, "Choose what happens to the ban."),
        ({"verdict": "upheld"}, "This field is required."),
        ({"verdict": "upheld", "reason": "x" * 501}, "at most 500 characters"),
        ({"verdict": "upheld", "reason": "x", "message": "x" * 501}, "at most 500 characters"),
        ({"verdict": "changed", "reason": "x", "appeal": "denied"}, "Choose what the ban is changed to."),
        ({"verdict": "changed", "reason": "x", "duration": "600"}, "Choose what happens to the appeal."),
        ({"verdict": "changed", "reason": "x", "duration": "601", "appeal": "denied"}, "Select a valid choice"),
    ],
    ids=str,
)
def test_an_incomplete_decision_changes_nothing_and_keeps_what_was_typed(
    sent: dict[str, str], error: str, ban: LiveStreamBan, office: Office, melis: User
) -> None:
    appeal(ban)
    before = row_of(ban)
    page = office(melis).post(case_url(ban), {"message": "typed", **sent})
    assert page.status_code == 400
    assert error in text_of(page)
    assert sent.get("message", "typed") in page.content.decode()
    assert row_of(ban) == before


@pytest.mark.parametrize(
    ("sent", "changed"),
    [
        ({"duration": "3600"}, {"expires_at"}),
        ({"duration": "none", "kind": "CHAT_ONLY"}, {"expires_at", "action_type"}),
        ({"kind": "CHAT_ONLY"}, {"action_type"}),
    ],
    ids=["end", "end and kind", "kind"],
)
def test_a_ban_is_changed_to_what_was_chosen(
    sent: dict[str, str], changed: set[str], viewer: User, stream: LiveStream, office: Office, melis: User
) -> None:
    ban = make_ban(viewer, stream, expires_at=timezone.now() + 5 * HOUR)
    before = row_of(ban)
    assert office(melis).post(case_url(ban), {"verdict": "changed", "reason": "x", **sent}).status_code == 302
    after = row_of(ban)
    assert {name for name in ("expires_at", "action_type") if after[name] != before[name]} == changed
    assert (after["expires_at"] is None) == (sent.get("duration") == "none")


def test_staying_on_the_ban_is_a_choice_that_is_kept(ban: LiveStreamBan, office: Office, melis: User) -> None:
    client = office(melis)
    answer = client.post(case_url(ban), KEEP | {"stay": "on"})
    assert answer.headers["Location"] == case_url(ban)
    assert User.objects.get(pk=melis.pk).preferences.stay_on_case
    assert client.get(case_url(ban)).context["stay"]


def test_the_slower_moderator_sees_who_was_faster_and_keeps_the_reason(
    ban: LiveStreamBan, office: Office, melis: User, defne: User
) -> None:
    client = office(melis)
    seen = client.get(case_url(ban)).context["seen"]
    review(ban, defne, "upheld")
    before = row_of(ban)

    state = client.get(case_url(ban, "claim/"), {"seen": seen}).json()
    page = client.post(case_url(ban), {"verdict": "lifted", "reason": "A misunderstanding.", "seen": seen})

    assert state["changed"].startswith("defne was faster, at ")
    assert state["changed"].endswith(": upheld")
    assert page.status_code == 409
    assert "defne was faster, at " in text_of(page)
    assert "A misunderstanding." in page.content.decode()
    assert row_of(ban) == before


# --- cost -----------------------------------------------------------------------------------------

MOST_STATEMENTS = 15


def test_a_page_costs_the_same_whatever_waits(
    office: Office, melis: User, now: datetime, django_assert_max_num_queries: Any
) -> None:
    client = office(melis)
    (ban,) = waiting_bans(1, now)

    def statements() -> int:
        client.get(case_url(ban))
        with django_assert_max_num_queries(MOST_STATEMENTS) as seen:
            assert client.get(case_url(ban)).status_code == 200
        return len(seen)

    few = statements()
    for number in range(30):
        stream = make_stream(make_user(f"host{number}"))
        other = make_ban(ban.target, stream, now=now - number * HOUR)
        if number % 2:
            review(other, melis, "upheld")
        make_ban(make_user(f"other{number}"), stream)
    assert statements() == few
