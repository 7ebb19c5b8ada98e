"""The figures of moderators."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from bans import services, team_figures
from bans.models import LiveStreamBan
from bans.team_figures import DAY, MONTH, WEEK
from livestreams.models import LiveStream
from tests.admin.conftest import Office, permit
from tests.admin.pages import text_of
from tests.bans.people import make_ban
from tests.conftest import make_user

TEAM = "/admin/bans/team/"
Review = LiveStreamBan.Review


@pytest.fixture
def senior(db: None) -> User:
    return permit(make_user("senior", is_staff=True), ("view_team_figures", "overrule", "moderate", "view_user"))


@pytest.fixture
def client(office: Office, senior: User) -> Client:
    return office(senior)


def decided(
    stream: LiveStream, name: str, by: User, verdict: Any, *, ago: timedelta, after: timedelta
) -> LiveStreamBan:
    """A ban that was reviewed `ago`, `after` it was made."""
    at = timezone.now() - ago
    ban = make_ban(make_user(name), stream, now=at - after)
    return services.review_ban(ban.pk, by=by, now=at, verdict=verdict, reason="Seen.")


def of(user: User) -> team_figures.Figures:
    found = team_figures.team_figures(now=timezone.now()).figures
    return next(each for each in found if each.moderator == user)


def test_decisions_are_counted_by_period_and_by_verdict(stream: LiveStream, moderator: User) -> None:
    hour = timedelta(hours=1)
    decided(stream, "a", moderator, Review.UPHELD, ago=hour, after=hour)
    decided(stream, "b", moderator, Review.LIFTED, ago=3 * DAY, after=3 * hour)
    decided(stream, "c", moderator, Review.UPHELD, ago=20 * DAY, after=8 * hour)
    decided(stream, "d", moderator, Review.UPHELD, ago=31 * DAY, after=hour)
    make_ban(make_user("e"), stream)

    figures = of(moderator)

    assert figures.decisions == {DAY: 1, WEEK: 2, MONTH: 3}
    assert figures.by_verdict == {Review.UPHELD: 2, Review.LIFTED: 1}
    assert (figures.overturned, figures.overturned_share) == (0, 0.0)
    assert figures.median_seconds == 3 * 3600


def test_a_decision_that_another_replaced_is_overturned_and_still_counts(
    stream: LiveStream, moderator: User, senior: User
) -> None:
    hour = timedelta(hours=1)
    first = decided(stream, "a", moderator, Review.UPHELD, ago=hour, after=hour)
    second = decided(stream, "b", moderator, Review.UPHELD, ago=hour, after=hour)
    own = decided(stream, "c", moderator, Review.UPHELD, ago=hour, after=hour)
    services.overrule_review(first.pk, by=senior, now=timezone.now(), verdict=Review.LIFTED, reason="Too hard.")
    services.undo_review(second.pk, by=senior, now=timezone.now())
    services.undo_review(own.pk, by=moderator, now=timezone.now())  # a mistake that was put right

    figures = of(moderator)

    assert (figures.decisions[DAY], figures.overturned) == (2, 2)
    assert figures.by_verdict == {Review.UPHELD: 2}
    assert of(senior).decisions[DAY] == 1
    assert of(senior).overturned == 0


def test_the_page_shows_the_figures_in_the_language_of_the_reader(
    client: Client, stream: LiveStream, moderator: User, senior: User
) -> None:
    ban = decided(stream, "a", moderator, Review.UPHELD, ago=timedelta(hours=1), after=timedelta(minutes=90))
    decided(stream, "b", moderator, Review.LIFTED, ago=timedelta(hours=1), after=timedelta(minutes=30))
    services.overrule_review(ban.pk, by=senior, now=timezone.now(), verdict=Review.LIFTED, reason="Too hard.")
    text = text_of(client.get(TEAM))
    assert "moderator 2 2 2 1 0 1 1 (50%) 30\xa0minutes" in text.replace("30 minutes", "30\xa0minutes")
    assert "Ekip" in text_of(client.get(TEAM, headers={"Accept-Language": "tr"}))


def test_the_page_without_decisions(client: Client) -> None:
    assert "Nobody has decided" in text_of(client.get(TEAM))


def test_the_page_needs_its_permission_and_reads_only(client: Client, office: Office, moderator: User) -> None:
    assert client.post(TEAM).status_code == 405
    other = office(moderator)
    assert other.get(TEAM).status_code == 403
    assert TEAM not in other.get("/admin/").content.decode()
    assert TEAM in client.get("/admin/").content.decode()


def test_only_the_newest_decisions_are_read_and_the_page_says_so(
    client: Client, stream: LiveStream, moderator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(team_figures, "MOST_DECISIONS", 2)
    for days in (1, 2, 3):
        decided(stream, f"p{days}", moderator, Review.UPHELD, ago=days * DAY, after=timedelta(hours=1))
    assert of(moderator).decisions[MONTH] == 2
    assert "There are more decisions" in text_of(client.get(TEAM))


@pytest.mark.slow
@pytest.mark.usefixtures("no_dead_rows")
def test_the_figures_of_many_decisions_are_read_from_an_index(
    client: Client, stream: LiveStream, moderator: User, creator: User
) -> None:
    """100,000 reviewed bans, of which 40,000 are of the last 30 days."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            """
            INSERT INTO bans_livestreamban (id, created_at, updated_at, stream_id, target_id, action_type,
                created_by_id, review, reviewed_by_id, reviewed_at, expires_at)
            SELECT substr(decode(md5(n::text), 'hex'), 1, 12), at - interval '2 hours', at, %s,
                substr(decode(md5('p' || n), 'hex'), 1, 12), 'BLOCK', %s,
                (ARRAY['upheld', 'lifted', 'changed'])[1 + n %% 3], %s, at, at
            FROM generate_series(1, 100000) AS n, LATERAL (SELECT now() - n * interval '65 seconds' AS at) AS moment
            """,
            [bytes.fromhex(stream.pk), bytes.fromhex(creator.pk), bytes.fromhex(moderator.pk)],
        )
        cursor.execute("SET LOCAL session_replication_role = origin")
        cursor.execute("ANALYZE bans_livestreamban")
        cursor.execute(
            f"EXPLAIN {team_figures._STANDING}",
            {
                "day": timezone.now() - DAY,
                "week": timezone.now() - WEEK,
                "month": timezone.now() - MONTH,
                "most": 30_000,
            },
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "ban_by_review_time" in plan
    client.get(TEAM)
    with CaptureQueriesContext(connection) as seen:
        client.get(TEAM)
    assert len(seen) <= 15
    assert of(moderator).decisions[MONTH] == 30_000
